"""Scores of pairs against a known graph: numbers worked by hand, and scipy's."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from dlmviz.studies.edges import auc, compared, nearness, pairs, ratio, violations

TRIANGLES = [p for a in (0, 2, 4, 6) for p in ((a, a + 1), (a, a + 2), (a + 1, a + 2))]


def graph(size, edges):
    out = np.zeros((size, size), bool)
    for a, b in edges:
        out[a, b] = out[b, a] = True
    return out


def test_auc_counts_pairs_won_and_half_of_the_ties() -> None:
    edges = np.array([True, True, False, False])
    assert auc(np.array([3.0, 1.0, 2.0, 0.0]), edges) == 0.75
    assert auc(np.array([1.0, 1.0, 1.0, 1.0]), edges) == 0.5
    assert auc(np.array([2.0, 1.0, 1.0, 0.0]), edges) == 0.875


@pytest.mark.parametrize("levels", [3, 1000])
def test_auc_is_mann_whitneys_u(levels) -> None:
    rng = np.random.default_rng(levels)
    scores, edges = rng.integers(levels, size=80) / levels, rng.random(80) < 0.3
    u = mannwhitneyu(scores[edges], scores[~edges]).statistic
    assert auc(scores, edges) == pytest.approx(u / edges.sum() / (~edges).sum(), abs=1e-12)


def test_without_edges_or_without_others_nothing_is_defined() -> None:
    for edges in (np.zeros(3, bool), np.ones(3, bool)):
        assert auc(np.arange(3.0), edges) is None
        assert ratio(np.arange(3.0), edges) is None
    assert ratio(np.array([1.0, 0.0]), np.array([True, False])) is None
    assert violations(np.arange(3.0), np.ones(3)) is None


def test_distance_alone_nearly_finds_the_triangle_chain() -> None:
    """All 8 neighbours are edges, and 4 of the 7 pairs at distance two: (8*24 + 4*22.5)/288."""
    found = compared(nearness(9), graph(9, TRIANGLES), np.arange(9))
    assert found["auc"] == pytest.approx((8 * 24 + 4 * 22.5) / 288)
    assert round(found["auc"], 3) == 0.979
    assert (found["pairs"], found["edges"]) == (36, 12)


def test_the_true_graph_as_its_own_score_makes_no_mistake() -> None:
    edges = graph(9, TRIANGLES)
    found = compared(edges.astype(float), edges, np.arange(9))
    assert (found["auc"], found["ratio"], found["ovr"]) == (1.0, None, 0.0)


def test_the_ratio_compares_means() -> None:
    assert ratio(np.array([4.0, 2.0, 1.0, 2.0]), np.array([True, True, False, False])) == 2.0


def test_a_violation_is_a_pair_in_the_other_order_and_a_tie_half_of_one() -> None:
    truth = np.array([2.0, 1.0, 1.0])
    assert violations(np.array([3.0, 2.0, 1.0]), truth) == 0.0
    assert violations(np.array([1.0, 2.0, 1.0]), truth) == 0.75
    assert violations(np.array([1.0, 2.0, 3.0]), truth) == 1.0


def test_true_degrees_are_those_among_the_nodes_that_are_left() -> None:
    """Without place 2, place 0 has one edge left and place 3 one; 4 keeps three."""
    edges = graph(9, TRIANGLES)
    nodes = np.array([0, 1, 3, 4, 5])
    scores = np.zeros((9, 9))
    scores[3, 4] = scores[4, 3] = 1.0
    found = compared(scores, edges, nodes)
    # true degrees 1, 1, 1, 2, 1; found 0, 0, 1, 1, 0: of four pairs one is a tie
    assert found["ovr"] == pytest.approx(0.5 / 4)


def test_pairs_are_taken_once_row_by_row() -> None:
    assert pairs(np.arange(16).reshape(4, 4), np.array([0, 2, 3])).tolist() == [2, 3, 11]
