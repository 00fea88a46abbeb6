"""The cost of a group and the influence of a pair, against laws that are written down."""

import dataclasses
import itertools
import math

import pytest
import torch

from dlmviz.models.exact import exact_model
from dlmviz.studies import chain_rule
from dlmviz.studies.influence import influence
from dlmviz.types import RunSpec

BIT = math.log(2)


def law_and_canvas(model, length):
    canvas = torch.full((length,), model.special.mask)
    return chain_rule.law_of(model, RunSpec(), canvas != model.special.mask), canvas


def group_of(model, positions, certain=0.0):
    law, canvas = law_and_canvas(model, 3)
    at = torch.tensor(positions)
    tokens = law(canvas[None], at[None])[0].argmax(-1)
    return law, chain_rule.opened(law, canvas, at, tokens, certain)


def loss(model, positions, certain=0.0, **effort):
    law, group = group_of(model, positions, certain)
    effort = dataclasses.replace(chain_rule.WHOLE, **effort)
    return chain_rule.loss(law, group, effort, torch.Generator().manual_seed(0))


XOR = exact_model({f"{a} {b} {'ab'[(a == 'b') != (b == 'b')]}": 1 for a in "ab" for b in "ab"})
COPY = exact_model({"a a a": 1, "b b b": 1, "c c c": 1, "d d d": 1})
CHAIN = exact_model(
    {
        " ".join("ab"[bit] for bit in bits): math.prod(
            0.1 if one != two else 0.9 for one, two in itertools.pairwise(bits)
        )
        for bits in itertools.product((0, 1), repeat=3)
    }
)
UNEVEN = exact_model({"a a b": 5, "a b a": 2, "b a a": 2, "b b b": 1, "a a a": 3})
FREE = exact_model({" ".join(words): 1 for words in itertools.product("ab", repeat=3)})


def test_the_worked_costs_of_writing_at_once() -> None:
    """XOR hides one bit in three, a copy of four symbols two bits a pair, free bits none."""
    assert loss(XOR, [0, 1, 2]).nats == pytest.approx(BIT, abs=1e-6)
    assert loss(XOR, [0, 2]).nats == pytest.approx(0, abs=1e-6)
    assert loss(COPY, [0, 1]).nats == pytest.approx(2 * BIT, abs=1e-6)
    assert loss(COPY, [0, 1, 2]).nats == pytest.approx(4 * BIT, abs=1e-6)
    flip = -0.1 * math.log(0.1) - 0.9 * math.log(0.9)
    assert loss(CHAIN, [0, 1]).nats == pytest.approx(BIT - flip, abs=1e-6)
    assert loss(FREE, [0, 1, 2]).nats == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("model", [XOR, COPY, CHAIN, UNEVEN, FREE])
@pytest.mark.parametrize("group", [[0, 1], [2, 0], [0, 1, 2], [2, 1, 0], [1]])
def test_an_enumerated_cost_is_the_total_correlation_of_the_law(model, group) -> None:
    canvas = torch.full((3,), model.special.mask)
    found = loss(model, group)
    assert found.method == "enumerated"
    assert found.nats == pytest.approx(model.total_correlation(canvas, group), abs=1e-6)


def distance(model, group) -> float:
    """TV(joint, product) of a group, from the tables of the law."""
    canvas = torch.full((3,), model.special.mask)
    joint, single = model.joint(canvas, group), [model.joint(canvas, [i]) for i in group]
    product = {y: math.prod(p[(v,)] for p, v in zip(single, y, strict=True)) for y in joint}
    return sum(max(0.0, joint[y] - product[y]) for y in joint)


@pytest.mark.parametrize("model", [XOR, COPY, CHAIN, UNEVEN, FREE])
@pytest.mark.parametrize("group", [[0, 1], [2, 0], [0, 1, 2], [2, 1, 0]])
def test_the_distance_of_an_enumerated_group_is_that_of_the_law(model, group) -> None:
    assert loss(model, group).tv == pytest.approx(distance(model, group), abs=1e-6)


def test_the_worked_distances() -> None:
    """XOR half, a copy 1 - 1/K, a chain of bits .56, its ends .32."""
    assert loss(XOR, [0, 1, 2]).tv == pytest.approx(0.5, abs=1e-6)
    assert loss(COPY, [0, 1]).tv == pytest.approx(0.75, abs=1e-6)
    assert loss(CHAIN, [0, 1, 2]).tv == pytest.approx(0.56, abs=1e-6)
    assert loss(CHAIN, [0, 2]).tv == pytest.approx(0.32, abs=1e-6)
    assert loss(CHAIN, [1]).tv == 0


def test_a_sampled_distance_is_near_that_of_the_law() -> None:
    found = loss(UNEVEN, [0, 1, 2], limit=1, draws=4000)
    assert found.method == "sampled"
    assert found.tv == pytest.approx(distance(UNEVEN, [0, 1, 2]), abs=0.02)


def test_a_sampled_cost_is_near_the_total_correlation_and_says_how_near() -> None:
    canvas = torch.full((3,), UNEVEN.special.mask)
    found = loss(UNEVEN, [0, 1, 2], limit=1, draws=400)
    assert found.method == "sampled"
    true = UNEVEN.total_correlation(canvas, [0, 1, 2])
    assert abs(found.nats - true) < 4 * found.error
    assert 0 < found.error < 0.05


