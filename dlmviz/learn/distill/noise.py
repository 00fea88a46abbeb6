"""The canvases x_t that a student is asked about: one active block, all after it masked.

Letters: B rows, T positions, L answer, W block, M masked positions of all rows, N asked ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dlmviz.learn.distill.settings import Pair, Settings


@dataclass(frozen=True, eq=False)
class Noised:
    """A batch of canvases x_t, and where the student is asked."""

    tokens: Tensor  # int64 [B T], with masks
    asked: Tensor  # bool [B T], masked positions whose KL counts
    masked: Tensor  # bool [B T], all masks
    weights: Tensor  # float32 [B], 1 / t_hat: length of the answer over the number that is asked
    blocks: Tensor  # int64 [B T], number of a position's block in its answer
    real: Tensor | None  # bool [B T], true at real tokens; None where nothing is padded
    masks: Tensor  # int64 [2 M], row and position of each mask
    places: Tensor  # int64 [N], which of these masks are asked


def noised(
    pairs: Sequence[Pair], numbers: Sequence[int], mask_id: int, eos_id: int, settings: Settings
) -> Noised:
    """The canvases x_t of `pairs`; the draw of each depends on its number and the seed alone.

    An active block is drawn uniformly; it is masked at rate t ~ U(0, 1), everything after it
    wholly, nothing before it. A draw that leaves nothing to ask is repeated.
    """
    rows = [
        _row(pair, number, eos_id, settings) for pair, number in zip(pairs, numbers, strict=True)
    ]
    longest = max(len(pair.prompt) + len(pair.answer) for pair in pairs)
    tokens = np.full((len(pairs), longest), eos_id, np.int64)
    starts = np.array([len(pair.prompt) for pair in pairs])
    blocks = (np.arange(longest) - starts[:, None]) // settings.block_length
    masked, asked, real = (np.zeros((len(pairs), longest), bool) for _ in range(3))
    for i, (pair, (mask, ask)) in enumerate(zip(pairs, rows, strict=True)):
        start, end = len(pair.prompt), len(pair.prompt) + len(pair.answer)
        tokens[i, :start], tokens[i, start:end] = pair.prompt, pair.answer
        masked[i, start:end], asked[i, start:end], real[i, :end] = mask, ask, True
    tokens[masked] = mask_id
    lengths = np.array([len(pair.answer) for pair in pairs])
    at = np.stack(masked.nonzero())  # here, where looking for them makes no device wait
    return Noised(
        torch.from_numpy(tokens),
        torch.from_numpy(asked),
        torch.from_numpy(masked),
        torch.from_numpy((lengths / asked.sum(1)).astype(np.float32)),
        torch.from_numpy(blocks),
        None if real.all() else torch.from_numpy(real),
        torch.from_numpy(at),
        torch.from_numpy(np.flatnonzero(asked[at[0], at[1]])),
    )


def _row(pair: Pair, number: int, eos_id: int, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """(masked, asked), bool [L] each."""
    rng = np.random.default_rng((settings.seed, number))
    length, width = len(pair.answer), settings.block_length
    ends = np.flatnonzero(pair.answer == eos_id)
    content = int(ends[0]) + 1 if len(ends) else length  # the first end of sequence included
    reach = length if settings.eos else content
    while True:
        begin = int(rng.integers(-(-reach // width))) * width
        end = min(begin + width, length)
        masked = np.arange(length) >= end
        masked[begin:end] = rng.random(end - begin) < rng.random()
        asked = masked & (np.arange(length) < reach)
        if settings.scope == "block":
            asked[end:] = False
        if asked.any():
            return masked, asked
