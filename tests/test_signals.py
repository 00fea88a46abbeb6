from math import log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlmviz.signals import best, entropy, jsd, kl, margin, ranked

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
