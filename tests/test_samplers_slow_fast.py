from math import log

import pytest
import torch

from dlmviz.samplers.slow_fast import SlowFast
from dlmviz.types import Canvas, Prediction
from tests.steps import MASK, chosen, positions, step

P, W = 1, 5  # a prompt token and three blocks of five


def in_block(index, confidence, changes=(), **given):
    """A step in block `index`, and the canvases it peeks at.

    `confidence` below 0: not masked. `changes`: mass that the probe moves away from the token
    which the canvas predicts with certainty, position by position of the block.
    """
    start = P + index * W
    c = torch.full((P + 3 * W,), float("-inf"), dtype=torch.float64)
    c[start : start + W] = torch.tensor(confidence, dtype=torch.float64)
    candidates = c >= 0
    tokens = torch.where(candidates, MASK, 7)
    tokens[start + W :] = MASK
    rows = (tokens == MASK).nonzero()[:, 0]
    moved = torch.zeros(len(c), dtype=torch.float64)
    moved[start : start + len(changes)] = torch.tensor(changes, dtype=torch.float64)
    law = torch.stack([1 - moved, moved], dim=-1)
    peeked: list[torch.Tensor] = []

    def peek(tokens):
        peeked.append(tokens)
        return [Prediction(torch.arange(len(c)), law.log())]

    def at(canvas, prediction):
        laws = torch.softmax(prediction.logits, dim=-1)
        return step(c.tolist(), canvas=canvas, prediction=prediction, probs=lambda: laws)

    now = torch.tensor([[1.0, 0.0], [0.5, 0.5]], dtype=torch.float64)  # in the block, after it
    laws_now = now[(~candidates[rows]).long()]
    made = {
        "canvas": Canvas(tokens, P, W, MASK),
        "block_index": index,
        "candidates": candidates,
        "prediction": Prediction(rows, torch.zeros(len(rows), 2)),
        "probs": lambda: laws_now,
        "peek": peek,
        "at": at,
    }
    return step(c.tolist(), **{**made, **given}), peeked


def block(choice):
    """Chosen places of block 1."""
    return [i - P - W for i in positions(choice)]


def test_equal_thresholds_are_plain_threshold_decoding_without_a_probe() -> None:
    plain = SlowFast(tau_low=0.9, tau_high=0.9)
    at, peeked = in_block(1, [0.95, 0.9, 0.89, -1, -1], [0.0, 0.9, 0.9])
    assert block(plain.select(at, None)) == [0, 1]
    at, _ = in_block(1, [0.5, 0.4, -1, -1, -1])
    assert block(plain.select(at, None)) == [0]
    assert peeked == []


def test_the_first_block_is_fast_and_costs_no_probe() -> None:
    at, peeked = in_block(0, [0.7, 0.69, 0.9, 0.1, 0.1], [0, 0.9])
    choice = SlowFast(tau_low=0.7).select(at, None)
    assert positions(choice) == [P, P + 2]
    assert choice.signals["slow"][P : P + W].tolist() == [0] * W
    assert choice.signals["jsd"].isnan().all()
    assert peeked == []


def test_slow_tokens_need_the_high_threshold_and_equality_commits() -> None:
    at, _ = in_block(1, [0.7, 0.69, 0.9, 0.89, 0.95], [0, 0, 0.9, 0.9, 0.9])
    choice = SlowFast(tau_low=0.7, tau_high=0.9).select(at, None)
    assert block(choice) == [0, 2, 4]
    assert choice.signals["threshold"][P + W : P + 2 * W].tolist() == [0.7, 0.7, 0.9, 0.9, 0.9]
    assert choice.signals["slow"][P + W : P + 2 * W].tolist() == [0, 0, 1, 1, 1]
    assert choice.signals["slow"][: P + W].isnan().all()


def test_the_low_side_flips_the_sets() -> None:
    at, _ = in_block(1, [0.8, 0.8, 0.8, 0.8, 0.85], [0, 0, 0.9, 0.9, 0.9])
    assert block(SlowFast(slow_side="high").select(at, None)) == [0, 1, 4]  # 4 is the best
    assert block(SlowFast(slow_side="low").select(at, None)) == [2, 3, 4]


def test_jsd_worked_by_hand_and_only_above_its_mean_is_slow() -> None:
    """A certain token that loses all its mass has JSD ln 2; half of it 0.2158."""
    at, _ = in_block(1, [0.1] * W, [0, 0, 0, 0.5, 1])
    signals = SlowFast().select(at, None).signals
    half = (log(4 / 3) + 0.5 * log(2 / 3) + 0.5 * log(2)) / 2
    assert signals["jsd"][P + W : P + 2 * W].tolist() == pytest.approx([0, 0, 0, half, log(2)])
    assert signals["slow"][P + W : P + 2 * W].tolist() == [0, 0, 0, 1, 1]
    at, _ = in_block(1, [0.8] * W, [0.5] * W)  # all are at the mean
    assert SlowFast().select(at, None).signals["slow"].nansum() == 0


