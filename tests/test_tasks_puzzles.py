"""Latin squares and Sudoku: generator, grader and constraint graph."""

from __future__ import annotations

import re

import pytest

from dlmviz.tasks.puzzles import TASK
from dlmviz.types import Example

KINDS = ("latin", "sudoku", "latin_free")
SAMPLE = TASK.examples(2500, 5)
GRID = "1 2 3 4\n3 4 1 2\n2 1 4 3\n4 3 2 1"
LATIN_ONLY = "1 2 3 4\n2 1 4 3\n3 4 1 2\n4 3 2 1"


def puzzle(kind: str, clues: str = "_" * 16, symbols: str = "1234", comma: bool = False) -> Example:
    data = {"symbols": symbols, "clues": clues, "comma": comma}
    return Example("puzzles", kind, "", GRID, data)


def of_kind(kind: str) -> list[Example]:
    return [e for e in SAMPLE if e.kind == kind][:300]


@pytest.mark.parametrize("kind", KINDS)
def test_generated_answers_are_right(kind: str) -> None:
    examples = of_kind(kind)
    assert len(examples) == 300
    assert all(TASK.score(e, e.answer) and TASK.score(e, f" {e.answer}\n") for e in examples)


@pytest.mark.parametrize("kind", KINDS)
def test_one_changed_cell_is_wrong(kind: str) -> None:
    for e in of_kind(kind)[:60]:
        for old, new in zip(e.data["symbols"], e.data["symbols"][1:], strict=False):
            at = e.answer.index(old)
            assert not TASK.score(e, e.answer[:at] + new + e.answer[at + 1 :])


@pytest.mark.parametrize("kind", KINDS)
def test_malformed_and_empty_texts_are_wrong(kind: str) -> None:
    e = puzzle(kind)
    assert TASK.score(e, GRID)
    bad = (
        "",
        "1 2 3 4",
        GRID + "\n1 2 3 4",
        GRID + " 1",
        GRID + "\nDone.",
        GRID.replace(" ", ""),
        GRID.replace(" ", ", "),
        GRID.replace("\n", " "),
        GRID.replace("\n", "\n\n"),
        GRID.replace("4", "5"),
        GRID.replace("4", "_"),
    )
    assert not any(TASK.score(e, text) for text in bad)


def test_a_sudoku_needs_its_boxes_and_a_latin_square_does_not() -> None:
    assert TASK.score(puzzle("latin"), LATIN_ONLY)
    assert not TASK.score(puzzle("sudoku"), LATIN_ONLY)


def test_rows_and_columns_must_hold_each_symbol_once() -> None:
    assert not TASK.score(puzzle("latin"), "1 2 3 4\n" * 4)
    assert not TASK.score(puzzle("latin"), "1 1 1 1\n2 2 2 2\n3 3 3 3\n4 4 4 4")


def test_clues_must_be_kept_and_any_other_solution_counts() -> None:
    assert TASK.score(puzzle("latin", "1234" + "_" * 12), LATIN_ONLY)
    assert TASK.score(puzzle("latin", "1234" + "_" * 12), GRID)
    assert not TASK.score(puzzle("latin", "2" + "_" * 15), GRID)
    assert not TASK.score(puzzle("latin", "_" * 15 + "2"), GRID)


def test_commas_are_needed_exactly_where_the_prompt_asks_for_them() -> None:
    e = puzzle("latin_free", symbols="AK37", comma=True)
    rows = "A, K, 3, 7\nK, A, 7, 3\n3, 7, A, K\n7, 3, K, A"
    assert TASK.score(e, rows)
    assert TASK.score(e, rows.replace(", ", ","))
    assert not TASK.score(e, rows.replace(", ", " "))
    for e in of_kind("latin_free"):
        asked = re.search("csv|commas", e.prompt, re.IGNORECASE) is not None
        assert asked == ("," in e.answer) == e.data["comma"]


@pytest.mark.parametrize(("kind", "low"), [("latin", 2), ("sudoku", 4)])
def test_the_prompt_shows_the_clues_and_their_number_is_in_range(kind: str, low: int) -> None:
    counts = set()
    for e in of_kind(kind):
        shown = "".join(e.prompt.split("\n")[-4:]).replace(" ", "")
        assert shown == e.data["clues"]
        counts.add(16 - shown.count("_"))
    assert counts == set(range(low, 13))


def test_free_squares_name_their_symbols_and_mostly_give_a_first_row() -> None:
    examples = of_kind("latin_free")
    for e in examples:
        assert ", ".join(e.data["symbols"]) in e.prompt
        first = e.data["clues"][:4]
        rows = {glue.join(first) for glue in (" ", ",", ", ")}
        assert first == "____" or any(row in e.prompt for row in rows)
    share = sum(e.data["clues"][0] != "_" for e in examples) / len(examples)
    assert 0.55 < share < 0.85


def test_same_seed_same_examples_and_other_seeds_other_examples() -> None:
    assert TASK.examples(50, 3) == TASK.examples(50, 3)
    first, second = ({e.prompt for e in TASK.examples(500, s)} for s in (3, 4))
    assert len(first & second) < 50


@pytest.mark.parametrize(("kind", "edges"), [("latin", 48), ("sudoku", 56), ("latin_free", 48)])
def test_cells_are_joined_when_they_share_a_line_or_a_box(kind: str, edges: int) -> None:
    for e in of_kind(kind)[:60]:
        graph = TASK.graph(e)
        assert graph is not None
        cells = [e.answer[a:b] for a, b in graph.spans]
        assert cells == list(re.sub("[ ,\n]", "", e.answer))
        assert len(graph.edges) == edges
        assert all(a < b and cells[a] != cells[b] for a, b in graph.edges)
        assert {(0, 1), (0, 3), (0, 12)} <= graph.edges
        assert ((0, 5) in graph.edges) == (kind == "sudoku")
