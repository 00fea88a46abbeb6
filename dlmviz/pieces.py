"""Pieces of a block as a local model reads them: marginals, and what is known already.

CoDiLA (arXiv 2603.20216) calls them blocks; here a block is what the loop fills before the next.
Letters: B tokens of a piece, V vocabulary, T canvas positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dlmviz.types import Step

FREE = -1  # in `forced`: to be written


@dataclass(frozen=True, eq=False)
class Piece:
    """Some consecutive positions. What is written there already is one-hot, and forced."""

    at: Tensor  # int64 [B], canvas positions
    soft: Tensor  # [B V], marginals
    forced: Tensor  # int64 [B], tokens, or FREE

    @property
    def free(self) -> Tensor:
        """int64 [n]: which of the B places are to be written."""
        return (self.forced == FREE).nonzero()[:, 0]


def open_pieces(step: Step, size: int, most: int) -> list[Piece]:
    """The first `most` pieces that hold a candidate.

    They lie on a grid from the block's start, since what is beyond the block has no marginals yet;
    so the last one of a block may be shorter. With `window` "canvas" the block is everything.
    """
    p, tokens, block = step.probs(), step.canvas.tokens, step.block
    row = torch.full_like(tokens, -1)
    row[step.prediction.rows] = torch.arange(len(step.prediction.rows), device=tokens.device)
    found: list[Piece] = []
    for start in range(block.start, block.stop, size):
        if len(found) == most:
            break
        span = slice(start, min(start + size, block.stop))
        free = step.candidates[span]
        if bool(free.any()):
            soft = p.new_zeros(len(free), p.shape[-1])
            soft[~free, tokens[span][~free]] = 1
            soft[free] = p[row[span][free]]
            at = torch.arange(span.start, span.stop, device=tokens.device)
            found.append(Piece(at, soft, tokens[span].masked_fill(free, FREE)))
    return found


def spread(pieces: Sequence[Piece], values: Sequence[Tensor], empty: Tensor) -> Tensor:
    """`empty` [T] with each piece's values [B] at its free positions."""
    out = empty.clone()
    for piece, value in zip(pieces, values, strict=True):
        out[piece.at[piece.free]] = value[piece.free].to(out)
    return out


def surest(pieces: Sequence[Piece], H: Tensor, tau: float | None) -> Tensor:
    """bool [T]: the longest k first free positions of a piece with h(k) <= tau; H is [T], nats.

    h(k) = their mean H; equality is within tau, ties of k go to the lowest h, then to the piece on
    the left. Without tau: all of the piece with the lowest mean. None where nothing is within.
    """
    out, least = torch.zeros_like(H, dtype=torch.bool), (0, torch.inf)
    for piece in pieces:
        at = piece.at[piece.free]
        h = H[at].double().cumsum(0) / torch.arange(1, len(at) + 1, device=at.device)
        fits = torch.arange(len(at))[-1:] if tau is None else (h <= tau).nonzero()[:, 0].cpu()
        if not len(fits):
            continue
        k = int(fits[-1]) + 1
        found = (0 if tau is None else -k, float(h[k - 1]))
        if found < least:
            least, out = found, torch.zeros_like(out)
            out[at[:k]] = True
    return out
