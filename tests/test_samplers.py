import dataclasses
import re

import pytest
import torch

from dlmviz.samplers import SAMPLERS, make
from dlmviz.samplers.fast_dllm import FastDllm
from dlmviz.samplers.llada import Llada, schedule
from dlmviz.samplers.order import LeftToRight, Random
from dlmviz.types import InputError
from tests.steps import chosen, step


@pytest.mark.parametrize(
    ("masks", "steps", "expected"),
    [(32, 32, [1] * 32), (10, 4, [3, 3, 2, 2]), (3, 5, [1, 1, 1, 0, 0])],
)
def test_llada_schedule_spreads_the_masks_over_the_steps(masks, steps, expected) -> None:
    assert schedule(masks, steps) == expected


def test_llada_commits_the_most_confident_by_its_schedule() -> None:
    sampler = Llada(steps=2)
    first = sampler.select(step([0.1, 0.9, 0.5, 0.5]), None)
    assert first.transfer.tolist() == [False, True, True, False]  # the tie goes left
    again = sampler.select(step([0.1, -2, -2, 0.5], in_block=1), first.memory)
    assert again.transfer.tolist() == [True, False, False, True]


def test_llada_waits_when_its_schedule_says_zero() -> None:
    choice = Llada(steps=4).select(step([-2, -2, 0.5, -2], in_block=3), [1, 0, 0, 0])
    assert choice.wait
    assert not choice.transfer.any()


def test_llada_with_random_remasking_ignores_the_confidence() -> None:
    picks = {
        tuple(
            chosen(
                Llada(steps=4, remasking="random"),
                step([0.9, 0.1, 0.1, 0.1], rng=torch.Generator().manual_seed(seed)),
            )
        )
        for seed in range(20)
    }
    assert len(picks) == 4


def test_steps_that_the_blocks_cannot_share_are_refused() -> None:
    at = step([0.5] * 6, block_length=2)
    with pytest.raises(InputError, match="multiple of the number of blocks: got 4 steps and 3"):
        Llada(steps=4).select(at, None)


def test_equality_commits_at_the_threshold() -> None:
    assert chosen(FastDllm(tau=0.9), step([0.95, 0.9, 0.89])) == [0, 1]


def test_below_the_threshold_only_the_best_is_committed_and_ties_go_left() -> None:
    assert chosen(FastDllm(tau=0.9), step([0.5, 0.4])) == [0]
    assert chosen(FastDllm(tau=0.9), step([0.3, 0.5, 0.5])) == [1]


def test_the_threshold_is_rounded_to_the_dtype_of_the_confidence() -> None:
    """0.9 is 230/256 in bfloat16, so 0.8984375 passes there and not in float64."""
    confidence = [0.99, 0.8984375]
    assert chosen(FastDllm(tau=0.9), step(confidence, torch.bfloat16)) == [0, 1]
    assert chosen(FastDllm(tau=0.9), step(confidence, torch.float64)) == [0]


def test_a_threshold_of_one_is_one_token_a_step_and_zero_is_all_at_once() -> None:
    assert chosen(FastDllm(tau=1.0), step([0.5, 0.999, 0.7])) == [1]
    assert chosen(FastDllm(tau=0.0), step([0.5, 0.999, 0.7])) == [0, 1, 2]


def test_left_to_right_takes_the_leftmost_k() -> None:
    assert chosen(LeftToRight(k=2), step([-2, 0.1, 0.9, 0.9])) == [1, 2]


def test_random_takes_k_and_reaches_every_candidate() -> None:
    seen = set()
    for seed in range(40):
        at = step([0.9, -2, 0.1, 0.2], rng=torch.Generator().manual_seed(seed))
        picked = chosen(Random(k=2), at)
        assert len(picked) == 2
        seen.update(picked)
    assert seen == {0, 2, 3}


@pytest.mark.parametrize("kind", SAMPLERS.values(), ids=str)
def test_every_sampler_explains_itself(kind) -> None:
    assert kind.__doc__
    assert kind.paper
    assert re.fullmatch(r"[a-z][a-z_]*", kind.name)
    for field in dataclasses.fields(kind):
        assert field.metadata["help"], f"{kind.name}.{field.name} has no help text"
        numeric = isinstance(field.default, int | float) and not isinstance(field.default, bool)
        if numeric:
            assert field.metadata["low"] <= field.default <= field.metadata["high"]


def test_knobs_given_as_text_are_converted() -> None:
    assert make("fast_dllm", {"tau": "0.7"}) == FastDllm(tau=0.7)
    assert make("llada", {"steps": "64"}) == Llada(steps=64)
    assert make("fast_dllm", {"tau": 1}) == FastDllm(tau=1.0)


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("fastdllm", {}, "unknown sampler: got 'fastdllm', known are llada, .*mean fast_dllm"),
        ("fast_dllm", {"tua": 1}, "unknown parameter of fast_dllm: got 'tua'.*did you mean tau"),
        ("fast_dllm", {"tau": 1.5}, "fast_dllm.tau must lie in 0.0 to 1.0: got 1.5"),
        ("fast_dllm", {"tau": float("nan")}, "fast_dllm.tau must lie in 0.0 to 1.0: got nan"),
        ("fast_dllm", {"tau": "high"}, "fast_dllm.tau must be a number: got 'high'"),
        ("llada", {"steps": 2.5}, "llada.steps must be a whole number: got 2.5"),
        ("llada", {"steps": True}, "llada.steps must be a whole number: got True"),
        ("llada", {"remasking": "low"}, "must be one of low_confidence, random: got 'low'"),
    ],
)
def test_unknown_or_unusable_knobs_are_named_with_what_is_allowed(name, params, message) -> None:
    with pytest.raises(InputError, match=message):
        make(name, params)
