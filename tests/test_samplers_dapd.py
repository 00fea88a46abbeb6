import pytest
import torch

from dlmviz.samplers.dapd import Dapd
from dlmviz.types import Canvas, Needs, Prediction, Step
from tests.steps import MASK, chosen, positions, step

EOS = 98  # of tests.steps


def graph(confidence, edges, dtype=torch.float64, prompt_length=0, block_length=None, **given):
    """A step whose attention gives these edge scores, {(i, j): R_ij}; the rest is zero.

    What is generated and not masked was committed earlier in the run, unless `fixed` is given.
    """
    length = len(confidence)
    attention = torch.zeros(length, length)
    for (i, j), score in edges.items():
        attention[i, j] = 2 * score  # one direction only: scores are the mean of both
    c = torch.tensor(confidence)
    rows = (c > -1).nonzero()[:, 0]
    canvas = Canvas(
        torch.where(c > -1, MASK, 7), prompt_length, block_length or length - prompt_length, MASK
    )
    fixed = ~canvas.masked
    fixed[prompt_length:] = False
    made = {"prediction": Prediction(rows, torch.zeros(len(rows), 8), attention), "fixed": fixed}
    return step(confidence, dtype, canvas=canvas, **{**made, **given})


TRIANGLE = {(0, 1): 0.2, (0, 2): 0.1, (1, 2): 0.01}


def flat(tau: float, variant: str = "staged", **knobs) -> Dapd:
    """A Dapd whose threshold stays the same."""
    return Dapd(variant, tau_min=tau, tau_max=tau, **knobs)


def test_the_order_is_degree_times_confidence_and_ties_go_left() -> None:
    hub_last = {(0, 1): 0.01, (0, 2): 0.1, (1, 2): 0.2}  # degrees 0.11, 0.21, 0.3
    assert chosen(flat(0.04), graph([0.5, 0.5, 0.5], hub_last)) == [2]
    assert chosen(flat(0.04), graph([0.5, 0.5, 0.3], hub_last)) == [1]  # 0.055, 0.105, 0.09
    assert chosen(flat(0.05), graph([0.5, 0.5], {(0, 1): 0.1})) == [0]


def test_a_candidate_is_tested_by_its_own_row() -> None:
    """N_21 = N_31 = 1, N_32 = 0.1, N_23 = 0.05: who comes first decides whether both fit."""
    second_first = graph([1.0, 0.9, 0.9], TRIANGLE)
    third_first = graph([1.0, 0.4, 0.9], TRIANGLE)
    assert chosen(flat(0.07, "direct"), second_first) == [0, 1]
    assert chosen(flat(0.07, "direct"), third_first) == [0, 1, 2]


def test_equality_with_tau_accepts() -> None:
    exact = {(0, 1): 0.5, (0, 2): 0.5, (1, 2): 0.25}  # N_21 = 1 and N_32 = 0.5
    at = graph([1.0, 0.5, 0.5], exact)
    assert chosen(flat(0.5, "direct"), at) == [0, 1, 2]
    assert chosen(flat(0.49, "direct"), at) == [0, 1]


def test_tau_grows_from_its_minimum_to_its_maximum_with_what_is_committed() -> None:
    sampler = Dapd(tau_min=0.1, tau_max=0.5)
    signals = sampler.select(graph([0.5] * 4, {}), None).signals
    assert signals["threshold"].tolist() == pytest.approx([0.1] * 4)
    signals = sampler.select(graph([-2, 0.5, -2, -2], {}), None).signals
    assert signals["threshold"][1].item() == pytest.approx(0.4)
    assert signals["threshold"][0].isnan()


def test_staged_adds_the_confident_when_half_is_done_and_not_before() -> None:
    pair = {(0, 1): 0.2}
    assert chosen(flat(0.1), graph([0.95, 0.9, -2, -2], pair)) == [0, 1]
    assert chosen(flat(0.1), graph([0.95, 0.89, -2, -2], pair)) == [0]
    assert chosen(flat(0.1), graph([0.95, 0.9, 0.1, -2], {**pair, (0, 2): 0.2})) == [0]


