"""Orders without a rule of their own: the controls every comparison needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from dlmviz.signals import best
from dlmviz.types import Choice, Needs, Step, knob
from dlmviz.why import reasons


@dataclass(frozen=True)
class TopK:
    """A = the k candidates with the highest confidence; ties go to the lower position."""

    name: ClassVar[str] = "top_k"
    paper: ClassVar[str] = "control"
    needs: ClassVar[Needs] = Needs()
    score_dtype: ClassVar[str] = "float32"

    k: int = knob(1, 1, 1024, "tokens committed at each step")

    def select(self, step: Step, memory: Any) -> Choice:
        return _first(step, step.confidence, self.k, f"top {self.k}", f"not in top {self.k}")


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
        return _first(step, score, self.k, "drawn by chance", "not drawn")


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
        return _first(step, score, self.k, f"leftmost {self.k}", f"not in leftmost {self.k}")


def _first(step: Step, score: Tensor, k: int, chosen: str, other: str) -> Choice:
    """The k candidates of highest score, with words for them and for the others."""
    candidates, transfer = step.candidates, best(score, step.candidates, k)
    return Choice(
        transfer,
        score,
        wait=not bool(candidates.any()),
        why=lambda: reasons(candidates, (transfer, chosen), (candidates, other)),
    )
