"""Slow-fast decoding by context sensitivity (Disentangled Decoding, OpenReview 0ZSLZWAmWo)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from dlmviz.signals import best, jsd
from dlmviz.types import Choice, Needs, Prediction, Step, knob
from dlmviz.why import reasons


@dataclass(frozen=True)
class SlowFast:
    """A = {i in C : c_i >= tau_high if i is slow, else tau_low} + {argmax_C c}.

    Slow: J_i = JSD(p_i, p_i with earlier blocks hidden) strictly above its mean over the block's
    masks. The paper contradicts itself on the side: by its Eq. 10, the default, a high JSD is slow,
    by its abstract fast. Block 0 is fast, and all are once more than release |fast| fast ones are
    committed. Equality commits, ties go to the lower position. Equal taus cost no probe.
    """

    name: ClassVar[str] = "slow_fast"
    paper: ClassVar[str] = "Disentangled Decoding, OpenReview 0ZSLZWAmWo"
    needs: ClassVar[Needs] = Needs(window="block")
    score_dtype: ClassVar[str] = "float64"

    tau_low: float = knob(0.7, 0.0, 1.0, "confidence that is enough for a fast token")
    tau_high: float = knob(0.9, 0.0, 1.0, "confidence that is enough for a slow token")
    release: float = knob(0.6, 0.0, 1.0, "share of the fast that frees the slow; 1 is never")
    slow_side: str = knob("high", help="which JSD makes a token slow", choices=("high", "low"))
    context: str = knob(
        "previous_block", help="hidden for JSD", choices=("previous_block", "all_previous_blocks")
    )
    when: str = knob("block_entry", help="when JSD is taken", choices=("block_entry", "every_step"))

    def select(self, step: Step, memory: Any) -> Choice:
        c, C = step.confidence, step.candidates
        if step.in_block == 0 or self.when == "every_step":
            memory = self._split(step, memory)
        fast, J = memory
        released = int((fast & ~C).sum()) > self.release * int(fast.sum())
        slow, theta = C & ~fast, torch.full_like(c, self.tau_low)
        held = slow & (not released)
        theta[held] = self.tau_high
        A, first = C & (c >= theta), best(c, C)
        signals = {"jsd": J, "slow": slow.to(c), "threshold": theta}
        return Choice(
            A | first,
            c,
            memory=memory,
            signals={name: value.where(C, torch.nan) for name, value in signals.items()},
            why=lambda: reasons(
                C,
                (A & fast, "above tau_low"),
                (A, "released: above tau_low" if released else "above tau_high"),
                (first, "fallback: best of block"),
                (held, "slow set: below tau_high"),
                (C, "below tau_low"),
            ),
        )

    def _split(self, step: Step, memory: Any) -> tuple[Tensor, Tensor]:
        """The fast positions, bool [T], and J_i of the block's masks, [T]."""
        canvas, C, rows = step.canvas, step.candidates, step.candidates.nonzero()[:, 0]
        J = torch.full_like(step.confidence, torch.nan)
        if step.block_index == 0 or self.tau_low == self.tau_high:
            return C, J
        first = canvas.block(step.block_index - 1 if self.context == "previous_block" else 0)
        tokens, span = canvas.tokens.clone(), slice(first.start, step.block.start)
        tokens[span][~step.fixed[span]] = canvas.mask_id
        probe = Prediction(rows, step.peek(tokens[None])[0].logits[rows])
        blind = step.at(replace(canvas, tokens=tokens), probe)
        J[rows] = jsd(step.probs()[C[step.prediction.rows]], blind.probs())
        slow = J.gt(J[C].mean()) != (self.slow_side == "low")
        before = memory[0] if step.in_block else C  # what is committed stays what it was
        return torch.where(C, ~slow, before), J