def test_staged_rounds_nine_tenths_to_the_dtype_of_the_confidence() -> None:
    """0.9 is 230/256 in bfloat16, so 0.8984375 passes there and not in float64."""
    confidence = [0.9921875, 0.8984375, -2, -2]
    assert chosen(flat(0.1), graph(confidence, {(0, 1): 0.2}, torch.bfloat16)) == [0, 1]
    assert chosen(flat(0.1), graph(confidence, {(0, 1): 0.2}, torch.float64)) == [0]


def test_direct_commits_what_bfloat16_calls_certain() -> None:
    """In [0.5, 1) the grid of bfloat16 is 1/256: from 1 - 1/512 on a probability rounds to 1."""
    equal = {(0, 1): 0.2, (0, 2): 0.2, (1, 2): 0.2}
    confidence = [0.9981, 0.998, 0.5]
    choice = flat(0.1, "direct").select(graph(confidence, equal, torch.bfloat16), None)
    assert choice.why() == {0: "certain: c >= 1", 1: "independent", 2: "conflicts with 1"}
    assert chosen(flat(0.1, "direct"), graph(confidence, equal)) == [0]
    cut = flat(0.1, "direct", direct_threshold=0.998047)
    assert chosen(cut, graph(confidence, equal)) == [0, 1]


def test_certain_tokens_block_nobody_but_count_in_the_degrees() -> None:
    at = graph([1.0, 1.0, 0.5], TRIANGLE)
    choice = flat(0.05, "direct").select(at, None)
    assert positions(choice) == [0, 1, 2]  # N_31 = 1, yet 3 is accepted
    assert choice.signals["degree"].tolist() == pytest.approx([0.3, 0.21, 0.11])
    assert choice.why() == {0: "certain: c >= 1", 1: "certain: c >= 1", 2: "independent"}


def test_the_paper_tests_a_symmetric_score() -> None:
    """R over its greatest: s_12 = 1, s_13 = 0.5, s_23 = 0.05; the code has N_32 = 0.1."""
    at = graph([0.1, 0.5, 0.5], TRIANGLE)
    assert chosen(flat(0.07, "staged"), at) == [1]
    assert chosen(flat(0.07, "paper"), at) == [1, 2]


def test_the_paper_switches_to_confidence_alone_when_half_is_done() -> None:
    late = graph([0.91, 0.9, 0.92, -2, -2, -2], {(0, 2): 0.2})
    choice = flat(0.1, "paper").select(late, None)
    assert positions(choice) == [0, 2]  # strict, and 1 would be independent
    assert choice.signals["independent"].isnan().all()
    assert choice.why()[1] == "not above 0.9"
    nobody = flat(0.1, "paper").select(graph([0.4, 0.5, 0.5, -2, -2, -2], {}), None)
    assert positions(nobody) == [1]
    assert nobody.why()[1] == "fallback: best of block"
    assert chosen(flat(0.1, "paper"), graph([0.95, 0.95, 0.1, -2], {(0, 1): 0.02})) == [0, 2]


def test_what_was_given_with_the_run_is_no_progress() -> None:
    """Two of four are masked: half is done if the others were committed, not if they were given."""
    pair = {(0, 1): 0.2}
    given = torch.tensor([False, False, True, True])
    assert chosen(flat(0.1), graph([0.95, 0.9, -2, -2], pair)) == [0, 1]
    assert chosen(flat(0.1), graph([0.95, 0.9, -2, -2], pair, fixed=given)) == [0]
    closed = graph([0.5, 0.5, -2, -2], {}, prompt_length=1, block_length=2, fixed=given)
    assert chosen(flat(0.1), closed) == [0, 1]  # all that was asked for is one block


