"""CoDiLA: which tokens of which piece are committed, by hand-made local models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

import dlmviz
from dlmviz.models.exact import exact_model
from dlmviz.pieces import Piece
from dlmviz.samplers import make
from dlmviz.samplers.codila import Codila
from dlmviz.types import InputError, RunSpec
from tests.steps import chosen, step


@dataclass
class Local:
    """Answers entropies by position, and writes 5 everywhere; disagrees at some positions."""

    entropy: Sequence[float] = ()
    apart: Sequence[int] = ()
    asked: list[Any] = field(default_factory=list)  # (never, temperature, generator, floor)

    def decode(self, pieces: Sequence[Piece], *asked: Any) -> Any:
        self.asked.append(asked)
        H = torch.tensor(self.entropy)
        return [torch.full_like(p.at, 5) for p in pieces], [H[p.at] for p in pieces]

    def agrees(self, pieces: Sequence[Piece], proposal: torch.Tensor) -> torch.Tensor:
        out = torch.ones_like(proposal, dtype=torch.bool)
        out[list(self.apart)] = False
        return out


FOUR = [0.5, 0.6, 0.9, 0.4]
LOCAL = Local([0.125, 0.375, 0.25, 0.5])  # means: 1/8, 1/4 and 1/4, 3/8; of four: 1/8 .. 5/16


def test_static_writes_the_whole_piece_with_the_lowest_mean_entropy() -> None:
    at = step(FOUR, head=Local([0.1, 0.5, 0.1, 0.4]))
    choice = Codila(schedule="static", piece=2).select(at, None)
    assert choice.transfer.tolist() == [False, False, True, True]
    assert choice.tokens is not None
    assert choice.tokens[2:].tolist() == [5, 5]
    assert choice.tokens[:2].tolist() == [0, 1]  # as proposed


def test_dynamic_writes_as_much_of_a_piece_as_tau_allows() -> None:
    at = step(FOUR, head=LOCAL)
    assert chosen(Codila(piece=2, tau=0.25), at) == [0, 1]
    assert chosen(Codila(piece=4, tau=0.25), at) == [0, 1, 2]
    assert chosen(Codila(piece=4, tau=0.3125), at) == [0, 1, 2, 3]


def test_dynamic_falls_back_to_the_denoisers_best_token_where_one_or_none_is_within_tau() -> None:
    for tau in (0.2, 0.05):
        choice = Codila(piece=2, tau=tau).select(step(FOUR, head=LOCAL), None)
        assert choice.transfer.nonzero()[:, 0].tolist() == [2]
        assert choice.tokens is not None
        assert int(choice.tokens[2]) == 2  # the denoiser's token, not the local model's
        assert choice.why is not None
        assert "fallback" in choice.why()[2]


def test_at_one_token_a_piece_dynamic_is_the_denoisers_own_choice() -> None:
    assert chosen(Codila(piece=1, tau=100.0), step(FOUR, head=LOCAL)) == [2]
    assert chosen(Codila(schedule="static", piece=1), step(FOUR, head=LOCAL)) == [0]


def test_only_the_first_open_pieces_are_looked_at() -> None:
    surest_last = Local([0.4, 0.4, 0.1, 0.1])
    assert chosen(Codila(schedule="static", piece=2), step(FOUR, head=surest_last)) == [2, 3]
    near = Codila(schedule="static", piece=2, window=1)
    assert chosen(near, step(FOUR, head=surest_last)) == [0, 1]


def test_entropies_are_recorded_where_a_piece_was_read() -> None:
    choice = Codila(piece=2, window=1).select(step(FOUR, head=LOCAL), None)
    told = choice.signals["local_entropy"]
    assert told[:2].tolist() == [0.125, 0.375]
    assert told[2:].isnan().all()


def test_verify_lowers_the_confidence_where_the_local_model_would_write_another_token() -> None:
    at = step([0.9, 0.95, 0.92, 0.4], head=Local(apart=[1, 3]))
    choice = Codila(schedule="verify", threshold=0.9).select(at, None)
    assert choice.transfer.nonzero()[:, 0].tolist() == [0, 2]  # equality commits
    assert choice.tokens is None
    assert choice.score.tolist() == pytest.approx([0.9, 0.475, 0.92, 0.2])
    assert choice.signals["local_agrees"].tolist() == [1, 0, 1, 0]
    assert choice.why is not None
    assert "another token" in choice.why()[1]
    assert chosen(Codila(schedule="verify", threshold=0.9, penalty=1.0), at) == [0, 1, 2]
    assert chosen(Codila(schedule="verify", threshold=1.0), at) == [2]


def test_a_model_without_a_local_one_is_told_how_to_make_it() -> None:
    model = exact_model({"a a": 1, "b b": 1})
    spec = RunSpec(gen_length=2, block_length=2, sampler="codila")
    with pytest.raises(InputError, match="dlmviz train codila --model exact"):
        dlmviz.decode(model, spec)


def test_the_local_model_draws_as_the_knobs_say() -> None:
    head = Local([0.125, 0.375, 0.25, 0.5])
    at = step(FOUR, head=head)
    Codila(piece=2).select(at, None)
    Codila(piece=2, temperature=0.5, floor=0.25).select(at, None)
    mask = at.canvas.mask_id
    assert head.asked == [(mask, 0.0, at.rng, 0.01), (mask, 0.5, at.rng, 0.25)]


def test_knobs_out_of_bounds_are_refused() -> None:
    low = ({"schedule": "none"}, {"piece": 0}, {"tau": -1.0})
    for wrong in (*low, {"penalty": 2.0}, {"floor": 2.0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            make("codila", wrong)
