import pytest
import torch

from dlmviz.propose import check_draw, nucleus, propose, score_dtype
from dlmviz.types import Canvas, InputError, Needs, Prediction, RunSpec, Special

MASK, EOS, EOT = 5, 3, 4
CANVAS = Canvas(torch.tensor([1, MASK, MASK]), 1, 2, MASK)


def proposed(logits, spec=None, dtype=None, special=None, seed=0, draw="gumbel"):
    rows = torch.tensor([1, 2])
    return propose(
        Prediction(rows, torch.tensor(logits)),
        CANVAS,
        spec or RunSpec(),
        special or Special(MASK, EOS, EOT),
        torch.Generator().manual_seed(seed),
        dtype,
        draw,
    )


LOGITS = [[2.0, 1.0, 0.0, -1.0, -2.0, 0.5], [0.0, 0.0, 0.0, 3.0, 1.0, 0.5]]


def test_confidence_is_the_softmax_at_the_argmax_and_minus_infinity_elsewhere() -> None:
    answer = proposed(LOGITS, RunSpec(forbid_mask=False))
    expected = torch.tensor(LOGITS).softmax(-1)
    assert answer.tokens.tolist() == [MASK, 0, EOS]
    assert answer.confidence[0] == float("-inf")
    assert answer.confidence[1:].tolist() == pytest.approx(expected.max(-1).values.tolist())


def test_ties_between_tokens_go_to_the_lower_id() -> None:
    assert proposed([[1.0, 1.0, 1.0, 0, 0, 0], [0, 2.0, 2.0, 0, 0, 0]]).tokens.tolist()[1:] == [
        0,
        1,
    ]


def test_the_mask_token_is_not_proposed_unless_allowed() -> None:
    logits = [[0.0, 0, 0, 0, 0, 9], [0.0, 1, 0, 0, 0, 9]]
    assert proposed(logits).tokens.tolist()[1:] == [0, 1]
    allowed = proposed(logits, RunSpec(forbid_mask=False))
    assert allowed.tokens.tolist()[1:] == [MASK, MASK]


def test_logits_eos_inf_bans_eos_before_the_choice() -> None:
    assert proposed(LOGITS, RunSpec(logits_eos_inf=True)).tokens.tolist()[1:] == [0, EOT]


def test_a_confident_eos_keeps_confidence_zero_and_the_rest_is_renormalised() -> None:
    spec = RunSpec(confidence_eos_eot_inf=True, forbid_mask=False)
    answer = proposed(LOGITS, spec)
    assert answer.tokens.tolist()[1:] == [0, EOS]
    kept = torch.tensor(LOGITS[0])[[0, 1, 2, 5]].softmax(-1)
    assert answer.confidence[1].item() == pytest.approx(kept[0].item())
    assert answer.confidence[2].item() == 0.0


def test_with_temperature_the_confidence_flag_removes_only_the_end_of_turn() -> None:
    """The published code edits the noisy copy for eos, which nothing reads afterwards."""
    spec = RunSpec(confidence_eos_eot_inf=True, temperature=1.0, forbid_mask=False)
    probs = proposed(LOGITS, spec).probs()
    assert probs[0, EOS] > 0
    assert probs[0, EOT] == 0


def test_bfloat16_confidence_saturates_and_float64_does_not() -> None:
    logits = torch.tensor([[8.0, 0, 0, 0, 0, 0]] * 2, dtype=torch.bfloat16)
    native = proposed(logits.tolist(), RunSpec(forbid_mask=False), torch.bfloat16)
    exact = proposed(logits.tolist(), RunSpec(forbid_mask=False), torch.float64)
    assert native.confidence[1].item() == 1.0
    assert exact.confidence[1].item() < 1.0


def test_official_scores_take_the_dtype_of_the_sampler() -> None:
    assert score_dtype("official", "float64") is torch.float64
    assert score_dtype("official", "native") is None
    assert score_dtype("float32", "float64") is torch.float32


def test_temperature_draws_from_the_softmax() -> None:
    logits = [[0.0, 1.0, 2.0, -9, -9, -9]] * 2
    draws = [
        proposed(logits, RunSpec(temperature=1.0), seed=s).tokens[1].item() for s in range(3000)
    ]
    expected = torch.tensor(logits[0]).softmax(-1)
    for token in range(3):
        assert draws.count(token) / 3000 == pytest.approx(expected[token].item(), abs=0.03)