def test_one_block_decodes_masks_of_the_prompt_and_counts_them() -> None:
    sampler = Dapd(tau_min=0.3, tau_max=0.6)
    choice = sampler.select(graph([0.5, 0.5, 0.5, 0.5], {}, prompt_length=1), None)
    assert positions(choice) == [0, 1, 2, 3]
    assert choice.signals["threshold"].tolist() == pytest.approx([0.2] * 4)  # 1 - 4/3 below 0


def blocks(confidence, edges) -> Step:
    """Two prompt tokens and two blocks of two, the second open; masks before its end are asked."""
    return graph(confidence, edges, prompt_length=2, block_length=2, block_index=1)


def test_blocks_leave_masks_of_the_prompt_alone() -> None:
    sampler = Dapd(tau_min=0.0, tau_max=1.0)
    choice = sampler.select(blocks([0.5, -2, -2, -2, 0.5, 0.5], {(0, 4): 0.3, (4, 5): 0.1}), None)
    assert positions(choice) == [4]  # N_65 = 1
    assert choice.signals["degree"][4:].tolist() == pytest.approx([0.1, 0.1])
    assert choice.signals["threshold"][4].item() == pytest.approx(0.5)  # 2 of 4 are left
    assert choice.why() == {0: "not in this block", 4: "independent", 5: "conflicts with 4"}


def test_blocks_work_without_a_prompt() -> None:
    first = torch.tensor([True, True, False, False])
    at = graph([0.5] * 4, {}, block_length=2, block_index=0, candidates=first)
    assert chosen(Dapd(), at) == [0, 1]
    second = graph([0.5] * 4, {}, block_length=2, block_index=1)  # a mask left in the first
    assert chosen(Dapd(), second) == [2, 3]


@pytest.mark.parametrize(
    ("skip", "sure", "expected"),
    [(False, 0.95, [0]), (True, 0.95, [0, 1]), (True, 0.9, [0, 1]), (True, 0.89, [0])],
)
def test_edges_between_sure_eos_tokens_can_be_left_out(skip, sure, expected) -> None:
    at = graph([0.95, sure], {(0, 1): 0.2}, proposal=torch.tensor([EOS, EOS]))
    assert chosen(flat(0.1, skip_eos_edges=skip), at) == expected


def test_edges_between_an_eos_and_a_word_stay() -> None:
    at = graph([0.95, 0.95], {(0, 1): 0.2}, proposal=torch.tensor([EOS, 5]))
    assert chosen(flat(0.1, skip_eos_edges=True), at) == [0]


def test_the_edges_are_raw_and_the_reasons_cover_every_candidate() -> None:
    at = graph([0.5, 0.95, 0.5, -2, -2, -2], {**TRIANGLE, (0, 3): 0.9})
    choice = flat(0.07).select(at, None)
    assert choice.edges[0].tolist() == pytest.approx([0, 0.2, 0.1, 0, 0, 0])
    assert torch.equal(choice.edges, choice.edges.T)
    assert choice.signals["independent"][:3].tolist() == [0, 1, 0]
    assert choice.signals["degree"].isnan().tolist() == [False] * 3 + [True] * 3
    assert choice.why() == {0: "conflicts with 1", 1: "independent", 2: "conflicts with 1"}
    confident = flat(0.07).select(graph([0.95, 0.95, -2, -2], {(0, 1): 0.2}), None)
    assert confident.why() == {0: "independent", 1: "confident: above 0.9"}


def test_the_last_candidate_is_taken_though_it_has_no_edges() -> None:
    assert chosen(Dapd(tau_min=0.0, tau_max=0.0), graph([-2, 0.0, -2], {})) == [1]


def test_the_share_of_layers_is_what_it_asks_of_the_loop() -> None:
    assert Dapd().needs == Needs(attention=0.3)
    assert Dapd(layer_ratio=1.0).needs.attention == 1.0
