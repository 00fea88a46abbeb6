"""Numbers of runs side by side, worked by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from dlmviz import compare
from dlmviz.types import StepRecord, Trace
from tests.traces import CAT, DOG, EOS, MASK, SAT, THE, three_steps

Commits = dict[int, int]


def run(
    steps: Sequence[Commits], length: int = 4, back: dict[int, list[int]] | None = None
) -> Trace:
    """A trace whose steps write tokens at places of the answer; `back`: step -> places remasked."""
    whole = three_steps()
    start = whole.prompt_length
    empty = np.full(length, np.nan, np.float32)
    records = tuple(
        StepRecord(
            index=i,
            block=(start, start + length),
            positions=np.array([start + place for place in commits], np.int32),
            tokens=np.array(list(commits.values()), np.int32),
            remasked=np.array([start + p for p in (back or {}).get(i, [])], np.int32),
            confidence=empty,
            entropy=empty,
            score=empty,
            top_ids=np.full((length, 0), -1, np.int32),
            top_probs=np.zeros((length, 0), np.float16),
            nfe=1 + i % 2,
            sequence_forwards=1,
            seconds=0.0,
        )
        for i, commits in enumerate(steps)
    )
    initial = np.concatenate([whole.initial[:start], np.full(length, MASK, np.int32)])
    return dataclasses.replace(whole, initial=initial, steps=records)


GREEDY = run([{0: THE}, {1: CAT}, {2: SAT}, {3: EOS}])
PAIRS = run([{0: THE, 1: CAT}, {2: SAT, 3: EOS}])
BACKWARD = run([{2: SAT, 3: EOS}, {0: THE, 1: CAT}])
OTHER = run([{0: THE, 1: DOG}, {2: SAT, 3: EOS}])


def test_a_run_agrees_with_itself_and_never_parts() -> None:
    assert compare.agreement(GREEDY, GREEDY) == 1
    assert compare.divergence(GREEDY, GREEDY) == (None, None)
    assert compare.kinds(GREEDY, GREEDY) == ["same"] * 4


def test_two_at_a_time_in_the_same_order_differ_in_nothing_but_the_step() -> None:
    assert compare.kinds(GREEDY, PAIRS) == ["same"] * 4
    assert compare.divergence(GREEDY, PAIRS) == (1, None)
    assert compare.divergence(PAIRS, GREEDY) == (1, None)


def test_the_same_tokens_in_another_order_are_told_from_other_tokens() -> None:
    assert compare.kinds(PAIRS, BACKWARD) == ["order"] * 4
    assert compare.agreement(PAIRS, BACKWARD) == 1
    assert compare.kinds(GREEDY, OTHER) == ["same", "token", "same", "same"]
    assert compare.agreement(GREEDY, OTHER) == 0.75
    assert compare.divergence(GREEDY, OTHER) == (1, 1)
    assert compare.divergence(PAIRS, OTHER) == (1, 1)


def test_a_place_swapped_with_its_neighbour_is_the_only_one_out_of_order() -> None:
    swapped = run([{0: THE}, {2: SAT}, {1: CAT}, {3: EOS}])
    assert compare.kinds(GREEDY, swapped) == ["same", "order", "order", "same"]
    assert compare.divergence(GREEDY, swapped) == (2, None)


def test_before_the_end_a_place_says_who_has_written_it() -> None:
    assert compare.kinds(GREEDY, PAIRS, 0, 0) == ["neither"] * 4
    assert compare.kinds(GREEDY, OTHER, 1, 1) == ["same", "only_b", "neither", "neither"]
    assert compare.kinds(OTHER, GREEDY, 1, 1) == ["same", "only_a", "neither", "neither"]
    assert compare.kinds(GREEDY, BACKWARD, 2, 1) == ["only_a", "only_a", "only_b", "only_b"]


def test_swapping_the_runs_mirrors_everything() -> None:
    mirror = {"only_a": "only_b", "only_b": "only_a"}
    for a, b in ((GREEDY, BACKWARD), (PAIRS, OTHER), (GREEDY, OTHER)):
        assert compare.agreement(a, b) == compare.agreement(b, a)
        for s in range(5):
            there, back = compare.kinds(a, b, s, 4 - s), compare.kinds(b, a, 4 - s, s)
            assert [mirror.get(kind, kind) for kind in there] == back


def test_padding_behind_both_answers_does_not_count() -> None:
    short = run([{0: THE, 1: EOS}, {2: EOS, 3: EOS, 4: EOS, 5: EOS}], length=6)
    late = run([{2: EOS}, {0: THE, 1: CAT}, {3: EOS, 4: EOS, 5: EOS}], length=6)
    assert compare.kinds(short, late) == ["same", "token", "order", "past", "past", "past"]
    assert compare.agreement(short, late) == pytest.approx(2 / 3)
    assert compare.agreement(late, short) == pytest.approx(2 / 3)


def test_a_place_that_one_run_lacks_agrees_with_nothing() -> None:
    longer = run([{0: THE, 1: CAT}, {2: SAT, 3: DOG}, {4: CAT, 5: SAT}], length=6)
    shorter = run([{0: THE, 1: CAT}, {2: SAT, 3: DOG}])
    assert compare.kinds(longer, shorter) == ["same"] * 4 + ["lone"] * 2
    assert compare.agreement(longer, shorter) == pytest.approx(4 / 6)


def test_a_run_that_never_finished_agrees_where_it_wrote() -> None:
    stopped = run([{0: THE, 1: CAT}])
    assert compare.kinds(PAIRS, stopped) == ["same", "same", "only_a", "only_a"]
    assert compare.agreement(PAIRS, stopped) == 0.5
    assert compare.agreement(stopped, stopped) == 0.5  # a mask agrees with nothing
    assert compare.row(stopped, PAIRS)["masks_left"] == 2
    assert compare.divergence(PAIRS, stopped) == (2, None)


def test_what_both_were_given_does_not_count() -> None:
    given = [run([{0: THE}, {2: SAT}]), run([{0: DOG}, {2: SAT}])]
    for trace in given:
        trace.initial[trace.prompt_length + np.array([1, 3])] = [CAT, EOS]
    assert compare.kinds(*given) == ["token", "given", "same", "given"]
    assert compare.agreement(*given) == 0.5


def test_between_vocabularies_nothing_is_compared() -> None:
    renamed = dataclasses.replace(PAIRS, pieces={**PAIRS.pieces, CAT: "Katze"})
    other_mask = dataclasses.replace(PAIRS, mask_id=99)
    for other in (renamed, other_mask):
        assert not compare.one_vocabulary(PAIRS, other)
        assert compare.agreement(PAIRS, other) is None
        assert compare.divergence(PAIRS, other) == (None, None)
    fewer = dataclasses.replace(PAIRS, pieces={THE: "the"})  # a run names what it shows, no more
    assert compare.one_vocabulary(PAIRS, fewer)


def test_clocks_count_steps_forwards_and_what_is_revealed() -> None:
    assert compare.ticks(PAIRS, "step").tolist() == [0, 1, 2]
    assert compare.ticks(GREEDY, "nfe").tolist() == [0, 1, 3, 4, 6]
    assert compare.ticks(GREEDY, "fraction").tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert compare.ticks(PAIRS, "fraction").tolist() == [0, 0.5, 1]


def test_half_way_both_runs_have_revealed_half() -> None:
    for trace in (GREEDY, PAIRS, BACKWARD):
        shown = compare.ticks(trace, "fraction")
        assert shown[compare.step_at(shown, 0.5)] == 0.5
        assert compare.step_at(shown, 0) == 0
        assert compare.step_at(shown, 1) == len(trace.steps)
    uneven = compare.ticks(run([{0: THE, 1: CAT, 2: SAT}, {3: EOS}]), "fraction")
    assert compare.step_at(uneven, 0.5) == 0  # never more than was asked for
    assert compare.step_at(uneven, 0.75) == 1


def test_the_clock_of_what_is_revealed_never_goes_back() -> None:
    repaired = run([{0: THE, 1: DOG, 2: SAT, 3: EOS}, {}, {1: CAT}], back={1: [1]})
    shown = compare.ticks(repaired, "fraction")
    assert shown.tolist() == [0, 1, 1, 1]
    assert compare.step_at(shown, 1) == 3
    assert compare.kinds(PAIRS, repaired) == ["same", "order", "same", "same"]


def test_a_row_has_the_verdict_of_its_task_and_nothing_that_is_undefined() -> None:
    graded = dataclasses.replace(OTHER, info={"example": {"correct": False}})
    told = compare.row(graded, GREEDY)
    assert told["correct"] is False
    assert (told["nfe"], told["steps"], told["tokens"]) == (3, 2, 4)
    assert told["tpf"] == pytest.approx(4 / 3)
    assert told["afp"] == 2
    assert told["agreement"] == 0.75
    assert (told["parts_at"], told["other_token_at"]) == (1, 1)
    at_once = compare.row(run([{0: THE, 1: CAT, 2: SAT, 3: EOS}]), GREEDY)
    assert at_once["kendall_tau_b"] is None
    assert compare.row(dataclasses.replace(OTHER, info={"example": "?"}), GREEDY)["correct"] is None
