"""Confidence-aware parallel decoding (Fast-dLLM, arXiv 2505.22618), its Dream port included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from dlmviz.signals import ranked, schedule
from dlmviz.types import Canvas, Choice, Needs, Step, knob
from dlmviz.why import reasons


@dataclass(frozen=True)
class FastDllm:
    """A = {i in C : c_i >= theta_i, rank_i <= n} + {argmax_C c}: all that the model is sure of.

    Ranks go by c, ties to the lower position. Threshold: theta = tau, n = |C|. Factor: theta =
    1 - f / (rank + 1), n = |C|. Schedule: theta = 0, n = k_t as LLaDA's, 1 past its steps. Budget:
    theta = tau, over the whole canvas, n = |C| less the k_s of later steps s: the rest is carried.
    """

    name: ClassVar[str] = "fast_dllm"
    paper: ClassVar[str] = "Fast-dLLM, arXiv 2505.22618"

    tau: float = knob(0.9, 0.0, 1.0, "confidence that is enough to commit a token")
    rule: str = knob(
        "threshold",
        help="what is enough: tau, a bar that rises with rank, a fixed count, tau within a budget",
        choices=("threshold", "factor", "schedule", "budget"),
    )
    factor: float = knob(1.0, 0.0, 16.0, "f of the factor rule: a larger one commits more at once")
    quirk: bool = knob(True, help="factor as published: equality passes, a lone last rank too")
    steps: int = knob(0, 0, 4096, "forwards that schedule and budget plan; 0: one for each token")

    @property
    def needs(self) -> Needs:
        return Needs(window="canvas", draw="categorical") if self.rule == "budget" else Needs()

    @property
    def score_dtype(self) -> str:
        return "native" if self.rule == "budget" else "float64"

    def bound(self, canvas: Canvas) -> int:
        """S = steps / blocks, at least 1: forwards of a block, where a cached loop bounds them."""
        return max(1, self.steps // canvas.blocks) if self.steps else canvas.block_length

    def select(self, step: Step, memory: Any) -> Choice:
        C, c, t, n = step.candidates, step.confidence, step.in_block, int(step.candidates.sum())
        factor, scheduled = self.rule == "factor", self.rule == "schedule"
        if t == 0 and self.rule in ("schedule", "budget"):
            masks = int(step.canvas.masked[step.block].sum()) if scheduled else n
            memory = schedule(masks, self.bound(step.canvas))
        rank = torch.full_like(c, torch.nan, dtype=torch.float32)
        rank[ranked(c, C)] = torch.arange(1.0, n + 1, device=c.device)
        level = torch.full_like(c, 0 if scheduled else self.tau)
        theta = (1 - self.factor / (rank.double() + 1)).to(c.dtype) if factor else level
        A = C & (c > theta if factor and not self.quirk else c >= theta) | (rank == 1)
        A |= C & (factor and self.quirk) & (A.sum() == n - 1)  # all pass but one: the last rank
        if scheduled:
            n = memory[t] if t < len(memory) else 1
        elif self.rule == "budget":
            n -= sum(memory[t + 1 :])
        A &= rank <= n

        def why() -> dict[int, str]:
            bar = [f"{x:.2g}" if factor else "tau" for x in theta.tolist()]
            return reasons(
                C,
                (A & scheduled, f"scheduled: top {n}"),
                (A & (c >= theta), lambda i: f"above {bar[i]}"),
                (A & (rank == 1), "fallback: best of block"),
                (A, "last rank: taken too"),
                (rank > n, f"not in {'top' if scheduled else 'budget'} {n}"),
                (C, lambda i: f"below {bar[i]}"),
            )

        signals = {"rank": rank, "threshold": theta.where(C, torch.nan)}
        return Choice(A, c, memory=memory, wait=not bool(A.any()), signals=signals, why=why)
