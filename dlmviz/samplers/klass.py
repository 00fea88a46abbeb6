"""Confident and stable tokens (KLASS, NeurIPS 2025, arXiv 2511.05664)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from dlmviz.signals import best, schedule
from dlmviz.types import Canvas, Choice, InputError, Needs, Step, knob
from dlmviz.why import reasons


@dataclass(frozen=True)
class Klass:
    """A = {i in C : c_i > tau, KL(p_i || q_i) < epsilon for h steps}, or a fallback.

    q is p one step before. llada: not before step h - 1 of a block; else LLaDA's schedule; masks
    may stay. dream: one canvas, c_i >= tau; else the best token. Ties go to the lower position.
    """

    name: ClassVar[str] = "klass"
    paper: ClassVar[str] = "KLASS, arXiv 2511.05664"
    score_dtype: ClassVar[str] = "float64"
    variant: str = knob("llada", help="whose published loop it is", choices=("llada", "dream"))
    steps: int = knob(0, 0, 4096, "most forwards in all; 0 means one token a step")
    conf_threshold: float = knob(0.9, 0.0, 1.0, "tau: confidence that a token must pass")
    kl_threshold: float = knob(0.01, 0.0, 100.0, "epsilon: a change below it is stable, in nats")
    history: int = knob(2, 1, 16, "h: how many changes in a row must be stable")
    unmask_strategy: str = knob(
        "all", help="which ready tokens are taken", choices=("all", "max_conf", "min_kl", "random")
    )

    @property
    def needs(self) -> Needs:
        dream = self.variant == "dream"
        return Needs(window="canvas", draw="categorical") if dream else Needs(window="block")

    def ends(self, canvas: Canvas, block_index: int, in_block: int) -> bool:
        span = slice(None) if self.variant == "dream" else canvas.block(block_index)
        return not bool(canvas.masked[span].any()) or in_block >= self._share(canvas)

    def select(self, step: Step, memory: Any) -> Choice:
        C, c, t, dream = step.candidates, step.confidence, step.in_block, self.variant == "dream"
        rows, p = step.prediction.rows, step.probs().double()
        old, q, kls, table = memory or (rows[:0], p[:0], p.new_zeros(self.history, len(C)), [])
        past = torch.full_like(p, 1e-12)  # of a row that was not asked a step before: q = 0
        past[torch.isin(rows, old)] += q[torch.isin(old, rows)]
        kl = step.spread((p * ((p + 1e-12) / past).log()).sum(-1))
        kls = torch.cat([kls[1:], kl[None].nan_to_num()])
        if t == 0:
            table = schedule(int(step.canvas.masked[step.block].sum()), self._share(step.canvas))
        k = 1 if dream else sum(table[t : t + 1])  # none past its S steps
        late, stable = t >= self.history - 1, (kls < self.kl_threshold).all(0)
        ready = C & stable & (c >= self.conf_threshold if dream else c > self.conf_threshold) & late
        order = -kl if self.unmask_strategy == "min_kl" else c
        if self.unmask_strategy == "random":
            order = torch.rand(len(C), generator=step.rng, device=C.device)
        taken = ready if self.unmask_strategy == "all" else best(order, ready)
        transfer = taken if bool(ready.any()) else best(c, C, k)
        said = (
            (ready & transfer, "stable and above tau"),
            (ready, "ready, but another was taken"),
            (transfer, "fallback: best of canvas" if dream else f"scheduled: top {k}"),
            (~stable, lambda i: f"unstable: KL {kls[:, i].max():.2g}"),
            (C, "below tau" if late else "too early"),
        )
        wait, memory = not bool(transfer.any()), (rows, p, kls, table)
        return Choice(
            transfer, c, memory=memory, wait=wait, signals={"kl": kl}, why=lambda: reasons(C, *said)
        )

    def _share(self, canvas: Canvas) -> int:
        """S = steps / blocks. Raises InputError if the blocks cannot share the steps."""
        share, rest = divmod(self.steps or canvas.blocks * canvas.block_length, canvas.blocks)
        if rest:
            words = f"got {self.steps}; try {canvas.blocks * max(1, share)}"
            raise InputError(f"steps must be a multiple of {canvas.blocks} (blocks): {words}")
        return share
