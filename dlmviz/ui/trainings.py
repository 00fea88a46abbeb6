"""What the Train tab can start: of each kind of job its form, its stages, and what became of it.

What is said of a kind, its presets and its fields stands in the page's words under its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlmviz import jobs
from dlmviz.jobs.codila import pairs
from dlmviz.jobs.codila import recipe as codila
from dlmviz.jobs.demask import recipe as demask
from dlmviz.jobs.distil import recipe as distil
from dlmviz.tasks import TASKS
from dlmviz.types import InputError
from dlmviz.ui import distil_form, distil_result, head_result
from dlmviz.ui.head_form import HeadForm

MODELS = ("tiny", "tiny-early")


@dataclass(frozen=True)
class Training:
    """One kind of job."""

    form: Callable[[], dict[str, Any]]
    texts: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    recipe: Callable[[Mapping[str, Any], Path], Any]  # raises Unfit
    titles: Mapping[str, str]  # preset -> what a job is called that was given no name
    stages: tuple[str, ...]  # in the order of the job
    outcome: Callable[[Path, jobs.Job], dict[str, Any]] = head_result.outcome
    charts: tuple[str, ...] = ("loss",)  # of its curves, see curves.js
    steps: str = ""  # field with the number of its steps; "" where only its stage tells it
    estimate: bool = False  # whether its cost can be measured beforehand
    files: bool = False  # whether it can learn from a file of prompts


def of_head(recipes: Any, *stages: str, steps: str = "") -> Training:
    """The training of a head whose recipe and presets stand in this module."""
    form = HeadForm(recipes)
    return Training(form.form, form.texts, form.recipe, recipes.TITLES, stages, steps=steps)


PARTS = ("decodes, held", "decodes, learned", "influences, held", "influences, learned")
TEXTS = ("texts, held", "texts, learned")
PAIRS = tuple(f"pairs, {way}" for way in pairs.COUNTED)
TRAININGS: Mapping[str, Training] = {
    "distil": Training(
        distil_form.form,
        distil_form.texts,
        distil_form.recipe,
        distil.TITLES,
        ("loading", "answers", "held-out answers", "training", "evaluation", "keeping"),
        distil_result.outcome,
        ("loss", "kl", "lr", "speed"),
        "settings.steps",
        estimate=True,
        files=True,
    ),
    "demask": of_head(demask, "loading", *PARTS, "fit", "keeping"),
    "codila": of_head(
        codila, "loading", *TEXTS, "training", "score", *PAIRS, "keeping", steps="fit.steps"
    ),
}


def forms() -> dict[str, Any]:
    """What the page needs to draw the form of every kind."""
    kinds = [
        {"name": name, "estimate": one.estimate, "files": one.files, **one.form()}
        for name, one in TRAININGS.items()
    ]
    return {"kinds": kinds, "tasks": [*TASKS], "models": MODELS}


def asked(given: Mapping[str, Any]) -> tuple[str, Training, Mapping[str, Any]]:
    """(kind, its training, what stands in the fields) of a request. Raises InputError."""
    kind, values = given.get("kind", "distil"), given.get("values")
    one = TRAININGS.get(kind) if isinstance(kind, str) else None
    preset = given.get("preset")
    known = one is not None and isinstance(preset, str) and preset in one.titles
    if one is None or not known or not isinstance(values, Mapping):
        raise InputError("the request holds no form; reload the page")
    return str(kind), one, values


def about(job: jobs.Job) -> dict[str, Any]:
    """What tells one job from another: model, prompts, steps."""
    one = TRAININGS[job.kind]
    values = one.texts(job.settings)
    source = ", ".join(values.get("tasks", [])) or Path(str(values.get("prompts", ""))).name
    told = {"model": values.get("model", "?"), "count": values.get("count", "?")}
    return {**told, "steps": values.get(one.steps, "?"), "source": source}


def steps(job: jobs.Job) -> int | None:
    """How many steps its curve will have, as far as one knows."""
    one = TRAININGS[job.kind]
    text = str(one.texts(job.settings).get(one.steps, "")) if one.steps else ""
    if text.isdecimal():
        return int(text)
    return job.total if job.unit == "steps" and job.total else None
