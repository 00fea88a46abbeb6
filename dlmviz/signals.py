"""Numbers per position or pair, from probabilities. Natural logarithms, so nats.

Letters: T canvas positions, R rows, V vocabulary; p, q distributions over V.
"""

from __future__ import annotations

import torch
from torch import Tensor


def entropy(p: Tensor) -> Tensor:
    """H = -sum_v p_v ln p_v, nats; [R V] -> [R]. A zero probability adds zero."""
    summed: Tensor = torch.special.xlogy(p, p).sum(-1)
    return -summed


def margin(p: Tensor) -> Tensor:
    """p_(1) - p_(2): the lead of the best token over the second; [R V] -> [R]."""
    best_two = p.topk(2, dim=-1).values
    return best_two[..., 0] - best_two[..., 1]


def kl(p: Tensor, q: Tensor) -> Tensor:
    """KL(p || q) = sum_v p_v ln(p_v / q_v), nats; [R V], [R V] -> [R].

    Zero where p is zero; infinite where p is not zero and q is.
    """
    summed: Tensor = (torch.special.xlogy(p, p) - torch.special.xlogy(p, q)).sum(-1)
    return summed


def jsd(p: Tensor, q: Tensor) -> Tensor:
    """JSD = KL(p || a)/2 + KL(q || a)/2 with a = (p + q)/2, in [0, ln 2]; [R V], [R V] -> [R]."""
    mixture = (p + q) / 2
    return (kl(p, mixture) + kl(q, mixture)) / 2


def ranked(score: Tensor, candidates: Tensor) -> Tensor:
    """Candidate positions, highest score first, ties to the lower; [T], [T] -> int64 [n]."""
    positions = candidates.nonzero()[:, 0]
    order = torch.sort(score[positions], descending=True, stable=True).indices
    return positions[order]


def best(score: Tensor, candidates: Tensor, k: int = 1) -> Tensor:
    """bool [T]: the k candidates that come first in `ranked`; all of them if there are fewer."""
    chosen = torch.zeros_like(candidates)
    chosen[ranked(score, candidates)[:k]] = True
    return chosen
