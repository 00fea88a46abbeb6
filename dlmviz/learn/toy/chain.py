"""Chains of nine symbols whose dependence is known: four triangles that share their odd corners.

The paper's exact constraint was lost in print. Ours: x1, x3, x5, x7, x9 are uniform over 0..K-1,
and each even x is (left + right) mod K. Letters: S seeds, B chains, K symbols.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from torch import Tensor

LENGTH = 9
EDGES = tuple(
    pair
    for left in (0, 2, 4, 6)
    for pair in ((left, left + 1), (left, left + 2), (left + 1, left + 2))
)  # 12 of 36 pairs of places


def chains(count: int, symbols: int, generator: torch.Generator) -> Tensor:
    """int64 [count 9], drawn from the law."""
    x = torch.randint(
        symbols, (count, LENGTH), generator=generator, device=generator.device, dtype=torch.int64
    )
    x[:, 1::2] = (x[:, 0:-1:2] + x[:, 2::2]) % symbols
    return x


def hold(x: Tensor, symbols: int) -> Tensor:
    """bool [... 4]: which of the four constraints a chain keeps; int64 [... 9]."""
    kept: Tensor = x[..., 1::2] == (x[..., 0:-1:2] + x[..., 2::2]) % symbols
    return kept


def order_of(seed: int, shuffled: bool) -> Tensor:
    """int64 [9]: the position where each place of the chain stands; its own, or by chance."""
    if not shuffled:
        return torch.arange(LENGTH)
    return torch.randperm(LENGTH, generator=torch.Generator().manual_seed(seed))


def graph(order: Tensor) -> np.ndarray:
    """bool [9 9], symmetric: which positions share a triangle, given where each place stands."""
    edges = np.zeros((LENGTH, LENGTH), bool)
    at = order.tolist()
    for a, b in EDGES:
        edges[at[a], at[b]] = edges[at[b], at[a]] = True
    return edges


def floor(symbols: int) -> float:
    """The least loss there can be, nats: mean entropy of a masked place given those not masked.

    The mean is that of training: the number of masks is uniform on 1..9, then which places they
    are, then one of them. All K^5 chains are equally likely, so a place's law is a count of them.
    """
    free = np.array(list(itertools.product(range(symbols), repeat=5)))
    x = np.zeros((len(free), LENGTH), np.int64)
    x[:, 0::2] = free
    x[:, 1::2] = (free[:, :-1] + free[:, 1:]) % symbols
    total = 0.0
    for hidden in itertools.product((False, True), repeat=LENGTH):
        masks = sum(hidden)
        if masks:
            seen = [place for place in range(LENGTH) if not hidden[place]]
            code = x[:, seen] @ symbols ** np.arange(len(seen), dtype=np.int64)
            share = 1 / (LENGTH * math.comb(LENGTH, masks) * masks)
            unseen = [place for place in range(LENGTH) if hidden[place]]
            total += share * sum(_entropy_given(code, x[:, i], symbols) for i in unseen)
    return total


def _entropy_given(code: np.ndarray, values: np.ndarray, symbols: int) -> float:
    """H(value | code) of equally likely rows, nats."""
    both = np.unique(code * symbols + values, return_counts=True)[1] / len(code)
    alone = np.unique(code, return_counts=True)[1] / len(code)
    return float((alone * np.log(alone)).sum() - (both * np.log(both)).sum())
