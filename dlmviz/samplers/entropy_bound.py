"""Unmasking within an entropy budget (EB-Sampler, arXiv 2505.24857)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from dlmviz.signals import entropy, margin, ranked
from dlmviz.types import Choice, Needs, Step, knob
from dlmviz.why import reasons


@dataclass(frozen=True)
class EntropyBound:
    """A = the first n of C, n = count of ranks with D_n = sum_(r<=n) h_r - max_(r<=n) h_r <= gamma.

    Ranks go by the lowest error proxy, ties to the lower position; h_r is the entropy in nats at
    rank r. Equality commits. D_1 = 0 and D never falls, so at least one token is committed.
    """

    name: ClassVar[str] = "entropy_bound"
    paper: ClassVar[str] = "EB-Sampler, arXiv 2505.24857"
    needs: ClassVar[Needs] = Needs(window="block")
    score_dtype: ClassVar[str] = "float64"

    gamma: float = knob(0.1, 0.0, 100.0, "nats of entropy that one step may commit at once")
    proxy: str = knob(
        "confidence",
        help="what puts the surest first: confidence, low entropy, or lead over the second token",
        choices=("confidence", "entropy", "margin"),
    )

    def select(self, step: Step, memory: Any) -> Choice:
        candidates, p = step.candidates, step.probs()
        h, score, signals = step.spread(entropy(p)), step.confidence, {}
        if self.proxy == "entropy":
            score = -h
        elif self.proxy == "margin":
            score = signals["margin"] = step.spread(margin(p))
        order = ranked(score, candidates)
        D = h[order].cumsum(0) - h[order].cummax(0).values
        taken = order[: int(D.le(self.gamma).sum())]
        transfer = torch.zeros_like(candidates)
        transfer[taken] = True
        nowhere = torch.full_like(h, torch.nan)
        signals["budget"] = nowhere.scatter(0, order, D)
        signals["rank"] = nowhere.scatter(0, order, torch.arange(1, len(order) + 1).to(h))
        return Choice(
            transfer,
            score,
            wait=not len(order),
            signals=signals,
            why=lambda: reasons(
                candidates,
                (signals["rank"] == 1, "lowest error proxy"),
                (transfer, lambda i: f"within budget: {signals['budget'][i]:.2g} nats"),
                (candidates, "over entropy budget"),
            ),
        )
