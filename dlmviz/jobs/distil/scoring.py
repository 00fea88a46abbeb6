"""Base and student on the same held-out prompts; goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlmviz.jobs.distil.prompts import Asked
from dlmviz.jobs.distil.recipe import Recipe
from dlmviz.jobs.work import Stopped, Work
from dlmviz.learn.assess import Outcomes, outcomes, speedups
from dlmviz.samplers import make
from dlmviz.tasks import TASKS
from dlmviz.types import Denoiser, RunSpec

SCORES = "scores.jsonl"


def compared(
    work: Work, recipe: Recipe, base: Denoiser, student: Denoiser, scored: Sequence[Asked]
) -> list[dict[str, Any]]:
    """A row a task, threshold and model; rows that are there already are not made again."""
    path = work.folder / SCORES
    rows = _scores(path)
    done = {(row["task"], row["model"], row["threshold"]) for row in rows}
    tasks = list(dict.fromkeys(one.example.task for one in scored if one.example))
    arms = [
        (task, name, model, tau)
        for task in tasks
        for tau in recipe.thresholds
        for name, model in (("base", base), ("student", student))
    ]
    size = recipe.scored
    work.stage("evaluation", size * len(arms), "runs", size * len(done))
    for number, (task, name, model, tau) in enumerate(arms):
        if (task, name, tau) in done:
            continue
        these = [one for one in scored if one.example and one.example.task == task]

        def told(so_far: int, begun: int = number * size) -> None:
            work.progress(begun + so_far)
            if work.stopping():
                raise Stopped

        made = _scored(recipe, model, these, tau, told)
        row = {"task": task, "model": name, "threshold": tau, **_row(made)}
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        rows.append(row)
    return rows


def _scored(
    recipe: Recipe,
    model: Denoiser,
    these: Sequence[Asked],
    tau: float,
    told: Callable[[int], None],
) -> Outcomes:
    """The outcomes of one arm."""
    knob = knobs(recipe.scorer, tau)
    specs: list[RunSpec] = [
        recipe.spec(
            one.prompt, one.gen_length, one.block_length, sampler=recipe.scorer, params=knob
        )
        for one in these
    ]

    def grade(number: int, text: str) -> bool:
        example = these[number].example
        assert example is not None, "only graded prompts are scored"
        return TASKS[example.task].score(example, text)

    made = None
    for done, whole in outcomes(model, make(recipe.scorer, knob), specs, grade, recipe.batch):
        told(done)
        made = whole
    assert made is not None, "the last one is whole"
    return made


def knobs(scorer: str, tau: float) -> dict[str, float]:
    """The settings of a sampler at one threshold.

    Slow-Fast has two: tau is that of fast tokens, and 1 - tau_high = (1 - tau) / 3 as in its
    defaults .7 and .9.
    """
    if scorer == "slow_fast":
        return {"tau_low": tau, "tau_high": 1 - (1 - tau) / 3}
    return {"tau": tau}


def _row(made: Outcomes) -> dict[str, Any]:
    """What a table shows of an arm, and what an interval needs."""
    return {
        "n": len(made.right),
        "accuracy": made.accuracy,
        "nfe": made.mean_nfe,
        "tpf": made.tpf,
        "right": made.right.astype(int).tolist(),
        "forwards": made.nfe.tolist(),
        "tokens": made.tokens.tolist(),
    }


def _scores(path: Path) -> list[dict[str, Any]]:
    """The rows that are there; the end of one that was cut is left out."""
    rows = []
    if path.is_file():
        for line in path.read_text("utf-8", errors="replace").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue
    return rows


def gains(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The speed-ups at matched accuracy, task by task; see assess.speedups."""
    found = []
    for task in dict.fromkeys(row["task"] for row in rows):
        arms: dict[str, dict[float, Outcomes]] = {"base": {}, "student": {}}
        for row in rows:
            if row["task"] == task:
                arms[row["model"]][row["threshold"]] = Outcomes(
                    np.array(row["right"], bool),
                    np.array(row["forwards"]),
                    np.array(row["tokens"]),
                )
        found += [{"task": task, **vars(s)} for s in speedups(arms["base"], arms["student"])]
    return found
