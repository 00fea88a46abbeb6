"""Generate, then edit (idea of arXiv 2601.15593): a draft, whose doubtful tokens are redone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from dlmviz.signals import best
from dlmviz.types import Choice, InputError, Needs, Step, knob
from dlmviz.why import reasons


@dataclass(frozen=True)
class Edit:
    """W = the share n lowest of {i : s_i = p(x_i | the rest) < floor}: taken back, redone singly.

    n: tokens to the first eos; one at least may go. Equality stays; ties go left. Every chunks-th
    token is hidden together, all in one forward. Over after `rounds`, if W is empty, or if it came
    back the same. Masks behind an eos are left alone. Nothing promises that edits improve a draft.
    """

    name: ClassVar[str] = "edit"
    paper: ClassVar[str] = "Generate-then-edit, arXiv 2601.15593"
    score_dtype: ClassVar[str]  # the draft's

    base: str = knob("fast_dllm", help="sampler that writes the draft; its knobs are base.KNOB")
    rounds: int = knob(3, 0, 10, "how often tokens are taken back at most; 0 keeps the draft")
    share: float = knob(0.15, 0.01, 0.5, "share of the tokens that a round takes back at most")
    floor: float = knob(0.3, 0.0, 1.0, "probability given the rest that lets a token stay")
    chunks: int = knob(4, 2, 16, "spacing of the tokens that are hidden together to be scored")
    draft: Any = None  # the sampler that `base` names

    def __post_init__(self) -> None:
        if self.draft is None or self.draft.needs.revises:
            raise InputError(f"edit needs another sampler's draft: got {self.draft}; use make()")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.draft, name)  # score_dtype, and what it may have: ends, bound, steps

    @property
    def needs(self) -> Needs:
        return Needs(**{**vars(self.draft.needs), "revises": True})

    def select(self, step: Step, memory: Any) -> Choice:
        inner, rounds, W, before = memory or (None, 0, step.fixed, step.canvas.tokens[:0])
        c, C, x = step.confidence, step.candidates, step.canvas.tokens
        if not step.revise and rounds == 0:
            choice: Choice = self.draft.select(step, inner)
            return replace(choice, memory=(choice.memory, 0, W, before))
        if not step.revise:
            A = best(c, C & W if bool((C & W).any()) else C)  # else: behind an eos that has gone
            rules = (A, "edited: one at a time"), (C, "waits its turn")
            return Choice(A, c, memory=memory, why=lambda: reasons(C, *rules))
        over = rounds >= self.rounds or torch.equal(x, before)
        s = torch.full(x.shape, torch.nan).to(x.device) if over else self._consistency(step)
        W = best(-s, s < self.floor, max(1, int(self.share * int((~s.isnan()).sum()))))
        return Choice(
            torch.zeros_like(W),
            s,
            remask=W,
            memory=(inner, rounds + 1, W, x),
            wait=not bool(W.any()),
            signals={"consistency": s},
            why=lambda: reasons(W, (W, lambda i: f"taken back: p {s[i]:.2g} given the rest")),
        )

    def _consistency(self, step: Step) -> torch.Tensor:
        """s_i, float64 [T]; NaN where a token was given, is masked, or stands behind an eos."""
        x, at = step.canvas.tokens, torch.arange(len(step.fixed), device=step.fixed.device)
        free = ~(step.fixed | step.canvas.masked) & (at >= step.canvas.prompt_length)
        ends = free & (x == step.special.eos)  # nowhere if there is no eos
        hidden = free & (ends.cumsum(0) == ends) & (at % self.chunks == at[: self.chunks, None])
        said = step.peek(torch.where(hidden, step.canvas.mask_id, x))
        logits = torch.cat([full.logits[h] for full, h in zip(said, hidden, strict=True)]).double()
        logits[:, step.canvas.mask_id] = -torch.inf
        i = hidden.nonzero()[:, 1]
        p = logits.softmax(-1).gather(-1, x[i, None])[:, 0]
        return torch.full_like(x, torch.nan, dtype=p.dtype).scatter(0, i, p)
