"""Blocks written by a local autoregressive model (CoDiLA, arXiv 2603.20216)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from dlmviz.models.local_ar import FREE
from dlmviz.signals import best
from dlmviz.types import Choice, Needs, Step, knob
from dlmviz.why import reasons


@dataclass(frozen=True)
class Codila:
    """A = one piece of B tokens, written left to right by a small model that reads its marginals.

    h(k) = mean entropy of the piece's first k open tokens, as that model writes them. static: the
    whole piece with the lowest h, of the first `window` open ones. dynamic: the longest k with
    h(k) <= tau (ties: lowest h); at k <= 1 the token with the best c instead. verify: the model
    writes nothing; c is multiplied by `penalty` where its best token is another than the
    denoiser's, and {c >= threshold} + {argmax c} are committed. Pieces lie on a grid from the
    prompt's end. Penalty, window at the left and ties are ours: the paper does not tell.
    """

    name: ClassVar[str] = "codila"
    paper: ClassVar[str] = "CoDiLA, arXiv 2603.20216"
    score_dtype: ClassVar[str] = "float64"

    schedule: str = knob(
        "dynamic", help="how much of a piece is written", choices=("static", "dynamic", "verify")
    )
    piece: int = knob(8, 1, 64, "tokens that the local model writes together (B)")
    tau: float = knob(0.2, 0.0, 100.0, "dynamic: mean entropy that a piece may have, nats")
    window: int = knob(10, 1, 1000, "open pieces that are looked at, from the left")
    temperature: float = knob(0.0, 0.0, 10.0, "of the local model; 0 takes its best token")
    threshold: float = knob(0.9, 0.0, 1.0, "verify: confidence that is enough")
    penalty: float = knob(0.5, 0.0, 1.0, "verify: factor where the two models disagree")
    head: str = knob("", help="folder of a trained local model; empty takes the bundled one")

    @property
    def needs(self) -> Needs:
        return Needs(window="block", head=self.name)

    def select(self, step: Step, memory: Any) -> Choice:
        at, soft, forced = pieces(step, self.piece, self.window)
        if self.schedule == "verify":
            return self._verified(step, at, soft)
        mask = step.canvas.mask_id
        tokens, entropy = step.head.decode(soft, forced, mask, self.temperature, step.rng)
        C = step.candidates
        H = step.spread(torch.zeros(len(step.prediction.rows)).to(step.confidence)) + torch.nan
        written, chosen = step.proposal.clone(), torch.zeros_like(C)
        offers = []
        for row, positions in enumerate(at):
            open_ = [k for k, i in enumerate(positions) if i >= 0 and bool(C[i])]
            there = torch.tensor([positions[k] for k in open_], device=C.device)
            H[there] = entropy[row, open_].to(H)
            h = entropy[row, open_].double().cumsum(0) / torch.arange(1, len(open_) + 1).to(H)
            fits = (h <= self.tau).nonzero()[:, 0]
            k = len(open_) if self.schedule == "static" else int(fits[-1]) + 1 if len(fits) else 0
            offers.append((-k, float(h[max(k, 1) - 1]), there[:k], tokens[row, open_[:k]]))
        _, _, there, given = min(offers, key=lambda offer: offer[:2])
        if self.schedule == "static" or len(there) > 1:
            chosen[there] = True
            written[there] = given
        first = best(step.confidence, C)
        fallback = not bool(chosen.any())
        return Choice(
            first if fallback else chosen,
            step.confidence,
            tokens=written,
            signals={"local_entropy": H},
            why=lambda: reasons(
                C,
                (chosen, "written by the local model"),
                (first & fallback, "fallback: no piece within tau, best of block"),
                (C, "another piece was surer"),
            ),
        )

    def _verified(self, step: Step, at: list[list[int]], soft: Tensor) -> Choice:
        """The threshold rule on confidences that were lowered where the models disagree."""
        C, c = step.candidates, step.confidence.clone()
        places = torch.tensor(at, device=C.device)
        proposed = torch.where(places >= 0, step.proposal[places.clamp_min(0)], soft.argmax(-1))
        top = step.head.logits(soft, proposed).argmax(-1)
        apart = torch.zeros_like(C)
        apart[places[(top != proposed) & (places >= 0)]] = True
        apart &= C
        c[apart] *= self.penalty
        A, first = C & (c >= self.threshold), best(c, C)
        return Choice(
            A | first,
            c,
            signals={"local_agrees": (~apart).to(c).where(C, torch.nan)},
            why=lambda: reasons(
                C,
                (A, "above threshold, and both agree"),
                (first, "fallback: best of block"),
                (apart, "the local model would write another token"),
                (C, "below threshold"),
            ),
        )


def pieces(step: Step, size: int, most: int) -> tuple[list[list[int]], Tensor, Tensor]:
    """(positions of each piece, [n B V] marginals, [n B] forced tokens) of the first open pieces.

    Positions beyond the canvas are -1; they, and what is written, are one-hot and forced.
    """
    canvas, rows, p = step.canvas, step.prediction.rows, step.probs()
    start, tokens = canvas.prompt_length, canvas.tokens
    opened = step.candidates.nonzero()[:, 0].tolist()
    firsts = sorted({start + (i - start) // size * size for i in opened})[:most]
    at = [[i if i < len(tokens) else -1 for i in range(f, f + size)] for f in firsts]
    of_row = {int(i): number for number, i in enumerate(rows.tolist())}
    soft = p.new_zeros(len(at), size, p.shape[-1])
    forced = tokens.new_full((len(at), size), FREE)
    beyond = step.special.eos if step.special.eos is not None else canvas.mask_id
    for number, positions in enumerate(at):
        for k, i in enumerate(positions):
            if i in of_row:
                soft[number, k] = p[of_row[i]]
            else:
                forced[number, k] = tokens[i] if i >= 0 else beyond
                soft[number, k, forced[number, k]] = 1
    return at, soft, forced
