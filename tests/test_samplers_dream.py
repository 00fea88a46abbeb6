"""Dream's rule on hand-made steps: its grid of times, its four orders, its chance."""

from __future__ import annotations

import math

import pytest
import torch

from dlmviz.decoding import decode
from dlmviz.samplers.dream import Dream
from dlmviz.types import Canvas, RunSpec
from tests.steps import MASK, chosen, positions, step


def counts(sampler: Dream, masks: int, steps: int) -> list[int]:
    """How many tokens each step commits when the most confident are always taken."""
    confidence, found = [0.5] * masks, []
    for index in range(steps):
        taken = chosen(sampler, step(confidence, in_block=index))
        for position in taken:
            confidence[position] = -2
        found.append(len(taken))
    return found


@pytest.mark.parametrize(
    ("masks", "steps", "expected"),
    [
        (128, 128, [0, *[1] * 126, 2]),
        (256, 256, [0, *[1] * 254, 2]),
        (256, 128, [1, *[2] * 126, 3]),
        (256, 8, [31, *[32] * 6, 33]),
    ],
)
def test_the_grid_of_times_commits_what_the_published_loop_does(masks, steps, expected) -> None:
    assert counts(Dream(steps=steps, alg="maskgit_plus"), masks, steps) == expected


def test_shares_are_rounded_to_float32() -> None:
    """Of 4 masks 1 - 0.3 / 0.4 is one, of 24 masks 1 - 0.5 / 0.75 is seven; exactly 1 and 8."""
    sampler = {"eps": 0.0, "alg": "maskgit_plus"}
    assert len(chosen(Dream(steps=10, **sampler), step([0.5] * 4, in_block=6))) == 1
    assert len(chosen(Dream(steps=4, **sampler), step([0.5] * 24, in_block=1))) == 7


def test_without_steps_there_is_one_for_each_token() -> None:
    assert counts(Dream(alg="maskgit_plus"), 128, 128) == [0, *[1] * 126, 2]


def test_masks_of_the_prompt_count_and_are_candidates() -> None:
    infill = step([0.5] * 4, canvas=Canvas(torch.full((4,), MASK), 2, 2, MASK))
    assert chosen(Dream(steps=2, eps=0.0, alg="maskgit_plus"), infill) == [0, 1]  # 4 (1 - 1/2)


def test_the_order_is_confidence_and_ties_go_left() -> None:
    sampler = Dream(steps=2, eps=0.0, alg="maskgit_plus")
    assert chosen(sampler, step([0.2, 0.7, 0.9, 0.7])) == [1, 2]


LAWS = torch.tensor(
    [
        [0.60, 0.40, 0.00, 0.00],  # p1 - p2 = 0.20, H = 0.673
        [0.50, 0.17, 0.17, 0.16],  # 0.33, 1.242
        [0.50, 0.25, 0.25, 0.00],  # 0.25, 1.040
        [0.25, 0.25, 0.25, 0.25],  # 0, ln 4
    ]
)


@pytest.mark.parametrize(
    ("alg", "first"), [("maskgit_plus", [3, 2]), ("topk_margin", [1, 2]), ("entropy", [0, 2])]
)
def test_confidence_margin_and_entropy_order_differently(alg, first) -> None:
    at = step([0.1, 0.2, 0.3, 0.4], probs=lambda: LAWS)
    assert chosen(Dream(steps=4, eps=0.0, alg=alg), at) == first[:1]
    assert chosen(Dream(steps=2, eps=0.0, alg=alg), at) == sorted(first)


def test_scores_are_formed_in_the_dtype_of_the_probabilities() -> None:
    at = step([0.5], probs=lambda: torch.tensor([[0.5, 0.5, 0.0]]))
    entropy = Dream(steps=2).select(at, None).score
    assert entropy.tolist() == pytest.approx([-math.log(2)])
    assert Dream(steps=2, alg="topk_margin").select(at, None).score.tolist() == [0]
    rough = step([0.5], probs=lambda: torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.bfloat16))
    assert Dream(steps=2).select(rough, None).score.dtype == torch.bfloat16


def test_the_margin_is_recorded_where_it_decides() -> None:
    at = step([0.1, -2, 0.2, 0.3, 0.4], probs=lambda: LAWS)
    signals = Dream(steps=2, alg="topk_margin").select(at, None).signals
    found = signals["margin"].tolist()
    assert found[0] == pytest.approx(0.2)
    assert math.isnan(found[1])
    assert found[2:] == pytest.approx([0.33, 0.25, 0])
    assert Dream(steps=2).select(at, None).signals == {}


