import math
from itertools import permutations

import pytest
import torch

from dlmviz.samplers.entropy_bound import EntropyBound
from dlmviz.types import Step
from tests.steps import chosen, step


def law(nats: float) -> list[float]:
    """A law over three tokens, one of them impossible, whose entropy is `nats` (at most ln 2)."""
    low, high = 0.0, 0.5  # probability of the second token
    for _ in range(80):
        q = (low + high) / 2
        h = -(1 - q) * math.log(1 - q) - (q * math.log(q) if q else 0)
        low, high = (q, high) if h < nats else (low, q)
    return [1 - low, low, 0.0]


def at(entropies: list[float], confidence: list[float] | None = None) -> Step:
    """A step whose candidates have these entropies, the first the most confident."""
    p = torch.tensor([law(h) for h in entropies], dtype=torch.float64)
    falling = [0.9 - i / 100 for i in range(len(entropies))]
    return step(confidence or falling, probs=lambda: p)


@pytest.mark.parametrize(("gamma", "count"), [(0.031, 3), (0.02, 2), (0.0, 1), (100.0, 3)])
def test_the_budget_is_the_entropy_of_all_but_the_most_uncertain(gamma, count) -> None:
    """h = .01, .02, .5: D = 0, .01, .03."""
    assert chosen(EntropyBound(gamma=gamma), at([0.01, 0.02, 0.5])) == list(range(count))


def test_equality_commits_at_the_bound() -> None:
    """Three fair coins: D = 0, ln 2, 2 ln 2, and the first step up is exact."""
    p = torch.tensor([[0.5, 0.5, 0.0]] * 3, dtype=torch.float64)
    fair = step([0.5] * 3, probs=lambda: p)
    h = -float(torch.special.xlogy(p[0], p[0]).sum())
    assert chosen(EntropyBound(gamma=h), fair) == [0, 1]
    assert chosen(EntropyBound(gamma=math.nextafter(h, 0)), fair) == [0]


def test_certain_positions_cost_nothing() -> None:
    assert chosen(EntropyBound(gamma=0.0), at([0.0, 0.0, 0.3, 0.3])) == [0, 1, 2]


@pytest.mark.parametrize("order", list(permutations([0.01, 0.02, 0.5, 0.3])))
def test_the_budget_never_falls_with_the_rank(order) -> None:
    choice = EntropyBound().select(at(list(order)), None)
    used = choice.signals["budget"]
    assert used[0] == 0
    assert bool((used.diff() >= -1e-12).all())
    total = sum(order) - max(order)
    assert used[-1] == pytest.approx(total, abs=1e-9)


def test_the_proxy_decides_who_comes_first() -> None:
    """By confidence 0, by entropy 1, by margin 2; with no budget only the first is taken."""
    p = torch.tensor(
        [[0.40, 0.30, 0.30, 0.0], [0.5, 0.5, 0.0, 0.0], [0.45, 0.2, 0.2, 0.15]],
        dtype=torch.float64,
    )
    confused = step([0.6, 0.4, 0.5], probs=lambda: p)
    for first, proxy in enumerate(("confidence", "entropy", "margin")):
        assert chosen(EntropyBound(gamma=0.0, proxy=proxy), confused) == [first]
        choice = EntropyBound(gamma=0.0, proxy=proxy).select(confused, None)
        assert choice.signals["rank"][first] == 1
        assert ("margin" in choice.signals) == (proxy == "margin")
    assert choice.signals["margin"].tolist() == pytest.approx([0.1, 0.0, 0.25])


def test_equal_proxies_go_to_the_lower_position() -> None:
    for proxy in ("confidence", "entropy", "margin"):
        tied = at([0.3, 0.3, 0.3], [0.5, 0.5, 0.5])
        assert chosen(EntropyBound(gamma=0.0, proxy=proxy), tied) == [0]
        assert chosen(EntropyBound(gamma=0.4, proxy=proxy), tied) == [0, 1]


def test_the_rank_is_among_candidates_and_the_budget_stands_at_its_rank() -> None:
    mixed = at([0.5, 0.01, 0.02], [0.1, -2, 0.9, 0.8])  # positions 0, 2, 3
    choice = EntropyBound(gamma=0.015).select(mixed, None)
    assert choice.signals["rank"].nan_to_num().tolist() == [3, 0, 1, 2]
    expected = [0.03, float("nan"), 0.0, 0.01]
    assert choice.signals["budget"].tolist() == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert choice.why() == {
        2: "lowest error proxy",
        3: "within budget: 0.01 nats",
        0: "over entropy budget",
    }


def test_a_step_without_candidates_commits_nothing_and_says_so() -> None:
    nothing = step([-2, -2], probs=lambda: torch.zeros(0, 8, dtype=torch.float64))
    for proxy in ("confidence", "entropy", "margin"):
        choice = EntropyBound(proxy=proxy).select(nothing, None)
        assert choice.wait
        assert not choice.transfer.any()
    assert not EntropyBound().select(at([0.3]), None).wait
