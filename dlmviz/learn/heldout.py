"""Loss on examples that training never draws, task by task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from dlmviz.learn.corpus import Rows, Source, held_out
from dlmviz.learn.feed import rows_of
from dlmviz.learn.masking import masked_losses
from dlmviz.learn.trainer import Marks, Settings, State, hidden_states, noised, seeded


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of one bucket in the shape that training uses, so no new graph is compiled."""

    rows: Rows
    task: np.ndarray  # int64 [B], index of the task; -1 where a row only fills up the shape


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The examples of all tasks."""

    names: tuple[str, ...]
    batches: tuple[Batch, ...]
    content: np.ndarray  # int64 [tasks], answer tokens and one EOS each


def collect(source: Source, count: int, tokens: int, eos_id: int, seed: int = 7) -> HeldOut:
    """`count` examples of each task, drawn from an evaluation seed."""
    names = tuple(source.shares)
    packs = [held_out(source, name, count, seed).rows for name in names]
    batches = []
    content = np.zeros(len(names), dtype=np.int64)
    for length in source.buckets.lengths:
        rows = Rows(
            np.concatenate([p[length].tokens for p in packs]),
            np.concatenate([p[length].start for p in packs]),
        )
        task = np.repeat(np.arange(len(names)), [len(p[length]) for p in packs])
        answer = (rows.tokens != eos_id).sum(1) - rows.start + 1
        content += np.bincount(task, answer, len(names)).astype(np.int64)
        size = rows_of(tokens, length)
        for at in range(0, len(rows), size):
            real = min(size, len(rows) - at)
            which = np.arange(at, at + size) % len(rows)
            kept = np.where(np.arange(size) < real, task[which], -1)
            batches.append(Batch(rows.take(which), kept))
    return HeldOut(names, tuple(batches), content)


def evaluate(state: State, held: HeldOut, settings: Settings, marks: Marks) -> dict[str, float]:
    """task -> nats an answer token (a bound, uniform masking, fixed noise), and their "mean"."""
    sums = torch.zeros(len(held.names) + 1, dtype=torch.float64, device=state.device)
    for number, batch in enumerate(held.batches):
        generator = seeded(settings, number, 1023, state.device)
        asked = noised(batch.rows, marks, generator, sar=0.0)
        with torch.autocast("cuda", torch.bfloat16, enabled=state.device.type == "cuda"):
            hidden = hidden_states(state.model, asked.inputs)
            # With gradients enabled, although none are asked: the training graphs serve.
            losses = masked_losses(hidden, state.model.lm_head.weight, asked).detach()
        task = torch.from_numpy(batch.task).to(state.device) % len(sums)  # -1 -> the last
        sums.index_add_(0, task[asked.index // asked.inputs.shape[1]], losses.double())
    values = (sums[:-1].cpu().numpy() / held.content.clip(1)).tolist()
    scores = dict(zip(held.names, values, strict=True))
    return {**scores, "mean": float(np.mean(values))}


@contextmanager
def averaged(state: State) -> Iterator[None]:
    """Inside, the model holds the averaged weights."""
    own = {name: weight.detach().clone() for name, weight in state.weights.items()}
    with torch.no_grad():
        for name, weight in state.weights.items():
            weight.copy_(state.ema[name])
    try:
        yield
    finally:
        with torch.no_grad():
            for name, weight in state.weights.items():
                weight.copy_(own[name])
