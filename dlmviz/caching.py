"""Windows over kept keys and values: the forward policies of Fast-dLLM (arXiv 2505.22618).

A policy decides what is run again and, as published, when a block is over; never what is chosen,
but for one position that a shifted model cannot predict from inside a window.
"""

from __future__ import annotations

from typing import Any

import torch

from dlmviz.opening import Run
from dlmviz.types import Canvas, Choice, Denoiser, Prediction, Step
from dlmviz.why import reasons


@torch.no_grad()
def predict_window(
    model: Denoiser, canvas: Canvas, block: slice, mode: str, cache: Any
) -> Prediction:
    """A Prediction of the block by Fast-dLLM's caches (arXiv 2505.22618), from one forward call.

    Without a cache: a forward of the whole canvas that keeps its keys and values. With one: of
    the window from the block's start, to the canvas' end (prefix) or to the block's (dual); the
    rest is as it was kept. Rows: the masked positions of what was run.
    """
    rows = canvas.masked.nonzero()[:, 0]
    if cache is None:
        return model.forward(canvas.tokens[None], [rows], keep=True)[0]
    stop = block.stop if mode == "dual" else len(canvas.tokens)
    rows = rows[(rows >= block.start) & (rows < stop)]
    window = canvas.tokens[None, block.start : stop]
    return model.forward(window, [rows], cache=cache, start=block.start)[0]


def block_over(run: Run, canvas: Canvas, in_block: int, full: bool) -> bool | None:
    """Whether the policy ends or holds a block open, whatever the rule says; None if neither.

    The first published revision always runs a window after a block's first forward; the later one
    gives the dual loop as many forwards as the schedule has steps, so masks may stay.
    """
    if run.spec.forward == "full" or first_is_forced(run):
        return None
    if run.spec.cache_revision == "june2025":
        return False if full and in_block == 1 else None
    bound = getattr(run.sampler, "bound", None)
    if run.spec.forward == "dual" and bound is not None and in_block >= bound(canvas):
        return True
    return None


def first_is_forced(run: Run) -> bool:
    """Whether windows cannot predict their first position, because the model's rows are shifted."""
    return run.spec.forward != "full" and getattr(run.model, "shift", 0) > 0


def forced(step: Step, memory: Any) -> Choice:
    """The first position of the block and nothing else, as Fast-dLLM's Dream port does on entry."""
    first = step.block.start
    transfer = torch.zeros_like(step.candidates)
    transfer[first] = step.candidates[first]
    return Choice(
        transfer,
        step.confidence,
        memory=memory,
        wait=not bool(transfer.any()),
        why=lambda: reasons(
            step.candidates,
            (transfer, "first of the block: a cached window cannot predict it"),
            (step.candidates, "waits for the first of the block"),
        ),
    )
