import pytest
import torch

from dlmviz.samplers.llada import Llada
from dlmviz.signals import schedule
from dlmviz.types import Canvas, InputError
from tests.steps import MASK, chosen, step


def canvas(shown: str, block_length: int, prompt_length: int = 0) -> Canvas:
    """A canvas from a picture: m is a mask, anything else is a token."""
    tokens = torch.tensor([MASK if letter == "m" else 7 for letter in shown])
    return Canvas(tokens, prompt_length, block_length, MASK)


@pytest.mark.parametrize(
    ("masks", "steps", "expected"),
    [(32, 32, [1] * 32), (10, 4, [3, 3, 2, 2]), (3, 5, [1, 1, 1, 0, 0])],
)
def test_llada_schedule_spreads_the_masks_over_the_steps(masks, steps, expected) -> None:
    assert schedule(masks, steps) == expected


def test_llada_commits_the_most_confident_by_its_schedule() -> None:
    sampler = Llada(steps=2)
    first = sampler.select(step([0.1, 0.9, 0.5, 0.5]), None)
    assert first.transfer.tolist() == [False, True, True, False]  # the tie goes left
    again = sampler.select(step([0.1, -2, -2, 0.5], in_block=1), first.memory)
    assert again.transfer.tolist() == [True, False, False, True]


def test_a_prompt_mask_may_be_taken_and_is_not_counted() -> None:
    """One mask in the prompt and two in the block, two steps: one each, the best of all three."""
    shown = canvas("mmm", 2, prompt_length=1)
    first = Llada(steps=2).select(step([0.9, 0.1, 0.2], canvas=shown), None)
    assert first.memory == [1, 1]
    assert first.transfer.tolist() == [True, False, False]


def test_llada_waits_when_its_schedule_says_zero() -> None:
    choice = Llada(steps=4).select(step([-2, -2, 0.5, -2], in_block=3), [1, 0, 0, 0])
    assert choice.wait
    assert not choice.transfer.any()
    assert choice.why() == {2: "scheduled: none at this step"}


def test_llada_waits_when_it_is_asked_once_more_than_it_has_steps() -> None:
    choice = Llada(steps=1).select(step([0.5], in_block=1), [1])
    assert choice.wait
    assert not choice.transfer.any()


def test_llada_with_random_remasking_ignores_the_confidence() -> None:
    picks = {
        tuple(
            chosen(
                Llada(steps=4, remasking="random"),
                step([0.9, 0.1, 0.1, 0.1], rng=torch.Generator().manual_seed(seed)),
            )
        )
        for seed in range(20)
    }
    assert len(picks) == 4


def test_llada_says_why() -> None:
    at = step([0.1, 0.9, -2, 0.5])
    top, other = "scheduled: top 2", "not in top 2"
    assert Llada(steps=2).select(at, None).why() == {0: other, 1: top, 3: top}
    drawn = Llada(steps=2, remasking="random").select(at, None)
    assert drawn.why() == {
        i: "drawn by chance" if drawn.transfer[i] else "not drawn" for i in (0, 1, 3)
    }
    assert sorted(drawn.why().values()) == ["drawn by chance"] * 2 + ["not drawn"]


def test_steps_that_the_blocks_cannot_share_are_refused() -> None:
    at = step([0.5] * 6, block_length=2)
    with pytest.raises(InputError, match="multiple of the number of blocks: got 4 steps and 3"):
        Llada(steps=4).select(at, None)
    with pytest.raises(InputError, match="try 3"):
        Llada(steps=4).ends(at.canvas, 0, 0)


def test_a_block_takes_all_its_steps_though_it_is_full_before() -> None:
    """8 steps for 3 masks: the published loop runs all 8."""
    sampler, full = Llada(steps=16), canvas("xxxmmm", 3)
    assert not sampler.ends(canvas("mmmmmm", 3), 0, 0)
    assert not sampler.ends(full, 0, 3)
    assert not sampler.ends(full, 0, 7)
    assert sampler.ends(full, 0, 8)


def test_a_block_ends_with_its_steps_though_masks_are_left() -> None:
    shown = canvas("mmm", 2, prompt_length=1)
    assert not Llada(steps=2).ends(shown, 0, 1)
    assert Llada(steps=2).ends(shown, 0, 2)
    assert Llada().ends(shown, 0, 2)


def test_a_block_that_never_held_a_mask_takes_no_step() -> None:
    given = canvas("xxxmmm", 3)
    assert Llada(steps=4).ends(given, 0, 0)
    assert not Llada(steps=4).ends(given, 1, 0)


def test_without_a_step_count_a_block_with_few_masks_has_no_idle_steps() -> None:
    """One token a step: 2 masks among 4 positions take 2 steps, and a short last block its own."""
    assert not Llada().ends(canvas("mxmxmm", 4), 0, 1)
    assert Llada().ends(canvas("xxxxmm", 4), 0, 2)
    assert not Llada().ends(canvas("xxxxmm", 4), 1, 1)
    assert Llada().ends(canvas("xxxxmm", 4), 1, 2)
    at = step([-2, -2, -2, -2, 0.5, 0.6], block_length=4, block_index=1)
    assert Llada().select(at, None).memory == [1, 1]
