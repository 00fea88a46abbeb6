"""The exact model against brute force, worked numbers and the laws of probability."""

import dataclasses
import math
import random
from itertools import pairwise, permutations, product

import pytest
import torch

from dlmviz.decoding import decode
from dlmviz.models.exact import Exact, exact_model, group_error, open_exact
from dlmviz.samplers.fast_dllm import FastDllm
from dlmviz.samplers.order import LeftToRight
from dlmviz.types import InputError, RunSpec

SENTENCES = {"the cat sat home .": 5, "the dog ran fast .": 3, "the dog sat home now .": 2}
SMALL = exact_model(SENTENCES)
BUILT_IN = open_exact("exact", torch.device("cpu"))


def law(table: dict[tuple[int, ...], float]) -> Exact:
    """A model whose words are numbers; what has no weight is left out."""
    table = {x: weight for x, weight in table.items() if weight}
    return Exact(list(table), list(table.values()), [str(i) for i in range(8)])


def scattered(seed: int) -> Exact:
    """A law without structure on 54 of the 81 sentences of four digits 0, 1, 2."""
    rng = random.Random(seed)
    return law({x: rng.random() + 0.01 for x in rng.sample([*product(range(3), repeat=4)], 54)})


def masks(length: int, **shown: int) -> list[int]:
    """A canvas of masks for `law`; y2=0 writes token 0 at position 2."""
    return [shown.get(f"y{i}", 9) for i in range(length)]


BITS = list(product((0, 1), repeat=3))
CHAIN = law({x: math.prod(0.1 if a != b else 0.9 for a, b in pairwise(x)) / 2 for x in BITS})
XOR = law({x: 0.25 * (x[0] ^ x[1] == x[2]) for x in BITS})


@pytest.mark.parametrize("k", [2, 3, 7])
def test_a_uniform_copy_depends_by_one_minus_one_over_k(k: int) -> None:
    model = law({(i, i): 1.0 for i in range(k)})
    off = pytest.approx(1 - 1 / k)
    assert model.dependence(masks(2)).tolist() == [[0, off], [off, 0]]
    assert model.total_correlation(masks(2), [0, 1]) == pytest.approx(math.log(k))


def test_three_bits_of_even_sum_are_pairwise_independent_and_yet_dependent() -> None:
    assert XOR.dependence(masks(3)).abs().max() < 1e-15
    assert XOR.total_correlation(masks(3), [0, 2]) == 0
    assert XOR.total_correlation(masks(3), [0, 1, 2]) == pytest.approx(math.log(2))
    assert XOR.dependence(masks(3, y0=1))[1, 2] == 0.5  # one is shown: the others are copies


def test_a_chain_of_three_bits_has_the_dependence_worked_by_hand() -> None:
    expected = torch.tensor([[0, 0.40, 0.32], [0.40, 0, 0.40], [0.32, 0.40, 0]]).double()
    torch.testing.assert_close(CHAIN.dependence(masks(3)), expected)
    whole = CHAIN.joint(masks(3), [0, 1, 2])
    assert sum(abs(whole[x] - 1 / 8) for x in BITS) / 2 == pytest.approx(0.56)
    assert CHAIN.dependence(masks(3, y1=0))[0, 2] < 1e-15  # Markov: the middle separates


@pytest.mark.parametrize("seed", [0, 1])
def test_dependence_is_the_expected_change_of_one_law_by_a_look_at_another_place(seed: int) -> None:
    model, canvas = scattered(seed), masks(4, y2=1)
    p, dependence = model.marginals(canvas), model.dependence(canvas)
    for i, j in permutations((0, 1, 3), 2):
        seen = [model.marginals([*canvas[:j], y, *canvas[j + 1 :]])[i] for y in range(3)]
        change = sum(p[j, y] * (seen[y] - p[i]).abs().sum() / 2 for y in range(3))
        assert float(dependence[i, j]) == pytest.approx(float(change))
    assert bool((dependence <= 1 - (p**2).sum(-1)[:, None] + 1e-12).all())
    assert dependence[2].tolist() == dependence[:, 2].tolist() == [0] * 4  # it is shown


def test_marginals_and_joints_are_the_weights_that_agree() -> None:
    model = scattered(2)
    rows = map(tuple, model.sentences[:, :4].tolist())
    weights = dict(zip(rows, model.weights.tolist(), strict=True))
    for sentence in list(weights)[:8]:
        mass = [weights.get((*sentence[:3], v), 0) for v in range(3)]
        p = model.marginals([*sentence[:3], 9])[3]
        assert p[:3].tolist() == pytest.approx([m / sum(mass) for m in mass])
    p = model.marginals(masks(4, y2=1))
    torch.testing.assert_close(p.sum(-1), torch.ones(4).double())
    pair = model.joint(masks(4, y2=1), [3, 0])  # in the order of the positions
    assert sum(q for x, q in pair.items() if x[0] == 1) == pytest.approx(float(p[3, 1]))


