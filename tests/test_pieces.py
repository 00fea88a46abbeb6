"""Pieces of a block: where they lie, what is known in them, and which one is surest."""

from __future__ import annotations

import math

import torch

from dlmviz.pieces import FREE, Piece, open_pieces, spread, surest
from tests.steps import step

NAN = math.nan


def pieces_of(*groups: list[int]) -> list[Piece]:
    """Pieces at these positions, all free."""
    return [
        Piece(torch.tensor(g), torch.zeros(len(g), 2), torch.full((len(g),), FREE)) for g in groups
    ]


def taken(H: list[float], pieces: list[Piece], tau: float | None) -> list[int]:
    found: list[int] = surest(pieces, torch.tensor(H), tau).nonzero()[:, 0].tolist()
    return found


def test_pieces_lie_on_a_grid_and_what_is_known_is_one_hot_and_forced() -> None:
    """Five positions in pieces of two; 0 and 3 are written (token 7), the last piece is short."""
    p = torch.rand(3, 8)
    found = open_pieces(step([-9, 0.5, 0.5, -9, 0.5], probs=lambda: p), 2, 10)
    assert [piece.at.tolist() for piece in found] == [[0, 1], [2, 3], [4]]
    assert [piece.forced.tolist() for piece in found] == [[7, FREE], [FREE, 7], [FREE]]
    assert found[0].soft[0].tolist() == [0, 0, 0, 0, 0, 0, 0, 1]
    assert torch.equal(found[0].soft[1], p[0])
    assert torch.equal(found[1].soft[0], p[1])
    assert torch.equal(found[2].soft[0], p[2])
    assert found[1].free.tolist() == [0]


def test_only_pieces_with_a_candidate_are_looked_at_and_the_first_ones_of_them() -> None:
    given = [-9, -9, 0.5, -9, 0.5, 0.5]
    every = open_pieces(step(given), 2, 10)
    assert [piece.at.tolist() for piece in every] == [[2, 3], [4, 5]]
    assert [piece.at.tolist() for piece in open_pieces(step(given), 2, 1)] == [[2, 3]]


def test_values_go_to_free_positions_only() -> None:
    piece = Piece(torch.tensor([2, 3]), torch.zeros(2, 2), torch.tensor([FREE, 1]))
    out = spread([piece], [torch.tensor([5, 6])], torch.zeros(4, dtype=torch.int64))
    assert out.tolist() == [0, 0, 5, 0]


def test_the_longest_first_part_whose_mean_entropy_is_within_tau_is_taken() -> None:
    """Means of the first piece: .1, .2, .3; of the second: .3, .2, .2."""
    two = pieces_of([0, 1, 2], [3, 4, 5])
    H = [0.125, 0.375, 0.5, 0.5, 0.25, 0.0]  # means .125, .25, 1/3; .5, .375, .25
    assert taken(H, two, 0.25) == [3, 4, 5]  # equality is within tau, longer beats surer
    assert taken(H, two, 0.2) == [0]
    assert taken(H, two, 0.1) == []


def test_ties_of_length_go_to_the_surer_piece_and_then_to_the_left_one() -> None:
    two = pieces_of([0, 1], [2, 3])
    assert taken([0.5, 0.5, 0.25, 0.25], two, 1.0) == [2, 3]
    assert taken([0.5, 0.5, 0.5, 0.5], two, 1.0) == [0, 1]


def test_without_tau_all_of_the_piece_with_the_lowest_mean_is_taken() -> None:
    assert taken([3.0, 1.0, 2.5], pieces_of([0, 1], [2]), None) == [0, 1]
    assert taken([3.0, 1.0, 1.5], pieces_of([0, 1], [2]), None) == [2]
