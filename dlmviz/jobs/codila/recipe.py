"""What a training of CoDiLA's local model is asked to do, as plain values: no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from dlmviz.jobs.train.recipe import TASKS, check, made
from dlmviz.learn.codila.settings import Fit
from dlmviz.types import InputError


@dataclass(frozen=True)
class Recipe:
    """A denoiser, the tasks whose texts are learned from, and how the local model learns."""

    model: str = "tiny"
    tasks: tuple[str, ...] = (*TASKS, "pairs", "pairs")  # equal shares: what is named twice, two
    count: int = 40_000  # texts that it learns from
    held: int = 700  # further texts that it is scored on
    pairs: int = 200  # prompts of `pairs` that are decoded to count broken ones; 0: none
    piece: int = 8  # tokens a step in these decodes, and the length of a block
    fit: Fit = field(default_factory=Fit)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", tuple(self.tasks))
        counts = {"count": (self.count, 1), "held": (self.held, 1), "pairs": (self.pairs, 0)}
        check(self.tasks, {**counts, "piece": (self.piece, 1)})
        if self.piece not in (1, 2, 4, 8, 16, 32):
            raise InputError(f"piece must be 1, 2, 4, 8, 16 or 32: got {self.piece}; try 8")

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain values, which `recipe_of` takes back."""
        return dataclasses.asdict(self)


def recipe_of(given: Mapping[str, Any]) -> Recipe:
    """The recipe that plain values describe. Raises InputError for anything else."""
    return made(Recipe, Fit, given, "a local model's training")


PRESETS: Mapping[str, Recipe] = MappingProxyType(
    {
        "demo": Recipe(
            tasks=("pairs",),
            count=4000,
            held=64,
            pairs=32,
            fit=Fit(sizes=(8,), layers=2, steps=400, batch=16, pool=80, every=40),
        ),
        "built-in": Recipe(fit=Fit(steps=10_000, batch=96)),
    }
)
TITLES: Mapping[str, str] = MappingProxyType(
    {"demo": "Pairs alone: two minutes on a laptop", "built-in": "The built-in model, on a GPU"}
)
