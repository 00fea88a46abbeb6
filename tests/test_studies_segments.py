"""Segments against progress, of runs whose every step is written down here."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dlmviz import metrics
from dlmviz.studies import segments
from dlmviz.studies.segments import ARMS, CURVES, ORDER, STUDY, Settings, by_progress
from dlmviz.studies.study import Row, Unit
from dlmviz.types import Example
from tests.test_studies_order import trace


def test_counts_are_read_at_shares_of_what_is_decided() -> None:
    """Ends first (2 segments at a half), then the middle (1 at the end)."""
    run = trace([[1], [4], [2, 3]], [*"abcd"])
    counts = metrics.segments(run)
    assert counts.tolist() == [0, 1, 2, 1]
    found = by_progress(run, counts)
    assert len(found) == len(segments.GRID) == 21
    assert found[0] == 0
    assert found[5] == 1  # a quarter
    assert found[10] == 2  # a half
    assert found[15] == pytest.approx(1.5)  # between the second and the third step
    assert found[20] == 1


def test_a_run_of_one_step_grows_from_nothing_to_one() -> None:
    run = trace([[1, 2, 3, 4]], [*"abcd"])
    assert by_progress(run, metrics.segments(run)) == pytest.approx(segments.GRID)


def test_a_step_back_is_read_as_what_stood_later() -> None:
    run = trace([[1], [2], [2, 3]], [*"abc"])
    back = dataclasses.replace(
        run.steps[1], positions=np.zeros(0, np.int32), remasked=np.array([1], np.int32)
    )
    told = trace([[1], [2], [1, 2, 3]], [*"abc"])
    edited = dataclasses.replace(told, steps=(told.steps[0], back, told.steps[2]))
    found = by_progress(edited, metrics.segments(edited))
    assert (found[0], found[20]) == (0, 1)
    assert max(found) <= 1


EXAMPLE = Example("trivia", "single", "q", "ab", {"facts": []})


def rows() -> list[Row]:
    spread = trace([[1], [4], [2, 3]], [*"abcd"], "abcd")
    once = trace([[1, 2, 3, 4]], [*"abcd"], "ab")
    made = []
    for arm, run in (("dapd, variant staged", spread), ("fast_dllm, tau 0.9", once)):
        for i in range(3):
            example = dataclasses.replace(EXAMPLE, prompt=f"q{i}")
            there = dataclasses.replace(run, spec=dataclasses.replace(run.spec, prompt=f"q{i}"))
            (row,) = STUDY.measure(Unit(f"{arm}/{i}", there.spec, example, arm), there, None)
            made.append({"unit": f"{arm}/{i}", "arm": arm, "run": "", **row})
    return made


def test_the_table_has_accuracy_forwards_and_speed_up_over_the_first_arm() -> None:
    table = STUDY.tables(rows(), Settings())[ARMS].set_index("arm")
    staged, fast = table.loc["dapd, variant staged"], table.loc["fast_dllm, tau 0.9"]
    assert (staged["accuracy"], staged["nfe"], staged["segments_max"]) == (0, 3, 2)
    assert (fast["accuracy"], fast["nfe"], fast["segments_max"]) == (100, 1, 1)
    assert (staged["speedup"], fast["speedup"], fast["speedup_low"]) == (1, 3, 3)


def test_the_claim_has_two_halves_and_both_are_told() -> None:
    told = STUDY.verdict(STUDY.tables(rows(), Settings()))
    assert "More segments than fast_dllm: holds; fewer forwards than fast_dllm: does not" in told
    once = [row for row in rows() if row["unit"].endswith("/0")]
    assert STUDY.verdict(STUDY.tables(once, Settings())).startswith("Undefined")
    alone = [row for row in rows() if row["arm"].startswith("fast")]
    assert STUDY.verdict(STUDY.tables(alone, Settings())).startswith("Not asked")


def test_strips_show_when_each_position_was_written() -> None:
    tables = STUDY.tables(rows(), Settings())
    figures = STUDY.figures(tables)
    strips = figures["Order of the first prompts"].data[0]
    assert len(strips.z) == 6
    assert list(strips.z[0]) == pytest.approx([0, 1, 1, 1 / 2])
    assert list(strips.text[0]) == ["step 1 of 3", "step 3 of 3", "step 3 of 3", "step 2 of 3"]
    assert list(strips.z[1]) == [0, 0, 0, 0]  # one step: the first
    names = [note.text for note in figures["Order of the first prompts"].layout.annotations]
    assert len(names) == 6
    assert names[0].startswith("prompt 1: ")
    assert set(tables[ORDER]["prompt"]) == {1, 2, 3}
    assert [len(line.x) for line in figures["Segments by progress"].data] == [21, 21]
    assert len(tables[CURVES]) == 42
