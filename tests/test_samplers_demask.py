"""DEMASK: the greedy budget, worked by hand, and its theorem on laws that can be enumerated."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

import dlmviz
from dlmviz.models.exact import exact_model
from dlmviz.samplers.demask import Demask
from dlmviz.signals import within_budget
from dlmviz.types import InputError, Prediction, RunSpec, Step
from tests.steps import chosen, step

# Three fair bits in a chain that flips with probability .1 (papers.md 1.2, F3).
CHAIN = np.array([[0, 0.40, 0.32], [0.40, 0, 0.40], [0.32, 0.40, 0]])


def within(
    D: np.ndarray, order: list[int], tau: float, stop: bool = False
) -> tuple[list[int], list[float], list[float]]:
    """(accepted, in order of position; cost, and spent, of each that was tried, in the order)."""
    accepted, told = within_budget(torch.from_numpy(D), torch.tensor(order), tau, stop)
    cost, spent = (told[name][order].tolist() for name in ("cost", "spent"))
    return accepted.nonzero()[:, 0].tolist(), cost, spent


def at(confidence: list[float], D: np.ndarray = CHAIN) -> Step:
    """A step whose head answers D, whatever the states are."""
    rows = torch.arange(len(confidence))
    prediction = Prediction(rows, torch.zeros(len(rows), 8), hidden=torch.zeros(len(rows), 4))
    return step(confidence, prediction=prediction, head=lambda hidden: torch.tensor(D))


def joint(rng: np.random.Generator, n: int = 5) -> np.ndarray:
    """A random law over n bits, [2] * n: some of them nearly independent, some not at all."""
    apart = np.ones(1)
    for share in rng.uniform(0.05, 0.95, n):
        apart = np.multiply.outer(apart, [share, 1 - share])
    mixed = apart.reshape([2] * n) * rng.gamma(rng.choice([0.3, 3, 30]), size=[2] * n)
    law: np.ndarray = mixed / mixed.sum()
    return law


def of(law: np.ndarray, *positions: int) -> np.ndarray:
    """The marginal law of some positions, in the order of the axes."""
    out: np.ndarray = law.sum(axis=tuple(i for i in range(law.ndim) if i not in positions))
    return out


def influence(law: np.ndarray, i: int, group: tuple[int, ...]) -> float:
    """E TV(p_i given the group, p_i) = half the sum of |P(i, group) - P(i) P(group)|."""
    both = np.moveaxis(of(law, i, *group), sorted((i, *group)).index(i), 0)
    return float(np.abs(both - np.multiply.outer(of(law, i), of(law, *group))).sum() / 2)


def dependence(law: np.ndarray) -> np.ndarray:
    n = law.ndim
    return np.array(
        [[influence(law, i, (j,)) if i != j else 0 for j in range(n)] for i in range(n)]
    )


def distance(law: np.ndarray, group: list[int]) -> float:
    """TV between the joint law of a group and the product of its marginals."""
    apart = np.ones(1)
    for i in sorted(group):
        apart = np.multiply.outer(apart, of(law, i))
    return float(np.abs(of(law, *group) - apart.reshape([2] * len(group))).sum() / 2)


def chain() -> np.ndarray:
    law = np.zeros((2, 2, 2))
    for a, b, c in product((0, 1), repeat=3):
        law[a, b, c] = 0.5 * (0.9 if a == b else 0.1) * (0.9 if b == c else 0.1)
    return law


def test_the_chain_has_the_influences_and_distances_of_the_worked_example() -> None:
    assert dependence(chain()) == pytest.approx(CHAIN)
    assert distance(chain(), [0, 1, 2]) == pytest.approx(0.56)
    assert distance(chain(), [0, 2]) == pytest.approx(0.32)


@pytest.mark.parametrize(
    ("tau", "taken"), [(0.30, [0]), (0.35, [0, 2]), (0.50, [0, 1]), (1.2, [0, 1, 2])]
)
def test_the_chain_is_committed_as_its_budget_allows(tau: float, taken: list[int]) -> None:
    assert chosen(Demask(tau=tau, gamma=0.0), at([0.5, 0.5, 0.5])) == taken


def test_the_spent_budget_is_that_of_the_whole_set() -> None:
    accepted, cost, spent = within(CHAIN, [0, 1, 2], 1.2)
    assert accepted == [0, 1, 2]
    assert cost == pytest.approx([0, 0.40, 0.72])
    assert spent == pytest.approx([0, 0.40, 1.12])


def test_a_token_over_budget_is_skipped_or_ends_the_set() -> None:
    assert within(CHAIN, [0, 1, 2], 0.35)[0] == [0, 2]
    accepted, cost, _ = within(CHAIN, [0, 1, 2], 0.35, stop=True)
    assert accepted == [0]
    assert np.isnan(cost).tolist() == [False, False, True]


def test_equality_is_within_the_budget() -> None:
    D = np.array([[0, 0.25], [0.25, 0]])
    assert within(D, [0, 1], 0.25)[0] == [0, 1]
    assert within(D, [0, 1], np.nextafter(0.25, 0))[0] == [0]


def test_influence_counts_onto_the_token_or_both_ways() -> None:
    """Revealing 0 moves 1 by .1; revealing 1 would move 0 by .4."""
    D = np.array([[0, 0.4], [0.1, 0]])
    assert chosen(Demask(tau=0.2, gamma=0, direction="onto"), at([0.9, 0.8], D)) == [0, 1]
    assert chosen(Demask(tau=0.2, gamma=0, direction="both"), at([0.9, 0.8], D)) == [0]


def test_no_budget_takes_one_token_and_an_endless_one_is_a_threshold() -> None:
    confidence = [0.9, 0.6, 0.7]
    assert chosen(Demask(tau=0, gamma=0.0), at(confidence)) == [0]
    assert chosen(Demask(tau=1000, gamma=0.65), at(confidence)) == [0, 2]


def test_below_the_gate_the_best_one_is_committed_and_equals_go_to_the_lower_position() -> None:
    assert chosen(Demask(tau=1000, gamma=0.95), at([0.3, 0.4, 0.4])) == [1]
    assert chosen(Demask(tau=0, gamma=0.0), at([0.5, 0.5, 0.5])) == [0]


def test_order_by_entropy_may_differ_from_confidence() -> None:
    p = torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.6, 0.2, 0.1, 0.1], [0.4, 0.3, 0.2, 0.1]])
    rows = torch.arange(3)
    prediction = Prediction(rows, p.log(), hidden=torch.zeros(3, 4))
    one = step(
        [0.5, 0.6, 0.4],
        prediction=prediction,
        probs=lambda: p,
        head=lambda hidden: torch.tensor(CHAIN),
    )
    assert chosen(Demask(tau=0, gamma=0.0), one) == [1]
    assert chosen(Demask(tau=0, gamma=0.0, order="entropy"), one) == [0]


def test_the_predictor_sees_the_candidates_alone_and_its_edges_are_recorded() -> None:
    seen: list[int] = []

    def head(hidden: torch.Tensor) -> torch.Tensor:
        seen.append(len(hidden))
        return torch.tensor([[0, 0.2], [0.3, 0]])

    rows = torch.tensor([1, 2, 3])
    prediction = Prediction(rows, torch.zeros(3, 8), hidden=torch.zeros(3, 4))
    here = step([-9.0, 0.9, 0.8, -9.0], prediction=prediction, head=head)
    choice = Demask(tau=0.1, gamma=0.0).select(here, None)
    assert seen == [2]
    assert choice.edges is not None
    assert choice.edges[1, 2] == choice.edges[2, 1] == pytest.approx(0.3)
    assert choice.edges.count_nonzero() == 2
    assert choice.signals["cost"][2] == pytest.approx(0.3)
    assert choice.why is not None
    assert "over budget" in choice.why()[2]


def test_influence_of_one_joint_law_is_the_same_both_ways_and_bounded_by_certainty() -> None:
    """F1 and F2: D_ij = D_ji = TV(P_ij, P_i P_j) <= 1 - sum p_i^2 <= 2 (1 - c_i)."""
    rng = np.random.default_rng(0)
    for _ in range(100):
        law = joint(rng, 3)
        D = dependence(law)
        assert pytest.approx(D.T) == D
        for i in range(3):
            p = of(law, i)
            assert D[i].max() <= 1 - (p**2).sum() + 1e-12
            assert 1 - (p**2).sum() <= 2 * (1 - p.max()) + 1e-12


def test_a_set_within_the_budget_is_within_tau_of_the_product_where_influences_add_up() -> None:
    """Theorem 4.2 on 1,000 random laws: never broken where sub-additivity held."""
    rng, held = np.random.default_rng(1), 0
    for _ in range(1000):
        law = joint(rng)
        D, tau = dependence(law), float(rng.uniform(0.01, 0.6))
        order = np.argsort([-of(law, i).max() for i in range(5)], kind="stable").tolist()
        accepted = [i for i in order if i in within(D, order, tau)[0]]
        adds = all(
            influence(law, i, tuple(accepted[:k])) <= D[i, accepted[:k]].sum() + 1e-12
            for k, i in enumerate(accepted)
            if k
        )
        held += adds and len(accepted) > 1
        if adds:
            assert distance(law, accepted) <= tau + 1e-9
    assert held > 300  # the theorem was put to the test


def test_a_parity_escapes_pairwise_influence() -> None:
    """F3: Y3 = Y1 xor Y2: every D is 0, and yet the three are not independent."""
    law = np.zeros((2, 2, 2))
    for a, b in product((0, 1), repeat=2):
        law[a, b, a ^ b] = 0.25
    assert dependence(law) == pytest.approx(np.zeros((3, 3)))
    assert within(dependence(law), [0, 1, 2], 0.0)[0] == [0, 1, 2]
    assert distance(law, [0, 1, 2]) == pytest.approx(0.5)


def test_a_copy_of_one_of_k_symbols_has_influence_one_minus_one_over_k() -> None:
    law = np.eye(4) / 4
    assert dependence(law) == pytest.approx(np.array([[0, 0.75], [0.75, 0]]))


def test_the_true_influences_of_the_exact_model_are_these() -> None:
    model = exact_model({"a a": 9, "b b": 9, "a b": 1, "b a": 1})
    D = model.dependence(np.array([model.special.mask] * 2))
    law = np.array([[9, 1], [1, 9]]) / 20
    assert D.numpy() == pytest.approx(dependence(law))


def test_a_model_without_a_predictor_is_told_how_to_make_one() -> None:
    model = exact_model({"a a": 1, "b b": 1})
    spec = RunSpec(prompt="", gen_length=2, block_length=2, sampler="demask")
    with pytest.raises(InputError, match="dlmviz train demask --model exact"):
        dlmviz.decode(model, spec)
