import pytest
import torch

from dlmviz.samplers.fast_dllm import FastDllm
from dlmviz.types import Canvas
from tests.steps import MASK, chosen, positions, step


def test_equality_commits_at_the_threshold() -> None:
    assert chosen(FastDllm(tau=0.9), step([0.95, 0.9, 0.89])) == [0, 1]


def test_below_the_threshold_only_the_best_is_committed_and_ties_go_left() -> None:
    assert chosen(FastDllm(tau=0.9), step([0.5, 0.4])) == [0]
    assert chosen(FastDllm(tau=0.9), step([0.3, 0.5, 0.5])) == [1]


def test_the_threshold_is_rounded_to_the_dtype_of_the_confidence() -> None:
    """0.9 is 230/256 in bfloat16, so 0.8984375 passes there and not in float64."""
    confidence = [0.99, 0.8984375]
    assert chosen(FastDllm(tau=0.9), step(confidence, torch.bfloat16)) == [0, 1]
    assert chosen(FastDllm(tau=0.9), step(confidence, torch.float64)) == [0]


def test_a_threshold_of_one_is_one_token_a_step_and_zero_is_all_at_once() -> None:
    assert chosen(FastDllm(tau=1.0), step([0.5, 0.999, 0.7])) == [1]
    assert chosen(FastDllm(tau=0.0), step([0.5, 0.999, 0.7])) == [0, 1, 2]


@pytest.mark.parametrize(
    ("confidence", "published", "paper"),
    [
        ([0.9, 0.5], [0, 1], [0]),  # bars -, .667: rank 2 fails and is the last
        ([0.9, 0.7, 0.6, 0.5], [0, 1], [0, 1]),  # bars -, .667, .75, .8
        ([0.5, 0.9, 0.6, 0.7], [1, 3], [1, 3]),  # the same, elsewhere
        ([0.9, 0.8, 0.75, 0.1, 0.1], [0, 1, 2], [0, 1]),  # equality at rank 3
        ([0.9, 0.8, 0.8, 0.7], [0, 1, 2, 3], [0, 1, 2]),  # only the last rank fails
        ([0.9, 0.8, 0.8, 0.8], [0, 1, 2, 3], [0, 1, 2]),  # equality at the last rank
        ([0.3, 0.3, 0.3], [0], [0]),  # the first rank has no bar
        ([0.3], [0], [0]),
    ],
)
def test_a_factor_raises_the_bar_with_the_rank(confidence, published, paper) -> None:
    assert chosen(FastDllm(rule="factor"), step(confidence)) == published
    assert chosen(FastDllm(rule="factor", quirk=False), step(confidence)) == paper


def test_the_factor_bars_are_one_minus_f_over_rank_plus_one() -> None:
    choice = FastDllm(rule="factor", factor=0.5).select(step([0.6, -2, 0.9]), None)
    assert choice.signals["rank"].tolist()[::2] == [2, 1]
    assert choice.signals["threshold"].tolist()[::2] == [1 - 0.5 / 3, 0.75]
    assert choice.signals["rank"][1].isnan()
    assert choice.signals["threshold"][1].isnan()


def test_a_schedule_takes_its_count_and_one_when_it_is_over() -> None:
    """Two blocks share six steps; five masks in three of them: 2, 2, 1."""
    sampler = FastDllm(rule="schedule", steps=6)
    confidence = [0.1, 0.3, 0.3, 0.2, 0.3, -2] + [0.9] * 6
    candidates = torch.arange(12) < 5
    first = sampler.select(step(confidence, canvas=two_blocks(), candidates=candidates), None)
    assert first.memory == [2, 2, 1]
    assert positions(first) == [1, 2]
    for in_block, count in ((1, 2), (2, 1), (3, 1)):
        assert len(chosen(sampler, step([0.1, 0.3, 0.2], in_block=in_block), [2, 2, 1])) == count


def two_blocks() -> Canvas:
    """Five masks in the first block, six in the second."""
    return Canvas(torch.tensor([MASK] * 5 + [7] + [MASK] * 6), 0, 6, MASK)


