"""Unmasking within a budget of predicted dependence (DEMASK, arXiv 2604.02560)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from dlmviz.signals import best, entropy, ranked, within_budget
from dlmviz.types import Choice, Needs, Step, knob
from dlmviz.why import reasons


@dataclass(frozen=True)
class Demask:
    """A = greedy: by falling c in {c >= gamma}, accept i iff spent + sum_{j in A} D_ij <= tau.

    D_ij = E_{y ~ p_j} TV(p_i given y at j, p_i), as a predictor reads it from the hidden states.
    What i costs is spent once it is accepted: one budget for the whole set, so by Theorem 4.2 the
    set's joint law lies within tau of the product (if D is true and sub-additive). Equality
    accepts; ties of c go to the lower position; where no c reaches gamma, the best c is committed.
    """

    name: ClassVar[str] = "demask"
    paper: ClassVar[str] = "DEMASK, arXiv 2604.02560"
    score_dtype: ClassVar[str] = "float64"

    tau: float = knob(0.1, 0.0, 1000.0, "dependence that one step may commit at once")
    gamma: float = knob(0.3, 0.0, 1.0, "confidence that a token needs")
    order: str = knob("confidence", help="who comes first", choices=("confidence", "entropy"))
    direction: str = knob(
        "onto", help="what a token costs: influence onto it, or both ways", choices=("onto", "both")
    )
    full: str = knob("skip", help="a token over budget", choices=("skip", "stop"))
    head: str = knob("", help="folder of a trained predictor; empty takes the bundled one")

    @property
    def needs(self) -> Needs:
        return Needs(window="block", hidden=True, head=self.name)

    def select(self, step: Step, memory: Any) -> Choice:
        c, C, rows = step.confidence, step.candidates, step.prediction.rows
        score = -step.spread(entropy(step.probs())) if self.order == "entropy" else c
        asked, hidden = C[rows], step.prediction.hidden
        assert hidden is not None  # the loop returns what `needs` asks for
        D = torch.zeros(len(c), len(c), device=c.device)
        D[rows[asked][:, None], rows[asked]] = step.head(hidden[asked]).float()
        edges = torch.maximum(D, D.T)
        order = ranked(score, C & (c >= self.gamma))
        costs = edges if self.direction == "both" else D
        A, signals = within_budget(costs, order, self.tau, self.full == "stop")
        first = best(score, C)
        return Choice(
            A if len(order) else first,
            score,
            wait=not bool(C.any()),
            signals=signals,
            edges=edges,
            why=lambda: reasons(
                C,
                (A, lambda i: f"within budget: {signals['spent'][i]:.2g} of {self.tau:g} spent"),
                (first & (not len(order)), "fallback: best of block"),
                (c < self.gamma, "below gamma"),
                (C, lambda i: f"over budget: it would cost {signals['cost'][i]:.2g}"),
            ),
        )
