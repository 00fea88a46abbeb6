"""The vocabulary: settings that explain what is wrong, canvases that are never changed in place."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlmviz.types import Canvas, Choice, InputError, Links, RunSpec, StepRecord, Trace
from tests.traces import CAT, DOG, EOS, MASK, SAT, THE, three_steps


@pytest.mark.parametrize(
    ("fields", "given_", "allowed", "remedy"),
    [
        (
            {"block_length": 96, "gen_length": 256},
            "96 and 256",
            "must divide gen_length",
            "64 or 128",
        ),
        ({"block_length": 256, "gen_length": 128}, "256 and 128", "must divide", "128"),
        ({"gen_length": -1}, "got -1", "whole number from 1 to 65536", "try 128"),
        ({"gen_length": False}, "got False", "whole number from 1 to 65536", "try 128"),
        ({"gen_length": 12.0}, "got 12.0", "whole number from 1 to 65536", "try 128"),
        ({"block_length": True}, "got True", "whole number from 1 to 65536", "32"),
        ({"temperature": -0.1}, "got -0.1", "a number >= 0", "0 switches it off"),
        ({"temperature": float("nan")}, "got nan", "a number >= 0", "0 switches it off"),
        ({"cfg_scale": float("inf")}, "got inf", "a number >= 0", "0 switches it off"),
        ({"cfg_scale": "1"}, "got '1'", "a number >= 0", "0 switches it off"),
        ({"score_dtype": "half"}, "got 'half'", "official, native, float32, float64", "one of"),
        ({"forward": "fast"}, "got 'fast'", "full", "one of"),
        ({"stop": "END"}, "got 'END'", "none, eos", "one of"),
        ({"draw": "dice"}, "got 'dice'", "official, gumbel, categorical", "one of"),
        ({"cache_revision": "may"}, "got 'may'", "later, june2025", "one of"),
        ({"top_p": 0.0}, "got 0.0", "0 (not included) to 1", "top_p"),
        ({"top_p": 1.5}, "got 1.5", "0 (not included) to 1", "top_p"),
        ({"top_k": -1}, "got -1", "whole number >= 0", "0 is all"),
    ],
)
def test_a_wrong_setting_is_given_back_with_what_is_allowed_and_what_to_do(
    fields: dict[str, Any], given_: str, allowed: str, remedy: str
) -> None:
    with pytest.raises(InputError) as caught:
        RunSpec(**fields)
    message = str(caught.value)
    assert next(name for name in fields) in message
    assert all(part in message for part in (given_, allowed, remedy))
    assert "\n" not in message


def test_settings_at_their_boundaries_are_accepted() -> None:
    spec = RunSpec(gen_length=0, block_length=1, temperature=0, cfg_scale=0.0, stop="eos")
    assert dataclasses.asdict(spec)["params"] == {}
    assert spec == dataclasses.replace(spec)


def canvas(*tokens: int) -> Canvas:
    return Canvas(torch.tensor(tokens), prompt_length=2, block_length=2, mask_id=MASK)


def at(*positions: int) -> torch.Tensor:
    mask = torch.zeros(6, dtype=torch.bool)
    mask[list(positions)] = True
    return mask


def test_writing_makes_a_new_canvas_and_leaves_the_old_one() -> None:
    old = canvas(6, 7, MASK, MASK, MASK, MASK)
    proposal = torch.tensor([9, 9, THE, CAT, SAT, EOS])
    new = old.write(Choice(at(3, 5), torch.zeros(6)), proposal)
    assert new.tokens.tolist() == [6, 7, MASK, CAT, MASK, EOS]
    assert old.tokens.tolist() == [6, 7, MASK, MASK, MASK, MASK]
    assert new.masked.tolist() == at(2, 4).tolist()


def test_a_choice_may_bring_its_own_tokens_and_take_others_back() -> None:
    old = canvas(6, 7, THE, DOG, MASK, MASK)
    own = torch.tensor([0, 0, 0, 0, SAT, 0])
    choice = Choice(at(4), torch.zeros(6), tokens=own, remask=at(3))
    new = old.write(choice, torch.full((6,), 9))
    assert new.tokens.tolist() == [6, 7, THE, MASK, SAT, MASK]


def test_blocks_are_slices_of_the_canvas_after_the_prompt() -> None:
    it = canvas(6, 7, MASK, MASK, MASK, MASK)
    assert (it.gen_length, it.blocks) == (4, 2)
    assert [it.block(0), it.block(1)] == [slice(2, 4), slice(4, 6)]


def test_the_three_steps_replay_to_known_canvases() -> None:
    trace = three_steps()
    assert [trace.canvas_at(count)[2:].tolist() for count in range(4)] == [
        [MASK, MASK, MASK, MASK],
        [MASK, CAT, MASK, EOS],
        [THE, CAT, MASK, EOS],
        [THE, CAT, SAT, EOS],
    ]
    assert trace.finalized_at.tolist() == [-1, -1, 1, 0, 2, 0]
    assert (trace.offset, trace.nfe) == (2, 3)


@pytest.mark.parametrize("count", [-1, 4])
def test_a_step_outside_the_run_is_refused(count: int) -> None:
    with pytest.raises(InputError, match=rf"step must lie in 0\.\.3: got {count}"):
        three_steps().canvas_at(count)


def test_the_recorded_span_starts_at_the_first_mask_even_in_the_prompt() -> None:
    trace = three_steps()
    infill = np.array([6, MASK, 7, MASK, MASK, MASK], np.int32)
    full = np.array([6, 7, 7, 7, 7, 7], np.int32)
    assert dataclasses.replace(trace, initial=infill).offset == 1
    assert dataclasses.replace(trace, initial=full).offset == 6


changes = st.tuples(
    st.dictionaries(st.integers(2, 5), st.integers(1, 5), max_size=3),
    st.sets(st.integers(2, 5), max_size=2),
)


@settings(deadline=None)
@given(st.lists(changes, max_size=6))
def test_replay_obeys_its_laws(run: list[tuple[dict[int, int], set[int]]]) -> None:
    base = three_steps()
    records: list[StepRecord] = []
    for index, (writes, back) in enumerate(run):
        arrays = {
            "positions": np.array(sorted(writes), np.int32),
            "tokens": np.array([writes[p] for p in sorted(writes)], np.int32),
            "remasked": np.array(sorted(back), np.int32),
        }
        records.append(dataclasses.replace(base.steps[0], index=index, **arrays))
    trace: Trace = dataclasses.replace(base, steps=tuple(records))
    states = [trace.canvas_at(count) for count in range(len(run) + 1)]
    assert states[0].tolist() == base.initial.tolist()
    assert trace.final.tolist() == states[-1].tolist()
    for position, last in enumerate(trace.finalized_at):
        column = [state[position] for state in states]
        assert len({*column[last + 1 :]}) == 1  # nothing changes after the last change
        touched = [i for i, (writes, back) in enumerate(run) if position in {*writes, *back}]
        assert last == (touched[-1] if touched else -1)
    assert base.initial.tolist() == three_steps().initial.tolist()


@pytest.mark.parametrize("module", ["dlmviz", "dlmviz.types", "dlmviz.store", "dlmviz.metrics"])
def test_reading_traces_imports_nothing_heavy(module: str) -> None:
    code = (
        f"import sys, {module}; "
        "print(*{'torch', 'gradio', 'transformers', 'plotly'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_links_give_their_matrix_back_to_the_last_bit() -> None:
    half = np.triu(np.random.default_rng(0).random((7, 7)), 1).astype(np.float16)
    half[:, 3] = half[3] = 0  # row 3 has no edge
    half[1, 2] = np.nan
    whole = half + half.T
    links = Links.of(whole)
    assert links.nodes.tolist() == [0, 1, 2, 4, 5, 6]
    assert len(links.scores) == 15
    assert links.matrix(7).tobytes() == whole.tobytes()
    assert links.between().tobytes() == np.delete(np.delete(whole, 3, 0), 3, 1).tobytes()
    assert Links.of(np.zeros((4, 4))).matrix(4).tolist() == [[0] * 4] * 4


@pytest.mark.parametrize("matrix", [np.eye(2), np.array([[0, 1], [0, 0]])])
def test_edges_that_pairs_cannot_hold_are_refused(matrix: np.ndarray) -> None:
    with pytest.raises(InputError, match="symmetric, with zeros on the diagonal"):
        Links.of(matrix)