def test_origin_takes_draws_strictly_below_the_share(monkeypatch) -> None:
    draws = torch.tensor([0.5, 0.49, 0.9])
    monkeypatch.setattr(torch, "rand", lambda n, generator, device: draws[:n])
    choice = Dream(steps=2, eps=0.0, alg="origin").select(step([0.1, -2, 0.1, 0.1]), None)
    assert positions(choice) == [2]
    assert choice.score.tolist() == pytest.approx([0.5, math.nan, 0.49, 0.9], nan_ok=True)


def test_origin_draws_from_the_runs_stream_and_takes_all_at_the_last_step() -> None:
    drawn = torch.rand(4, generator=torch.Generator().manual_seed(0)).tolist()
    choice = Dream(steps=5, alg="origin").select(step([0.1] * 4, in_block=4), None)
    assert choice.score.tolist() == drawn
    assert positions(choice) == [0, 1, 2, 3]


def test_origin_may_take_nothing_and_then_waits(monkeypatch) -> None:
    monkeypatch.setattr(torch, "rand", lambda n, generator, device: torch.ones(n) * 0.9)
    choice = Dream(steps=5, alg="origin").select(step([0.1] * 4), None)
    assert choice.wait
    assert positions(choice) == []


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("alg", ["maskgit_plus", "topk_margin"])
def test_a_temperature_of_the_order_draws_what_torch_multinomial_draws(alg, seed) -> None:
    margins = [0.2, -2, 0.33, 0.25, 0.0]
    rng = torch.Generator().manual_seed(seed)
    at = step(margins, torch.float32, rng=rng, probs=lambda: LAWS)
    score = torch.tensor(margins)
    score[1] = float("-inf")
    again = torch.Generator().manual_seed(seed)
    wanted = torch.multinomial(torch.softmax(score / 0.1, -1), 2, generator=again)
    assert chosen(Dream(steps=2, eps=0.0, alg=alg, alg_temp=0.1), at) == sorted(wanted.tolist())


def test_a_draw_stays_among_the_candidates_when_all_other_weights_vanish() -> None:
    at = step([-2, -2, 0.0, 0.0, 1.0, 0.0], torch.float32)
    sampler = Dream(steps=2, eps=0.0, alg="maskgit_plus", alg_temp=0.001)
    assert chosen(sampler, at) == [2, 4]  # softmax is 1 at position 4 and exactly 0 elsewhere


def test_exactly_its_steps_are_run_idle_ones_too() -> None:
    full = step([-2, -2]).canvas
    assert not Dream(steps=3).ends(full, 0, 2)
    assert Dream(steps=3).ends(step([0.5, 0.5]).canvas, 0, 3)
    assert not Dream().ends(full, 0, 1)
    assert Dream().ends(full, 0, 2)


@pytest.mark.parametrize("alg", ["origin", "maskgit_plus", "topk_margin", "entropy"])
def test_a_full_canvas_is_waited_through(alg) -> None:
    full = step([-2, -2], in_block=1, probs=lambda: torch.zeros(0, 8))
    choice = Dream(steps=4, alg=alg, alg_temp=0.5).select(full, None)
    assert choice.wait
    assert not choice.transfer.any()
    assert choice.why() == {}


@pytest.mark.parametrize("alg", ["origin", "maskgit_plus", "topk_margin", "entropy"])
def test_a_run_costs_its_steps_and_leaves_no_mask(toy, alg) -> None:
    spec = RunSpec(prompt="the cat", gen_length=8, block_length=4, sampler="dream")
    trace = decode(toy, Dream(steps=12, alg=alg), spec)
    assert trace.nfe == 12
    assert not (trace.final == trace.mask_id).any()
    assert trace.steps[0].block == (2, 10)  # one canvas, whatever the block length


def test_every_candidate_is_told_why() -> None:
    at = step([0.2, -2, 0.9, 0.3])
    half = {"steps": 2, "eps": 0.0, "alg": "maskgit_plus"}
    assert Dream(**half).select(at, None).why() == {
        0: "not in top 1",
        2: "scheduled: top 1",
        3: "not in top 1",
    }
    drawn = Dream(**half, alg_temp=0.01).select(at, None)
    assert drawn.why() == {0: "not drawn", 2: "drawn by score: 1", 3: "not drawn"}
    assert set(Dream(steps=99).select(at, None).why().values()) == {"nothing scheduled"}
    chance = Dream(steps=2, eps=0.0, alg="origin").select(at, None)
    said = {True: "draw below 0.5", False: "draw not below 0.5"}
    assert chance.why() == {i: said[bool(chance.transfer[i])] for i in (0, 2, 3)}