def test_the_same_seed_draws_the_same_tokens_and_confidence_never_sees_the_noise() -> None:
    spec = RunSpec(temperature=1.0)
    a, b = proposed(LOGITS, spec, seed=3), proposed(LOGITS, spec, seed=3)
    assert a.tokens.equal(b.tokens)
    probs = a.probs()
    assert a.confidence[1:].tolist() == [probs[r, a.tokens[1 + r]].item() for r in range(2)]


def test_an_eos_option_without_an_eos_token_is_refused() -> None:
    with pytest.raises(InputError, match="logits_eos_inf needs a model with an eos token"):
        proposed(LOGITS, RunSpec(logits_eos_inf=True), special=Special(MASK))


def test_the_logits_of_the_prediction_are_left_alone() -> None:
    given = torch.tensor(LOGITS)
    before = given.clone()
    spec = RunSpec(logits_eos_inf=True, confidence_eos_eot_inf=True)
    rng = torch.Generator()
    propose(
        Prediction(torch.tensor([1, 2]), given), CANVAS, spec, Special(MASK, EOS, EOT), rng, None
    )
    assert given.equal(before)


HALVES = torch.tensor([[0.5, 0.25, 0.125, 0.125]]).log()


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [(0.4, 1), (0.5, 2), (0.49, 1), (0.75, 3), (0.7, 2), (1.0, 4)],
)
def test_the_nucleus_cuts_where_the_mass_before_already_exceeds_top_p(top_p, kept) -> None:
    """Mass before each: 0, .5, .75, .875. Equality keeps; the first always stays."""
    law = nucleus(HALVES, 0.0, top_p, 0).softmax(-1)
    assert int((law > 0).sum()) == kept


def test_top_k_keeps_what_ties_with_the_kth() -> None:
    assert (nucleus(HALVES, 0.0, 1.0, 3).softmax(-1) > 0).tolist() == [[True] * 4]
    assert (nucleus(HALVES, 0.0, 1.0, 2).softmax(-1) > 0).tolist() == [[True, True, False, False]]
    assert (nucleus(HALVES, 0.0, 1.0, 99).softmax(-1) > 0).all()


def test_a_categorical_confidence_is_read_from_the_tempered_and_cut_law() -> None:
    logits = torch.tensor(LOGITS)
    spec = RunSpec(temperature=0.5, top_k=2, forbid_mask=False)
    answer = proposed(LOGITS, spec, draw="categorical")
    best_two = (logits / 0.5).topk(2)
    law = torch.zeros_like(logits).scatter(-1, best_two.indices, best_two.values.softmax(-1))
    assert torch.allclose(answer.probs(), law)
    drawn = answer.tokens[1:]
    assert torch.allclose(answer.confidence[1:], law.gather(-1, drawn[:, None])[:, 0])


def test_categorical_draws_follow_the_law() -> None:
    counts = torch.zeros(6)
    for seed in range(2000):
        spec = RunSpec(temperature=1.0)
        counts[proposed(LOGITS, spec, seed=seed, draw="categorical").tokens[2]] += 1
    law = torch.tensor(LOGITS[1])[:5].softmax(-1)
    assert torch.allclose(counts[:5] / 2000, law, atol=0.035)
    assert counts[MASK] == 0


def test_at_temperature_zero_a_categorical_choice_is_the_argmax_of_the_probabilities() -> None:
    """Two different bfloat16 logits can have one bfloat16 probability: then the lower id wins."""
    logits = torch.full((2, 6), -20.0, dtype=torch.bfloat16)
    logits[:, 1], logits[:, 2] = 0.0625, 0.0625 * (1 + 2**-7)
    assert logits[0].argmax() == 2
    assert logits[0].softmax(-1)[1:3].tolist() == [0.5, 0.5]
    shared = (CANVAS, RunSpec(), Special(MASK, EOS, EOT), torch.Generator(), None)
    at = Prediction(torch.tensor([1, 2]), logits)
    assert propose(at, *shared, "gumbel").tokens[1] == 2
    assert propose(at, *shared, "categorical").tokens[1] == 1


def test_who_draws_decides_which_way_unless_the_spec_says_so() -> None:
    assert check_draw(RunSpec(), Needs(), "x") == "gumbel"
    assert check_draw(RunSpec(), Needs(draw="categorical"), "x") == "categorical"
    assert check_draw(RunSpec(draw="categorical", top_k=3), Needs(), "x") == "categorical"
    with pytest.raises(InputError, match=r"got 0.5 and 0 with x, which draws by gumbel"):
        check_draw(RunSpec(top_p=0.5), Needs(), "x")
