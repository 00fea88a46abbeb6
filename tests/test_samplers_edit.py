"""Generate, then edit: what is doubted, what is taken back, how it is redone, and when it ends."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from dlmviz import decoding
from dlmviz.opening import begin
from dlmviz.samplers.edit import Edit
from dlmviz.samplers.fast_dllm import FastDllm
from dlmviz.samplers.llada import Llada
from dlmviz.types import (
    Canvas,
    Choice,
    InputError,
    Needs,
    Prediction,
    RunSpec,
    Special,
    Step,
    Trace,
)
from tests.steps import MASK, positions, step
from tests.toy import MASK as TOY_MASK
from tests.toy import Toy, ids

WRONG = "the dog sat fast . <eos> <eos> <eos>"  # no sentence: ran fast, or sat home


@dataclass(frozen=True)
class Writes:
    """A draft that is given: its words, masks where it has none, all in one step."""

    words: str = WRONG

    name: ClassVar[str] = "writes"
    paper: ClassVar[str] = "test"
    needs: ClassVar[Needs] = Needs()
    score_dtype: ClassVar[str] = "float64"

    def select(self, step: Step, memory: Any) -> Choice:
        tokens = step.canvas.tokens.clone()
        words = ids(self.words)
        tokens[step.block][: len(words)] = torch.tensor(words)
        transfer = step.candidates & (tokens != TOY_MASK)
        return Choice(transfer, step.confidence, tokens=tokens, memory=(memory or 0) + 1)


def run(sampler: Any, **settings: Any) -> tuple[Trace, Toy]:
    model, spec = Toy(), RunSpec(**{"prompt": "the", "gen_length": 8, "block_length": 8} | settings)
    start = begin(model, spec)
    records = [r for _, r in decoding.steps(model, sampler, spec, start)]
    return dataclasses.replace(start, steps=tuple(records)), model


def text(trace: Trace) -> str:
    return Toy().text(trace.final[1:].tolist())


def test_a_doubtful_token_is_taken_back_and_the_rest_made_consistent() -> None:
    trace, model = run(Edit(draft=Writes()))
    assert text(trace) == "the dog ran fast . <eos> <eos> <eos>"
    assert [r.positions.tolist() for r in trace.steps] == [[1, 2, 3, 4, 5, 6, 7, 8], [], [3], []]
    assert [r.remasked.tolist() for r in trace.steps] == [[], [3], [], []]
    assert [r.nfe for r in trace.steps] == [1, 1, 1, 1]
    assert model.calls == [1, 4, 1, 4]  # four chunks, in one call
    assert trace.steps[1].why == {3: "taken back: p 0.00033 given the rest"}
    assert trace.steps[2].why == {3: "edited: one at a time"}


def test_consistency_is_the_probability_given_all_but_the_chunk() -> None:
    """Hidden with each other: positions 1 and 5, 2 and 6, 3 and 7, 4 and 8."""
    trace, _ = run(Edit(draft=Writes()))
    s = trace.steps[1].signals["consistency"]
    smooth = 1e-4
    # "sat", hidden with an eos: only "the dog ran fast" agrees, of weight 0.3; 9 words in all.
    assert s[2] == pytest.approx(smooth / (0.3 + 9 * smooth), rel=1e-5)
    # "fast": only "the dog sat home" agrees, of weight 0.2.
    assert s[3] == pytest.approx(smooth / (0.2 + 9 * smooth), rel=1e-5)
    # "the", hidden with ".": no sentence agrees, so nothing is known.
    assert s[0] == pytest.approx(1 / 9, rel=1e-5)
    assert math.isnan(s[6])  # behind the first eos
    assert not math.isnan(s[5])  # the first eos itself


def test_with_no_rounds_the_draft_stays_and_nothing_is_scored() -> None:
    trace, model = run(Edit(draft=Writes(), rounds=0))
    assert text(trace) == WRONG
    assert model.calls == [1]
    assert trace.nfe == 1


def test_a_consistent_draft_is_scored_once_and_kept() -> None:
    trace, model = run(Edit(draft=Writes("the cat sat home . <eos> <eos> <eos>")))
    assert len(trace.steps) == 2
    assert model.calls == [1, 4]


def test_it_ends_when_what_was_taken_back_came_back_the_same() -> None:
    """At floor 1 "the" always is doubtful: its law is smoothed, so never quite certain."""
    sure = "the cat sat home . <eos> <eos> <eos>"
    trace, model = run(Edit(draft=Writes(sure), floor=1.0, rounds=10))
    assert text(trace) == sure
    assert [r.remasked.size for r in trace.steps] == [0, 1, 0, 0]
    assert model.calls == [1, 4, 1]  # the last step needs no score to see it


def test_a_round_takes_back_a_share_and_the_rounds_are_limited() -> None:
    """Six tokens to the first eos: floor(0.5 * 6) are taken back, redone one at a time."""
    trace, _ = run(Edit(draft=Writes(), share=0.5, floor=1.0, rounds=1))
    assert [r.remasked.size for r in trace.steps] == [0, 3, 0, 0, 0, 0]
    assert [r.positions.size for r in trace.steps] == [8, 0, 1, 1, 1, 0]
    waits = [sorted(r.why.values()) for r in trace.steps[2:5]]
    assert waits[0] == ["edited: one at a time", "waits its turn", "waits its turn"]


def test_masks_behind_an_eos_are_left_alone_in_a_run_that_stops_there() -> None:
    trace, _ = run(Edit(draft=Writes("the dog sat fast . <eos>")), stop="eos")
    assert text(trace) == "the dog ran fast . <eos> <mask> <mask>"
    assert trace.steps[-1].nfe == 1


def test_blocks_become_one_and_a_prompt_is_never_taken_back() -> None:
    trace, _ = run(
        Edit(draft=FastDllm(tau=0.0), floor=1.0, share=0.5),
        prompt="the dog",
        gen_length=16,
        block_length=8,
    )
    taken = [i for r in trace.steps for i in r.remasked.tolist()]
    assert taken
    assert min(taken) >= 2
    assert {r.block for r in trace.steps[2:]} == {(2, 18)}


def scored(p: list[float], sampler: Edit, **given: Any) -> Choice:
    """The choice at a full canvas whose tokens, all 1, have these probabilities given the rest."""
    masks_seen: list[Tensor] = []

    def peek(stack: Tensor) -> list[Prediction]:
        masks_seen.extend(stack == MASK)
        logits = torch.full((len(p), MASK + 1), -torch.inf, dtype=torch.float64)
        logits[:, 1] = torch.tensor(p, dtype=torch.float64).log()
        logits[:, 2] = (1 - torch.tensor(p, dtype=torch.float64)).log()
        logits[:, MASK] = 50.0  # a model may want the mask token: it is never an answer
        return [Prediction(torch.arange(len(p)), logits) for _ in stack]

    tokens = torch.ones(len(p), dtype=torch.int64)
    tokens[torch.tensor(given.pop("masked", []), dtype=torch.int64)] = MASK
    values = {
        "canvas": Canvas(tokens, 0, len(p), MASK),
        "candidates": torch.zeros(len(p), dtype=torch.bool),
        "fixed": torch.zeros(len(p), dtype=torch.bool),
        "peek": peek,
        "revise": True,
    }
    choice = sampler.select(step([-2.0] * len(p), **{**values, **given}), None)
    hidden = torch.stack(masks_seen) & (tokens != MASK)
    assert not (hidden[:, 1:] & hidden[:, :-1]).any()  # never two neighbours
    assert (hidden.sum(0) <= 1).all()
    return choice


def taken(choice: Choice) -> list[int]:
    assert choice.remask is not None
    assert not choice.transfer.any()
    assert choice.wait == (not choice.remask.any())
    found: list[int] = choice.remask.nonzero()[:, 0].tolist()
    return found


HALF = Edit(draft=FastDllm(), floor=0.5, share=0.5)


def test_equality_with_the_floor_stays() -> None:
    assert taken(scored([0.5, 0.49, 0.6, 0.7], HALF)) == [1]
    assert taken(scored([0.5, 0.5, 0.6, 0.7], HALF)) == []


def test_the_lowest_go_first_and_ties_go_to_the_left() -> None:
    assert taken(scored([0.2, 0.1, 0.2, 0.2, 0.9], HALF)) == [0, 1]
    assert taken(scored([0.4, 0.3, 0.2], dataclasses.replace(HALF, share=0.01))) == [2]


def test_given_masked_and_late_tokens_are_not_scored() -> None:
    fixed = torch.tensor([True, False, False, False, False])
    choice = scored([0.1] * 5, HALF, fixed=fixed, masked=[1])
    assert choice.signals["consistency"].isnan().tolist() == [True, True, False, False, False]
    assert taken(choice) == [2]  # floor(0.5 * 3)
    behind = scored([0.1] * 5, HALF, special=Special(MASK, 1))  # token 1, the first, is an eos
    assert behind.signals["consistency"].isnan().tolist() == [False, True, True, True, True]
    prompt = Canvas(torch.ones(5, dtype=torch.int64), 2, 3, MASK)  # its masks were filled too
    in_prompt = scored([0.1] * 5, HALF, canvas=prompt)
    assert in_prompt.signals["consistency"].isnan().tolist() == [True, True, False, False, False]
    no_eos = scored([0.1] * 5, HALF, special=Special(MASK))
    assert not no_eos.signals["consistency"].isnan().any()


def test_masks_behind_an_eos_wait_for_what_was_taken_back() -> None:
    memory = (None, 1, torch.tensor([True, False, False]), torch.tensor([1, 1, 1]))
    assert positions(HALF.select(step([0.2, 0.9, 0.3]), memory)) == [0]
    assert positions(HALF.select(step([-2, 0.3, 0.9]), memory)) == [2]  # that eos has gone


def test_the_draft_keeps_its_own_memory_needs_and_end() -> None:
    sampler = Edit(draft=Writes())
    canvas = Canvas(torch.full((8,), TOY_MASK), 0, 8, TOY_MASK)
    first = sampler.select(step([0.5] * 8, canvas=canvas), None)
    again = sampler.select(step([0.5] * 8, canvas=canvas), first.memory)
    assert again.memory[0] == 2
    assert sampler.needs == Needs(revises=True)
    assert sampler.score_dtype == "float64"
    assert getattr(sampler, "ends", None) is None
    llada = Edit(draft=Llada(steps=4))
    full = Canvas(torch.ones(8, dtype=torch.int64), 0, 8, MASK)
    assert (llada.score_dtype, llada.steps) == ("native", 4)
    assert [llada.ends(full, 0, done) for done in (3, 4)] == [False, True]


def test_an_edit_without_a_draft_or_of_an_edit_is_refused() -> None:
    with pytest.raises(InputError, match=r"needs another sampler's draft: got None; use make\(\)"):
        Edit()
    with pytest.raises(InputError, match="got Edit"):
        Edit(draft=HALF)


def test_an_edit_can_be_copied_and_sent() -> None:
    assert copy.deepcopy(HALF) == pickle.loads(pickle.dumps(HALF)) == HALF
