"""Dream's own sampler: a grid of times says how many tokens a step commits (arXiv 2508.15487)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from dlmviz.signals import best, margin
from dlmviz.types import Canvas, Choice, Needs, Step, knob
from dlmviz.why import reasons


@dataclass(frozen=True)
class Dream:
    """A_t = the trunc(n (1 - s/t)) of n masks with the highest score; times t > s, from 1 to eps.

    Times are evenly spaced, the last step takes all; ties go to the lower position. Scores:
    confidence (maskgit_plus), margin (topk_margin), negative entropy; alg_temp > 0 draws from
    softmax(score / alg_temp) instead. origin takes each mask with probability 1 - s/t. Every step
    is run, idle ones too. The code's default is origin; the published results are of entropy.
    """

    name: ClassVar[str] = "dream"
    paper: ClassVar[str] = "Dream, arXiv 2508.15487"
    needs: ClassVar[Needs] = Needs(window="canvas", draw="categorical")
    score_dtype: ClassVar[str] = "native"

    steps: int = knob(0, 0, 4096, "forwards in all; 0 means one for each token")
    alg: str = knob(
        "entropy",
        help="what decides the order: chance, confidence, margin or entropy",
        choices=("origin", "maskgit_plus", "topk_margin", "entropy"),
    )
    eps: float = knob(0.001, 0.0, 0.5, "where the times end")
    alg_temp: float = knob(0.0, 0.0, 10.0, "how much chance enters the order; 0 is none")

    def ends(self, canvas: Canvas, block_index: int, in_block: int) -> bool:
        return in_block >= (self.steps or canvas.gen_length)

    def select(self, step: Step, memory: Any) -> Choice:
        C, share = step.candidates, self._share(step)
        score, k = self._score(step), int(int(step.canvas.masked.sum()) * share)
        signals = {"margin": score} if self.alg == "topk_margin" else {}
        words = (f"scheduled: top {k}", f"not in top {k}" if k else "nothing scheduled")
        if self.alg == "origin":
            words = (f"draw below {share:.2g}", f"draw not below {share:.2g}")
        elif self.alg_temp > 0 and k > 0:
            # the race inside torch.multinomial: the same draws, and never outside the candidates
            weights = torch.softmax(score.masked_fill(~C, float("-inf")) / self.alg_temp, -1)
            score = weights / torch.empty_like(weights).exponential_(generator=step.rng)
            words = (f"drawn by score: {k}", "not drawn")
        transfer = C & (score < share) if self.alg == "origin" else best(score, C, k)
        said, wait = ((transfer, words[0]), (C, words[1])), not bool(transfer.any())
        return Choice(transfer, score, wait=wait, signals=signals, why=lambda: reasons(C, *said))

    def _score(self, step: Step) -> Tensor:
        """What ranks, [T]; for origin one draw a candidate, in order of position."""
        if self.alg == "maskgit_plus":
            return step.confidence
        if self.alg == "origin":
            places = step.candidates.nonzero()[:, 0]
            draws = torch.full(step.candidates.shape, float("nan"), device=places.device)
            draws[places] = torch.rand(len(places), generator=step.rng, device=places.device)
            return draws
        p = step.probs()
        of_rows = margin(p) if self.alg == "topk_margin" else (p * (p + 1e-10).log()).sum(-1)
        return step.spread(of_rows)

    def _share(self, step: Step) -> Tensor:
        """1 - s/t, in float32, whose rounding decides counts; 1 at the last step."""
        steps, device = self.steps or step.canvas.gen_length, step.candidates.device
        if step.in_block + 1 >= steps:
            return torch.ones((), device=device)
        grid = torch.linspace(1, self.eps, steps + 1, dtype=torch.float32, device=device)
        return 1 - grid[step.in_block + 1] / grid[step.in_block]
