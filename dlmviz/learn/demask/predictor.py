"""The predictor: fitted to measured influences, and scored on states it has not seen.

Letters: M masked positions of a state, K revealed ones of them, B states, D width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from dlmviz.learn.demask.settings import Fit
from dlmviz.learn.demask.states import State
from dlmviz.models.heads import PairHead
from dlmviz.types import InputError


@dataclass(frozen=True)
class Score:
    """How a predictor did on states that it has not seen; all numbers over pairs i != j."""

    pairs: int
    mae: float
    constant_mae: float  # of the best constant, the median of what it learned from
    mean_mae: float  # of the mean of what it learned from
    spearman: float | None  # None where one side is constant
    trusted: float | None  # P(D < .02 | predicted < .02); None where nothing is predicted so low


def fit(
    states: Sequence[State],
    settings: Fit,
    device: torch.device,
    told: Callable[[int, int, float], None] = lambda step, steps, loss: None,
) -> PairHead:
    """A predictor fitted to these states, by the mean over their pairs of the cross-entropy.

    Its targets are soft, so it is least where the mean influence is predicted. `told` hears of each
    step: its number from 1, how many there are, its loss [nats].
    """
    if not states:
        raise InputError("there is nothing to fit: no canvas had two masks; raise the number")
    torch.manual_seed(settings.seed)
    head = PairHead(states[0].hidden.shape[-1], settings.key, settings.inner).to(device)
    optimizer = torch.optim.AdamW(
        head.parameters(), lr=settings.lr, weight_decay=settings.weight_decay
    )
    each = -(-len(states) // settings.batch)
    steps, rise = each * settings.epochs, max(1, round(settings.warmup * each * settings.epochs))
    order = np.random.default_rng(settings.seed)
    for step in range(steps):
        if step % each == 0:
            shuffled = order.permutation(len(states))
        some = shuffled[step % each * settings.batch :][: settings.batch]
        fall = 0.5 * (1 + math.cos(math.pi * max(0, step - rise) / max(1, steps - rise)))
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * min(1.0, (step + 1) / rise) * fall
        scores, targets = _pairs(head, [states[i] for i in some], device)
        loss = F.binary_cross_entropy_with_logits(scores, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        told(step + 1, steps, float(loss.detach()))
    return head.eval().requires_grad_(False)


def _pairs(head: PairHead, states: Sequence[State], device: torch.device) -> tuple[Tensor, Tensor]:
    """(logits, targets) of all pairs i != j whose j was revealed; [n], [n]."""
    hidden = pad_sequence([s.hidden for s in states], batch_first=True).to(device)
    sources = pad_sequence([s.sources for s in states], batch_first=True)  # [B K]
    targets = torch.zeros(len(states), hidden.shape[1], sources.shape[1])
    known = torch.zeros(targets.shape, dtype=torch.bool)
    for number, state in enumerate(states):
        count, revealed = state.columns.shape
        targets[number, :count, :revealed] = state.columns
        known[number, :count, :revealed] = torch.arange(count)[:, None] != state.sources
    known, sources = known.to(device), sources.to(device)
    scores = head.scores(hidden).gather(2, sources[:, None].expand(-1, hidden.shape[1], -1))
    return scores[known], targets.to(device)[known]


@torch.no_grad()
def scored(head: PairHead, states: Sequence[State], learned: Sequence[State]) -> Score:
    """How the predictor does on held-out `states`, beside constants taken from `learned`."""
    device = next(head.parameters()).device
    parts = [_pairs(head, states[i : i + 64], device) for i in range(0, len(states), 64)]
    scores = torch.cat([s for s, _ in parts]).double().cpu()
    said = scores.sigmoid()
    true = torch.cat([t for _, t in parts]).double().cpu()
    known = torch.cat([_targets(state) for state in learned])
    rho = _rank_correlation(scores.numpy(), true.numpy())
    low = said < 0.02
    return Score(
        pairs=len(true),
        mae=float((said - true).abs().mean()),
        constant_mae=float((true - known.median()).abs().mean()),
        mean_mae=float((true - known.mean()).abs().mean()),
        spearman=rho,
        trusted=float((true[low] < 0.02).double().mean()) if bool(low.any()) else None,
    )


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> float | None:
    """Spearman's rho; None where one side is constant."""
    if (x == x[0]).all() or (y == y[0]).all():
        return None
    from scipy.stats import spearmanr  # takes a second to import

    return float(spearmanr(x, y).statistic)


def _targets(state: State) -> Tensor:
    other = torch.arange(len(state.hidden))[:, None] != state.sources
    return state.columns[other].double()