def test_a_schedule_waits_where_it_says_zero() -> None:
    choice = FastDllm(rule="schedule", steps=4).select(step([0.5], in_block=1), [1, 0, 0, 0])
    assert choice.wait
    assert choice.why() == {0: "not in top 0"}


def test_the_blocks_share_the_steps_that_bound_them() -> None:
    assert FastDllm(steps=6).bound(two_blocks()) == 3
    assert FastDllm(steps=1).bound(two_blocks()) == 1
    assert FastDllm().bound(two_blocks()) == 6


@pytest.mark.parametrize(
    ("level", "committed", "budgets"),
    [(0.5, [1] * 8, [4, 7, 6, 5, 4, 3, 2, 1]), (0.95, [4, 4], [4, 4])],
)
def test_a_budget_carries_what_missed_tau(level, committed, budgets) -> None:
    """Eight masks and two steps: four a step, and all that is left once the steps are over."""
    sampler, memory, left, taken, allowed = FastDllm(rule="budget", steps=2), None, 8, [], []
    while left:
        at = step([level] * left + [-2] * (8 - left), in_block=len(taken))
        everything = FastDllm(rule="budget", steps=2, tau=0.0).select(at, memory)
        choice = sampler.select(at, memory)
        memory = choice.memory
        taken.append(len(positions(choice)))
        allowed.append(len(positions(everything)))
        left -= taken[-1]
    assert taken == committed
    assert allowed == budgets


def test_a_budget_without_steps_is_one_token_a_step() -> None:
    assert chosen(FastDllm(rule="budget"), step([0.95, 0.99, 0.99])) == [1]


def test_only_the_budget_reads_the_whole_canvas_and_the_models_own_numbers() -> None:
    for rule in ("threshold", "factor", "schedule"):
        sampler = FastDllm(rule=rule)
        assert (sampler.needs.window, sampler.needs.draw) == ("until_block_end", "gumbel")
        assert sampler.score_dtype == "float64"
    budget = FastDllm(rule="budget")
    assert (budget.needs.window, budget.needs.draw) == ("canvas", "categorical")
    assert budget.score_dtype == "native"


@pytest.mark.parametrize("rule", ["threshold", "factor", "schedule", "budget"])
def test_a_forward_without_candidates_commits_nothing_and_says_so(rule) -> None:
    for in_block in (0, 1):
        choice = FastDllm(rule=rule, tau=0.0).select(step([-2, -2], in_block=in_block), [2])
        assert choice.wait
        assert not choice.transfer.any()
        assert choice.why() == {}


def test_positions_that_are_no_candidates_are_never_taken() -> None:
    """Masks behind the block have a confidence too."""
    candidates = torch.tensor([True, True, False, False])
    at = step([0.95, 0.5, 0.99, 0.99], candidates=candidates, block_length=2)
    for rule in ("threshold", "factor", "schedule", "budget"):
        assert set(chosen(FastDllm(rule=rule, steps=2), at)) <= {0, 1}
    choice = FastDllm().select(at, None)
    assert positions(choice) == [0]
    for name in ("rank", "threshold"):
        assert choice.signals[name].isnan().tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("sampler", "confidence", "reasons"),
    [
        (
            FastDllm(),
            [0.95, 0.9, -2, 0.5],
            {0: "above tau", 1: "above tau", 3: "below tau"},
        ),
        (FastDllm(), [0.4, 0.5], {0: "below tau", 1: "fallback: best of block"}),
        (
            FastDllm(rule="factor"),
            [0.3, 0.7, 0.1],
            {0: "below 0.67", 1: "above 0.5", 2: "below 0.75"},
        ),
        (
            FastDllm(rule="factor"),
            [0.4, 0.3],
            {0: "fallback: best of block", 1: "last rank: taken too"},
        ),
        (
            FastDllm(rule="schedule", steps=2),
            [0.4, 0.3],
            {0: "scheduled: top 1", 1: "not in top 1"},
        ),
        (
            FastDllm(rule="budget", steps=2),
            [0.95, 0.5, 0.4, 0.3],
            {0: "above tau", 1: "below tau", 2: "not in budget 2", 3: "not in budget 2"},
        ),
    ],
)
def test_every_rule_says_why(sampler, confidence, reasons) -> None:
    assert sampler.select(step(confidence), None).why() == reasons
