"""Confidence-aware parallel decoding (Fast-dLLM, arXiv 2505.22618)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from dlmviz.signals import best
from dlmviz.types import Choice, Needs, Step, knob


@dataclass(frozen=True)
class FastDllm:
    """A = {i in C : c_i >= tau} + {argmax_C c}: every token the model is sure enough of.

    Equality commits; the most confident candidate always does, ties going to the lower position.
    """

    name: ClassVar[str] = "fast_dllm"
    paper: ClassVar[str] = "Fast-dLLM, arXiv 2505.22618"
    needs: ClassVar[Needs] = Needs()
    score_dtype: ClassVar[str] = "float64"

    tau: float = knob(0.9, 0.0, 1.0, "confidence that is enough to commit a token")

    def select(self, step: Step, memory: Any) -> Choice:
        c, candidates = step.confidence, step.candidates
        return Choice(candidates & (c >= self.tau) | best(c, candidates), c)
