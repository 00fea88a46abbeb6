from math import log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlmviz.signals import (
    best,
    degree,
    edge_scores,
    entropy,
    independent_set,
    jsd,
    kl,
    margin,
    normalised,
    ranked,
    schedule,
)

DISTRIBUTIONS = st.lists(st.floats(0.001, 1), min_size=4, max_size=4).map(
    lambda w: (torch.tensor(w, dtype=torch.float64) / sum(w))[None]
)


def test_entropy_of_a_fair_coin_is_ln_2_and_of_a_certain_token_zero() -> None:
    p = torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    assert entropy(p).tolist() == pytest.approx([log(2), 0.0])


def test_margin_is_the_lead_of_the_best_over_the_second() -> None:
    assert margin(torch.tensor([[0.2, 0.7, 0.1]])).item() == pytest.approx(0.5)


def test_kl_worked_by_hand() -> None:
    p, q = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.25, 0.75]])
    assert kl(p, q).item() == pytest.approx(0.5 * log(2) + 0.5 * log(2 / 3))
    assert kl(p, torch.tensor([[1.0, 0.0]])).item() == float("inf")


@given(DISTRIBUTIONS, DISTRIBUTIONS)
def test_divergences_are_zero_at_equality_and_jsd_lies_below_ln_2(p, q) -> None:
    assert kl(p, p).item() == pytest.approx(0, abs=1e-12)
    assert kl(p, q).item() >= -1e-12
    assert jsd(p, q).item() == pytest.approx(jsd(q, p).item(), abs=1e-12)
    assert -1e-12 <= jsd(p, q).item() <= log(2)


def test_jsd_of_disjoint_laws_is_ln_2() -> None:
    assert jsd(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])).item() == pytest.approx(
        log(2)
    )


def test_ties_go_to_the_lower_position() -> None:
    score = torch.full((40,), 0.5, dtype=torch.bfloat16)
    candidates = torch.ones(40, dtype=torch.bool)
    candidates[0] = False
    assert ranked(score, candidates).tolist() == list(range(1, 40))
    assert best(score, candidates, 3).nonzero()[:, 0].tolist() == [1, 2, 3]


def test_best_takes_all_candidates_when_there_are_fewer_and_never_others() -> None:
    score = torch.tensor([0.9, 0.1, 0.0, 0.8])
    candidates = torch.tensor([False, True, True, False])
    assert best(score, candidates, 5).tolist() == candidates.tolist()
    assert best(score, candidates, 1).nonzero()[:, 0].tolist() == [1]


def test_a_score_of_zero_ranks_last_but_can_be_taken() -> None:
    score = torch.tensor([0.0, 0.0, 0.3])
    assert ranked(score, torch.ones(3, dtype=torch.bool)).tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("masks", "steps", "expected"),
    [(32, 32, [1] * 32), (10, 4, [3, 3, 2, 2]), (3, 5, [1, 1, 1, 0, 0])],
)
def test_the_schedule_spreads_the_masks_over_the_steps(masks, steps, expected) -> None:
    assert schedule(masks, steps) == expected


TRIANGLE = torch.tensor([[0, 0.2, 0.1], [0.2, 0, 0.01], [0.1, 0.01, 0]], dtype=torch.float64)


def test_edge_scores_are_the_mean_of_both_directions_between_candidates() -> None:
    attention = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.6, 0.0, 0.4]])
    everywhere = edge_scores(attention, torch.tensor([True, True, True]))
    assert everywhere[0].tolist() == pytest.approx([0, 0.2, 0.4])
    assert torch.equal(everywhere, everywhere.T)
    some = edge_scores(attention, torch.tensor([True, False, True]))
    assert some.flatten().tolist() == pytest.approx([0, 0, 0.4, 0, 0, 0, 0.4, 0, 0])


def test_normalised_scores_divide_each_row_by_its_greatest_and_are_not_symmetric() -> None:
    n = normalised(TRIANGLE)
    assert n[1].tolist() == pytest.approx([1, 0, 0.05])
    assert n[2].tolist() == pytest.approx([1, 0.1, 0])
    assert normalised(torch.zeros(2, 2)).tolist() == [[0, 0], [0, 0]]
    assert normalised(torch.tensor([[0.0, 5e-9], [5e-9, 0.0]]))[0, 1].item() == pytest.approx(0.5)


def test_the_degree_sums_raw_scores() -> None:
    assert degree(TRIANGLE).tolist() == pytest.approx([0.3, 0.21, 0.11])


@pytest.mark.parametrize(
    ("order", "tau", "accepted", "blocker"),
    [
        ([1, 2], 0.07, [1], [-1, -1, 1]),
        ([2, 1], 0.07, [1, 2], [-1, -1, -1]),  # row of the candidate: 0.05 is not above 0.07
        ([1, 2], 0.1, [1, 2], [-1, -1, -1]),  # equality accepts
        ([1, 0, 2], 0.07, [1], [1, -1, 1]),
        ([], 0.07, [], [-1, -1, -1]),
    ],
)
def test_the_greedy_set_depends_on_the_order(order, tau, accepted, blocker) -> None:
    conflict = torch.tensor([[0, 1, 0.5], [1, 0, 0.05], [1, 0.1, 0]], dtype=torch.float64)
    chosen, by = independent_set(torch.tensor(order, dtype=torch.int64), conflict, tau)
    assert chosen.nonzero()[:, 0].tolist() == accepted
    assert by.tolist() == blocker


@given(st.integers(0, 10_000))
def test_the_greedy_set_is_that_of_its_definition(seed) -> None:
    rng = torch.Generator().manual_seed(seed)
    conflict = torch.rand(7, 7, generator=rng)
    order = torch.randperm(7, generator=rng)[:5]
    accepted: list[int] = []
    stopped = [-1] * 7
    for i in order.tolist():
        against = [j for j in accepted if conflict[i, j] > 0.6]
        if against:
            stopped[i] = against[0]
        else:
            accepted.append(i)
    chosen, by = independent_set(order, conflict, 0.6)
    assert chosen.nonzero()[:, 0].tolist() == sorted(accepted)
    assert by.tolist() == stopped
