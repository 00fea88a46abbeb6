"""Order and parallelism: AFP, TPF, wasted forwards, Kendall's tau (arXiv 2601.15593).

A number is taken of the whole run and of each third of its steps; of Sudoku also whether cells with
fewer candidates are filled earlier. n counts positions up to the first end of sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dlmviz import metrics
from dlmviz.figures import spread
from dlmviz.studies import arms, prompts, sudoku
from dlmviz.studies.statistics import Interval, kendall, mean_interval, shown
from dlmviz.studies.study import Row, Study, Tables, Unit
from dlmviz.types import Denoiser, Trace, knob

PARTS = ("whole run", "first third", "second third", "last third")
NUMBERS = ("afp", "tpf", "wasted", "tau_a", "tau_b", "gamma")
RUNS, PARALLELISM, SUDOKU = "Order by task", "Runs", "Sudoku"


@dataclass(frozen=True)
class Settings:
    """What is decoded."""

    model: str = knob("tiny", help="tiny, tiny-early, a folder or a hub id")
    tasks: str = knob(
        "stories, trivia, lists, puzzles, words", help="tasks, or tasks/kinds, with commas"
    )
    arms: str = knob("fast_dllm tau=0.9; llada", help="samplers with their knobs, with semicolons")
    n: int = knob(100, 1, 5000, "prompts a task")


def units(settings: Settings) -> list[Unit]:
    """Every arm on every prompt of every task."""
    found = []
    for task in arms.names(settings.tasks):
        asked = prompts.named(task, settings.n)
        of = arms.parse(settings.arms)
        found += arms.units(of, asked, settings.model, f"{task}/", stop="eos")
    return found


def measure(unit: Unit, trace: Trace, model: Denoiser | None) -> list[Row]:
    """A row for the run and for each third of its steps, and one for its Sudoku."""
    about = {
        "task": unit.example.task if unit.example else "unknown",
        "kind": unit.example.kind if unit.example else "",
        "right": arms.graded(unit, trace.text),
    }
    steps = metrics.finalised(trace)
    total = len(trace.steps)
    rows = [about | {"part": PARTS[0], **numbers(steps, trace.nfe)}]
    for third in range(3):
        low, high = third * total / 3, (third + 1) * total / 3
        inside = [record for record in trace.steps if low <= record.index < high]
        nfe = sum(record.nfe for record in inside)
        among = steps[(steps >= low) & (steps < high)]
        rows.append(about | {"part": PARTS[1 + third], **numbers(among, nfe)})
    if unit.example and unit.example.kind == "sudoku":
        found = sudoku.easier_first(unit.example, trace)
        rows += [about | {"part": "sudoku", **found}] if found else []
    return rows


def numbers(steps: Any, nfe: int) -> Row:
    """The numbers of positions finalised at these steps, in canvas order, with `nfe` forwards."""
    distinct = len(np.unique(steps))
    tau = kendall(range(len(steps)), steps.tolist())
    return {
        "tokens": len(steps),
        "nfe": nfe,
        "afp": len(steps) / distinct if distinct else None,
        "tpf": len(steps) / nfe if nfe else None,
        "wasted": 1 - distinct / nfe if nfe else None,
        "tau_a": tau.tau_a,
        "tau_b": tau.tau_b,
        "gamma": tau.gamma,
    }


def tables(rows: Sequence[Row], settings: Settings) -> dict[str, pd.DataFrame]:
    """Means with intervals by arm, task, part and correctness; the Sudoku; a row a run."""
    frame = pd.DataFrame([row for row in rows if row["part"] != "sudoku"])
    found = []
    for (arm, task, part), group in frame.groupby(["arm", "task", "part"], sort=False):
        for of, some in (
            ("all", group),
            ("right", group[group["right"].eq(True)]),
            ("wrong", group[group["right"].eq(False)]),
        ):
            if len(some):
                line = {"task": task, "arm": arm, "part": part, "answers": of, "n": len(some)}
                found.append(line | _means(some))
    whole = frame[frame["part"] == PARTS[0]].drop(columns="part")
    of_sudoku = [row for row in rows if row["part"] == "sudoku"]
    more = {SUDOKU: sudoku.table(of_sudoku)} if of_sudoku else {}
    return {RUNS: pd.DataFrame(found), **more, PARALLELISM: whole.reset_index(drop=True)}


def _means(group: pd.DataFrame) -> dict[str, Any]:
    """Mean and interval of each number; how many runs it is defined for differs for tau."""
    out: dict[str, Any] = {}
    for name in NUMBERS:
        of: Interval = mean_interval(group[name].dropna().tolist())
        out |= {name: of.value, f"{name}_low": of.low, f"{name}_high": of.high}
    return out


def figures(tables: Tables) -> dict[str, Any]:
    """AFP, wasted forwards and tau_b by task and arm, by third, and by right and wrong."""
    table = tables[RUNS]
    whole = table[table["part"] == PARTS[0]]
    every = whole[whole["answers"] == "all"]
    thirds = table[(table["part"] != PARTS[0]) & (table["answers"] == "all")]
    thirds = thirds.assign(place=thirds["task"] + ", " + thirds["part"])
    ticks = {line["place"]: _tick(line["task"], line["part"]) for line in thirds.to_dict("records")}
    made = {
        "Parallelism by task": spread.grouped(
            every, "task", "arm", "afp", "Parallelism by task", "AFP [tokens/step]"
        ),
        "Order by task": spread.grouped(
            every, "task", "arm", "tau_b", "Order by task: 1 is left to right", "Kendall tau_b"
        ),
        "Parallelism by third": spread.grouped(
            thirds, "place", "arm", "afp", "Parallelism by third", "AFP [tokens/step]", ticks
        ),
        "Order by third": spread.grouped(
            thirds, "place", "arm", "tau_b", "Order by third", "Kendall tau_b", ticks
        ),
    }
    if every["wasted"].gt(0).any():
        made["Wasted forwards by task"] = spread.grouped(
            every, "task", "arm", "wasted", "Forwards that finalised nothing", "share of forwards"
        )
    sides = whole[whole["answers"] != "all"]
    if sides["answers"].nunique() == 2:
        sides = sides.assign(side=sides["answers"] + ", " + sides["arm"])
        for name, unit in (("afp", "AFP [tokens/step]"), ("tau_b", "Kendall tau_b")):
            title = f"{'Parallelism' if name == 'afp' else 'Order'} of right and wrong answers"
            made[title] = spread.grouped(sides, "task", "side", name, title, unit)
    if SUDOKU in tables:
        made["Sudoku"] = sudoku.figure(tables[SUDOKU])
    return made


def _tick(task: str, part: str) -> str:
    """ "1st", and under the middle third of a task its name."""
    return {PARTS[1]: "1st", PARTS[2]: f"2nd<br>{task}", PARTS[3]: "3rd"}[part]


def verdict(tables: Tables) -> str:
    """Whether parallelism and order differ between tasks, as the paper says, and by how much."""
    table = tables[RUNS]
    arm = table["arm"].iloc[0]
    whole = table[(table["part"] == PARTS[0]) & (table["arm"] == arm)]
    every = whole[whole["answers"] == "all"]
    told = [_extremes(every, name) for name in ("afp", "tau_b")]
    holds = all(apart for _, apart in told)
    right, wrong = (whole[whole["answers"] == of] for of in ("right", "wrong"))
    both = right.merge(wrong, on="task", suffixes=("", "_wrong"))
    sides = ", ".join(
        f"{line['task']} {shown(line['tau_b'])} and {shown(line['tau_b_wrong'])}"
        for line in both.to_dict("records")
    )
    return (
        f"{'Holds' if holds else 'Does not hold clearly'}: under {arm}, "
        + " and ".join(text for text, _ in told)
        + f" (means of {int(every['n'].min())} runs a task at least"
        + (f"; tau_b of right and wrong runs: {sides})." if sides else "; no run was wrong).")
    )


def _extremes(every: pd.DataFrame, name: str) -> tuple[str, bool]:
    """The tasks with the least and the most of a number, and whether their intervals are apart."""
    lines = sorted(every.dropna(subset=[name]).to_dict("records"), key=lambda one: one[name])
    if len(lines) < 2:
        return f"{name} is defined for {len(lines)} task only", False
    low, high = lines[0], lines[-1]
    apart = bool(low[f"{name}_high"] < high[f"{name}_low"])
    between = f"{shown(low[name])} ({low['task']}) to {shown(high[name])} ({high['task']})"
    return f"{name} goes from {between}", apart


STUDY = Study(
    name="order",
    title="Order and parallelism",
    question="How many tokens are final at a time, in which order, and where does that depend on "
    "the task, the stage of the decode, or the answer being right?",
    claim="Parallelism and order vary with task domain, reasoning stage and correctness; in Sudoku "
    "easier blanks are filled first (arXiv 2601.15593).",
    settings=Settings,
    units=units,
    measure=measure,
    tables=tables,
    figures=figures,
    verdict=verdict,
    keep=0,
)
