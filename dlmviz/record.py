"""From a step to its record, from records to a Trace. What was seen is kept; nothing is judged.

Letters: T canvas positions, N recorded positions (offset..T-1), R asked rows, K alternatives.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlmviz.forward import Cost
from dlmviz.on_request import Asked
from dlmviz.propose import Proposal
from dlmviz.signals import entropy
from dlmviz.types import Choice, Denoiser, Links, Sampler, Step, StepRecord, Trace


def observe(
    step: Step,
    choice: Choice,
    proposal: Proposal,
    asked: Asked,
    offset: int,
    keep: int,
    cost: Cost,
    began: float,
) -> StepRecord:
    """The record of one step; with `keep` 0 only commits, counts and times are recorded."""
    wrote = step.proposal if choice.tokens is None else choice.tokens
    filled = choice.transfer & (wrote != step.canvas.mask_id)
    positions = filled.nonzero()[:, 0]
    remasked = () if choice.remask is None else choice.remask.nonzero()[:, 0].tolist()
    block = step.block
    return StepRecord(
        index=step.index,
        block=(block.start, block.stop),
        positions=positions.cpu().numpy().astype(np.int32),
        tokens=wrote[positions].cpu().numpy().astype(np.int32),
        remasked=np.array(remasked, dtype=np.int32),
        nfe=cost.calls,
        sequence_forwards=cost.sequences,
        **_seen(step, choice, proposal, offset, keep),
        **(_looked_at(step, choice, asked, offset) if keep else {}),
        probes=asked.probes,
        seconds=time.perf_counter() - began,
    )


def _seen(step: Step, choice: Choice, proposal: Proposal, offset: int, keep: int) -> dict[str, Any]:
    """The arrays [N] and [N K] of a record; NaN or -1 where a position was not masked."""
    span = (len(step.canvas.tokens) - offset) if keep else 0
    rows = step.prediction.rows
    if not keep or not len(rows):
        nothing = np.full(span, np.nan, dtype=np.float32)
        return {
            "confidence": nothing,
            "entropy": nothing,
            "score": nothing,
            "top_ids": np.full((span, keep), -1, dtype=np.int32),
            "top_probs": np.zeros((span, keep), dtype=np.float16),
        }
    p = proposal.probs().float()
    top = p.topk(keep, dim=-1)
    at = (rows - offset).cpu().numpy()

    def spread(values: Tensor, empty: float, dtype: Any) -> np.ndarray:
        out = np.full((span, *values.shape[1:]), empty, dtype=dtype)
        out[at] = values.cpu().numpy()
        return out

    return {
        "confidence": spread(step.confidence[rows].float(), np.nan, np.float32),
        "entropy": spread(entropy(p), np.nan, np.float32),
        "score": spread(choice.score[rows].float(), np.nan, np.float32),
        "top_ids": spread(top.indices, -1, np.int32),
        "top_probs": spread(top.values, 0, np.float16),
    }


def _looked_at(step: Step, choice: Choice, asked: Asked, offset: int) -> dict[str, Any]:
    """Signals [N], links between positions, and reasons of a record."""
    signals = {**asked.signals, **choice.signals}
    edges = asked.edges if choice.edges is None else choice.edges
    return {
        "signals": {
            name: values[offset:].float().cpu().numpy() for name, values in signals.items()
        },
        "links": None if edges is None else Links.of(edges[offset:, offset:].half().cpu().numpy()),
        "why": _reasons(step, choice),
    }


def _reasons(step: Step, choice: Choice) -> dict[int, str]:
    """position -> why it was committed, taken back or left; for every position not decided."""
    later = f"later block: opens after position {step.block.stop - 1}"
    masked = (step.canvas.masked & ~step.candidates).nonzero()[:, 0].tolist()
    closed = {i: later if i >= step.block.stop else "no candidate of this forward" for i in masked}
    return closed | dict(choice.why() if choice.why is not None else {})


def finish(model: Denoiser, sampler: Sampler, start: Trace, records: Sequence[StepRecord]) -> Trace:
    """The trace of a run: its records, its text, and how every token in it is shown.

    The text is the generated part before the first eos that was committed, masks left out (a run
    may be stopped early). Where the prompt held masks (infilling), it is the whole canvas.
    """
    trace = dataclasses.replace(start, steps=tuple(records))
    given = trace.initial != trace.mask_id
    last = len(given) - len(getattr(model, "closing", ()))
    infilled = trace.prompt_length + trace.spec.gen_length < last
    end = np.flatnonzero((trace.final == trace.eos_id) & ~given)
    written = slice(trace.prompt_length, int(end[0]) if end.size else last)
    final = trace.final[slice(None) if infilled else written].tolist()
    ids = {int(token) for token in np.concatenate([trace.initial, trace.final])}
    for record in records:
        ids.update(record.tokens.tolist())
        ids.update(np.unique(record.top_ids[record.top_ids >= 0]).tolist())
    shown = sorted(ids)
    return dataclasses.replace(
        trace,
        text=model.text([token for token in final if token != trace.mask_id]),
        pieces=dict(zip(shown, model.pieces(shown), strict=True)),
        info={
            "model": model.name,
            "fingerprint": model.fingerprint,
            "device": str(model.device),
            "torch": str(torch.__version__),
            "paper": sampler.paper,
            "knobs": dataclasses.asdict(sampler),  # type: ignore[call-overload]
            "score_dtype": start.spec.score_dtype
            if start.spec.score_dtype != "official"
            else sampler.score_dtype,
        },
    )
