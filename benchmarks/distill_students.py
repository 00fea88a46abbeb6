"""The students of the distillation benchmark: a base model, a family of tasks, a recipe.

`two looks` is the published method, `paper` its settings word for word. More looks, and the
teacher's own step between them (`best`), are extensions of ours.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from dlmviz.learn.distill.settings import Settings
from dlmviz.tasks import TASKS

MODELS = ("tiny", "tiny-early")
ALL = "all"
TWO: dict[str, Any] = {"lr": 1e-3, "eos": False, "tau_tr": 0.98}
FOUR: dict[str, Any] = {"lr": 1e-3, "eos": False, "tau_tr": 0.9, "looks": 4, "best": True}
RECIPES: Mapping[str, Mapping[str, Any]] = {
    "paper": {"lr": 2e-5},
    "two looks": TWO,
    "two looks, eos": TWO | {"eos": True},
    "two looks, block": TWO | {"scope": "block"},
    "two looks, tau .9": TWO | {"tau_tr": 0.9},
    "two looks, tau .7": TWO | {"tau_tr": 0.7},
    "two looks, lr 2e-4": TWO | {"lr": 2e-4},
    "two looks, rank 8": TWO | {"rank": 8, "alpha": 8},
    "two looks, full": TWO | {"rank": 0, "lr": 3e-4},
    "four looks": FOUR,
    "four looks, eos": FOUR | {"eos": True},
    "four looks, block": FOUR | {"scope": "block"},
    "four looks, tau .7": FOUR | {"tau_tr": 0.7},
    "four looks, lr 3e-3": FOUR | {"lr": 3e-3},
    "four looks, rank 8": FOUR | {"rank": 8, "alpha": 8},
    "four looks, full": FOUR | {"rank": 0, "lr": 3e-4},
    "eight looks": FOUR | {"looks": 8},
}


@dataclass(frozen=True)
class Student:
    """Who learns what, and how."""

    model: str
    family: str  # a task, or all of them
    recipe: str
    steps: int = 3000
    batch: int = 64

    @property
    def name(self) -> str:
        return f"{self.model}/{self.family}/{self.recipe}"

    @property
    def folder(self) -> str:
        """A name that a file may have, another one for each length of training."""
        kept = "".join(c if c.isalnum() else "-" for c in self.name)
        return f"{kept}-{self.steps}-{self.batch}"

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(TASKS) if self.family == ALL else tuple(self.family.split("+"))

    def settings(self) -> Settings:
        """A rise over 50 steps, a level, and a fall over the last third."""
        base = Settings(
            steps=self.steps, batch=self.batch, warmup=50, cooldown=0.3, save=max(1, self.steps)
        )
        return dataclasses.replace(base, **RECIPES[self.recipe])


def students(patterns: Sequence[str], steps: int, batch: int) -> Iterator[Student]:
    """All students whose name fits one of the patterns: model/family/recipe, with * and ?.

    A family is all tasks, one of them, or some with + between them.
    """
    for pattern in patterns:
        models, families, recipes = pattern.split("/")
        for model in (m for m in MODELS if fnmatch(m, models)):
            for family in [f for f in (ALL, *TASKS) if fnmatch(f, families)] or [families]:
                for recipe in (r for r in RECIPES if fnmatch(r, recipes)):
                    yield Student(model, family, recipe, steps, batch)
