"""How well scores of pairs predict what depends on what (DAPD, arXiv 2603.12996, 3.2).

The truth is a graph that the task knows (constraints of a puzzle, parts of one answer), or the
pairwise influence that forwards measure (DEMASK, arXiv 2604.02560).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dlmviz.figures import spread
from dlmviz.studies import arms, prompts
from dlmviz.studies.graph_nodes import nodes_of
from dlmviz.studies.looks import (
    DISTANCE,
    FEWEST,
    LAST,
    MEASURED,
    PREDICTED,
    each_layer,
    look,
    looks_of,
    predictors,
    revealed,
)
from dlmviz.studies.statistics import Interval, mean_interval, shown
from dlmviz.studies.study import Row, Study, Tables, Unit
from dlmviz.types import Denoiser, InputError, Trace, knob

TASKS, STEPS, INFLUENCE = "By task", "Over the decode", "Against measured influence"
AUC, OVR = "AUC [0.5 is chance]", "OVR [share of pairs]"
LAYER = "layer [1 is the lowest]"
LAYERS, ONE = "By layer", "attention, one layer"


@dataclass(frozen=True)
class Settings:
    """What is decoded; the order in which it is written decides what is masked at each look."""

    model: str = knob("tiny", help="tiny, tiny-early, a folder or a hub id")
    tasks: str = knob("puzzles, mrf, trivia", help="tasks with a graph, with commas")
    arms: str = knob("random", help="samplers with their knobs, with semicolons")
    head: str = knob("", help="folder of DEMASK's predictor; empty takes a bundled one, if any")
    n: int = knob(20, 1, 2000, "prompts a task")


def units(settings: Settings) -> list[Unit]:
    """Every arm on every prompt of every task; of trivia the bundles, which have a graph."""
    found = []
    for task in arms.names(settings.tasks):
        of = arms.parse(settings.arms)
        kinds = ("bundle",) if task == "trivia" else ()
        asked = prompts.examples(task, settings.n, kinds)
        found += arms.units(of, asked, settings.model, f"{task}/", settings.head, stop="eos")
    return found


def measure(unit: Unit, trace: Trace, model: Denoiser | None) -> list[Row]:
    """A row for each look and predictor. InputError for an answer whose graph is not known."""
    if model is None:
        raise InputError(f"{trace.spec.model} is needed to ask what it attends to: give --model")
    nodes = nodes_of(unit, trace)
    looks = looks_of(trace, nodes)
    if not looks:
        raise InputError(f"no step of this run finds {FEWEST} masked parts of its graph")
    rows = []
    asked = predictors(model, unit.head)
    middle = looks[len(looks) // 2]
    for at in looks:
        about = {
            "task": unit.example.task if unit.example else "",
            "step": at + 1,
            "share": revealed(trace, nodes, at),
            "layer": 0,  # of several, or of none
        }
        truth = at in (looks[0], middle)
        rows += [about | row for row in look(trace, model, nodes, at, truth, asked)]
        if at == middle:
            alone = {"scores": ONE, "rho": None, "asymmetry": None}
            rows += [about | alone | row for row in each_layer(trace, model, nodes, at)]
    return rows


def tables(rows: Sequence[Row], settings: Settings) -> dict[str, pd.DataFrame]:
    """AUC, ratio and OVR by task and by what is revealed; correlation with measured influence."""
    every = pd.DataFrame(rows)
    alone, frame = every[every["layer"] > 0], every[every["layer"] == 0].copy()
    frame["revealed"] = [f"{25 * int(min(share, 0.99) * 4)} %" for share in frame["share"]]
    known = frame[(frame["scores"] != MEASURED) & frame["rho"].notna()]
    true = frame[frame["asymmetry"].notna()]
    return {
        TASKS: _means(frame, ["task", "arm", "scores"], ("auc", "ratio", "ovr")),
        STEPS: _in_order(_means(frame, ["task", "scores", "revealed"], ("auc", "ovr"))),
        INFLUENCE: pd.concat(
            [
                _means(known, ["task", "scores"], ("rho",)),
                _means(true, ["task", "scores"], ("asymmetry",)),
            ],
            ignore_index=True,
        ),
        LAYERS: _means(alone, ["task", "layer"], ("auc", "ratio", "ovr")),
    }


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    """By task, then by what is revealed; scores stay in the order of the predictors."""
    tasks = {task: at for at, task in enumerate(dict.fromkeys(table["task"]))}
    place = [
        (tasks[task], int(revealed.removesuffix(" %")))
        for task, revealed in zip(table["task"], table["revealed"], strict=True)
    ]
    order = sorted(range(len(table)), key=place.__getitem__)
    return table.iloc[order].reset_index(drop=True)


def _means(frame: pd.DataFrame, by: list[str], names: Sequence[str]) -> pd.DataFrame:
    """Means with 95 % intervals over runs; a run's number is the mean over its looks."""
    out = []
    for key, group in frame.groupby(by, sort=False):
        line: dict[str, Any] = dict(zip(by, key, strict=True))
        line["runs"] = int(group["unit"].nunique())
        for name in names:
            of_runs = group.dropna(subset=[name]).groupby("unit", sort=False)[name].mean()
            of: Interval = mean_interval([float(value) for value in of_runs])
            line |= {name: of.value, f"{name}_low": of.low, f"{name}_high": of.high}
        out.append(line)
    columns = [*by, "runs", *(f"{name}{end}" for name in names for end in ("", "_low", "_high"))]
    return pd.DataFrame(out, columns=columns)