def test_the_mean_is_over_the_masks_when_a_part_of_the_block_was_given() -> None:
    """With the zeros of the two given tokens, 0.5 would be above the mean too."""
    at, _ = in_block(1, [-1, -1, 0.8, 0.8, 0.8], [0, 0, 0.5, 0.5, 0.9])
    assert block(SlowFast().select(at, None)) == [2, 3]


def test_the_best_of_the_block_is_committed_though_it_is_slow_and_others_pass() -> None:
    at, _ = in_block(1, [0.75, 0.85, 0.85, 0.1, 0.1], [0, 0.9, 0.9])
    choice = SlowFast(tau_low=0.7, tau_high=0.9).select(at, None)
    assert block(choice) == [0, 1]  # the tie goes to the lower position
    assert dict(choice.why()) == {
        P + W: "above tau_low",
        P + W + 1: "fallback: best of block",
        P + W + 2: "slow set: below tau_high",
        P + W + 3: "below tau_low",
        P + W + 4: "below tau_low",
    }


@pytest.mark.parametrize(
    ("context", "hidden"),
    [("previous_block", range(P + W, P + 2 * W)), ("all_previous_blocks", range(P, P + 2 * W))],
)
def test_the_probe_hides_earlier_blocks_and_never_the_prompt(context, hidden) -> None:
    at, peeked = in_block(2, [0.1] * W, [0, 0.9])
    seen: list[Canvas] = []
    given = {"at": lambda canvas, p: seen.append(canvas) or at.at(canvas, p)}
    again, _ = in_block(2, [0.1] * W, peek=at.peek, **given)
    SlowFast(context=context).select(again, None)
    expected = at.canvas.tokens.clone()
    expected[list(hidden)] = MASK
    assert [p.tolist() for p in peeked] == [[expected.tolist()]]
    assert seen[0].tokens.tolist() == expected.tolist()
    assert int((at.canvas.tokens == MASK).sum()) == W


def five_fast(committed):
    """Block 1 but of width ten: five fast tokens, so many of them committed; and what is slow."""
    fast = torch.zeros(21, dtype=torch.bool)
    fast[11:16] = True
    c = torch.full((21,), -2.0, dtype=torch.float64)
    c[11 + committed : 16] = 0.1
    c[16:18] = 0.8
    canvas = Canvas(torch.where(c > -1, MASK, 7), 1, 10, MASK)
    memory = (fast, torch.full((21,), torch.nan, dtype=torch.float64))
    return step(c.tolist(), canvas=canvas, block_index=1, in_block=3), memory


def test_more_than_three_of_five_fast_tokens_release_the_slow_ones() -> None:
    held, memory = five_fast(3)
    choice = SlowFast().select(held, memory)
    assert positions(choice) == [16]  # the best, the tie going left
    assert choice.why()[17] == "slow set: below tau_high"
    freed, memory = five_fast(4)
    choice = SlowFast().select(freed, memory)
    assert positions(choice) == [16, 17]
    assert choice.why()[17] == "released: above tau_low"
    assert choice.signals["threshold"][15:18].tolist() == [0.7] * 3
    assert choice.signals["slow"][15:18].tolist() == [0, 1, 1]


def test_a_release_of_one_never_comes() -> None:
    done, memory = five_fast(5)
    assert chosen(SlowFast(release=1.0), done, memory) == [16]
    assert chosen(SlowFast(release=0.99), done, memory) == [16, 17]


def test_block_entry_probes_once_and_every_step_each_time() -> None:
    entry, peeked = in_block(1, [0.1] * W, [0, 0, 0.9, 0.9, 0.9])
    memory = SlowFast().select(entry, None).memory
    later, peeked_later = in_block(1, [-1, 0.8, 0.8, 0.8, 0.1], [0, 0.9, 0.9, 0, 0], in_block=1)
    assert block(SlowFast().select(later, memory)) == [1]
    assert len(peeked) == 1
    assert peeked_later == []
    choice = SlowFast(when="every_step").select(later, memory)
    assert [int((tokens != MASK).sum()) for tokens in peeked_later] == [P + 1]  # 1 of the block
    assert block(choice) == [1, 3]  # 1 is slow now and the best, 3 is fast now
    assert choice.memory[0][P + W : P + 2 * W].tolist() == [True, False, False, True, True]


def test_a_new_block_forgets_the_split_of_the_last() -> None:
    stale = torch.ones(P + 3 * W, dtype=torch.bool)
    at, _ = in_block(1, [-1, 0.1, 0.8, 0.8, 0.8], [0, 0, 0.9, 0.9, 0.9])
    fast = SlowFast(when="every_step").select(at, (stale, None)).memory[0]
    assert fast.nonzero()[:, 0].tolist() == [P + W + 1]
