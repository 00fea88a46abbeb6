"""Parallel speculative decoding (PSD, arXiv 2605.15609; groups and acceptance are our reading)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from dlmviz.signals import best, ranked
from dlmviz.types import Choice, Needs, Prediction, Step, knob
from dlmviz.why import reasons


@dataclass(frozen=True)
class Psd:
    """A = S + G_1 + .. + G_k, S the policy's set, k the most with every G_j accepted at x_(j-1).

    x_j: the canvas with S, G_1..G_j; one forward sees all. G_j: the next masks of the block by
    confidence. S: all c > tau, else the best; equality fails, ties go left. Accepted (token): the
    model proposes it still; subset: and S at x_(j-1) has all of G_j; exact: and nothing more.
    """

    name: ClassVar[str] = "psd"
    paper: ClassVar[str] = "PSD, arXiv 2605.15609"
    needs: ClassVar[Needs] = Needs(window="block")
    score_dtype: ClassVar[str] = "float64"

    policy: str = knob("threshold", help="what S is", choices=("top_1", "threshold", "local_leap"))
    tau: float = knob(0.9, 0.0, 1.0, "confidence to exceed; top_1 takes the best only")
    tau_near: float = knob(0.75, 0.0, 1.0, "local leap: confidence to exceed near one above tau")
    radius: int = knob(4, 0, 64, "local leap: how far near reaches, to either side")
    depth: int = knob(3, 0, 16, "groups drafted ahead; 0 is the policy alone")
    group: int = knob(1, 1, 64, "tokens in a group")
    accept: str = knob("token", help="what must agree", choices=("token", "subset", "exact"))

    def select(self, step: Step, memory: Any) -> Choice:
        c, C, S = step.confidence, step.candidates, self._policy(step)
        order, nowhere = ranked(c, C), torch.full_like(c, torch.nan, dtype=torch.float32)
        rank = nowhere.scatter(0, order, torch.arange(1, len(order) + 1).to(nowhere))
        queue, depth = order[~S[order]], nowhere.masked_fill(S, 0)
        depth[queue] = torch.arange(len(queue)).to(nowhere) // self.group + 1
        last, k, seen = min(self.depth, int(depth.nan_to_num().max())), 0, step
        x = [step.canvas.write(Choice(depth <= j, c), step.proposal) for j in range(last + 1)]
        said = step.peek(torch.stack([draft.tokens for draft in x])) if last else []
        rows = [draft.masked.nonzero()[:, 0] for draft in x]
        p = [Prediction(r, q.logits[r], q.attention) for r, q in zip(rows, said, strict=False)]
        while k < last and self._accepts(step, seen := step.at(x[k], p[k]), depth == k + 1):
            k += 1
        A, sure = depth <= k, S & (c > self.tau) & (self.policy != "top_1")
        no = "its group differs" if self.accept == "token" else "not what the policy would commit"
        return Choice(
            A,
            c,
            prediction=p[k] if p else None,
            signals={"depth": depth.where(A, torch.nan), "rank": rank},
            why=lambda: reasons(
                C,
                (sure, "policy: above tau"),
                (S, "policy: near one above tau" if sure.any() else "policy: best of block"),
                (A, lambda i: f"draft accepted at depth {int(depth[i])}"),
                (depth > self.depth, "not drafted" if self.depth else "left by the policy"),
                (depth > k + 1, "draft not reached"),
                (seen.proposal != step.proposal, "draft rejected: model now says another token"),
                (C, f"draft rejected: {no}"),
            ),
        )

    def _policy(self, step: Step) -> Tensor:
        sure = step.candidates & (step.confidence > self.tau) & (self.policy != "top_1")
        if self.policy == "local_leap":
            near = torch.max_pool1d(sure.double()[None], 2 * self.radius + 1, 1, self.radius)[0] > 0
            sure = sure | step.candidates & near & (step.confidence > self.tau_near)
        return sure if bool(sure.any()) else best(step.confidence, step.candidates)

    def _accepts(self, step: Step, parent: Step, group: Tensor) -> bool:
        same, policy = parent.proposal == step.proposal, self._policy(parent)
        wanted = {"token": group, "subset": group & policy, "exact": policy}[self.accept]
        return torch.equal(wanted & (same | ~group), group)
