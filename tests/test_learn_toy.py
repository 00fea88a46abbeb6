"""DAPD's toy experiment: its law, the stack of models, training, one model in LLaDA's format."""

import itertools
import math

import numpy as np
import pytest
import torch

import dlmviz
from dlmviz.learn.masking import choose
from dlmviz.learn.muon import Muon
from dlmviz.learn.toy import chain, saving, stack, training
from dlmviz.learn.toy.sampling import sample
from dlmviz.types import RunSpec

SMALL = stack.Shape(layers=2, width=16, heads=2, inner=24)


def lesson(seeds=(0, 1), steps=30, shuffled=False, **recipe):
    order = torch.stack([chain.order_of(seed, shuffled) for seed in seeds])
    recipe = {"batch": 16, "warmup": 5, "lr": 1e-2} | recipe
    recipe = training.Recipe(steps=steps, **recipe)
    return training.Lesson(SMALL, recipe, list(seeds), order, torch.device("cpu"))


def random_weights(shape, seeds=3):
    made = stack.new(shape, range(seeds), std=0.3)
    made["norms"] = made["norms"] + 0.1 * torch.randn(made["norms"].shape)
    return made


def test_every_chain_keeps_its_four_constraints_and_odd_places_are_free() -> None:
    x = chain.chains(4000, 4, torch.Generator().manual_seed(0))
    assert chain.hold(x, 4).all()
    assert len(x[:, ::2].unique(dim=0)) > 900  # of 4^5 = 1024
    broken = x.clone()
    broken[:, 3] = (broken[:, 3] + 1) % 4
    assert chain.hold(broken, 4).tolist() == [[True, False, True, True]] * 4000


def test_the_graph_follows_the_places_wherever_they_stand() -> None:
    natural = chain.graph(chain.order_of(0, False))
    assert natural.sum() == 24
    assert natural.sum(1).tolist() == [2, 2, 4, 2, 4, 2, 4, 2, 2]
    order = chain.order_of(5, True)
    assert sorted(order.tolist()) == list(range(9)) != order.tolist()
    assert (chain.graph(order)[order][:, order] == natural).all()


def test_the_floor_is_the_entropy_that_masks_leave() -> None:
    """By reachability instead of counting: a place is determined or uniform, nothing between."""
    total = 0.0
    for hidden in itertools.product((False, True), repeat=9):
        masks = sum(hidden)
        if masks:
            free = sum(_open(hidden, place) for place in range(9) if hidden[place])
            total += free / masks / math.comb(9, masks) / 9
    assert chain.floor(4) == pytest.approx(total * math.log(4))
    assert chain.floor(4) == pytest.approx(0.770, abs=5e-4)
    assert chain.floor(3) == pytest.approx(total * math.log(3))


def _open(hidden, place) -> bool:
    """Whether a masked place is not determined by those that are seen."""
    known = {i for i in range(9) if not hidden[i]}
    grown = True
    while grown:
        grown = False
        for middle in (1, 3, 5, 7):
            unknown = {middle - 1, middle, middle + 1} - known
            if len(unknown) == 1:
                known |= unknown
                grown = True
    return place not in known


def test_a_stack_computes_what_lladas_network_computes_seed_by_seed() -> None:
    weights = random_weights(SMALL)
    x = torch.randint(SMALL.mask + 1, (3, 4, 9))
    logits, attention = stack.forward(SMALL, weights, x, layers=2)
    for seed in range(3):
        network = saving.network(SMALL, saving.only(weights, seed))
        tokens = torch.nn.functional.pad(x[seed], (1, 0), value=SMALL.opening)
        with torch.no_grad():
            expected = network(tokens).logits[:, 1:]
        assert torch.allclose(logits[seed], expected, atol=1e-4)
    assert attention.shape == (3, 4, 9, 9)


def test_the_attention_of_a_stack_is_the_one_that_samplers_read(tmp_path) -> None:
    weights = random_weights(SMALL)
    saving.save(SMALL, saving.only(weights, 1), tmp_path, torch.arange(9), {})
    model = dlmviz.load(str(tmp_path), device="cpu")
    x = torch.randint(SMALL.mask + 1, (3, 2, 9))
    logits, attention = stack.forward(SMALL, weights, x, layers=1)
    tokens = torch.nn.functional.pad(x[1], (1, 0), value=SMALL.opening)
    for row, made in enumerate(model.forward(tokens, layers=(1,))):
        assert torch.allclose(made.logits[1:], logits[1, row], atol=1e-4)
        assert torch.allclose(made.attention[1:, 1:], attention[1, row], atol=1e-5)


def test_a_saved_model_reads_and_writes_digits(tmp_path) -> None:
    saving.save(SMALL, random_weights(SMALL, 1), tmp_path, torch.arange(9), {})
    model = dlmviz.load(str(tmp_path), device="cpu")
    mask, opening = SMALL.mask, SMALL.opening
    assert model.encode("3 [MASK:2] 0") == [opening, 3, mask, mask, 0]
    spec = RunSpec(prompt="1 [MASK:8]", gen_length=0, sampler="top_k", record=("edges",))
    trace = dlmviz.decode(model, spec)
    assert trace.text.startswith("1 ")
    assert trace.final[:2].tolist() == [opening, 1]
    assert len(trace.final) == 10
    assert not (trace.final == mask).any()


