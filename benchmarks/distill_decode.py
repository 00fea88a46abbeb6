"""Many prompts decoded in step by one forward each time, without a Python loop over rows.

The rules of `samplers.fast_dllm` and `samplers.slow_fast` at temperature 0, ended by the first end
of sequence, for whole tensors: tests hold them to the samplers themselves, run for run. Thousands
of runs through `decode_many` would leave a GPU idle. Letters: N prompts, T positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlmviz.learn.assess import Outcomes
from dlmviz.signals import jsd
from dlmviz.types import Example, Task

RELEASE = 0.6  # Slow-Fast's: share of the fast that frees the slow


@dataclass(frozen=True, eq=False)
class Live:
    """The runs that still have something to decide."""

    number: Tensor  # int64 [N], which prompts they are
    tokens: Tensor  # int64 [N T]
    real: Tensor  # bool [N T], no padding
    block: Tensor  # int64 [N T], number of each position's block; negative in the prompt
    entered: Tensor  # int64 [N], the block that was open at the last step; -1 before
    fast: Tensor  # bool [N T], Slow-Fast's fast positions of that block

    def where(self, keep: Tensor) -> Live:
        return Live(**{name: value[keep] for name, value in vars(self).items()})


def outcomes(
    model: Any, task: Task, examples: Sequence[Example], width: int, low: float, high: float
) -> Outcomes:
    """What became of the prompts; fast_dllm at `low`, or slow_fast where `high` is another."""
    tokens, nfe, starts = decoded(model, [e.prompt for e in examples], task, width, low, high)
    right, counts = np.zeros(len(examples), bool), np.zeros(len(examples), np.int64)
    for i, (row, start) in enumerate(zip(tokens.tolist(), starts, strict=True)):
        answer = row[start : start + task.gen_length]
        end = answer.index(model.special.eos) if model.special.eos in answer else len(answer)
        counts[i] = min(end + 1, len(answer))
        text = model.text([token for token in answer[:end] if token != model.special.mask])
        right[i] = task.score(examples[i], text)
    return Outcomes(right, nfe.numpy(), counts)


@torch.no_grad()
def decoded(
    model: Any, texts: Sequence[str], task: Task, width: int, low: float, high: float
) -> tuple[Tensor, Tensor, list[int]]:
    """(canvases [N T], forwards [N], where the answers begin)."""
    prompts = [model.encode(text, True) for text in texts]
    live = begun(model, prompts, task.gen_length, width)
    final, nfe = live.tokens.cpu().clone(), torch.zeros(len(texts), dtype=torch.int64)
    while len(live.number):
        live, cost = step(model, live, low, high)
        nfe[live.number.cpu()] += cost.cpu()
        final[live.number.cpu()] = live.tokens.cpu()
        live = live.where(~over(live, model.special.mask, model.special.eos))
    return final, nfe, [len(ids) for ids in prompts]


def begun(model: Any, prompts: Sequence[Sequence[int]], length: int, width: int) -> Live:
    """Prompts with masks behind them, padded on the right."""
    longest = max(map(len, prompts)) + length
    tokens = torch.full((len(prompts), longest), model.special.eos)
    real = torch.zeros(len(prompts), longest, dtype=torch.bool)
    starts = torch.tensor([len(ids) for ids in prompts])
    for row, ids in enumerate(prompts):
        tokens[row, : len(ids)] = torch.tensor(ids)
        tokens[row, len(ids) : len(ids) + length] = model.special.mask
        real[row, : len(ids) + length] = True
    block = (torch.arange(longest) - starts[:, None]).div(width, rounding_mode="floor")
    live = Live(
        torch.arange(len(prompts)),
        tokens,
        real,
        block,
        torch.full((len(prompts),), -1),
        torch.zeros_like(real),
    )
    return Live(**{name: value.to(model.device) for name, value in vars(live).items()})


def step(model: Any, live: Live, low: float, high: float) -> tuple[Live, Tensor]:
    """(the runs after one step, its forwards [N])."""
    masked = live.tokens == model.special.mask
    open_block = live.block.masked_fill(~masked, 10**6).amin(1)  # all blocks before it are full
    asked = masked & (live.block == open_block[:, None])
    probs = laws(model, live.tokens, live.real, asked)
    best, token = probs.max(-1)
    confidence = torch.full(live.tokens.shape, -1.0, dtype=best.dtype, device=best.device)
    confidence[asked] = best
    cost = torch.ones_like(live.number)
    if low != high:
        live, peeked = split(model, live, asked, open_block, probs)
        cost = cost + peeked
    bar = torch.full_like(confidence, low)
    if low != high:
        fast_left = (live.fast & asked).sum(1)
        total = live.fast.sum(1)
        held = (total - fast_left) <= RELEASE * total
        bar[asked & ~live.fast & held[:, None]] = high
    chosen = asked & (confidence >= bar)
    chosen[torch.arange(len(chosen)), confidence.argmax(1)] = True  # the first of equals
    wrote = live.tokens.clone()
    wrote[asked] = token
    tokens = torch.where(chosen, wrote, live.tokens)
    return replace(live, tokens=tokens, entered=open_block), cost


def split(
    model: Any, live: Live, asked: Tensor, open_block: Tensor, probs: Tensor
) -> tuple[Live, Tensor]:
    """(the runs with the fast positions of the blocks they enter, the forwards of that [N])."""
    enters = open_block != live.entered
    fast = torch.where(enters[:, None], asked, live.fast)
    peeks = enters & (open_block > 0)
    if peeks.any():
        some, rows = asked[peeks], asked.nonzero()[:, 0]
        before = live.block[peeks] == open_block[peeks][:, None] - 1
        hidden = live.tokens[peeks].masked_fill(before, model.special.mask)
        blind = laws(model, hidden, live.real[peeks], some)
        table = torch.zeros(some.shape, dtype=probs.dtype, device=probs.device)
        table[some] = jsd(probs[peeks[rows]], blind)
        mean = table.sum(1) / some.sum(1)
        fast[peeks] = some & (table <= mean[:, None])
    return replace(live, fast=fast), peeks.long()


def laws(model: Any, tokens: Tensor, real: Tensor, asked: Tensor) -> Tensor:
    """Probabilities at the asked positions, in float64 and without the mask token; [n V]."""
    seen = None if bool(real.all()) else real[:, None, None, :]
    states = model.network.model(tokens, attention_mask=seen, use_cache=False).last_hidden_state
    logits = model.network.lm_head(states[asked])[:, : model.true_vocab_size]
    logits[:, model.special.mask] = float("-inf")
    probs: Tensor = torch.softmax(logits.double(), -1)
    return probs


def over(live: Live, mask: int, eos: int) -> Tensor:
    """Whether all is decided up to an end of sequence, or to the end; bool [N]."""
    masked = live.tokens == mask
    place = torch.arange(live.tokens.shape[1], device=live.tokens.device)
    far = live.tokens.shape[1]
    ends = (live.tokens == eos) & live.real & (live.block >= 0)
    first_end = place.where(ends, far).amin(1)
    first_mask = place.where(masked, far).amin(1)
    return first_mask >= first_end.where(first_end < far, far)
