"""The training loop, on accelerate: one device or several, stopped and resumed at will.

Nothing is drawn from a stream that a stop could cut: which pairs a step takes, their masks and the
dropout are functions of the step's number and the seed. So a resumed run is the same run.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor

from dlmviz.learn.distill.noise import Noised, noised
from dlmviz.learn.distill.saving import finish, restore, save
from dlmviz.learn.distill.schedule import chosen, learning_rate
from dlmviz.learn.distill.settings import Pair, Settings
from dlmviz.learn.distill.target import Distiller, Losses
from dlmviz.models.transformer import TransformerDenoiser
from dlmviz.types import InputError

HELD_OUT = 2**31  # numbers of held-out draws start here: training never reaches them


class Listener(Protocol):
    """Who is told, and who may ask for an end."""

    def metric(self, **numbers: Any) -> None: ...

    def progress(self, done: int) -> None: ...

    def stopping(self) -> bool: ...

    def mark(self) -> int: ...  # where the metrics end

    def rewind(self, mark: int) -> None: ...  # takes back those behind it


@dataclass(frozen=True)
class Trained:
    """Where a training ended."""

    step: int
    whole: bool  # false where it was stopped before its last step
    kl: float | None  # mean held-out KL [nats]; None where nothing is held out


@dataclass(frozen=True)
class Means:
    """Mean KL(target || student) [nats] over asked positions in K, off it, and over all."""

    on: float | None
    off: float | None
    all: float | None


def train(
    model: TransformerDenoiser,
    pairs: Sequence[Pair],
    held: Sequence[Pair],
    settings: Settings,
    out: Path,
    listener: Listener,
    precision: str = "no",
) -> Trained:
    """Trains `model`'s student on `pairs` and leaves it in out/adapter (out/model without LoRA).

    Goes on from the newest checkpoint in `out`. Started by `accelerate launch` or torchrun it uses
    every process. `precision`: "bf16" computes in bfloat16. `model` is used up: its network is
    adapted in place.
    """
    if not pairs:
        raise InputError("there is nothing to learn from: no answer was kept; raise the number")
    # Buffers are constants here: sending them at every forward would only cost time.
    plain = DistributedDataParallelKwargs(broadcast_buffers=False, gradient_as_bucket_view=True)
    accelerator = Accelerator(
        mixed_precision=precision, cpu=model.device.type == "cpu", kwargs_handlers=[plain]
    )
    torch.manual_seed(settings.seed)  # LoRA's own first values
    distiller = Distiller(
        model.network.to(accelerator.device),
        model.special.mask,
        model.true_vocab_size,
        model.shift,
        settings,
    )
    weights = {n: p for n, p in distiller.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(
        weights.values(),
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        fused=accelerator.device.type == "cuda",
    )
    begin, mark = restore(out, weights, optimizer, settings)
    wrapped = accelerator.prepare_model(distiller)
    if accelerator.is_main_process:
        listener.rewind(mark)
    run = _Run(accelerator, wrapped, distiller, weights, optimizer, model, settings)
    wrapped.train()
    told = begin == 0 and _measured(run, held, listener, 0)
    step = begin
    while step < settings.steps and not _agreed(run, listener):
        _step(run, pairs, step, listener)
        step += 1
        if step % settings.save == 0 and step < settings.steps:
            told = _measured(run, held, listener, step)
            _keep(run, out, step, listener)
    _keep(run, out, step, listener)
    told = _measured(run, held, listener, step) if step == settings.steps else None
    if accelerator.is_main_process and step == settings.steps:
        finish(distiller, out)
    return Trained(step, step == settings.steps, told.all if told else None)


@dataclass(frozen=True, eq=False)
class _Run:
    """What the steps of one training share."""

    accelerator: Accelerator
    wrapped: Any  # the distiller as accelerate wants it called
    distiller: Distiller
    weights: Mapping[str, Tensor]
    optimizer: torch.optim.Optimizer
    model: TransformerDenoiser
    settings: Settings


def _batch(run: _Run, pairs: Sequence[Pair], numbers: Sequence[int], held: bool = False) -> Noised:
    """The canvases of these draws, on the device."""
    special, settings = run.model.special, run.settings
    taken = [pairs[n if held else chosen(settings, n, len(pairs))] for n in numbers]
    marks = [n + HELD_OUT if held else n for n in numbers]
    assert special.eos is not None, "a model without an end of sequence is refused earlier"
    batch = noised(taken, marks, special.mask, special.eos, settings)
    device = run.accelerator.device
    moved: dict[str, Any] = {n: t if t is None else t.to(device) for n, t in vars(batch).items()}
    return replace(batch, **moved)


def _step(run: _Run, pairs: Sequence[Pair], step: int, listener: Listener) -> None:
    """One update of the weights; its numbers go to the listener."""
    began, settings, accelerator = time.perf_counter(), run.settings, run.accelerator
    rate = learning_rate(settings, step)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    parts, tokens = [], 0
    for micro in range(settings.accumulation):
        place = (step * settings.accumulation + micro) * accelerator.num_processes
        first = (place + accelerator.process_index) * settings.batch
        torch.manual_seed(settings.seed * 1_000_003 + first)  # dropout
        batch = _batch(run, pairs, range(first, first + settings.batch))
        last = micro == settings.accumulation - 1
        # gradients of all processes are summed at the last forward of a step only
        with nullcontext() if last else accelerator.no_sync(run.wrapped):
            losses = run.wrapped(batch)
            accelerator.backward(losses.loss / settings.accumulation)
        parts.append(losses)
        tokens += batch.tokens.numel()
    norm = accelerator.clip_grad_norm_(list(run.weights.values()), settings.clip)
    run.optimizer.step()
    run.optimizer.zero_grad()
    own = torch.stack([torch.stack([p.loss.detach() for p in parts]).mean(), norm])
    means, (loss, length) = _means(run, parts, own)
    if loss != loss:
        raise InputError(f"the loss is not a number at step {step}: lower the learning rate")
    seconds = time.perf_counter() - began
    if accelerator.is_main_process:
        listener.metric(
            step=step + 1,
            loss=loss,
            kl_on=means.on,
            kl_off=means.off,
            kl=means.all,
            lr=rate,
            norm=length,
            tokens_per_second=tokens * accelerator.num_processes / seconds,
        )
        listener.progress(step + 1)


def _means(
    run: _Run, parts: Sequence[Losses], own: Tensor | None = None
) -> tuple[Means, list[float]]:
    """(means over these batches of all processes, this process's `own` numbers).

    All are read at once: each reading waits for the device.
    """
    sums = torch.stack(
        [torch.stack([p.on, p.off, p.kept.double(), p.asked.double()]) for p in parts]
    ).sum(0)
    every = run.accelerator.reduce(sums, "sum")
    if own is not None:
        every = torch.cat([every, own.double()])
    on, off, kept, asked, *rest = every.tolist()
    means = Means(
        on / kept if kept else None,
        off / (asked - kept) if asked > kept else None,
        (on + off) / asked if asked else None,
    )
    return means, rest


@torch.no_grad()
def _measured(run: _Run, held: Sequence[Pair], listener: Listener, step: int) -> Means | None:
    """The held-out KL, by draws that are always the same; told, too."""
    if not held:
        return None
    run.distiller.eval()
    size, accelerator = run.settings.batch, run.accelerator
    starts = range(0, len(held), size)
    own = starts[accelerator.process_index :: accelerator.num_processes]
    with accelerator.autocast():
        parts = [
            run.distiller(_batch(run, held, range(s, min(s + size, len(held))), True)) for s in own
        ]
    zero = torch.zeros((), dtype=torch.float64, device=accelerator.device)
    means, _ = _means(run, parts or [Losses(zero, zero, zero, zero, zero)])
    run.wrapped.train()  # walks all modules: not at every step
    if accelerator.is_main_process:
        listener.metric(step=step, held_on=means.on, held_off=means.off, held=means.all)
    return means


def _agreed(run: _Run, listener: Listener) -> bool:
    """Whether the first process was asked to stop; the same answer in all."""
    if run.accelerator.num_processes == 1:
        return listener.stopping()
    asked = torch.tensor(
        float(run.accelerator.is_main_process and listener.stopping()),
        device=run.accelerator.device,
    )
    return bool(run.accelerator.reduce(asked, "sum") > 0)


def _keep(run: _Run, out: Path, step: int, listener: Listener) -> None:
    """Writes a checkpoint, by the first process."""
    run.accelerator.wait_for_everyone()
    if run.accelerator.is_main_process:
        save(out, step, listener.mark(), run.weights, run.optimizer, run.settings)
