"""Assessment: outcomes of two models, and the speed-up at matched accuracy."""

from __future__ import annotations

import numpy as np
import pytest

from dlmviz.learn.assess import Outcomes, outcomes, speedups
from dlmviz.models import load
from dlmviz.samplers import make
from dlmviz.types import RunSpec


def made(accuracy: float, nfe: float, count: int = 400, spread: int = 0, seed: int = 0) -> Outcomes:
    rng = np.random.default_rng(seed)
    right = np.arange(count) < round(accuracy * count)
    return Outcomes(right, nfe + rng.integers(-spread, spread + 1, count), np.full(count, 20))


def test_outcomes_are_those_of_the_prompts_in_their_order() -> None:
    model = load("exact")
    specs = [
        RunSpec(prompt="their", model="exact", gen_length=n, block_length=n, sampler="llada")
        for n in (2, 4, 8)
    ]
    told = list(outcomes(model, make("llada"), specs, lambda i, text: i == 1, batch=2))
    assert [done for done, _ in told] == [1, 2, 3, 3]
    last = told[-1][1]
    assert last is not None
    assert last.right.tolist() == [False, True, False]
    assert (last.nfe > 0).all()
    assert (last.tokens <= [2, 4, 8]).all()
    assert last.accuracy == pytest.approx(1 / 3)
    assert last.tpf == pytest.approx(last.tokens.sum() / last.nfe.sum())


def test_the_base_arm_is_the_cheapest_that_is_accurate_enough() -> None:
    base = {0.9: made(0.95, 10), 0.7: made(0.90, 8), 0.5: made(0.60, 4)}
    (found,) = speedups(base, {0.8: made(0.905, 5)})
    assert (found.student, found.base) == (0.8, 0.7)  # 0.90 is within a point of 0.905
    assert found.ratio == pytest.approx(8 / 5)
    assert found.low == found.high == found.ratio
    assert (found.accuracy_student, found.accuracy_base) == (0.905, 0.90)


def test_a_student_that_beats_every_base_arm_by_more_than_a_point_has_no_match() -> None:
    assert speedups({0.9: made(0.90, 10)}, {0.9: made(0.92, 5)}) == []


def test_equal_arms_have_an_interval_around_one() -> None:
    base, student = made(0.9, 10, spread=5), made(0.9, 10, spread=5, seed=1)
    (found,) = speedups({0.9: base}, {0.9: student})
    assert found.low < 1 < found.high
    assert found.high - found.low < 0.2
    assert found == speedups({0.9: base}, {0.9: student})[0], "the same table twice"
