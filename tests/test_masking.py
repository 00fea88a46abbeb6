"""Noise: what is masked, how it counts, and that the weights make the sum unbiased."""

import torch
import torch.nn.functional as F

from dlmviz.learn.masking import (
    LATER,
    POSITIONS,
    active_block,
    choose,
    masked_loss,
    noise,
    strata,
)

MASK, EOS = 9, 8


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rows(count: int = 64, length: int = 32, prompt: int = 5, answer: int = 6) -> torch.Tensor:
    tokens = torch.randint(0, 8, (count, length), generator=generator(1))
    tokens[:, prompt + answer :] = EOS
    return tokens


def test_strata_hold_one_draw_each() -> None:
    draws = strata(50, generator())
    assert torch.equal((draws * 50).long().sort().values, torch.arange(50))


def test_the_prompt_is_never_masked_and_clean_positions_keep_their_token() -> None:
    tokens = rows()
    for sar in (0.0, 1.0):
        out = noise(tokens, torch.full((64,), 5), MASK, EOS, generator(), sar)
        masked = torch.zeros(tokens.numel(), dtype=torch.bool)
        masked[out.index] = True
        masked = masked.view_as(tokens)
        assert not masked[:, :5].any()
        assert (out.inputs[masked] == MASK).all()
        assert torch.equal(out.inputs[~masked], tokens[~masked])
        assert torch.equal(out.targets, tokens[masked])


def test_every_row_has_a_mask_and_its_weights_sum_to_the_answer_length() -> None:
    start = torch.randint(1, 31, (64,), generator=generator(2))
    out = noise(rows(), start, MASK, EOS, generator())
    row = out.index // 32
    assert torch.equal(row.unique(), torch.arange(64))
    sums = torch.zeros(64).index_add_(0, row, out.weights)
    torch.testing.assert_close(sums, 32.0 - start)


def test_a_row_without_answer_asks_nothing_and_gives_no_nan() -> None:
    masked, weight = choose(torch.zeros(3, 4, dtype=torch.bool), torch.rand(3), generator())
    assert not masked.any()
    assert torch.equal(weight, torch.zeros(3))
    out = noise(rows(4), torch.full((4,), 32), MASK, EOS, generator(), sar=1.0)
    loss = masked_loss(torch.randn(4, 32, 3), torch.randn(10, 3), out)
    assert float(loss) == 0.0


def test_each_position_counts_one_on_average() -> None:
    total = torch.zeros(8)
    for seed in range(60):
        masked, weight = choose(
            torch.ones(100, 8, dtype=torch.bool), strata(100, generator(seed)), generator(seed + 99)
        )
        total += (masked * weight[:, None]).sum(0)
    assert (total / 6000 - 1).abs().max() < 0.06


def test_number_masked_is_uniform_from_one_to_all() -> None:
    masked, _ = choose(torch.ones(800, 8, dtype=torch.bool), strata(800, generator()), generator(3))
    counts = masked.sum(1).bincount(minlength=9)
    assert counts[0] == 0
    assert (counts[1:] - 100).abs().max() <= 1  # stratified: one stratum may cross a boundary


def test_block_rows_keep_earlier_blocks_clean_and_mask_all_later_ones() -> None:
    tokens, start = rows(256, 40, 4, 20), torch.full((256,), 4)
    out = noise(tokens, start, MASK, EOS, generator(), sar=1.0, blocks=(8,))
    weights = torch.zeros(tokens.numel()).index_add_(0, out.index, out.weights).view_as(tokens)
    begins = set()
    for row in weights[:, 4:].view(256, -1, 4):  # 36 answer positions: blocks 8 8 8 8 4
        flat = row.flatten()
        first = int(flat.nonzero()[0]) // 8
        active, later = flat[first * 8 : first * 8 + 8], flat[first * 8 + 8 :]
        assert (later == torch.tensor(LATER)).all()
        torch.testing.assert_close(active.sum(), torch.tensor(float(len(active))))
        begins.add(first)
    assert begins == {0, 1, 2, 3}  # 20 tokens and EOS end in block 2; one block of EOS besides


def test_an_active_block_never_passes_the_row_end() -> None:
    tokens, start = rows(200, 16, 4, 12), torch.full((200,), 4)
    tokens[:, 4:] = 1
    active, later = active_block(tokens, start, EOS, (8, 64), generator())
    assert active.any(1).all()
    assert not (active & later).any()


def test_loss_equals_the_plain_sum_over_all_positions() -> None:
    tokens = rows(6)
    hidden, head = torch.randn(6, 32, 7), torch.randn(10, 7)
    out = noise(tokens, torch.full((6,), 5), MASK, EOS, generator(), sar=0.5)
    every = F.cross_entropy((hidden @ head.T).flatten(0, 1), tokens.flatten(), reduction="none")
    weights = torch.zeros(tokens.numel()).index_add_(0, out.index, out.weights)
    expected = (every * weights).sum() / (POSITIONS * 6)
    torch.testing.assert_close(masked_loss(hidden, head, out), expected)


def test_same_generator_same_noise() -> None:
    first, second = (
        noise(rows(), torch.full((64,), 5), MASK, EOS, generator(4), 0.5) for _ in range(2)
    )
    assert torch.equal(first.inputs, second.inputs)
    assert torch.equal(first.weights, second.weights)