def figures(tables: Tables) -> dict[str, Any]:
    """AUC and OVR by task and predictor and over the decode, by layer, and against influence."""
    by_task, steps, against = (tables[name] for name in (TASKS, STEPS, INFLUENCE))
    rho = against[against["rho"].notna()] if len(against) else against
    made = {
        "AUC by task": spread.grouped(by_task, "task", "scores", "auc", "Edges found", AUC),
        "Degree order by task": spread.grouped(
            by_task, "task", "scores", "ovr", "Degrees in the wrong order", OVR
        ),
        "AUC over the decode": _over(steps, "auc", "Edges found by what is revealed", AUC),
        "Degree order over the decode": _over(
            steps, "ovr", "Degrees in the wrong order by what is revealed", OVR
        ),
    }
    if len(layers := tables[LAYERS]):
        made["AUC by layer"] = spread.grouped(
            layers, "layer", "task", "auc", "Edges found by one layer's attention", AUC, None, LAYER
        )
    if len(rho):
        made["Against influence"] = spread.grouped(
            rho, "task", "scores", "rho", "Scores against measured influence", "Spearman's rho"
        )
    return made


def _over(steps: pd.DataFrame, value: str, title: str, unit: str) -> Any:
    """A number by task and quarter of what is revealed; under its first quarter a task's name."""
    places = steps["task"] + ", " + steps["revealed"]
    first = places[~steps["task"].duplicated()].tolist()
    ticks = {
        place: revealed.removesuffix(" %") + (f"<br>{task}" if place in first else "")
        for place, task, revealed in zip(places, steps["task"], steps["revealed"], strict=True)
    }
    table = steps.assign(place=places)
    axis = "revealed, from [%]"
    return spread.grouped(table, "place", "scores", value, title, unit, ticks, axis)


def verdict(tables: Tables) -> str:
    """Whether attention finds the edges better than distance does, task by task."""
    by_task, told, holds = tables[TASKS], [], True
    for task, group in by_task.groupby("task", sort=False):
        of = group.drop_duplicates("scores").set_index("scores")["auc"]
        holds = holds and bool(of.get(LAST, 0) > of.get(DISTANCE, 1))
        told.append(f"{task} {shown(of.get(LAST))} (distance alone {shown(of.get(DISTANCE))})")
    against = tables[INFLUENCE]
    rho = _of_influence(against, LAST)
    said = (
        f"{'Holds' if holds else 'Does not hold everywhere'}: AUC of attention in the last 30 % "
        f"of layers is {', '.join(told)}; Spearman's rho with measured influence: "
        f"{rho or 'undefined'}."
    )
    if not (by_task["scores"] == PREDICTED).any():
        return said
    auc = ", ".join(
        f"{line['task']} {shown(line['auc'])}"
        for line in by_task[by_task["scores"] == PREDICTED].to_dict("records")
    )
    of_head = _of_influence(against, PREDICTED)
    return f"{said} {PREDICTED}: AUC {auc}; rho {of_head or 'undefined'}."


def _of_influence(against: pd.DataFrame, scores: str) -> str:
    """Spearman's rho of these scores with measured influence, by task."""
    some = against[against["scores"] == scores] if len(against) else against
    return ", ".join(f"{line['task']} {shown(line['rho'])}" for line in some.to_dict("records"))


STUDY = Study(
    name="dependence",
    title="Does attention know what depends on what?",
    question="How well do edge scores from attention find the pairs that depend on each other, "
    "and how well do they follow the influence that forwards measure?",
    claim="Attention of the upper layers finds the true edges: AUC 0.928, edge / non-edge ratio "
    "2.20, degree order violation rate 0.04 (arXiv 2603.12996, toy experiment).",
    settings=Settings,
    units=units,
    measure=measure,
    tables=tables,
    figures=figures,
    verdict=verdict,
    forwards=True,
    keep=0,
)
