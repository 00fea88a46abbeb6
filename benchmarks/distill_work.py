"""What a process of the distillation benchmark does: answers, a student, or one arm."""

from __future__ import annotations

import dataclasses
import functools
import os
import pickle
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.distill_students import Student
from dlmviz.jobs.distil.recipe import Recipe
from dlmviz.types import Example

MANY, COUNT = 4000, {"pairs": 1500}  # prompts to learn from, a task
HELD, SPARE = 32, 500  # held out, and neither learned nor scored
SETS = {"first": 101, "fresh": 301}  # what is scored, and its first seed
SEEDS = 40  # asked for prompts that are not yet there
BATCH, PIECE = 100, 400  # prompts that share a forward, and that share a file of answers
PROMPTS = "prompts.pickle"


@dataclasses.dataclass(frozen=True)
class Place:
    """Where the work of a run lies, and when it must end (time.time())."""

    folder: Path
    until: float


@dataclasses.dataclass
class Ear:
    """Hears a training: keeps the held-out KL, and asks for an end when time is up."""

    until: float
    held: list[float] = dataclasses.field(default_factory=list)

    def metric(self, **numbers: Any) -> None:
        if numbers.get("held") is not None:
            self.held.append(numbers["held"])

    def progress(self, done: int) -> None: ...

    def stopping(self) -> bool:
        return time.time() > self.until

    def mark(self) -> int:
        return 0

    def rewind(self, mark: int) -> None: ...


def begin(counter: Any, devices: int) -> None:
    """Gives this process one thread and a device of its own; called once in each."""
    with counter.get_lock():
        number = counter.value
        counter.value += 1
    if devices:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(number % devices)
    import torch

    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("high")  # TF32, for base and student alike


def drawn(task: str, count: int, scored: int) -> dict[str, Any]:
    """The prompts of one task: learned, held, and two sets to score, first and fresh.

    No prompt is in two of them; those that are scored come from seeds that training never uses.
    """
    from dlmviz.jobs.distil.prompts import collected
    from dlmviz.tasks import TASKS

    count = min(count, COUNT.get(task, count))
    # a job of several tasks may draw a little further: that stays unscored, too
    wide = Recipe(tasks=(task,), count=count + SPARE, held=2 * HELD, scored=0)
    prompts = collected(wide)
    used = {one.prompt for one in (*prompts.learned, *prompts.held)}
    found: dict[str, Any] = {"learned": prompts.learned[:count], "held": prompts.held[:HELD]}
    for name, seed in SETS.items():
        rows: dict[str, Example] = {}
        for offset in range(SEEDS):
            for example in TASKS[task].examples(500, seed + offset):
                if example.prompt not in used and len(rows) < scored:
                    rows.setdefault(example.prompt, example)
        if len(rows) < scored:
            raise SystemExit(f"{task}: only {len(rows)} of {scored} unique prompts for {name}")
        used |= rows.keys()
        found[name] = list(rows.values())
    return found


@functools.lru_cache(maxsize=1)
def prompts(folder: Path) -> Mapping[str, dict[str, Any]]:
    """task -> its prompts, as `drawn` gave them."""
    found: Mapping[str, dict[str, Any]] = pickle.loads((folder / PROMPTS).read_bytes())
    return found


def answered(place: Place, model: str, task: str, part: int) -> int:
    """The number of answers that the model has given to a part of the prompts of a task."""
    return len(_pairs(place, model, _parts(place, task)[part]))


def _parts(place: Place, task: str) -> list[Sequence[Any]]:
    """The held prompts, then the learned ones in pieces."""
    given = prompts(place.folder)[task]
    pieces = range(0, len(given["learned"]), PIECE)
    return [given["held"], *(given["learned"][at : at + PIECE] for at in pieces)]


def _pairs(place: Place, name: str, asked: Sequence[Any]) -> list[Any]:
    """What the model answers; made once."""
    from dlmviz.jobs.distil.job import answer_specs
    from dlmviz.learn.distill import answers
    from dlmviz.samplers import make

    model, recipe = base(name), Recipe(model=name, batch=BATCH)
    specs = answer_specs(recipe, asked)
    path = answers.place(place.folder / "answers", model.fingerprint, specs)
    sampler = make("fast_dllm", {"tau": recipe.tau})
    for _ in answers.generate(model, sampler, specs, path, recipe.batch):
        pass
    return answers.kept(path, model.special.eos, model.context_length)[0]


def trained(place: Place, student: Student) -> dict[str, Any]:
    """What became of a student: seconds, held-out KL before and after; its files are in place."""
    import torch

    from dlmviz.learn.distill.loop import train
    from dlmviz.models import load

    began, out = time.time(), place.folder / "students" / student.folder
    pairs, held = [], []
    for task in student.tasks:
        for part, asked in enumerate(_parts(place, task)):
            (pairs if part else held).extend(_pairs(place, student.model, asked))
    model: Any = load(student.model)
    ear = Ear(place.until)
    settings = dataclasses.replace(student.settings(), compile=torch.cuda.is_available())
    end = train(model, pairs, held, settings, out, ear)
    return {
        "student": student.name,
        "steps": end.step,
        "batch": student.batch,
        "whole": end.whole,
        "pairs": len(pairs),
        "held_before": ear.held[0],
        "held_after": end.kl,
        "seconds": round(time.time() - began, 1),
    }


@functools.lru_cache(maxsize=2)
def base(name: str) -> Any:
    from dlmviz.models import load

    return load(name)


@functools.lru_cache(maxsize=2)
def _student(name: str, folder: Path) -> Any:
    from dlmviz.jobs.distil.job import student_of

    return student_of(base(name), folder)


def arm(
    place: Place,
    model: str,
    student: str,
    scorer: str,
    tau: float,
    examples: Sequence[Example],
) -> dict[str, Any]:
    """The outcomes of one arm: a row of the rows' file. `student`: its folder, "" for the base."""
    from benchmarks.distill_decode import outcomes
    from dlmviz.jobs.distil.scoring import knobs
    from dlmviz.tasks import TASKS

    task = TASKS[examples[0].task]
    asked = _student(model, place.folder / "students" / student) if student else base(model)
    if time.time() > place.until:
        return {}
    knob, width = knobs(scorer, tau), min(Recipe().block_length, task.gen_length)
    low, high = knob.get("tau", knob.get("tau_low", tau)), knob.get("tau_high", tau)
    made = outcomes(asked, task, examples, width, low, high)
    return {
        "right": made.right.astype(int).tolist(),
        "nfe": made.nfe.tolist(),
        "tokens": made.tokens.tolist(),
    }
