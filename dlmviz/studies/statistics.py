"""Statistics with a place for what is undefined: None, never 0 or NaN. Scipy computes them.

Scipy takes more than a second to import, so it is imported where it is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Values = Sequence[float] | np.ndarray
DRAWS = 2000  # of a bootstrap


@dataclass(frozen=True)
class Interval:
    """A number with the 2.5 % and 97.5 % quantiles of its resampled values."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Kendall:
    """Agreement of two orders; C concordant, D discordant, n0 = n(n - 1)/2 pairs."""

    tau_a: float | None  # (C - D) / n0: a tie counts as no agreement
    tau_b: float | None  # (C - D) / sqrt((n0 - ties in x)(n0 - ties in y)), scipy's default
    gamma: float | None  # (C - D) / (C + D): ties are left out


@dataclass(frozen=True)
class Correlation:
    """Spearman's rho, its two-sided p value and the number of pairs."""

    rho: float | None
    p: float | None
    n: int


def spearman(x: Values, y: Values) -> Correlation:
    """Spearman's rho of two samples, mean ranks for ties; None where one of them is constant."""
    from scipy import stats

    if len(x) < 3 or _constant(x) or _constant(y):
        return Correlation(None, None, len(x))
    found = stats.spearmanr(x, y)
    return Correlation(number(found.statistic), number(found.pvalue), len(x))


def kendall(x: Values, y: Values) -> Kendall:
    """Kendall's tau_a, tau_b and gamma of two samples; each None where its divisor is 0."""
    a, b = np.asarray(x, float), np.asarray(y, float)
    pairs = math.comb(len(a), 2)
    if not pairs:
        return Kendall(None, None, None)
    i, j = np.triu_indices(len(a), 1)
    signs = np.sign(a[i] - a[j]) * np.sign(b[i] - b[j])
    difference, untied = int(signs.sum()), int(np.count_nonzero(signs))
    in_x, in_y = int(np.count_nonzero(a[i] != a[j])), int(np.count_nonzero(b[i] != b[j]))
    return Kendall(
        tau_a=difference / pairs,
        tau_b=difference / math.sqrt(in_x * in_y) if in_x and in_y else None,
        gamma=difference / untied if untied else None,
    )


def bootstrap(
    samples: Sequence[Any],
    statistic: Callable[[Sequence[Any]], float | None],
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """The statistic of the samples, with an interval over samples drawn with replacement.

    Draws in which it is undefined are left out; no interval where half of them are, or where there
    is one sample. The same for the same seed.
    """
    value = statistic(samples)
    if value is None or len(samples) < 2:
        return Interval(value)
    picks = np.random.default_rng(seed).integers(len(samples), size=(draws, len(samples)))
    made = [statistic([samples[i] for i in pick]) for pick in picks.tolist()]
    return _interval(value, [one for one in made if one is not None], draws)


def mean_interval(values: Sequence[float], draws: int = DRAWS, seed: int = 0) -> Interval:
    """`bootstrap` of the mean, at once; None of an empty list."""
    if not len(values):
        return Interval(None)
    array = np.asarray(values, float)
    if len(array) < 2:
        return Interval(float(array.mean()))
    picks = np.random.default_rng(seed).integers(len(array), size=(draws, len(array)))
    return _interval(float(array.mean()), array[picks].mean(1), draws)


def share_interval(count: int, n: int) -> Interval:
    """count / n with the exact binomial (Clopper-Pearson) 95 % interval, which none of n has too.

    None where n is 0.
    """
    from scipy import stats

    if not n:
        return Interval(None)
    found = stats.binomtest(count, n).proportion_ci(method="exact")
    return Interval(count / n, float(found.low), float(found.high))


def ratio_interval(
    above: Sequence[float], below: Sequence[float], draws: int = DRAWS, seed: int = 0
) -> Interval:
    """mean(above) / mean(below) of paired values, pairs drawn with replacement; None of none."""
    a, b = np.asarray(above, float), np.asarray(below, float)
    if not len(a) or not b.mean():
        return Interval(None)
    value = float(a.mean() / b.mean())
    if len(a) < 2 or not (b > 0).all():
        return Interval(value)
    picks = np.random.default_rng(seed).integers(len(a), size=(draws, len(a)))
    return _interval(value, a[picks].mean(1) / b[picks].mean(1), draws)


def grouped(
    x: Values, y: Values, groups: Sequence[Any], draws: int = 500, seed: int = 0
) -> Interval:
    """Spearman's rho of all pairs, with an interval over whole groups drawn with replacement.

    Pairs of one run are not independent of each other, runs are: a group is a run.
    """
    names = list(dict.fromkeys(groups))
    place = {name: index for index, name in enumerate(names)}
    of = np.array([place[group] for group in groups], int)
    value = spearman(x, y).rho
    if value is None or len(names) < 2:
        return Interval(value)
    a, b = (np.unique(np.asarray(values, float), return_inverse=True)[1] for values in (x, y))
    picks = np.random.default_rng(seed).integers(len(names), size=(draws, len(names)))
    made = [weighted_rho(a, b, np.bincount(pick, minlength=len(names))[of]) for pick in picks]
    return _interval(value, [one for one in made if one is not None], draws)


def weighted_rho(x: np.ndarray, y: np.ndarray, times: np.ndarray) -> float | None:
    """Spearman's rho where pair i stands `times` [n] times; int [n] levels of x and y.

    Ranks come from counts of levels, so that thousands of draws need no sorting.
    """
    ranks = []
    for level in (x, y):
        count = np.bincount(level, times)
        rank = (np.cumsum(count) - (count - 1) / 2)[level]
        ranks.append(rank - np.average(rank, weights=times))
    a, b = ranks
    spread = float(np.dot(times, a * a) * np.dot(times, b * b))
    return float(np.dot(times, a * b)) / math.sqrt(spread) if spread > 1e-9 else None


def number(value: Any) -> float | None:
    """The value as a plain number; None for NaN and infinity."""
    return float(value) if value is not None and math.isfinite(value) else None


def shown(value: float | None, digits: int = 2) -> str:
    """A number as text, for sentences; "undefined" for None."""
    return "undefined" if value is None or value != value else f"{value:.{digits}f}"


def _interval(value: float, made: Any, draws: int) -> Interval:
    if 2 * len(made) < draws:
        return Interval(value)
    low, high = np.quantile(np.asarray(made, float), (0.025, 0.975))
    return Interval(value, float(low), float(high))


def _constant(values: Values) -> bool:
    array = np.asarray(values, float)
    return bool((array == array[0]).all())