def test_the_product_of_conditionals_in_any_order_is_the_joint_law() -> None:
    model = scattered(3)
    for sentence, expected in list(model.joint(masks(4), range(4)).items())[:20]:
        canvas, chance = masks(4), 1.0
        for i in (2, 0, 3, 1):
            chance *= float(model.marginals(canvas)[i, sentence[i]])
            canvas[i] = sentence[i]
        assert chance == pytest.approx(expected)


def test_total_correlation_is_what_a_decode_in_groups_loses() -> None:
    """KL(P || Q) = TC of the first group + mean TC of the second, Q the law of the decode."""
    model = scattered(4)
    p, divergence, loss = model.marginals(masks(4)), 0.0, model.total_correlation(masks(4), [0, 2])
    for x, q in model.joint(masks(4), range(4)).items():
        canvas = masks(4, y0=x[0], y2=x[2])
        after = model.marginals(canvas)
        written = p[0, x[0]] * p[2, x[2]] * after[1, x[1]] * after[3, x[3]]
        divergence += q * math.log(q / written)
        loss += q * model.total_correlation(canvas, [1, 3])
    assert loss == pytest.approx(divergence)
    assert divergence > 0.01


def test_groups_that_lose_nothing_have_no_total_correlation() -> None:
    model = law({(a, b): x * y for a, x in enumerate((1, 3)) for b, y in enumerate((1, 2))})
    assert model.total_correlation(masks(2), [0, 1]) == 0  # rounding would make it negative
    assert [scattered(5).total_correlation(masks(4), [i]) for i in range(4)] == [0] * 4


def test_a_canvas_sees_eos_after_a_sentence_and_only_the_beginning_if_it_is_short() -> None:
    eos = SMALL.marginals(SMALL.encode("[MASK:8]"))[:, SMALL.special.eos]
    assert eos.tolist() == [0, 0, 0, 0, 0, 0.8, 1, 1]
    start = SMALL.marginals(SMALL.encode("[MASK:3]")).argmax(-1)
    assert SMALL.text(start.tolist()) == "the cat sat"


def test_a_canvas_that_no_sentence_allows_takes_the_nearest_ones() -> None:
    wrong = SMALL.encode("the cat ran [MASK:3]")  # one word off the first two, two off the third
    pair = SMALL.joint(wrong, [1, 3])
    assert pair == {tuple(SMALL.encode("cat home")): 5 / 8, tuple(SMALL.encode("dog fast")): 3 / 8}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_logits_are_finite_and_their_softmax_is_the_law(dtype: torch.dtype) -> None:
    sevenths = exact_model({f"same {word} .": 0.1 for word in "abcdefg"})
    for model in (SMALL, sevenths):
        canvas = model.encode("[MASK:8]")
        logits = model.forward(torch.tensor([canvas]))[0].logits
        assert bool(logits.isfinite().all())
        p = logits.to(dtype).softmax(-1)
        assert (p - model.marginals(canvas)).abs().max() < 4 * torch.finfo(dtype).eps
        assert float(p[0].max()) == 1  # a word without alternative, exactly


def test_a_batch_says_what_its_sequences_say_alone() -> None:
    prompts = ("the [MASK:9]", "anna [MASK:13]", "two dogs [MASK:2]")
    alone = [torch.tensor(BUILT_IN.encode(prompt)) for prompt in prompts]
    tokens = torch.nn.utils.rnn.pad_sequence(alone, batch_first=True)
    padding = torch.arange(14) < torch.tensor([[len(x)] for x in alone])
    rows = [torch.tensor([1, 4]), torch.tensor([13, 2, 3]), torch.tensor([3])]
    together = BUILT_IN.forward(tokens, rows, (0, 3), True, padding)
    for x, r, batched in zip(alone, rows, together, strict=True):
        single = BUILT_IN.forward(x[None], [r], (1,), True)[0]
        assert torch.equal(batched.logits, single.logits)
        assert torch.equal(batched.hidden, single.hidden)
        assert torch.equal(batched.attention[: len(x), : len(x)], single.attention)
        assert float(batched.attention.sum()) == pytest.approx(len(x))  # padding has none
        assert torch.equal(single.logits, BUILT_IN.forward(x[None])[0].logits[r])


