"""Order and parallelism of runs made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dlmviz.studies import order, sudoku
from dlmviz.studies.order import STUDY, Settings, numbers
from dlmviz.studies.study import Unit
from dlmviz.types import Example, RunSpec, StepRecord, Trace

MASK, EOS = 98, 99


def record(index: int, commits: dict[int, int], nfe: int = 1) -> StepRecord:
    none = np.zeros(0, np.float32)
    at = sorted(commits)
    return StepRecord(
        index=index,
        block=(0, 1),
        positions=np.array(at, np.int32),
        tokens=np.array([commits[i] for i in at], np.int32),
        remasked=np.zeros(0, np.int32),
        confidence=none,
        entropy=none,
        score=none,
        top_ids=np.zeros((0, 0), np.int32),
        top_probs=np.zeros((0, 0), np.float16),
        nfe=nfe,
        sequence_forwards=nfe,
        seconds=0.0,
    )


def trace(steps: list[list[int]], words: list[str], text: str = "") -> Trace:
    """A run of one prompt token whose positions 1.. hold `words` at last; words are the ids."""
    ids = {word: i for i, word in enumerate(dict.fromkeys(words))}
    ids["<eos>"] = EOS
    records = [record(s, {p: ids[words[p - 1]] for p in at}) for s, at in enumerate(steps)]
    initial = np.array([97] + [MASK] * len(words), np.int32)
    pieces = {i: word for word, i in ids.items()}
    spec = RunSpec(prompt="x", gen_length=len(words), block_length=len(words))
    return Trace(spec, initial, 1, MASK, EOS, tuple(records), text, pieces)


def test_the_numbers_of_a_run_and_of_its_thirds() -> None:
    """Six steps, a token each but two at the last; the eos behind them ends the count."""
    run = trace([[1], [2], [4], [3], [5], [6, 7]], [*"abcdef", "<eos>"])
    whole, first, second, last = STUDY.measure(Unit("a", run.spec), run, None)
    assert [row["part"] for row in (whole, first, second, last)] == list(order.PARTS)
    assert (whole["tokens"], whole["nfe"], whole["afp"], whole["wasted"]) == (7, 6, 7 / 6, 0)
    assert whole["tau_a"] == pytest.approx((19 - 1) / 21)
    assert whole["gamma"] == pytest.approx(18 / 20)
    assert (first["tokens"], first["tau_b"]) == (2, 1)
    assert (second["tokens"], second["tau_b"]) == (2, -1)
    assert (last["tokens"], last["afp"], last["tpf"]) == (3, 1.5, 1.5)


def test_a_run_of_one_step_has_no_order_and_no_zero_for_it() -> None:
    found = numbers(np.array([0, 0, 0]), 1)
    assert (found["afp"], found["tau_b"], found["gamma"], found["tau_a"]) == (3, None, None, 0)
    assert numbers(np.array([], int), 0)["tpf"] is None


def example(clues: str, answer: str) -> Example:
    data = {"symbols": "1234", "clues": clues, "comma": False}
    return Example("puzzles", "sudoku", "", answer, data)


ANSWER = "1 2 3 4\n3 4 1 2\n2 1 4 3\n4 3 2 1"


def test_the_difficulty_of_a_blank_is_what_its_clues_leave_open() -> None:
    """Cell 0 sees 2 and 3 in its row and 4 in its column; cell 11 sees no clue at all."""
    assert sudoku.candidates("_23_" + "3___" + "____" + "4___", "1234") == {
        **{0: 1, 3: 2, 5: 2, 6: 3, 7: 3},
        **{8: 2, 9: 2, 10: 3, 11: 4, 13: 2, 14: 2, 15: 3},
    }


def test_easier_blanks_first_is_agreement_of_order_and_difficulty() -> None:
    """Three blanks with one candidate, and last the one with two: 3 pairs of 3 agree."""
    clues = "_" + "234" + "3_12" + "__43" + "4321"
    hard = sudoku.candidates(clues, "1234")
    assert hard == {0: 1, 5: 1, 8: 2, 9: 1}
    words = list(ANSWER)
    place = {cell: 1 + 2 * cell for cell in range(16)}
    steps = [[place[0]], [place[5]], [place[9]], [place[8]]]
    rest = [p for p in range(1, len(words) + 1) if p not in {place[c] for c in hard}]
    run = trace([*steps, rest], words, ANSWER)
    found = sudoku.easier_first(example(clues, ANSWER), run)
    assert found is not None
    assert found["tau_b"] == pytest.approx(3 / 18**0.5)
    assert found["reading_tau_b"] == pytest.approx(4 / 6)
    assert found["quarters"] == [1, 1, 1, 2]
    alike = sudoku.easier_first(example("_" + "2343_12214343_1", ANSWER), run)
    assert alike is not None
    assert alike["tau_b"] is None  # every blank has one candidate


def test_an_answer_that_is_no_grid_has_no_cells() -> None:
    run = trace([[1, 2, 3]], ["no", " ", "grid"], "no grid")
    assert sudoku.easier_first(example("_" * 16, ANSWER), run) is None


def rows(task: str, afp: list[float], tau: list[float | None], right: bool) -> list[dict]:
    return [
        {
            **{"unit": f"{task}{i}", "arm": "one", "run": "", "task": task, "kind": "k"},
            **{"right": right, "part": "whole run", "tokens": 4, "nfe": 2, "afp": a, "tpf": 1.0},
            **{"wasted": 0.0, "tau_a": t, "tau_b": t, "gamma": t},
        }
        for i, (a, t) in enumerate(zip(afp, tau, strict=True))
    ]


def test_the_table_has_means_over_what_is_defined() -> None:
    made = rows("lists", [1.0, 3.0], [None, 0.5], True) + rows("words", [8.0], [None], False)
    tables = STUDY.tables(made, Settings())
    table = tables[order.RUNS].set_index(["task", "answers"])
    assert table.loc[("lists", "all"), "afp"] == 2
    assert table.loc[("lists", "right"), "tau_b"] == 0.5
    assert table.loc[("words", "all"), "tau_b"] != table.loc[("words", "all"), "tau_b"]
    assert ("words", "right") not in table.index
    assert "undefined" not in STUDY.verdict(tables)
    figures = STUDY.figures(tables)
    drawn = figures["Order by task"].data[0]
    assert list(drawn.y) == [0.5]  # what is undefined is not drawn as 0
    assert figures["Order by task"].layout.yaxis.title.text == "Kendall tau_b"


def test_right_and_wrong_answers_are_drawn_apart_where_there_are_both() -> None:
    right = rows("lists", [1.0, 3.0], [0.5, 0.5], True)
    assert "Order of right and wrong answers" not in STUDY.figures(STUDY.tables(right, Settings()))
    wrong = [row | {"unit": row["unit"] + "w"} for row in rows("lists", [4.0], [-0.5], False)]
    figures = STUDY.figures(STUDY.tables(right + wrong, Settings()))
    sides = {line.name: list(line.y) for line in figures["Order of right and wrong answers"].data}
    assert sides == {"right, one": [0.5], "wrong, one": [-0.5]}
    sides = {
        line.name: list(line.y) for line in figures["Parallelism of right and wrong answers"].data
    }
    assert sides == {"right, one": [2.0], "wrong, one": [4.0]}
    assert "Wasted forwards by task" not in figures  # none was


def test_a_third_has_its_number_and_the_middle_one_its_task() -> None:
    whole = rows("lists", [1.0, 3.0], [0.5, 0.5], True)
    parts = [row | {"part": part} for part in order.PARTS for row in whole]
    axis = STUDY.figures(STUDY.tables(parts, Settings()))["Order by third"].layout.xaxis
    assert list(axis.ticktext) == ["1st", "2nd<br>lists", "3rd"]


def test_wasted_forwards_are_drawn_where_there_are_some() -> None:
    idle = [row | {"wasted": 0.25} for row in rows("lists", [1.0, 3.0], [0.5, 0.5], True)]
    figures = STUDY.figures(STUDY.tables(idle, Settings()))
    assert list(figures["Wasted forwards by task"].data[0].y) == [0.25]


def test_the_claim_holds_where_intervals_are_apart_and_not_where_they_meet() -> None:
    apart = rows("lists", [1.0, 1.1], [0.1, 0.2], True) + rows(
        "words", [8.0, 9.0], [0.8, 0.9], True
    )
    assert STUDY.verdict(STUDY.tables(apart, Settings())).startswith("Holds: under one, afp goes")
    meet = rows("lists", [1, 9], [0.1, 0.9], True) + rows("words", [2, 9], [0, 0.9], True)
    assert STUDY.verdict(STUDY.tables(meet, Settings())).startswith("Does not hold clearly")
