"""Runs side by side: lanes with their own samplers and settings, one forward where they can share.

Where `batch` decodes many prompts by one rule, lanes differ in all but the network. Letters: T
canvas positions, B sequences.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dlmviz.batch import shares
from dlmviz.decoding import State, advance, foresee, settle
from dlmviz.forward import Cost, cropped, guide, last_layers, stack
from dlmviz.opening import Run, first_canvas, open_run
from dlmviz.types import DecodeError, Denoiser, Prediction, Sampler, StepRecord, Trace

#: (lane of each sequence, then what Denoiser.forward takes) -> one Prediction a sequence
Together = Callable[
    [Sequence[int], Tensor, Sequence[Tensor], Sequence[int], bool, Tensor | None], list[Prediction]
]


@dataclass(frozen=True, eq=False)
class Lane:
    """One run: its own model for what it asks alone, its rule, and its first canvas."""

    model: Denoiser
    sampler: Sampler
    start: Trace


@dataclass(frozen=True, eq=False)
class Live:
    """A lane that is not over."""

    run: Run
    state: State


@torch.no_grad()
def race(
    lanes: Sequence[Lane], together: Together, keep: int = 5
) -> Iterator[dict[int, StepRecord | DecodeError]]:
    """Yields what each lane did in each round, by its index; a lane that is over is left out.

    All lanes that need an ordinary forward get it from one call of `together`, one for each share
    of attention that they ask for; windows, and predictions that are paid for, are a lane's own.
    Every lane has its own random stream: its steps are those it takes alone, but for the rounding
    of a batched forward, and NFE counts what it would cost alone. Seconds of a record run from the
    beginning of the round. A lane whose sampler breaks a rule leaves with its error.
    """
    live: dict[int, Live] = {}
    for index, lane in enumerate(lanes):
        run = open_run(lane.model, lane.sampler, lane.start.spec, lane.start, keep, None)
        state = settle(run, State(first_canvas(run)))
        if state is not None:
            live[index] = Live(run, state)
    while live:
        live, told = _round(live, together)
        yield told


def _round(
    live: Mapping[int, Live], together: Together
) -> tuple[dict[int, Live], dict[int, StepRecord | DecodeError]]:
    """(lanes that go on, what each lane did) after one step of every lane."""
    began = time.perf_counter()
    waiting = {index: one for index, one in live.items() if shares(one.run, one.state)}
    made = foretell(waiting, together)
    going: dict[int, Live] = {}
    told: dict[int, StepRecord | DecodeError] = {}
    for index, one in live.items():
        try:
            if index in made:
                cost = Cost(1, 2 if one.run.spec.cfg_scale else 1)
                before, prediction = one.state, made[index]
            else:
                before, prediction, cost = foresee(one.run, one.state)
            after, told[index] = advance(one.run, before, prediction, cost, began)
            state = settle(one.run, after)
        except DecodeError as error:
            told[index] = error
            continue
        if state is not None:
            going[index] = Live(one.run, state)
    return going, told


def foretell(waiting: Mapping[int, Live], together: Together) -> dict[int, Prediction]:
    """The prediction of each lane's canvas; lanes without attention join the first forward."""
    asked = {index: one.run.needs.attention for index, one in waiting.items()}
    found: dict[int, Prediction] = {}
    for place, share in enumerate(sorted({*asked.values()} - {0.0}) or [0.0]):
        joined = (share, 0.0) if place == 0 else (share,)
        part = {index: one for index, one in waiting.items() if asked[index] in joined}
        if part:
            found |= _foretell(part, together, share)
    return found


def _foretell(part: Mapping[int, Live], together: Together, share: float) -> dict[int, Prediction]:
    """Predictions from one forward: a row a lane, then a blind one for each that is guided."""
    canvases = {index: one.state.canvas for index, one in part.items()}
    masked = {index: canvas.masked.nonzero()[:, 0] for index, canvas in canvases.items()}
    guided = [index for index, one in part.items() if one.run.spec.cfg_scale]
    blind = [
        torch.where(part[index].run.visible, canvases[index].mask_id, canvases[index].tokens)
        for index in guided
    ]
    who = [*part, *guided]
    tokens, padding = stack([*(canvas.tokens for canvas in canvases.values()), *blind])
    layers = last_layers(next(iter(part.values())).run.model.layers, share)
    hidden = any(one.run.needs.hidden for one in part.values())
    made = together(who, tokens, [masked[index] for index in who], layers, hidden, padding)
    found = dict(zip(part, made[: len(part)], strict=True))
    for index, unconditional in zip(guided, made[len(part) :], strict=True):
        found[index] = guide(found[index], unconditional, part[index].run.spec.cfg_scale)
    return {index: _own(made, part[index]) for index, made in found.items()}


def _own(prediction: Prediction, one: Live) -> Prediction:
    """What the lane would have got alone: no padding, and nothing that it did not ask for."""
    needs = one.run.needs
    kept = cropped(prediction, one.state.canvas)
    return dataclasses.replace(
        kept,
        attention=kept.attention if needs.attention else None,
        hidden=kept.hidden if needs.hidden else None,
    )
