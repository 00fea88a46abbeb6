"""Orders that ignore the model: the controls every comparison needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from dlmviz.signals import best
from dlmviz.types import Choice, Needs, Step, knob


@dataclass(frozen=True)
class Random:
    """A = k candidates drawn uniformly without replacement."""

    name: ClassVar[str] = "random"
    paper: ClassVar[str] = "control"
    needs: ClassVar[Needs] = Needs()
    score_dtype: ClassVar[str] = "float32"

    k: int = knob(1, 1, 1024, "tokens committed at each step")

    def select(self, step: Step, memory: Any) -> Choice:
        device = step.candidates.device
        score = torch.rand(len(step.candidates), generator=step.rng, device=device)
        return Choice(best(score, step.candidates, self.k), score)


@dataclass(frozen=True)
class LeftToRight:
    """A = the k leftmost candidates."""

    name: ClassVar[str] = "left_to_right"
    paper: ClassVar[str] = "control"
    needs: ClassVar[Needs] = Needs()
    score_dtype: ClassVar[str] = "float32"

    k: int = knob(1, 1, 1024, "tokens committed at each step")

    def select(self, step: Step, memory: Any) -> Choice:
        score = -torch.arange(len(step.candidates), device=step.candidates.device).float()
        return Choice(best(score, step.candidates, self.k), score)