def test_a_seed_learns_the_same_alone_and_in_company() -> None:
    """First weights, clipping, Muon and Adam are a seed's own; so is its loss."""
    both, alone = lesson((3, 4)), lesson((4,))
    canvases = torch.randint(5, (2, 16, 9))
    targets, shares = torch.randint(4, (2, 16, 9)), torch.rand(2, 16, 9)
    for one, part in ((both, slice(None)), (alone, slice(1, 2))):
        one.noised = lambda part=part: (canvases[part], targets[part], shares[part])
        one.run(5)
    for name, weight in alone.weights.items():
        assert torch.allclose(weight, saving.only(both.weights, 1)[name], atol=1e-5), name
    assert torch.allclose(alone.loss, both.loss[1:], atol=1e-5)


def test_matrices_move_as_muon_moves_them() -> None:
    one = lesson((0,), clip=1e9)
    before = saving.only(one.weights, 0)
    gradients = {name: torch.randn_like(weight) for name, weight in one.weights.items()}
    named = {}
    for layer in range(SMALL.layers):
        for kind in training.MATRICES:
            for at in range(before[kind].shape[1]):
                weight = before[kind][layer, at, 0].clone()
                weight.grad = gradients[kind][layer, at, 0].clone()
                named[f"{kind}{layer}{at}"] = weight
    Muon(named, weight_decay=one.recipe.weight_decay).step(one.recipe.rate(0))
    one._set_pace()
    one.update(gradients)
    for layer in range(SMALL.layers):
        for kind in training.MATRICES:
            for at in range(before[kind].shape[1]):
                moved = one.weights[kind][layer, at, 0]
                assert torch.allclose(moved, named[f"{kind}{layer}{at}"], atol=1e-5)


def test_the_rest_moves_as_adam_moves_it() -> None:
    one = lesson((0,), clip=1e9)
    weight = torch.nn.Parameter(one.weights["last"].clone())
    adam = torch.optim.Adam([weight], betas=training.BETAS)
    for _ in range(3):
        gradients = {name: torch.randn_like(w) for name, w in one.weights.items()}
        adam.param_groups[0]["lr"] = one.recipe.rate(one.step)
        weight.grad = gradients["last"].clone()
        adam.step()
        one._set_pace()
        one.update(gradients)
        one.step += 1
    assert torch.allclose(one.weights["last"], weight, atol=1e-6)


def test_noise_is_that_of_a_uniform_number_of_masks() -> None:
    one = lesson((0, 1), batch=900)
    canvases, chains, shares = one.noised()
    masked = canvases == SMALL.mask
    assert torch.equal(canvases[~masked], chains[~masked])
    assert torch.allclose(shares.sum(2), torch.ones(2, 900))  # each canvas counts one
    counts = masked.sum(2).flatten().bincount()
    assert counts.tolist() == [0] + [200] * 9
    assert (shares > 0).eq(masked).all()
    assert choose(torch.ones(1, 9, dtype=torch.bool), torch.zeros(1), one.generator)[0].sum() == 1


def test_shuffled_places_keep_their_constraints_where_they_stand() -> None:
    one = lesson((5, 6), shuffled=True)
    _, x, _ = one.noised()
    for at, seed in enumerate((5, 6)):
        assert chain.hold(x[at][:, chain.order_of(seed, True)], 4).all()
        assert not chain.hold(x[at], 4).all()


def test_training_lowers_the_loss_and_repeats_itself() -> None:
    first, second = lesson(steps=60), lesson(steps=60)
    first.run(1)
    start = first.loss.clone()
    first.run(60)
    second.run(60)
    assert (first.loss < start).all()
    assert all(torch.equal(w, second.weights[name]) for name, w in first.weights.items())


def test_sampling_fills_one_place_at_a_time_from_the_models_law() -> None:
    weights = random_weights(SMALL, 2)
    x, looks = sample(SMALL, weights, 5, torch.Generator().manual_seed(0), layers=1)
    assert x.shape == (2, 5, 9)
    assert int(x.max()) < SMALL.symbols
    assert [int(look.masked[1, 2].sum()) for look in looks] == list(range(9, 0, -1))
    assert [look.step for look in looks] == list(range(1, 10))
    assert torch.equal(looks[3].edges, looks[3].edges.mT)
    again, _ = sample(SMALL, weights, 5, torch.Generator().manual_seed(0), layers=1)
    assert torch.equal(x, again)


def test_a_small_model_of_the_experiment_has_the_parameters_it_says() -> None:
    shape = stack.Shape()
    weights = stack.new(shape, range(2))
    assert sum(w.numel() for w in weights.values()) == 2 * shape.parameters == 2 * 107_232
    assert np.isclose(shape.theta, 100)


def test_the_built_in_toy_writes_chains_that_keep_their_constraints() -> None:
    model = dlmviz.load("toy", device="cpu")
    texts = []
    for seed in range(6):
        spec = RunSpec(
            prompt="[MASK:9]", gen_length=0, sampler="random", temperature=1.0, seed=seed
        )
        texts.append(dlmviz.decode(model, spec).text)
    x = torch.tensor([[int(word) for word in text.split()] for text in texts])
    assert x.shape == (6, 9)
    assert chain.hold(x, 4).double().mean() > 0.9
    assert len(set(texts)) == 6