def test_the_least_probable_outcomes_may_be_left_out() -> None:
    """Of "a" 0.9 and "b" 0.1, "a" alone holds 0.9: its conditional law is all that is asked."""
    model = exact_model({"a x": 85, "a y": 5, "b y": 10})
    at_a = 85 / 90 * math.log(85 / 90 / 0.85) + 5 / 90 * math.log(5 / 90 / 0.15)
    law, canvas = law_and_canvas(model, 2)
    p = law(canvas[None], torch.arange(2)[None])[0]
    group = chain_rule.Group(canvas, torch.arange(2), torch.zeros(2).long(), p, 0.0)
    found = chain_rule.loss(law, group, chain_rule.Effort(covered=0.89), torch.Generator())
    assert found.nats == pytest.approx(at_a)
    assert chain_rule.loss(law, group, chain_rule.WHOLE, torch.Generator()).nats > at_a


def test_positions_that_are_certain_are_left_out_and_counted() -> None:
    model = exact_model({"a a c": 999, "b b c": 1})
    each = -0.999 * math.log(0.999) - 0.001 * math.log(0.001)
    _, group = group_of(model, [0, 1, 2], certain=0.01)
    assert group.positions.tolist() == []
    assert group.canvas.tolist() == model.sentences[0, :3].tolist()
    assert group.left_out == pytest.approx(2 * each, abs=1e-6)
    assert loss(model, [0, 1, 2], certain=0.01).nats == 0
    assert loss(model, [0, 1, 2], certain=0.001).nats == pytest.approx(each, abs=1e-6)


@pytest.mark.parametrize("model", [XOR, COPY, CHAIN, UNEVEN])
def test_the_chain_rule_gives_the_probability_of_the_joint_law_in_any_order(model) -> None:
    law, canvas = law_and_canvas(model, 3)
    p = law(canvas[None], torch.arange(3)[None])[0]
    for values, probability in model.joint(canvas, (0, 1, 2)).items():
        for order in itertools.permutations(range(3)):
            at = torch.tensor(order)
            group = chain_rule.Group(canvas, at, torch.tensor(values)[at], p[at], 0.0)
            assert chain_rule.log_joint(law, group) == pytest.approx(math.log(probability))
            alone = [p[i, value].log() for i, value in enumerate(values)]
            assert group.log_product == pytest.approx(float(sum(alone)))


def test_the_surest_token_is_revealed_first_and_ties_go_to_the_lower_position() -> None:
    p = torch.tensor([[0.4, 0.6], [0.1, 0.9], [0.6, 0.4], [0.9, 0.1]]).double()

    def law(canvases, positions):
        return p[positions]

    tokens = torch.tensor([1, 1, 0, 1])
    group = chain_rule.opened(law, torch.full((4,), 9), torch.arange(4), tokens)
    assert group.positions.tolist() == [1, 0, 2, 3]
    assert group.tokens.tolist() == [1, 1, 0, 1]


@pytest.mark.parametrize("model", [XOR, COPY, CHAIN, UNEVEN, FREE])
def test_influence_is_the_dependence_of_the_law(model) -> None:
    law, canvas = law_and_canvas(model, 3)
    found = influence(law, canvas, torch.arange(3), mass=1.0, most=8)
    assert torch.allclose(found.matrix, model.dependence(canvas), atol=1e-6)
    assert torch.allclose(found.covered, torch.ones(3, dtype=torch.float64))


def test_the_worked_influences() -> None:
    """A copy of four symbols: 3/4; XOR: nothing pairwise; three bits with a flip of 0.1."""
    expected = {
        COPY: [[0, 0.75, 0.75], [0.75, 0, 0.75], [0.75, 0.75, 0]],
        XOR: [[0, 0, 0]] * 3,
        CHAIN: [[0, 0.4, 0.32], [0.4, 0, 0.4], [0.32, 0.4, 0]],
    }
    for model, values in expected.items():
        law, canvas = law_and_canvas(model, 3)
        found = influence(law, canvas, torch.arange(3), mass=1.0, most=8)
        assert torch.allclose(found.matrix, torch.tensor(values).double(), atol=1e-6)


def test_a_column_of_influence_is_the_position_that_was_revealed() -> None:
    """A law that no joint has: the second position listens to the first, never the reverse."""

    def law(canvases, positions):
        heard = canvases[:, 0] == 1
        p = torch.full((len(canvases), 2, 2), 0.5, dtype=torch.float64)
        p[heard, 1] = torch.tensor([0.1, 0.9], dtype=torch.float64)
        return p

    found = influence(law, torch.tensor([9, 9]), torch.arange(2), mass=1.0, most=2)
    assert found.matrix.tolist() == [[0, 0], [pytest.approx(0.2), 0]]


def test_few_revealed_tokens_are_weighted_among_themselves_and_their_mass_is_told() -> None:
    model = exact_model({"a x": 6, "b y": 3, "c y": 1})
    canvas = torch.full((2,), model.special.mask)
    law = chain_rule.law_of(model, RunSpec(), canvas != model.special.mask)
    found = influence(law, canvas, torch.arange(2), mass=0.7, most=8)
    assert found.covered.tolist() == pytest.approx([0.9, 1.0])
    assert float(found.matrix[1, 0]) == pytest.approx((0.6 * 0.4 + 0.3 * 0.6) / 0.9)
    assert found.canvases == 5
