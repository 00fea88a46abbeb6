"""The training loop: one model, one feed of rows, Muon and AdamW on one schedule.

The model is a transformers causal LM that looks both ways; nothing here knows which.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dlmviz.learn.corpus import Rows
from dlmviz.learn.feed import Feed, rows_of
from dlmviz.learn.masking import Noised, masked_loss, noise
from dlmviz.learn.muon import Muon
from dlmviz.learn.team import Team

PACE = 10  # steps between two looks at the first process's clock


@dataclass(frozen=True)
class Settings:
    """What decides a run besides model and data."""

    lr: float = 4e-3
    warmup: int = 200  # steps
    hold: float = 0.3  # share of the budget at full rate
    floor: float = 0.01  # of lr, at the end
    decay: str = "linear"  # or "sqrt": 1 - sqrt of the way
    clip: float = 1.0
    weight_decay: float = 0.05
    tokens: int = 49_152  # a step and process
    sar: float = 0.4  # share of rows masked block by block
    ema: float = 0.999
    seed: int = 0
    seconds: float = 900.0  # the budget, on the training clock
    steps: int | None = None  # the budget in steps instead: repeatable runs


@dataclass(frozen=True)
class Marks:
    """Ids that noise needs."""

    mask: int
    eos: int


def learning_rate(settings: Settings, step: int, progress: float) -> float:
    """Rate at `step` when `progress` (0..1) of the budget is used: warm up, hold, decay."""
    warm = min(1.0, (step + 1) / max(1, settings.warmup))
    way = min(1.0, max(0.0, progress - settings.hold) / max(1e-9, 1 - settings.hold))
    shape = way**0.5 if settings.decay == "sqrt" else way
    return settings.lr * warm * (1 - (1 - settings.floor) * shape)


class State:
    """All that training changes: weights, both optimisers, the average, step and clock.

    Gradients of all weights are views into `flat`, so averaging over processes, clipping and
    clearing are one operation each.
    """

    def __init__(self, model: Any, settings: Settings, device: torch.device) -> None:
        self.model, self.device = model.to(device), device
        self.weights: dict[str, Tensor] = dict(model.named_parameters())
        self.flat = torch.zeros(sum(w.numel() for w in self.weights.values()), device=device)
        pieces = torch.split(self.flat, [w.numel() for w in self.weights.values()])
        for weight, piece in zip(self.weights.values(), pieces, strict=True):
            weight.grad = piece.view_as(weight)
        blocks = {n: w for n, w in self.weights.items() if ".layers." in n and w.dim() == 2}
        self.muon = Muon(blocks, weight_decay=settings.weight_decay)
        self.rest = {n: w for n, w in self.weights.items() if n not in blocks}
        self.adam = torch.optim.AdamW(
            list(self.rest.values()),
            settings.lr,
            betas=(0.9, 0.98),
            weight_decay=0.0,
            fused=device.type == "cuda",
        )
        self.ema = {n: w.detach().clone() for n, w in self.weights.items()}
        self.step, self.elapsed = 0, 0.0
        self.since, self.rewarm = 0, False  # steps of this process; restored without momentum

    def tensors(self) -> dict[str, Tensor]:
        """Everything needed to go on, by name."""
        out = {f"model.{n}": w.detach() for n, w in self.weights.items()}
        out |= {f"ema.{n}": w for n, w in self.ema.items()}
        out |= {f"muon.{n}": w for n, w in self.muon.momentum.items()}
        for name, weight in self.rest.items():
            for key, value in self.adam.state.get(weight, {}).items():
                out[f"adam.{name}|{key}"] = value
        return out

    @torch.no_grad()
    def restore(self, saved: dict[str, Tensor]) -> None:
        """Takes over `tensors()`; after weights alone the rate warms up anew."""
        for name, weight in self.weights.items():
            weight.copy_(saved[f"model.{name}"])
            self.ema[name].copy_(saved.get(f"ema.{name}", weight))
        for name, buffer in self.muon.momentum.items():
            if f"muon.{name}" in saved:
                buffer.copy_(saved[f"muon.{name}"])
        for full, value in saved.items():
            if full.startswith("adam."):
                name, key = full.removeprefix("adam.").split("|")
                fused = self.device.type == "cuda" or key != "step"
                moved = value.to(self.device if fused else "cpu")
                self.adam.state[self.rest[name]][key] = moved
        self.rewarm = not any(name.startswith("muon.") for name in saved)


def seeded(settings: Settings, step: int, rank: int, device: torch.device) -> torch.Generator:
    """A generator that depends on seed, step and process only: nothing random needs saving."""
    number = (settings.seed << 40) + (step << 10) + rank
    return torch.Generator(device).manual_seed(number & (2**63 - 1))


def noised(
    rows: Rows,
    marks: Marks,
    generator: torch.Generator,
    sar: float,
) -> Noised:
    """The rows on the generator's device, masked."""
    tokens, start = moved(rows.tokens, generator.device), moved(rows.start, generator.device)
    return noise(tokens, start, marks.mask, marks.eos, generator, sar)


