"""Dependency-aware parallel decoding (DAPD, arXiv 2603.12996)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from dlmviz.signals import best, degree, edge_scores, independent_set, normalised, ranked
from dlmviz.types import Choice, Needs, Step, knob
from dlmviz.why import reasons


@dataclass(frozen=True)
class Dapd:
    """A = the greedy set: by falling d_i c_i, accept i iff N_ij <= tau for every accepted j.

    d_i = sum_j R_ij, N_ij = R_ij / max_j R_ij, tau = tau_min + (tau_max - tau_min) (1 - masks / L);
    ties of the order go to the lower position. Where 1 - masks / L >= 0.5, staged adds {c >= 0.9}.
    direct commits {c >= direct_threshold} first, and that blocks nothing. paper is the text, not
    the code: N is symmetric (R over its greatest entry), and the late A is {c > 0.9} or the best c.
    """

    name: ClassVar[str] = "dapd"
    paper: ClassVar[str] = "DAPD, arXiv 2603.12996"
    score_dtype: ClassVar[str] = "native"

    variant: str = knob(
        "staged", help="two published codes, or the text", choices=("staged", "direct", "paper")
    )
    tau_min: float = knob(0.01, 0.0, 1.0, "conflict that two tokens may have, at the start")
    tau_max: float = knob(0.15, 0.0, 1.0, "conflict that two tokens may have, at the end")
    layer_ratio: float = knob(0.3, 0.01, 1.0, "share of the layers, from the last, that is read")
    direct_threshold: float = knob(1.0, 0.0, 1.0, "direct: confidence that needs no graph")
    skip_eos_edges: bool = knob(False, help="ours: no edges between eos tokens with c >= 0.9")

    @property
    def needs(self) -> Needs:
        return Needs(attention=self.layer_ratio)

    def select(self, step: Step, memory: Any) -> Choice:
        canvas, c, C = step.canvas, step.confidence, step.candidates.clone()
        asked = ~step.fixed[canvas.prompt_length :]  # L of them: what this run has to fill
        start = prompt = 0
        if bool(asked[canvas.block_length :].any()):  # several blocks ignore masks of the prompt
            start, prompt = step.block.start, canvas.prompt_length
        C[:start] = False
        progress = 1 - int(canvas.masked[prompt:].sum()) / int(asked.sum())
        late, tau = progress >= 0.5, self.tau_min + (self.tau_max - self.tau_min) * progress
        attention = step.prediction.attention
        assert attention is not None  # the loop returns what `needs` asks for
        eos = C & (step.proposal == step.special.eos) & (c >= 0.9) & self.skip_eos_edges
        R = edge_scores(attention, C) - edge_scores(attention, eos)
        d, N = degree(R), normalised(R)
        # the code divides c by its maximum over the prompt too: the same order up to rounding
        kappa = d / (d.max() + 1e-8) * (c / (c.max() + 1e-8))
        sure, graph = C & (c >= 0.9) & late, C
        if self.variant == "direct":
            sure, graph = C & (c >= self.direct_threshold), C & (c < self.direct_threshold)
        elif self.variant == "paper":
            sure, graph, N = C & (c > 0.9) & late, C & (not late), R / R.max().clamp_min(1e-8)
        greedy, blocker = independent_set(ranked(kappa, graph), N, tau)
        A = sure | greedy if bool((sure | greedy).any()) else best(c, C)
        signals = {"degree": d.where(C, torch.nan), "threshold": torch.where(graph, tau, torch.nan)}
        signals["independent"] = greedy.to(d).where(graph, torch.nan)

        def why() -> dict[int, str]:
            certain = f"certain: c >= {self.direct_threshold:g}"
            return reasons(
                step.candidates,
                (greedy, "independent"),
                (sure, certain if self.variant == "direct" else "confident: above 0.9"),
                (A, "fallback: best of block"),
                (blocker >= 0, lambda i: f"conflicts with {blocker[i]}"),
                (C, "not above 0.9"),
                (~C, "not in this block"),
            )

        return Choice(A, kappa, signals=signals, edges=R, why=why)
