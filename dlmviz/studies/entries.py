"""The JSD to reduced context at the entry of each block of a run: as recorded, or as asked anew."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch

from dlmviz.decoding import State, look
from dlmviz.forward import predict
from dlmviz.on_request import to_reduced_context
from dlmviz.opening import first_canvas, open_run
from dlmviz.samplers import make
from dlmviz.types import Denoiser, Trace


def block_entries(trace: Trace) -> list[int]:
    """Index of the first step of each block, in their order."""
    first: dict[tuple[int, int], int] = {}
    for record in trace.steps:
        first.setdefault(record.block, record.index)
    return sorted(first.values())


def recorded(trace: Trace, entries: Sequence[int]) -> list[np.ndarray] | None:
    """J by canvas position at each of these steps, NaN where it is not known; None if none is."""
    found = []
    for index in entries:
        values = trace.steps[index].signals.get("jsd")
        if values is None or not np.isfinite(values).any():
            return None
        found.append(np.concatenate([np.full(trace.offset, np.nan), values]))
    return found


@torch.no_grad()
def asked(model: Denoiser, trace: Trace, entries: Sequence[int]) -> list[np.ndarray]:
    """What `recorded` would give, had JSD been recorded: two forwards a block."""
    run = open_run(model, make(trace.spec.sampler, trace.spec.params), trace.spec, trace, 1, None)
    canvas = first_canvas(run)
    device = canvas.tokens.device
    found = []
    for number, index in enumerate(entries, 1):
        tokens = torch.from_numpy(trace.canvas_at(index).astype(np.int64)).to(device)
        now = dataclasses.replace(canvas, tokens=tokens)
        prediction = predict(model, [now], [run.visible], run.spec, run.needs)[0]
        step, _, _ = look(run, State(now, index=index, block_index=number), prediction)
        found.append(to_reduced_context(run, step).double().cpu().numpy())
    return found