def moved(numbers: np.ndarray, device: torch.device) -> Tensor:
    """uint16 numbers below 32,768 as int64 on the device, without waiting for the copy."""
    narrow = torch.from_numpy(numbers.view(np.int16))
    if device.type == "cuda":
        narrow = narrow.pin_memory()
    return narrow.to(device, non_blocking=True).long()


def hidden_states(model: Any, inputs: Tensor) -> Tensor:
    """Final states [B T D]; bfloat16 matmuls on a GPU, float32 on a CPU."""
    with torch.autocast("cuda", torch.bfloat16, enabled=inputs.is_cuda, cache_enabled=False):
        return model.model(input_ids=inputs, use_cache=False).last_hidden_state  # type: ignore[no-any-return]


def loss_of(model: Any, batch: Noised) -> Tensor:
    """The training loss, a float32 scalar."""
    hidden = hidden_states(model, batch.inputs)
    with torch.autocast("cuda", torch.bfloat16, enabled=hidden.is_cuda, cache_enabled=False):
        return masked_loss(hidden, model.lm_head.weight, batch)


def update(state: State, settings: Settings, rate: float) -> None:
    """Nothing; weights and their average move by the gradients in `state.flat`, clipped."""
    state.flat *= (settings.clip / (state.flat.norm() + 1e-6)).clamp(max=1.0)
    state.muon.step(rate)
    state.adam.param_groups[0]["lr"] = rate
    state.adam.step()
    with torch.no_grad():
        share = 1 - min(settings.ema, (1 + state.step) / (10 + state.step))
        torch._foreach_lerp_(list(state.ema.values()), list(state.weights.values()), share)
    state.flat.zero_()


def compile_layers(model: Any) -> None:
    """Nothing; each block becomes one graph a row length. The model's names do not change."""
    torch._dynamo.config.recompile_limit = 64
    for block in (*model.model.layers, model.model.norm):
        assert isinstance(block, nn.Module)
        block.compile(dynamic=False)


def warm_up(
    state: State, settings: Settings, marks: Marks, lengths: tuple[int, ...], team: Team
) -> None:
    """Nothing; every batch shape has run once and the team has met: the clock sees no start-up."""
    for length in lengths:
        count = rows_of(settings.tokens, length)
        tokens = torch.full((count, length), marks.eos, device=state.device)
        start = torch.full((count,), length // 2, device=state.device)
        generator = seeded(settings, 0, 0, state.device)
        loss_of(state.model, noise(tokens, start, marks.mask, marks.eos, generator)).backward()  # type: ignore[no-untyped-call]
    team.average(state.flat)
    state.flat.zero_()


def train(
    state: State,
    feed: Feed,
    settings: Settings,
    marks: Marks,
    team: Team,
    stop: float | None,
    report: Callable[[Tensor, float, int], None],
) -> None:
    """Nothing; returns when the budget, or `stop` in the budget's unit, is used.

    `report(loss, rate, tokens)` is called after every step, with the own loss still on its device.
    Raises RuntimeError where the feed does.
    """
    begun = time.monotonic() - state.elapsed
    budget = settings.steps or settings.seconds
    while True:
        if team.world == 1 or state.since % PACE == 0:
            state.elapsed = team.agree(time.monotonic() - begun, state.device)
        used = state.step if settings.steps else state.elapsed
        if used >= budget or (stop is not None and used >= stop):
            return
        warm = state.since if state.rewarm else state.step
        rate = learning_rate(settings, warm, used / budget)
        rows = feed.take(state.step)
        generator = seeded(settings, state.step, team.rank, state.device)
        loss = loss_of(state.model, noised(rows, marks, generator, settings.sar))
        loss.backward()  # type: ignore[no-untyped-call]
        team.average(state.flat)
        update(state, settings, rate)
        state.step, state.since = state.step + 1, state.since + 1
        report(loss.detach(), rate, rows.tokens.size)
