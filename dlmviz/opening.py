"""The beginning of a run: prompt and masks on a canvas, and what does not change afterwards.

Letters: P prompt, L generated, T canvas positions, K kept alternatives.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlmviz.propose import check_draw
from dlmviz.types import Canvas, Denoiser, InputError, Needs, RunSpec, Sampler, Trace

ON_REQUEST = 0.3  # share of the last layers whose attention is recorded when edges are asked for


@dataclass(frozen=True, eq=False)
class Run:
    """What does not change during a run."""

    model: Denoiser
    sampler: Sampler
    spec: RunSpec
    start: Trace
    needs: Needs  # of the sampler and of what is recorded
    draw: str  # gumbel or categorical
    visible: Tensor  # bool [T], not masked when the run began
    rng: torch.Generator
    keep: int  # K; 0 records commits only
    max_steps: int
    head: Any = None  # the trained part that the sampler reads hidden states by


def begin(
    model: Denoiser,
    spec: RunSpec,
    prompt_ids: Sequence[int] | None = None,
    canvas: Sequence[int] | None = None,
) -> Trace:
    """A trace without steps: the prompt followed by L masks, and how its tokens are shown.

    A prompt text may hold masks itself (infilling): then the prompt ends at its first mask, and
    what is given behind it stays as it is. `prompt_ids` replaces the spec's prompt, masks in it
    are left to the published rules; `canvas` [T] replaces the masks too, so that a run can go on
    from an edited state. Raises InputError if there is nothing to fill or it does not fit.
    """
    mask = model.special.mask
    ids = list(prompt_ids) if prompt_ids is not None else model.encode(spec.prompt, spec.chat)
    closing = [] if prompt_ids is not None else list(getattr(model, "closing", ()))
    longest = model.context_length - spec.gen_length - len(closing)
    if len(ids) > longest:
        raise InputError(
            f"the prompt is too long: {len(ids)} tokens and {spec.gen_length} to generate, the "
            f"model's context holds {model.context_length}; shorten the prompt or gen_length"
        )
    initial = np.array(ids + [mask] * spec.gen_length + closing, dtype=np.int32)
    length = len(ids)
    if canvas is not None:
        if len(canvas) != len(initial):
            raise InputError(
                f"a canvas must have prompt + gen_length tokens: got {len(canvas)}, "
                f"need {len(initial)}"
            )
        initial = np.array(canvas, dtype=np.int32)
    elif prompt_ids is None and mask in ids:
        length = ids.index(mask)
    if not (initial == mask).any():
        raise InputError(
            "there is nothing to fill: gen_length is 0 and the prompt holds no mask; "
            "write [MASK] or [MASK:8] into the prompt, or set gen_length"
        )
    shown = sorted(set(initial.tolist()))
    return Trace(
        spec=spec,
        initial=initial,
        prompt_length=length,
        mask_id=mask,
        eos_id=model.special.eos,
        steps=(),
        text="",
        pieces=dict(zip(shown, model.pieces(shown), strict=True)),
    )


def open_run(
    model: Denoiser,
    sampler: Sampler,
    spec: RunSpec,
    start: Trace,
    keep: int,
    max_steps: int | None,
) -> Run:
    """A run at its beginning, its random stream seeded by the spec; `max_steps` None is 8 T.

    Raises InputError where model, sampler and spec do not go together.
    """
    needs = sampler.needs
    if {"edges", "degree"} & {*spec.record} and not needs.attention:
        needs = dataclasses.replace(needs, attention=ON_REQUEST)
    check_forward(model, spec, needs, sampler.name)
    draw = check_draw(spec, needs, sampler.name)
    visible = torch.from_numpy(start.initial != start.mask_id).to(model.device)
    rng = torch.Generator(device=model.device).manual_seed(spec.seed)
    if max_steps is None:
        max_steps = max(8 * len(start.initial), getattr(sampler, "steps", 0) or 0)
    keep = min(keep, model.vocab_size)
    head = trained(model, sampler, needs)
    return Run(model, sampler, spec, start, needs, draw, visible, rng, keep, max_steps, head)


def trained(model: Denoiser, sampler: Sampler, needs: Needs) -> Any:
    """The head that the sampler asks for, or None. Raises InputError where none fits the model."""
    if not needs.head:
        return None
    from dlmviz.models.heads import open_head  # few rules have one

    return open_head(needs.head, model, getattr(sampler, "head", ""))


def first_canvas(run: Run) -> Canvas:
    """The canvas that the run starts from, on the model's device."""
    tokens = torch.from_numpy(run.start.initial.astype(np.int64)).to(run.model.device)
    masks = np.flatnonzero(run.start.initial == run.start.mask_id)
    prompt = run.start.prompt_length
    # Raw ids may hold masks in the prompt only; the generated part then ends where the canvas does.
    tail = len(tokens) - 1 - int(masks[-1]) if masks[-1] >= prompt else 0
    whole = run.needs.window == "canvas"
    block_length = len(tokens) - prompt - tail if whole else run.spec.block_length
    return Canvas(tokens, prompt, block_length, run.start.mask_id, tail)


def check_forward(model: Denoiser, spec: RunSpec, needs: Needs, sampler: str) -> None:
    """Raises InputError where model, sampler and forward policy do not go together."""
    if needs.attention and not getattr(model, "attends", True):
        raise InputError(
            f"{sampler} reads attention, which {model.name} does not give; "
            "take another sampler, or leave edges and degree out of record"
        )
    if spec.forward == "full":
        return
    if not getattr(model, "windows", False):
        raise InputError(
            f"forward {spec.forward} needs a model that keeps keys and values: {model.name} does "
            "not; set forward to full"
        )
    if needs.attention or needs.hidden or spec.cfg_scale:
        what = "guidance" if spec.cfg_scale else f"{sampler} (attention or hidden states)"
        raise InputError(
            f"forward {spec.forward} runs a part of the canvas only, but {what} needs all of it; "
            "set forward to full"
        )
