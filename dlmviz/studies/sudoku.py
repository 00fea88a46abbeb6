"""Whether a model fills the easier cells of a Sudoku first (arXiv 2601.15593, its Sudoku section).

The difficulty of a blank is the number of symbols that its row, column and box leave open in the
puzzle as it is given: 1 for a cell that can be filled at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from dlmviz.figures import spread
from dlmviz.studies.places import places
from dlmviz.studies.statistics import kendall, mean_interval, spearman
from dlmviz.studies.study import Row
from dlmviz.tasks import puzzles
from dlmviz.types import Example, Trace

QUARTERS = ("first quarter", "second quarter", "third quarter", "last quarter")


def candidates(clues: str, symbols: str) -> dict[int, int]:
    """Blank cell (0..15, row by row) -> how many symbols its row, column and box leave open."""
    seen: dict[int, set[str]] = {cell: set() for cell, clue in enumerate(clues) if clue == "_"}
    for a, b in puzzles.graph(Example("puzzles", "sudoku", "", "", {"comma": False})).edges:
        for one, other in ((a, b), (b, a)):
            if one in seen and clues[other] != "_":
                seen[one].add(clues[other])
    return {cell: len(set(symbols) - known) for cell, known in seen.items()}


def easier_first(example: Example, trace: Trace) -> Row | None:
    """Agreement of the order of filling with difficulty, and with the order of reading.

    None where the answer is no grid of the given form, or has fewer than two blanks.
    """
    open_ = candidates(example.data["clues"], example.data["symbols"])
    at = places(trace, puzzles.graph(example).spans)
    if at is None or len(open_) < 2 or len(trace.text.strip()) != len(example.answer):
        return None
    cells = sorted(open_)
    steps = [int(trace.finalized_at[at[cell][0]]) for cell in cells]
    hard = [open_[cell] for cell in cells]
    return {
        "blanks": len(cells),
        "tau_b": kendall(hard, steps).tau_b,
        "rho": spearman(hard, steps).rho,
        "reading_tau_b": kendall(cells, steps).tau_b,
        "confounded_tau_b": kendall(cells, hard).tau_b,
        "quarters": _quarters(steps, hard),
    }


def _quarters(steps: Sequence[int], hard: Sequence[int]) -> list[float | None]:
    """Mean difficulty of the blanks filled in each quarter of the filling; ties share a place."""
    ranks = pd.Series(steps).rank() - 0.5
    quarter = (4 * ranks / len(steps)).astype(int).clip(0, 3)
    means = pd.Series(hard, dtype=float).groupby(quarter).mean()
    return [float(means[q]) if q in means.index else None for q in range(4)]


def table(rows: Sequence[Row]) -> pd.DataFrame:
    """A line an arm: tau_b of difficulty and step, the two controls, difficulty by quarter."""
    found = []
    for arm, group in pd.DataFrame(rows).groupby("arm", sort=False):
        line: dict[str, Any] = {"arm": arm, "n": len(group)}
        for name in ("tau_b", "rho", "reading_tau_b", "confounded_tau_b"):
            of = mean_interval(group[name].dropna().tolist())
            line |= {name: of.value, f"{name}_low": of.low, f"{name}_high": of.high}
            line[f"{name}_n"] = int(group[name].notna().sum())
        for place, name in enumerate(QUARTERS):
            values = [float(one[place]) for one in group["quarters"] if one[place] is not None]
            of = mean_interval(values)
            line |= {name: of.value, f"{name} low": of.low, f"{name} high": of.high}
        found.append(line)
    return pd.DataFrame(found)


def figure(table: pd.DataFrame) -> Any:
    """Mean difficulty of the blanks that are filled in each quarter, a line an arm."""
    long = pd.DataFrame(
        {
            "arm": line["arm"],
            "quarter": name,
            "difficulty": line[name],
            "difficulty_low": line[f"{name} low"],
            "difficulty_high": line[f"{name} high"],
        }
        for line in table.to_dict("records")
        for name in QUARTERS
    )
    return spread.grouped(
        long,
        "quarter",
        "arm",
        "difficulty",
        "Sudoku: difficulty in order of filling",
        "symbols left open by the clues",
    )
