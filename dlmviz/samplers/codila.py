"""Pieces written by a local autoregressive model (CoDiLA, arXiv 2603.20216)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from dlmviz.pieces import open_pieces, spread, surest
from dlmviz.signals import best
from dlmviz.types import Choice, Needs, Step, knob
from dlmviz.why import reasons


@dataclass(frozen=True)
class Codila:
    """A = one piece of B tokens, written left to right by a small model that reads its marginals.

    h(k) = mean entropy of the piece's first k open tokens, as that model writes them. static: all
    of the piece with the lowest h. dynamic: the longest k with h(k) <= tau (ties: the lowest h);
    at k <= 1 the best c of the block instead. verify: c is multiplied by `penalty` where the small
    model would write another token, and {c >= threshold} + {argmax c} are committed. Looked at are
    the first `window` open pieces. Penalty, floor, ties, window are ours: the paper does not tell.
    """

    name: ClassVar[str] = "codila"
    paper: ClassVar[str] = "CoDiLA, arXiv 2603.20216"
    score_dtype: ClassVar[str] = "float64"

    schedule: str = knob("dynamic", help="what is written", choices=("static", "dynamic", "verify"))
    piece: int = knob(8, 1, 64, "tokens that the local model writes together (B)")
    tau: float = knob(0.2, 0.0, 100.0, "dynamic: mean entropy that a piece may have, nats")
    window: int = knob(10, 1, 1000, "open pieces that are looked at, from the left")
    temperature: float = knob(0.0, 0.0, 10.0, "of the local model; 0 takes its best token")
    floor: float = knob(0.01, 0.0, 1.0, "drawn: least share of the best marginal; 0: any (ours)")
    threshold: float = knob(0.9, 0.0, 1.0, "verify: confidence that is enough")
    penalty: float = knob(0.5, 0.0, 1.0, "verify: factor where the two models disagree")
    head: str = knob("", help="trained local model: folder or hub id; empty takes the bundled one")

    @property
    def needs(self) -> Needs:
        return Needs(window="block", head=self.name)

    def select(self, step: Step, memory: Any) -> Choice:
        C, c = step.candidates, step.confidence
        pieces = open_pieces(step, self.piece, self.window)
        if self.schedule == "verify":
            apart = ~step.head.agrees(pieces, step.proposal) & C
            c = c.where(~apart, c * self.penalty)
            signals = {"local_agrees": (~apart).to(c).where(C, torch.nan)}
            other = (apart, "the local model would write another token")
            words: Any = ("above threshold", other, (C, "below threshold"))
            return _choice(C, c, C & (c >= self.threshold), signals, words)
        mask, whole = step.canvas.mask_id, self.schedule == "static"
        tokens, entropies = step.head.decode(pieces, mask, self.temperature, step.rng, self.floor)
        H = spread(pieces, entropies, torch.full_like(c, torch.nan))
        A = surest(pieces, H, None if whole else self.tau)
        A &= bool(whole or A.sum() > 1)
        written = spread(pieces, tokens, step.proposal).where(A, step.proposal)
        words = ("written by the local model", (C, "another piece was surer, or beyond tau"))
        return _choice(C, c, A, {"local_entropy": H}, words, written)


def _choice(
    C: Tensor, c: Tensor, A: Tensor, signals: Any, words: Any, tokens: Tensor | None = None
) -> Choice:
    """A, or the best c where A is empty."""
    first = best(c, C) & ~A.any()
    rules = ((A, words[0]), (first, "fallback: best of block"), *words[1:])
    why = partial(reasons, C, *rules)
    return Choice(A | first, c, tokens, wait=not bool(C.any()), signals=signals, why=why)
