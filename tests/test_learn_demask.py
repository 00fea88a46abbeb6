"""DEMASK's predictor: its targets are the influences, its fit lowers the error on new states."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import dlmviz
from dlmviz.learn.demask.predictor import fit, scored
from dlmviz.learn.demask.settings import Fit
from dlmviz.learn.demask.states import State, canvases, measured
from dlmviz.models.exact import Exact, exact_model
from dlmviz.types import InputError, RunSpec, Trace

CPU = torch.device("cpu")


def model() -> Exact:
    """Three words: the second follows the first, the third is free."""
    weights = {"a a": 9, "b b": 9, "a b": 1, "b a": 1}
    return exact_model({f"{two} {c}": w for two, w in weights.items() for c in ("c", "d")})


def trace(law: Exact) -> Trace:
    spec = RunSpec(gen_length=4, block_length=4, sampler="left_to_right")
    return dlmviz.decode(law, spec)


def test_a_revealed_column_is_the_true_influence_on_every_other_mask() -> None:
    law = model()
    canvas = torch.full((3,), law.special.mask)
    settings = Fit(sources=3, draws=300)  # more than there are tokens: all are revealed
    (state,) = measured(law, [canvas], settings, torch.Generator().manual_seed(0))
    D = law.dependence(canvas)
    assert sorted(state.sources.tolist()) == [0, 1, 2]
    for place, j in enumerate(state.sources.tolist()):
        for i in {0, 1, 2} - {j}:
            assert float(state.columns[i, place]) == pytest.approx(float(D[i, j]), abs=5e-4)
    assert float(D[0, 1]) == pytest.approx(0.4)


@pytest.mark.parametrize("draws", [1, 2])
def test_few_reveals_give_the_true_influence_on_average(draws: int) -> None:
    """p_0 = (.7, .2, .1), and revealing 0 fixes 1: TV .3, .8 and .9 make D_10 = .46."""
    law = exact_model({"a a": 7, "b b": 2, "c c": 1})
    canvas = torch.full((2,), law.special.mask)
    rng = torch.Generator().manual_seed(0)
    (state,) = measured(law, [canvas] * 1, Fit(sources=2, draws=9), rng)
    at = state.sources.tolist().index(0)
    assert float(state.columns[1, at]) == pytest.approx(0.46, abs=5e-4)
    found = []
    for state in measured(law, [canvas] * 400, Fit(sources=2, draws=draws), rng):
        found.append(float(state.columns[1, state.sources.tolist().index(0)]))
    assert np.mean(found) == pytest.approx(0.46, abs=0.04)
    assert np.std(found) > 0


def test_what_is_given_is_neither_revealed_nor_asked() -> None:
    law = model()
    a = law.encode("a")[0]
    canvas = torch.tensor([a, law.special.mask, law.special.mask])
    (state,) = measured(law, [canvas], Fit(sources=8, draws=50), torch.Generator().manual_seed(0))
    assert state.hidden.shape[0] == 2
    assert sorted(state.sources.tolist()) == [0, 1]
    other = torch.arange(2)[:, None] != state.sources
    assert float(state.columns[other].max()) < 0.02  # the third word is free of the second


def test_states_measured_together_are_those_measured_alone() -> None:
    law = model()
    some = [torch.full((3,), law.special.mask), torch.full((5,), law.special.mask)]
    both = measured(law, some, Fit(sources=1, draws=1), torch.Generator().manual_seed(3))
    for canvas, state in zip(some, both, strict=True):
        alone = measured(law, [canvas], Fit(sources=1, draws=1), torch.Generator())[0]
        assert torch.equal(alone.hidden, state.hidden)


def test_canvases_are_of_the_run_or_have_random_masks_in_its_answer() -> None:
    run = trace(model())
    found = [canvas for seed in range(20) for canvas in canvases([run], seed)]
    shown = {tuple(run.canvas_at(step).tolist()) for step in range(len(run.steps))}
    assert any(tuple(canvas.tolist()) in shown for canvas in found)
    for canvas in found:
        masks = (canvas == run.mask_id).numpy()
        assert masks.sum() >= 2
        assert (canvas.numpy()[~masks] == run.final[~masks]).all()
        assert not masks[: run.prompt_length].any()


def test_the_same_seed_gives_the_same_canvases() -> None:
    run = trace(model())
    first, again = ([c.tolist() for c in canvases([run], 7)] for _ in range(2))
    assert first == again


def states(count: int, seed: int) -> list[State]:
    """Influence is high where both states point the same way: a rule that a product can learn."""
    rng = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(count):
        hidden = torch.randn(6, 8, generator=rng)
        unit = hidden / hidden.norm(dim=-1, keepdim=True)
        D = torch.sigmoid(6 * unit @ unit.T - 3)
        sources = torch.randperm(6, generator=rng)[:3]
        made.append(State(hidden.half(), sources, D[:, sources].half()))
    return made


def test_the_fit_beats_every_constant_on_states_it_has_not_seen() -> None:
    learned, held = states(200, 0), states(40, 1)
    losses: list[float] = []
    settings = Fit(key=16, epochs=30, batch=20, lr=1e-2)
    head = fit(learned, settings, CPU, lambda step, steps, loss: losses.append(loss))
    score = scored(head, held, learned)
    assert len(losses) == 300
    assert losses[-1] < losses[0]
    assert score.pairs == 40 * 3 * 5
    assert score.mae < 0.5 * min(score.constant_mae, score.mean_mae)
    assert score.spearman is not None
    assert score.spearman > 0.9


def test_an_inner_layer_learns_what_no_product_of_projections_can() -> None:
    """Influence by sizes |u_i0| |u_j0|, signs aside: a bilinear form of states misses it."""

    def unsigned(states: list[State]) -> list[State]:
        made = []
        for state in states:
            u = state.hidden.float().abs()[:, 0] / state.hidden.float().norm(dim=-1)
            D = torch.sigmoid(12 * u[:, None] * u - 4)
            made.append(dataclasses.replace(state, columns=D[:, state.sources]))
        return made

    learned, held = unsigned(states(200, 0)), unsigned(states(40, 1))
    found = []
    for inner in (0, 32):
        settings = Fit(key=16, inner=inner, epochs=40, batch=20, lr=1e-2)
        found.append(scored(fit(learned, settings, CPU), held, learned).spearman)
    assert found[0] is not None
    assert found[1] is not None
    assert found[0] < 0.3
    assert found[1] > 0.8


def test_the_same_seed_gives_the_same_predictor() -> None:
    settings = Fit(key=4, epochs=1, batch=8)
    one, two = (fit(states(20, 0), settings, CPU) for _ in range(2))
    assert torch.equal(one.query.weight, two.query.weight)


def test_a_constant_predictor_has_no_rank_correlation() -> None:
    learned = states(5, 0)
    head = fit(learned, Fit(key=4, epochs=1), CPU)
    with torch.no_grad():
        head.query.weight.zero_()
    score = scored(head, states(5, 1), learned)
    assert score.spearman is None
    flat = [dataclasses.replace(s, columns=torch.zeros_like(s.columns)) for s in states(5, 1)]
    assert scored(fit(learned, Fit(key=4, epochs=1), CPU), flat, learned).spearman is None


def test_the_score_of_the_pairs_is_worked_by_hand() -> None:
    """Two states of two rows; the head says sigmoid(-3) = .0474 of every pair."""
    said = 1 / (1 + np.exp(3))
    head = fit(states(2, 0), Fit(key=2, epochs=1), CPU)
    with torch.no_grad():
        head.query.weight.zero_()
        head.bias.fill_(-3.0)
    hidden = torch.ones(2, 8).half()
    one = State(hidden, torch.tensor([0]), torch.tensor([[9.0], [0.25]]).half())
    two = State(hidden, torch.tensor([1]), torch.tensor([[0.75], [9.0]]).half())
    score = scored(head, [one, two], [one])
    assert score.pairs == 2
    assert score.mae == pytest.approx(0.5 - said, abs=1e-6)
    assert score.constant_mae == pytest.approx(0.25)  # the constant is .25
    assert score.trusted is None


def test_nothing_to_fit_and_wrong_settings_are_refused() -> None:
    with pytest.raises(InputError, match="nothing to fit"):
        fit([], Fit(), CPU)
    with pytest.raises(InputError, match="draws must be at least 1"):
        Fit(draws=0)
    with pytest.raises(InputError, match="inner must be at least 0"):
        Fit(inner=-1)
    with pytest.raises(InputError, match="lr must be above 0"):
        Fit(lr=0.0)
