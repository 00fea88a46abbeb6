"""What a training of DEMASK's predictor is asked to do, as plain values: no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from dlmviz.jobs.train.recipe import TASKS, check, made
from dlmviz.learn.demask.settings import Fit
from dlmviz.types import InputError


@dataclass(frozen=True)
class Recipe:
    """A model, the prompts whose decodes give the states, and how the predictor learns."""

    model: str = "tiny"
    tasks: tuple[str, ...] = TASKS  # in equal shares
    count: int = 4000  # prompts that it learns from; each gives two states
    held: int = 400  # further prompts, whose states it is scored on
    tau: float = 0.9  # threshold of the decodes
    batch: int = 8  # states that are measured together
    fit: Fit = field(default_factory=Fit)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", tuple(self.tasks))
        check(self.tasks, {name: (getattr(self, name), 1) for name in ("count", "held", "batch")})
        if not (isinstance(self.tau, int | float) and 0 <= self.tau <= 1):
            raise InputError(f"tau must lie in 0..1: got {self.tau!r}; try 0.9")

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain values, which `recipe_of` takes back."""
        return dataclasses.asdict(self)


def recipe_of(given: Mapping[str, Any]) -> Recipe:
    """The recipe that plain values describe. Raises InputError for anything else."""
    return made(Recipe, Fit, given, "a predictor's training")


PRESETS: Mapping[str, Recipe] = MappingProxyType(
    {
        "demo": Recipe(
            count=56,
            held=14,
            batch=4,
            fit=Fit(sources=4, draws=1, inner=128, epochs=60, batch=16),
        ),
        "built-in": Recipe(
            count=3000,
            batch=16,
            fit=Fit(sources=16, draws=4, inner=512, epochs=40, weight_decay=1.0),
        ),
    }
)
TITLES: Mapping[str, str] = MappingProxyType(
    {"demo": "Two minutes on a laptop", "built-in": "The built-in model, on a GPU"}
)
