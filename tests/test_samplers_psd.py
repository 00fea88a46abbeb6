"""Speculative decoding: what is drafted, on which canvas it is judged, what a run costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from dlmviz import decoding
from dlmviz.opening import begin
from dlmviz.samplers import make
from dlmviz.samplers.psd import Psd
from dlmviz.types import Canvas, Prediction, RunSpec, Step, Trace
from tests.steps import MASK, chosen, positions, step
from tests.toy import MASK as TOY_MASK
from tests.toy import Toy

Says = dict[int, tuple[int, float]]  # position -> proposal, confidence


def told(said: Says, canvas: Canvas, **given: Any) -> Step:
    """A step in which the model says this about the masked positions of the canvas."""
    masked = canvas.masked.tolist()
    c = [said[i][1] if masked[i] else -2.0 for i in range(len(masked))]
    proposal = [said[i][0] if masked[i] else MASK for i in range(len(masked))]
    return step(c, canvas=canvas, proposal=torch.tensor(proposal), **given)


def world(model: Callable[[list[int]], Says], tokens: list[int], block_length: int) -> Any:
    """A step at these tokens, and the list of stacks it peeked at.

    `model` says what it proposes. Logits are only labels: 10 k + i of canvas k at position i.
    """
    peeked: list[list[list[int]]] = []
    every = torch.arange(len(tokens))

    def peek(stack: Tensor) -> list[Prediction]:
        peeked.append(stack.tolist())
        return [Prediction(every, 10 * k + every[:, None]) for k in range(len(stack))]

    def at(canvas: Canvas, prediction: Prediction) -> Step:
        masked = canvas.masked.nonzero()[:, 0].tolist()
        assert prediction.rows.tolist() == masked
        assert (prediction.logits[:, 0] % 10).tolist() == masked
        candidates = canvas.masked & (every < block_length)
        said = model(canvas.tokens.tolist())
        return told(said, canvas, candidates=candidates, peek=peek, at=at)

    canvas = Canvas(torch.tensor(tokens), 0, block_length, MASK)
    return at(canvas, Prediction(rows := canvas.masked.nonzero()[:, 0], rows[:, None])), peeked


M = MASK
STEADY = {0: (0, 0.95), 1: (1, 0.6), 2: (2, 0.8), 3: (3, 0.7), 4: (4, 0.99)}


def steady(tokens: list[int]) -> Says:
    return STEADY


def test_the_threshold_is_strict_and_the_best_goes_alone_when_none_passes() -> None:
    base = Psd(depth=0)
    assert chosen(base, step([0.95, 0.9, 0.91])) == [0, 2]
    assert chosen(base, step([0.5, 0.9, 0.9])) == [1]


def test_top_1_takes_one_however_sure_the_others_are() -> None:
    assert chosen(Psd(policy="top_1", depth=0), step([0.97, 0.99, 0.99])) == [1]


def test_a_leap_takes_what_is_near_an_anchor_and_above_the_lower_threshold() -> None:
    leap = Psd(policy="local_leap", depth=0)
    #              0    1    2    3     4    5     anchor 0; 1 equals tau_near; 4 is near, 5 is not
    assert chosen(leap, step([0.95, 0.75, 0.5, 0.76, 0.8, 0.8])) == [0, 3, 4]
    assert chosen(leap, step([0.9, 0.89, 0.5])) == [0]  # no anchor: the best alone
    assert chosen(dataclasses.replace(leap, radius=0), step([0.95, 0.89, 0.93])) == [0, 2]


def test_drafts_follow_confidence_and_each_canvas_adds_one_group() -> None:
    now, peeked = world(steady, [M, M, M, M, M], 4)
    choice = Psd(depth=2).select(now, None)
    assert peeked == [[[0, M, M, M, M], [0, M, 2, M, M], [0, M, 2, 3, M]]]
    assert positions(choice) == [0, 2, 3]
    assert choice.signals["depth"].nan_to_num(nan=-1).tolist() == [0, -1, 1, 2, -1]
    assert choice.signals["rank"].nan_to_num(nan=-1).tolist() == [1, 4, 2, 3, -1]


def test_a_group_may_hold_several_tokens_and_the_last_what_is_left() -> None:
    now, peeked = world(steady, [M, M, M, M, M], 4)
    choice = Psd(depth=5, group=2).select(now, None)
    assert peeked == [[[0, M, M, M, M], [0, M, 2, 3, M], [0, 1, 2, 3, M]]]
    assert choice.signals["depth"].nan_to_num(nan=-1).tolist() == [0, 2, 1, 1, -1]


def test_equal_confidences_are_drafted_from_the_left() -> None:
    now, _ = world(lambda tokens: {i: (i, 0.5) for i in range(4)}, [M, M, M, M], 4)
    assert positions(Psd(depth=1).select(now, None)) == [0, 1]


def test_the_prediction_of_the_new_canvas_is_handed_on_with_its_masked_rows_only() -> None:
    now, _ = world(steady, [M, M, M, M, M], 4)
    choice = Psd(depth=2).select(now, None)
    assert choice.prediction is not None
    assert choice.prediction.rows.tolist() == [1, 4]  # position 4: the next block goes on from it
    assert choice.prediction.logits[:, 0].tolist() == [21, 24]  # of the third canvas


@pytest.mark.parametrize(
    ("sampler", "tokens"), [(Psd(depth=0), [M, M, M, M, M]), (Psd(depth=3), [M, 1, 2, 3, M])]
)
def test_nothing_is_peeked_at_where_nothing_is_drafted(sampler, tokens) -> None:
    now, peeked = world(steady, tokens, 4)
    choice = sampler.select(now, None)
    assert positions(choice) == [0]
    assert peeked == []
    assert choice.prediction is None


def changes_its_mind(tokens: list[int]) -> Says:
    """Once 2 is written, 3 should be another token; once 3 is, the old one is right again."""
    return STEADY | ({3: (7, 0.7)} if tokens[2] == 2 and tokens[3] == M else {})


def test_a_group_is_judged_by_what_the_model_said_before_it_saw_it() -> None:
    now, _ = world(changes_its_mind, [M, M, M, M, M], 4)
    choice = Psd(depth=3).select(now, None)
    assert positions(choice) == [0, 2]
    assert choice.prediction is not None
    assert choice.prediction.rows.tolist() == [1, 3, 4]
    assert choice.why is not None
    assert choice.why() == {
        0: "policy: above tau",
        1: "draft not reached",
        2: "draft accepted at depth 1",
        3: "draft rejected: model now says another token",
    }


def surer(confidence: dict[int, float]) -> Callable[[list[int]], Says]:
    """The same tokens, and these confidences once position 0 is written."""
    later = STEADY | {i: (i, c) for i, c in confidence.items()}
    return lambda tokens: STEADY if tokens[0] == M else later


@pytest.mark.parametrize(
    ("later", "accepted_by"),
    [
        ({2: 0.91}, ("token", "subset", "exact")),  # the policy would commit just the draft
        ({2: 0.91, 3: 0.92}, ("token", "subset")),  # the draft, and one more
        ({3: 0.92}, ("token",)),  # another position
        ({2: 0.9, 3: 0.9}, ("token", "subset", "exact")),  # none passes: the left of the two
    ],
)
@pytest.mark.parametrize("accept", ["token", "subset", "exact"])
def test_acceptance_compares_the_draft_with_the_policy_after_it(later, accepted_by, accept) -> None:
    now, _ = world(surer(later), [M, M, M, M, M], 4)
    choice = Psd(depth=1, accept=accept).select(now, None)
    assert positions(choice) == ([0, 2] if accept in accepted_by else [0])
    assert choice.why is not None
    if accept not in accepted_by:
        assert choice.why()[2] == "draft rejected: not what the policy would commit"
    assert choice.why()[3] == "not drafted"


def test_one_wrong_token_refuses_its_group() -> None:
    now, _ = world(lambda t: STEADY | ({3: (7, 0.7)} if t[0] == 0 else {}), [M] * 5, 4)
    choice = Psd(depth=1, group=2).select(now, None)
    assert positions(choice) == [0]
    assert choice.why is not None
    assert choice.why()[2] == "draft rejected: its group differs"


def test_the_policy_says_why_it_took_what_it_took() -> None:
    def words(sampler: Psd, confidence: list[float]) -> list[str]:
        why = sampler.select(step(confidence), None).why
        assert why is not None
        return list(why().values())

    leap = Psd(policy="local_leap", depth=0)
    assert words(leap, [0.95, 0.8]) == ["policy: above tau", "policy: near one above tau"]
    left = ["policy: best of block", "left by the policy"]
    assert words(leap, [0.8, 0.7]) == left
    assert words(Psd(policy="top_1", depth=0), [0.99, 0.95]) == left


class Fickle(Toy):
    """Laws that change a little with every token on the canvas, so that drafts often fail."""

    def _logits(self, tokens: Tensor) -> Tensor:
        shape = (len(tokens), self.vocab_size)
        mark = int((tokens * (31 * torch.arange(len(tokens)) + 7) ** 2).sum())
        fixed = 3 * torch.randn(shape, generator=torch.Generator().manual_seed(1))
        logits = fixed + torch.randn(shape, generator=torch.Generator().manual_seed(mark))
        logits[:, TOY_MASK] = self.mask_logit
        return logits


def run(name: str, **params: Any) -> tuple[Trace, Fickle]:
    model, spec = Fickle(), RunSpec(prompt="the", gen_length=24, block_length=8)
    start = begin(model, spec)
    records = [r for _, r in decoding.steps(model, make(name, params), spec, start)]
    return dataclasses.replace(start, steps=tuple(records)), model


def canvases(trace: Trace) -> list[list[int]]:
    return [trace.canvas_at(k).tolist() for k in range(len(trace.steps) + 1)]


POLICIES = ("top_1", "threshold", "local_leap")


@pytest.mark.parametrize(("policy", "tau"), [("top_1", 1.0), ("threshold", 0.9)])
def test_depth_zero_is_the_policy_in_tokens_and_forwards(policy, tau) -> None:
    trace, model = run("psd", policy=policy, depth=0)
    plain, _ = run("fast_dllm", tau=tau)
    assert canvases(trace) == canvases(plain)
    assert trace.nfe == plain.nfe == len(model.calls) == sum(model.calls)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("depth", [1, 3, 5])
def test_exact_acceptance_skips_through_the_run_of_its_policy(policy, depth) -> None:
    trace, model = run("psd", policy=policy, depth=depth, accept="exact")
    alone, _ = run("psd", policy=policy, depth=0)
    passed = iter(canvases(alone))
    assert all(canvas in passed for canvas in canvases(trace))  # in order, some left out
    assert trace.final.tolist() == alone.final.tolist()
    assert len(trace.steps) < len(alone.steps)
    assert trace.nfe < alone.nfe
    assert trace.nfe == len(model.calls)
    assert sum(r.sequence_forwards for r in trace.steps) == sum(model.calls) > alone.nfe


@pytest.mark.parametrize("policy", POLICIES)
def test_milder_acceptance_takes_fewer_forwards(policy) -> None:
    token, subset, exact = (
        run("psd", policy=policy, accept=accept)[0].nfe for accept in ("token", "subset", "exact")
    )
    assert token < subset <= exact


def test_a_step_whose_prediction_was_handed_on_costs_its_verification_only() -> None:
    trace, _ = run("psd", policy="top_1", depth=2)
    first, second = trace.steps[:2]
    assert (first.nfe, first.sequence_forwards) == (2, 1 + 3)
    assert (second.nfe, second.sequence_forwards) == (1, 3)
