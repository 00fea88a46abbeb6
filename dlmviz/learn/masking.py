"""Noise for training a masked diffusion model, and the loss on what was masked.

LLaDA (arXiv 2502.09992): a share t ~ U(0, 1) of the answer is masked and the cross-entropy of the
masked tokens counts 1/t. Letters: B rows, T positions, D width, V vocabulary, M masked positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

LATER = 0.3  # weight of the blocks after the active one
BLOCKS = (8, 16, 32, 64)  # block lengths of semi-autoregressive rows
POSITIONS = 64  # the loss is a sum over positions divided by this many a row


@dataclass(frozen=True, eq=False)
class Noised:
    """A batch as the model sees it, and what it is asked."""

    inputs: Tensor  # int64 [B T], with masks
    index: Tensor  # int64 [M], flat positions b * T + i that are masked
    targets: Tensor  # int64 [M]
    weights: Tensor  # float32 [M]


def strata(count: int, generator: torch.Generator) -> Tensor:
    """float32 [count] in [0, 1): one uniform draw in each of `count` equal parts, shuffled."""
    device = generator.device
    order = torch.randperm(count, generator=generator, device=device)
    return (order + torch.rand(count, generator=generator, device=device)) / count


def choose(eligible: Tensor, share: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(bool [B T], float32 [B]): k = ceil(t n) of a row's n eligible positions, and n / k.

    With t ~ U(0, 1), k is uniform on 1..n and E[n/k sum over the chosen] = E[1/t sum over a draw
    at rate t]: LLaDA's form with a fixed count, which has less variance and never an empty row.
    A row with nothing eligible gets nothing and weight 0.
    """
    total = eligible.sum(1)
    count = (share * total).ceil().clamp(min=1).minimum(total)
    noise = torch.rand(eligible.shape, generator=generator, device=eligible.device)
    rank = noise.masked_fill(~eligible, 2.0).argsort(1).argsort(1)
    return eligible & (rank < count[:, None]), total / count.clamp(min=1)


def active_block(
    tokens: Tensor, start: Tensor, eos_id: int, blocks: Sequence[int], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """(bool [B T], bool [B T]): one random block of each answer, and everything after it.

    The block length is drawn from `blocks`, then the block uniformly from those that hold answer
    or its first EOS and one more: further ones hold EOS after EOS and teach nothing.
    """
    rows, length = tokens.shape
    device = tokens.device
    offset = torch.arange(length, device=device) - start[:, None]
    pick = torch.randint(len(blocks), (rows,), generator=generator, device=device)
    width = torch.tensor(blocks, device=device)[pick]
    content = ((tokens != eos_id) & (offset >= 0)).sum(1)
    last = torch.minimum((length - 1 - start) // width, content // width + 1).clamp(min=0)
    draw = torch.rand(rows, generator=generator, device=device)
    begin = ((draw * (last + 1)).long().minimum(last) * width)[:, None]
    end = begin + width[:, None]
    return (offset >= begin) & (offset < end), offset >= end


def noise(
    tokens: Tensor,
    start: Tensor,
    mask_id: int,
    eos_id: int,
    generator: torch.Generator,
    sar: float = 0.0,
    blocks: Sequence[int] = BLOCKS,
) -> Noised:
    """A share `sar` of rows masked as in semi-autoregressive decoding, the others uniformly.

    `tokens` int64 [B T], `start` int64 [B]: where each answer begins; everything from there on is
    answer, EOS fill included. Uniform rows: k of the n answer tokens, weight n / k. The others:
    blocks before the active one clean, the active one masked likewise, all later ones masked with
    weight LATER.
    """
    rows, length = tokens.shape
    answer = torch.arange(length, device=tokens.device) >= start[:, None]
    share = strata(rows, generator)
    blocked = (torch.rand(rows, generator=generator, device=tokens.device) < sar)[:, None]
    active, later = active_block(tokens, start, eos_id, blocks, generator)
    masked, weight = choose(torch.where(blocked, active, answer), share, generator)
    later = later & blocked
    weights = masked * weight[:, None] + later * LATER
    index = (masked | later).flatten().nonzero().squeeze(1)
    inputs = tokens.masked_fill(masked | later, mask_id)
    return Noised(inputs, index, tokens.flatten()[index], weights.flatten()[index])


def masked_losses(hidden: Tensor, head: Tensor, noised: Noised) -> Tensor:
    """float32 [M]: weight * cross-entropy at the masked positions, the only ones with logits.

    `hidden` [B T D] final states, `head` [V D].
    """
    logits = F.linear(hidden.flatten(0, 1)[noised.index], head)
    return F.cross_entropy(logits.float(), noised.targets, reduction="none") * noised.weights


def masked_loss(hidden: Tensor, head: Tensor, noised: Noised) -> Tensor:
    """sum(weight * cross-entropy) / (POSITIONS * B), float32 scalar; hidden [B T D], head [V D].

    Divided by a constant and not by the answer's length: an EOS tail would dilute short answers.
    """
    return masked_losses(hidden, head, noised).sum() / (POSITIONS * len(hidden))
