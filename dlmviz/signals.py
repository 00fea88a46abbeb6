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


def schedule(masks: int, steps: int) -> list[int]:
    """k_t = floor(n/S) + [t < n mod S] for t = 0..S-1: tokens committed at each step of a block."""
    share, rest = divmod(masks, steps)
    return [share + (t < rest) for t in range(steps)]


def edge_scores(attention: Tensor, candidates: Tensor) -> Tensor:
    """R_ij = (A_ij + A_ji)/2 between two different candidates, else 0; [T T], [T] -> [T T]."""
    both = candidates[:, None] & candidates[None, :]
    both = both & ~torch.eye(len(candidates), dtype=torch.bool, device=both.device)
    return torch.where(both, (attention + attention.T) / 2, torch.zeros_like(attention))


def normalised(scores: Tensor) -> Tensor:
    """N_ij = R_ij / max(max_j R_ij, 1e-8): each row over its greatest; [T T] -> [T T].

    Not symmetric, though R is.
    """
    return scores / scores.amax(-1, keepdim=True).clamp_min(1e-8)


def degree(scores: Tensor) -> Tensor:
    """d_i = sum_j R_ij: how much a position depends on all others; [T T] -> [T]."""
    return scores.sum(-1)


def independent_set(order: Tensor, conflict: Tensor, tau: float) -> tuple[Tensor, Tensor]:
    """The greedy set, bool [T], and who stopped each of the others; int64 [n], [T T] -> [T], [T].

    Goes through the order and accepts i iff conflict_ij <= tau for every accepted j (row i, so an
    asymmetric conflict makes the order matter). The blocker, int64 [T], is the first accepted j
    that stopped i; -1 where none did.
    """
    stops = (conflict[order][:, order] > tau).cpu()  # one copy, rather than a wait a position
    by = torch.full((len(order),), -1)
    for k in range(len(order)):
        if by[k] < 0:
            by[k + 1 :][stops[k + 1 :, k] & (by[k + 1 :] < 0)] = k
    by = by.to(order.device)
    blocker = torch.full((len(conflict),), -1, device=order.device)
    blocker[order] = torch.where(by < 0, by, order[by])
    accepted = torch.zeros(len(conflict), dtype=torch.bool, device=order.device)
    accepted[order] = by < 0
    return accepted, blocker


def within_budget(
    D: Tensor, order: Tensor, tau: float, stop: bool = False
) -> tuple[Tensor, dict[str, Tensor]]:
    """(accepted, bool [T]; {"cost", "spent"}, [T]) by DEMASK's Algorithm 1; [T T], int64 [n].

    In this order i is accepted iff spent + sum_{accepted j} D_ij <= tau, and then spends its cost.
    NaN where nothing was tried: outside the order, and with `stop` behind the first that is over.
    """
    table, tried, spent = D.double().cpu().numpy(), order.tolist(), 0.0
    accepted: list[int] = []
    costs, spents = [], []
    for i in tried:
        costs.append(float(table[i, accepted].sum()))
        if spent + costs[-1] <= tau:
            accepted.append(i)
            spent += costs[-1]
        spents.append(spent)
        if stop and accepted[-1] != i:
            break
    A = torch.zeros(len(D), dtype=torch.bool, device=D.device)
    A[accepted] = True
    nowhere, seen = torch.full((len(D),), torch.nan, device=D.device), order[: len(costs)]
    told = {
        name: nowhere.scatter(0, seen, nowhere.new_tensor(values))
        for name, values in (("cost", costs), ("spent", spents))
    }
    return A, told
