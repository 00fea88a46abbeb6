"""What other rules would do at a recorded step, on the toy whose law is known."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from dlmviz import decoding
from dlmviz.samplers import SAMPLERS, make
from dlmviz.types import InputError, RunSpec, Trace
from dlmviz.whatif import Opinion, agreement, opinions
from tests.toy import MASK, WORDS, Toy, ids

pytestmark = pytest.mark.usefixtures("toy_heads")
TWO_BLOCKS = RunSpec(prompt="the", gen_length=16, block_length=8)


def run(sampler: str, spec: RunSpec = TWO_BLOCKS, **params: Any) -> Trace:
    spec = dataclasses.replace(spec, sampler=sampler, params=params)
    return decoding.decode(Toy(), make(sampler, params), spec)


def ask(trace: Trace, step: int, sampler: str, **params: Any) -> Opinion:
    return opinions(Toy(), trace, step, [make(sampler, params)])[0]


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name not in ("klass", "random")])
def test_a_rule_asked_at_the_first_step_of_a_block_says_what_it_did(name: str) -> None:
    trace = run(name)
    entries = {record.block: s for s, record in reversed([*enumerate(trace.steps, 1)])}
    asked = [s for s in entries.values() if (trace.canvas_at(s - 1) == MASK).any()]
    assert len(asked) == (1 if name == "dream" else 2)
    for step in asked:
        record, opinion = trace.steps[step - 1], ask(trace, step, name)
        assert opinion.problem == ""
        assert opinion.positions == tuple(record.positions.tolist())
        assert opinion.tokens == tuple(record.tokens.tolist())
        assert opinion.agreement == 1


@pytest.mark.parametrize("name", ["klass", "random"])
def test_a_rule_that_remembers_or_draws_says_what_it_did_at_the_first_step_of_all(
    name: str,
) -> None:
    trace = run(name)
    assert ask(trace, 1, name).positions == tuple(trace.steps[0].positions.tolist())


def test_each_rule_answers_with_its_positions_tokens_and_reasons() -> None:
    trace = run("fast_dllm")  # step 1 writes 1, 5..8; step 2 writes 3
    asked = opinions(Toy(), trace, 2, [make(name) for name in ("fast_dllm", "top_k", "dapd")])
    by = {opinion.sampler: opinion for opinion in asked}
    assert by["fast_dllm"].positions == (3,)
    assert [WORDS[token] for token in by["fast_dllm"].tokens] == ["sat"]
    assert by["fast_dllm"].why == {
        2: "below tau",
        3: "fallback: best of block",
        4: "below tau",
    }
    assert by["top_k"].agreement == 1
    wider = ask(trace, 2, "fast_dllm", tau=0.0)
    assert wider.positions == (2, 3, 4)
    assert wider.agreement == pytest.approx(1 / 3)


def test_a_rule_on_the_whole_canvas_is_asked_there_and_one_with_blocks_in_its_own() -> None:
    blockwise = run("fast_dllm", TWO_BLOCKS)
    whole = ask(blockwise, 5, "dream", steps=1)  # all masks, and only those of the second block
    assert whole.positions == tuple(range(9, 17))
    early = ask(blockwise, 1, "dream", steps=1)
    assert early.positions == tuple(range(1, 17))
    across = run("dream", steps=1)
    assert across.steps[0].block == (1, 17)
    assert ask(across, 1, "fast_dllm").positions == (1, 5, 6, 7, 8)


def test_a_full_block_is_passed_over() -> None:
    trace = run("left_to_right")
    last = dataclasses.replace(trace.steps[8], block=(1, 9))  # as if it had stayed open, full
    trace = dataclasses.replace(trace, steps=(*trace.steps[:8], last, *trace.steps[9:]))
    assert ask(trace, 9, "left_to_right").positions == (9,)


def test_masks_before_the_open_block_do_not_close_it() -> None:
    trace = run("fast_dllm")
    first = dataclasses.replace(trace.steps[0], block=(9, 17))  # as if the first had been left
    trace = dataclasses.replace(trace, steps=(first, *trace.steps[1:]))
    assert ask(trace, 1, "slow_fast").positions == (9, 13, 14, 15, 16)  # in the block only


def test_forwards_count_the_peeks_of_a_rule() -> None:
    trace = run("fast_dllm")
    asked = {n: ask(trace, 5, n).nfe for n in ("fast_dllm", "slow_fast", "psd")}
    assert asked == {"fast_dllm": 1, "slow_fast": 2, "psd": 2}


def test_rules_that_ask_the_same_of_the_model_share_one_forward() -> None:
    model = Toy()
    found = opinions(model, run("fast_dllm"), 1, [make(n) for n in ("llada", "top_k", "dapd")])
    assert [opinion.nfe for opinion in found] == [1, 1, 1]
    assert len(model.calls) == 2  # dapd wants attention too


def test_the_opinion_of_edit_is_its_drafts_also_while_it_revises() -> None:
    trace = run("edit", floor=1.0, rounds=1, share=0.5)
    redone = next(
        s for s, r in enumerate(trace.steps, 1) if r.block == (1, 17) and len(r.positions)
    )
    assert ask(trace, redone, "edit").positions == ask(trace, redone, "fast_dllm").positions
    assert ask(trace, redone, "edit").positions != ()


def test_settings_of_the_run_hold_for_everybody() -> None:
    masked = dataclasses.replace(TWO_BLOCKS, top_k=3, draw="categorical")
    assert ask(run("fast_dllm", masked), 1, "fast_dllm").problem == ""
    official = run("dream", dataclasses.replace(TWO_BLOCKS, top_k=3))
    refused, fine = opinions(Toy(), official, 2, [make("fast_dllm"), make("dream")])
    assert "top_p and top_k belong to categorical draws" in refused.problem
    assert (refused.positions, refused.agreement) == ((), None)
    assert fine.problem == ""


def test_a_rule_that_cannot_run_here_says_why() -> None:
    trace = run("fast_dllm")
    assert "steps must be a multiple" in ask(trace, 1, "llada", steps=3).problem


def test_asking_twice_gives_the_same_answer_at_a_temperature() -> None:
    trace = run("fast_dllm", dataclasses.replace(TWO_BLOCKS, temperature=1.0, seed=5))
    assert ask(trace, 1, "fast_dllm").tokens == tuple(trace.steps[0].tokens.tolist())
    assert ask(trace, 3, "random") == ask(trace, 3, "random")


def test_signals_on_request_and_windows_cost_the_asked_rules_nothing() -> None:
    trace = run("fast_dllm", dataclasses.replace(TWO_BLOCKS, record=("jsd",)))
    windows = dataclasses.replace(trace, spec=dataclasses.replace(trace.spec, forward="prefix"))
    model = Toy()
    assert opinions(model, windows, 5, [make("fast_dllm")])[0].positions == (9, 13, 14, 15, 16)
    assert len(model.calls) == 1


@pytest.mark.parametrize("step", [0, 9, -1, 1.0, True, "1", None])
def test_a_step_that_the_run_does_not_have_is_refused(step: Any) -> None:
    with pytest.raises(InputError, match="whole number from 1 to 8"):
        opinions(Toy(), run("fast_dllm"), step, [])


def test_a_step_that_found_no_mask_is_refused() -> None:
    trace = run("edit")
    assert len(trace.steps) == 9
    with pytest.raises(InputError, match="step 9 found no mask"):
        opinions(Toy(), trace, 9, [make("llada")])


def test_the_trace_of_other_weights_is_refused() -> None:
    trace = run("fast_dllm")
    other = dataclasses.replace(trace, info={"fingerprint": "another"})
    with pytest.raises(InputError, match="made with another toy"):
        opinions(Toy(), other, 1, [])


@pytest.mark.parametrize(
    ("ours", "theirs", "share"),
    [((), (), 1.0), ((1,), (), 0.0), ((1, 2, 3), (2, 3, 4), 0.5), ((1, 2), (2, 1), 1.0)],
)
def test_agreement_is_the_share_of_common_positions(
    ours: tuple[int, ...], theirs: tuple[int, ...], share: float
) -> None:
    assert agreement(ours, theirs) == share


def test_masks_in_the_prompt_belong_to_the_first_block() -> None:
    spec = dataclasses.replace(TWO_BLOCKS, gen_length=8)
    start = decoding.begin(Toy(), spec, prompt_ids=[*ids("the"), MASK])
    records = [r for _, r in decoding.steps(Toy(), make("left_to_right"), spec, start)]
    trace = decoding.finish(Toy(), make("left_to_right"), start, records)
    assert np.flatnonzero(trace.initial == MASK)[0] == 1
    assert ask(trace, 1, "left_to_right").positions == (1,)