def test_attention_is_the_dependence_over_the_length() -> None:
    tokens = torch.tensor([masks(3)])
    attention = CHAIN.forward(tokens, layers=[0])[0].attention
    torch.testing.assert_close(attention.sum(1), torch.ones(3))
    off = attention - attention.diag().diag()
    torch.testing.assert_close(off * 3, CHAIN.dependence(tokens[0]).float())
    plain = CHAIN.forward(tokens)[0]
    assert (plain.attention, plain.hidden) == (None, None)


def test_group_error_names_the_steps_that_committed_dependent_words() -> None:
    spec = RunSpec(gen_length=3, block_length=3)
    at_once = decode(XOR, FastDllm(tau=0.0), spec)
    assert group_error(XOR, at_once) == [pytest.approx(math.log(2))]
    assert group_error(XOR, decode(XOR, LeftToRight(), spec)) == [0, 0, 0]
    with pytest.raises(InputError, match="not of the model exact"):
        group_error(CHAIN, at_once)
    by_hand = dataclasses.replace(at_once, info={})  # from nowhere: taken at its word
    assert group_error(XOR, by_hand) == group_error(XOR, at_once)


def test_prompts_are_words_and_masks_and_come_back_as_text() -> None:
    ids = SMALL.encode("the [MASK][MASK:2] home .")
    assert ids[1:4] == [SMALL.special.mask] * 3
    assert SMALL.text(ids) == "the home ."
    pieces = SMALL.pieces([ids[0], SMALL.special.mask, SMALL.special.eos, 99, -1])
    assert pieces == ["the", "<mask>", "<eos>", "<99>", "<-1>"]
    assert SMALL.encode(" ") == []  # any sentence


def test_an_unknown_word_is_refused_with_the_nearest() -> None:
    known = "'dogg' is not one of the 11 words .* nearest is 'dog'"
    for word, message in (("dogg", known), ("[MASK:0]", "MASK:0"), ("[MASK:99999]", "99999")):
        with pytest.raises(InputError, match=message):
            SMALL.encode(f"the {word} sat")


@pytest.mark.parametrize(
    ("sentences", "weights", "message"),
    [
        ([], [], "got 0, 0"),
        ([[0]], [1, 2], "got 1, 2"),
        ([[0], [3]], [1, 1], r"0\.\.2 \(eos\): got 3"),  # the mask
        ([[0], [1]], [1, 0.0], "above 0: got 0.0"),
        ([[0], [1]], [1, float("nan")], "got nan"),
        ([[0], [1]], [1, "much"], "got 'much'"),
    ],
)
def test_what_is_no_law_is_refused(sentences, weights, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Exact(sentences, weights, ["a", "b"])
    with pytest.raises(InputError, match="words only"):
        exact_model({"the <mask> .": 1})


def test_the_fingerprint_follows_sentences_weights_and_words() -> None:
    swaps = (("dog", "eel"), ("sat home", "home sat"))
    others = [{s.replace(*swap): w for s, w in SENTENCES.items()} for swap in swaps]
    others.append(SENTENCES | {"the cat sat home .": 6})
    prints = {exact_model(sentences).fingerprint for sentences in (SENTENCES, *others)}
    assert len(prints) == 4
    assert exact_model({f"{s} <eos>": w for s, w in SENTENCES.items()}).fingerprint in prints


def test_the_built_in_sentences_are_many_short_and_coupled() -> None:
    texts = [BUILT_IN.text(row) for row in BUILT_IN.sentences.tolist()]
    assert len(set(texts)) == 284
    assert {len(text.split()) for text in texts} == {*range(6, 13)}
    assert len(set(BUILT_IN.weights.tolist())) > 5

    def after(prompt: str) -> set[str]:
        p = BUILT_IN.marginals(BUILT_IN.encode(f"{prompt} [MASK]"))[-1]
        return set(BUILT_IN.pieces(p.nonzero()[:, 0].tolist()))

    assert after("two") == {"birds", "cats", "dogs", "ducks", "frogs", "mice"}
    assert after("[MASK] dogs") == {"wait", "bark"}
    assert after("the capital of costa rica is san") == {"jose"}


def test_one_token_a_step_ends_in_a_sentence_and_all_at_once_does_not() -> None:
    texts = {BUILT_IN.text(row) for row in BUILT_IN.sentences.tolist()}
    for sampler, right in ((LeftToRight(), True), (FastDllm(tau=0.0), False)):
        for seed in range(4):
            spec = RunSpec("anna", gen_length=12, block_length=12, temperature=1.0, seed=seed)
            run = decode(BUILT_IN, sampler, spec)
            assert (f"anna {run.text}" in texts) == right
            assert (sum(group_error(BUILT_IN, run)) == 0) == right
