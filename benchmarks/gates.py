"""The numbers the built-in model must reach, from a table of evaluated arms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.results_file import gate

GREEDY = (
    ("trivia, single", "trivia single", 99),
    ("trivia, five-question bundle (all five right)", "trivia bundle", 98),
    ("lists, over the ten operations", "lists", 97),
    (
        "lists, ParallelBench's own waiting_line rows, over the ten",
        "ParallelBench waiting_line",
        90,
    ),
    ("puzzles (Latin square, Sudoku with clues)", "puzzles", 99),
    ("words to a sentence", "words", 92),
    ("pairs consistent, temperature 1", "pairs", 98),
    ("stories", "stories", 90),
    ("mrf: all four constraints hold", "mrf", 95),
)
CONSTRAINED = ("sort", "shuffle", "insert_random", "remove_random", "replace_random")
INDEXED = ("copy", "reverse", "insert_index", "remove_index", "replace_index")
COMPARED = ("trivia single", "trivia bundle", "lists", "puzzles", "words", "stories", "mrf")

Table = Mapping[str, Mapping[str, Any]]


def of(table: Table) -> list[dict[str, Any]]:
    """Every gate whose arms are in the table."""
    parts = (_greedy, _threshold_09, _threshold_09_overall, _threshold_05, _pairs)
    return [row for part in parts for row in part(table)]


def _greedy(table: Table) -> Iterator[dict[str, Any]]:
    for name, group, least in GREEDY:
        row = table.get(f"{group}/greedy")
        if row:
            yield gate(name, row["accuracy"], f">= {least} %", row["accuracy"] >= least)
    row = table.get("lists/greedy")
    if row:
        score = row["kinds"]["sort"]["accuracy"]
        yield gate("lists, sort", score, ">= 95 %", score >= 95)


def _threshold_09(table: Table) -> Iterator[dict[str, Any]]:
    for group in COMPARED:
        greedy, fast = table.get(f"{group}/greedy"), table.get(f"{group}/tau 0.9")
        if not (greedy and fast):
            continue
        lost = greedy["accuracy"] - fast["accuracy"]
        name = f"fast_dllm at tau 0.9, points below greedy: {group}"
        yield gate(name, lost, "within 2 points", lost <= 2)
        fewer = greedy["nfe"] / fast["nfe"]
        yield gate(f"fast_dllm at tau 0.9, fewer forwards: {group}", fewer, ">= 4x", fewer >= 4)


def _threshold_09_overall(table: Table) -> Iterator[dict[str, Any]]:
    """The same over all tasks: mean accuracy, and mean forwards, every task counting alike."""
    names = [(f"{group}/greedy", f"{group}/tau 0.9") for group in COMPARED]
    if not all(greedy in table and fast in table for greedy, fast in names):
        return

    def mean(key: str, arm: int) -> float:
        return sum(float(table[pair[arm]][key]) for pair in names) / len(names)

    lost = mean("accuracy", 0) - mean("accuracy", 1)
    name = "fast_dllm at tau 0.9, points below greedy: mean over tasks"
    yield gate(name, lost, "within 2 points", lost <= 2)
    fewer = mean("nfe", 0) / mean("nfe", 1)
    yield gate("fast_dllm at tau 0.9, fewer forwards: mean over tasks", fewer, ">= 4x", fewer >= 4)


def _threshold_05(table: Table) -> Iterator[dict[str, Any]]:
    for group in ("stories", "puzzles"):
        greedy, fast = table.get(f"{group}/greedy"), table.get(f"{group}/tau 0.5")
        if greedy and fast:
            lost = greedy["accuracy"] - fast["accuracy"]
            yield gate(f"tau 0.5, points below greedy: {group}", lost, ">= 15", lost >= 15)
    greedy, fast = table.get("lists/greedy"), table.get("lists/tau 0.5")
    if not (greedy and fast):
        return
    lost = _mean(greedy, CONSTRAINED) - _mean(fast, CONSTRAINED)
    name = "tau 0.5, points below greedy: lists with constraints (sort, shuffle, random edits)"
    yield gate(name, lost, ">= 15", lost >= 15)
    kept = _mean(fast, INDEXED)
    yield gate("tau 0.5: copy, reverse and indexed edits", kept, "stay at 100 %", kept == 100)


def _pairs(table: Table) -> Iterator[dict[str, Any]]:
    row = table.get("pairs/four a step")
    if row:
        score = row["accuracy"]
        yield gate("pairs at temperature 1, four tokens a step", score, "<= 10 %", score <= 10)


def _mean(row: Mapping[str, Any], kinds: tuple[str, ...]) -> float:
    return sum(row["kinds"][kind]["accuracy"] for kind in kinds) / len(kinds)
