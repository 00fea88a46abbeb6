"""Statistics are scipy's, and what is undefined has no number."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dlmviz.studies.statistics import (
    Interval,
    bootstrap,
    grouped,
    kendall,
    mean_interval,
    number,
    shown,
    spearman,
    weighted_rho,
)

FEW = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=3, max_size=30)
# finalising steps by position -> tau_a, tau_b, gamma; the test vectors of arXiv 2601.15593's terms
VECTORS = [
    ((1, 2, 3, 4), (1, 1, 1)),
    ((4, 3, 2, 1), (-1, -1, -1)),
    ((1, 1, 2, 2), (0.6667, 0.8165, 1)),
    ((2, 2, 1, 1), (-0.6667, -0.8165, -1)),
    ((1, 2, 1, 2), (0.3333, 0.4082, 0.5)),
    ((1, 3, 2, 2, 5, 5), (0.6, 0.6445, 0.6923)),
    ((1, 1, 1, 1), (0, None, None)),
]


@pytest.mark.parametrize(("steps", "expected"), VECTORS)
def test_kendall_of_the_test_vectors(
    steps: tuple[int, ...], expected: tuple[float | None, ...]
) -> None:
    found = kendall(range(len(steps)), steps)
    assert (found.tau_a, found.tau_b, found.gamma) == pytest.approx(expected, abs=5e-5)


@given(FEW)
def test_tau_b_and_rho_are_scipys_with_ties(pairs: list[tuple[int, int]]) -> None:
    x, y = [float(a) for a, _ in pairs], [float(b) for _, b in pairs]
    tau, rho = kendall(x, y).tau_b, spearman(x, y)
    if len({*x}) == 1 or len({*y}) == 1:
        assert (tau, rho.rho, rho.p) == (None, None, None)
        return
    assert tau == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)
    theirs = stats.spearmanr(x, y)
    assert rho.rho == pytest.approx(theirs.statistic, abs=1e-12)
    assert rho.p == pytest.approx(theirs.pvalue, abs=1e-12)
    assert rho.n == len(pairs)


@given(FEW)
def test_gamma_and_tau_a_are_counts_of_pairs(pairs: list[tuple[int, int]]) -> None:
    both = [(a - c) * (b - d) for i, (a, b) in enumerate(pairs) for c, d in pairs[:i]]
    signs = [sign for sign in both if sign]
    agree, differ = sum(s > 0 for s in signs), sum(s < 0 for s in signs)
    found = kendall([a for a, _ in pairs], [b for _, b in pairs])
    assert found.gamma == ((agree - differ) / (agree + differ) if signs else None)
    assert found.tau_a == (agree - differ) / math.comb(len(pairs), 2)


def test_nothing_has_no_correlation() -> None:
    assert spearman([], []).rho is None
    assert spearman([1, 2], [1, 2]).rho is None
    assert kendall([1], [1]).tau_a is None


def test_the_interval_of_a_mean_is_the_bootstraps() -> None:
    values = [0.0, 1.0, 1.0, 0.0, 1.0, 5.0]
    slow = bootstrap(values, lambda some: sum(some) / len(some), draws=300, seed=4)
    fast = mean_interval(values, draws=300, seed=4)
    assert (fast.value, fast.low, fast.high) == pytest.approx((slow.value, slow.low, slow.high))
    assert 0 < fast.low < 4 / 3 < fast.high < 5


def test_a_single_value_has_no_interval_and_none_has_no_mean() -> None:
    assert mean_interval([2.0]) == Interval(2.0)
    assert mean_interval([]) == Interval(None)
    assert bootstrap([2.0], lambda some: some[0]) == Interval(2.0)


def test_draws_that_are_undefined_are_left_out_unless_they_are_half() -> None:
    """Of six runs one alone has a value: a draw misses it in a third of the cases, (5/6)^6."""
    some = [None, None, None, None, None, 1.0]

    def value(picked: list[float | None]) -> float | None:
        return next((one for one in picked if one is not None), None)

    assert bootstrap(some, value) == Interval(1.0, 1.0, 1.0)
    assert bootstrap([1.0, None], lambda p: 1.0 if p == [1.0, None] else None) == Interval(1.0)


def test_pairs_of_one_run_are_drawn_together() -> None:
    """Two runs that contradict each other: drawn whole, each may stand alone, rho -1 or 1."""
    x, y = [1, 2, 3, 1, 2, 3], [1, 2, 3, 3, 2, 1]
    of_runs = grouped(x, y, ["a"] * 3 + ["b"] * 3)
    assert (of_runs.value, of_runs.low, of_runs.high) == pytest.approx((0, -1, 1), abs=1e-12)
    many = grouped(x * 40, y * 40, [*range(240)])
    assert many.low > -0.3
    assert many.high < 0.3


@given(FEW, st.lists(st.integers(0, 3), min_size=30, max_size=30))
def test_rho_of_pairs_that_stand_several_times_is_scipys(
    pairs: list[tuple[int, int]], times: list[int]
) -> None:
    often = np.array(times[: len(pairs)])
    x, y = (np.array(side) for side in zip(*pairs, strict=True))
    a, b = np.repeat(x, often), np.repeat(y, often)
    found = weighted_rho(x, y, often) if often.any() else None
    if len({*a}) < 2 or len({*b}) < 2:
        assert found is None
    else:
        assert found == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)


def test_what_is_undefined_is_told_so() -> None:
    assert shown(None) == "undefined"
    assert shown(float("nan")) == "undefined"
    assert shown(0.126) == "0.13"
    assert number(float("nan")) is None
    assert number(float("inf")) is None
    assert number(3) == 3.0
