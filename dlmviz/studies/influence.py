"""Pairwise influence of masked positions, by forwards with one of them revealed.

D_ij = E_{y ~ p_j}[TV(P(Y_i | Y_j = y), P(Y_i))], the expected total-variation influence that
DEMASK (arXiv 2604.02560) predicts. Row i is the position that is influenced, column j the one that
is revealed. Letters: N positions, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dlmviz.studies.chain_rule import ROWS, Law


@dataclass(frozen=True, eq=False)
class Influence:
    """D, and how much of the revealed position's law was gone through to get it."""

    matrix: Tensor  # float64 [N N], zero diagonal
    covered: Tensor  # float64 [N], mass of the tokens that were revealed there
    canvases: int  # how many were forwarded, the first one included


def influence(law: Law, canvas: Tensor, positions: Tensor, mass: float, most: int) -> Influence:
    """D among these masked positions of the canvas; int64 [T], int64 [N].

    At each position j its most probable tokens are revealed in turn, until they hold `mass` of
    p_j, at most `most` of them, and weighted by p_j among these. With one joint law and all tokens
    D_ij = D_ji = TV(P_ij, P_i P_j).
    """
    p = law(canvas[None], positions[None])[0]  # [N V]
    best = p.topk(min(most, p.shape[1]), dim=-1)
    before = best.values.cumsum(-1) - best.values
    wanted = (before < mass) & (best.values > 0)
    sources, ranks = wanted.nonzero(as_tuple=True)
    canvases = canvas.repeat(len(sources), 1)
    canvases[torch.arange(len(sources)), positions[sources]] = best.indices[sources, ranks]
    weights = best.values * wanted
    covered = weights.sum(-1)
    weights = weights / covered[:, None]
    matrix = p.new_zeros(len(positions), len(positions))
    for start in range(0, len(sources), ROWS):
        part = slice(start, start + ROWS)
        moved = law(canvases[part], positions.repeat(len(sources[part]), 1))  # [B N V]
        change = (moved - p).abs().sum(-1) / 2 * weights[sources[part], ranks[part]][:, None]
        matrix.index_add_(1, sources[part], change.T)
    return Influence(matrix.fill_diagonal_(0), covered, len(sources) + 1)
