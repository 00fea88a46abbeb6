"""Decoding: propose, select, check, write, record. Samplers are rules; the loop is here, once.

Letters: T canvas positions, L generated, R asked rows, V vocabulary, K kept alternatives.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlmviz.forward import Cost, predict
from dlmviz.guard import check, where
from dlmviz.propose import Proposal, propose, score_dtype
from dlmviz.record import finish, observe
from dlmviz.types import (
    Canvas,
    DecodeError,
    Denoiser,
    InputError,
    Prediction,
    RunSpec,
    Sampler,
    Step,
    StepRecord,
    Trace,
)


@dataclass(frozen=True, eq=False)
class State:
    """A run between two steps."""

    canvas: Canvas
    index: int = 0  # steps done
    block_index: int = 0
    in_block: int = 0  # steps done in this block
    memory: Any = None  # what the sampler carries
    prediction: Prediction | None = None  # of this canvas, if it is already paid for


@dataclass(frozen=True, eq=False)
class Run:
    """What does not change during a run."""

    model: Denoiser
    sampler: Sampler
    spec: RunSpec
    start: Trace
    visible: Tensor  # bool [T], not masked when the run began
    rng: torch.Generator
    keep: int  # K; 0 records commits only
    max_steps: int


def begin(
    model: Denoiser,
    spec: RunSpec,
    prompt_ids: Sequence[int] | None = None,
    canvas: Sequence[int] | None = None,
) -> Trace:
    """A trace without steps: the prompt followed by L masks, and how its tokens are shown.

    `prompt_ids` replaces the spec's prompt; `canvas` [T] replaces the masks too, so that a run can
    go on from an edited state. Raises InputError if there is no prompt or it does not fit.
    """
    ids = list(prompt_ids) if prompt_ids is not None else model.encode(spec.prompt, spec.chat)
    longest = model.context_length - spec.gen_length
    if len(ids) > longest:
        raise InputError(
            f"the prompt is too long: {len(ids)} tokens and {spec.gen_length} to generate, the "
            f"model's context holds {model.context_length}; shorten the prompt or gen_length"
        )
    initial = np.array(ids + [model.special.mask] * spec.gen_length, dtype=np.int32)
    if canvas is not None:
        if len(canvas) != len(initial):
            raise InputError(
                f"a canvas must have prompt + gen_length tokens: got {len(canvas)}, "
                f"need {len(initial)}"
            )
        initial = np.array(canvas, dtype=np.int32)
    shown = sorted(set(initial.tolist()))
    return Trace(
        spec=spec,
        initial=initial,
        prompt_length=len(ids),
        mask_id=model.special.mask,
        eos_id=model.special.eos,
        steps=(),
        text="",
        pieces=dict(zip(shown, model.pieces(shown), strict=True)),
    )


def steps(
    model: Denoiser,
    sampler: Sampler,
    spec: RunSpec,
    start: Trace | None = None,
    keep: int = 5,
    max_steps: int | None = None,
) -> Iterator[tuple[Canvas, StepRecord]]:
    """Yields the canvas after each step and what happened at it, as it happens.

    Same model, spec and device give the same steps. Raises DecodeError if the sampler breaks a
    rule of the loop or takes more than `max_steps` (default 8 T) steps.
    """
    run = open_run(model, sampler, spec, start or begin(model, spec), keep, max_steps)
    state: State | None = settle(run, State(first_canvas(run)))
    while state is not None:
        began = time.perf_counter()
        prediction, cost = state.prediction, Cost()
        if prediction is None:
            cost = Cost(1, 2 if spec.cfg_scale else 1)
            prediction = predict(model, [state.canvas], [run.visible], spec, sampler.needs)[0]
        after, record = advance(run, state, prediction, cost, began)
        yield after.canvas, record
        state = settle(run, after)


def decode(model: Denoiser, sampler: Sampler, spec: RunSpec, keep: int = 5) -> Trace:
    """The whole run as a Trace."""
    start = begin(model, spec)
    records = [record for _, record in steps(model, sampler, spec, start, keep)]
    return finish(model, sampler, start, records)


def advance(
    run: Run, state: State, prediction: Prediction, cost: Cost, began: float
) -> tuple[State, StepRecord]:
    """The state after one step, and its record; `cost` is what the prediction cost."""
    step, proposal, peeked = look(run, state, prediction)
    choice = run.sampler.select(step, state.memory)
    check(choice, step, run.sampler.name)
    canvas = state.canvas.write(choice, step.proposal)
    total = sum(peeked, cost)
    record = observe(step, choice, proposal, run.start.offset, run.keep, total, began)
    after = dataclasses.replace(
        state,
        canvas=canvas,
        index=state.index + 1,
        in_block=state.in_block + 1,
        memory=choice.memory,
        prediction=choice.prediction,
    )
    return after, record


def open_run(
    model: Denoiser,
    sampler: Sampler,
    spec: RunSpec,
    start: Trace,
    keep: int,
    max_steps: int | None,
) -> Run:
    """A run at its beginning, its random stream seeded by the spec; `max_steps` None is 8 T."""
    visible = torch.from_numpy(start.initial != start.mask_id).to(model.device)
    rng = torch.Generator(device=model.device).manual_seed(spec.seed)
    if max_steps is None:
        max_steps = max(8 * len(start.initial), getattr(sampler, "steps", 0) or 0)
    return Run(model, sampler, spec, start, visible, rng, keep, max_steps)


def first_canvas(run: Run) -> Canvas:
    """The canvas that the run starts from, on the model's device."""
    tokens = torch.from_numpy(run.start.initial.astype(np.int64)).to(run.model.device)
    return Canvas(tokens, run.start.prompt_length, run.spec.block_length, run.start.mask_id)


def settle(run: Run, state: State) -> State | None:
    """The state in the block that is open now; None when the run is over."""
    if run.spec.stop == "eos" and ends_at_eos(state.canvas, run.start.eos_id):
        return None
    while state.block_index < state.canvas.blocks and _block_ended(run, state):
        state = dataclasses.replace(state, block_index=state.block_index + 1, in_block=0)
    if state.block_index == state.canvas.blocks:
        return None
    if state.index >= run.max_steps:
        raise DecodeError(
            f"sampler {run.sampler.name} took {run.max_steps} steps and block "
            f"{state.block_index} is not full: {where(state.canvas.masked)} are still masked"
        )
    return state


def _block_ended(run: Run, state: State) -> bool:
    block_steps = getattr(run.sampler, "block_steps", None)
    if block_steps is not None:
        return bool(state.in_block >= block_steps(state.canvas))
    return not bool(state.canvas.masked[state.canvas.block(state.block_index)].any())


def ends_at_eos(canvas: Canvas, eos: int | None) -> bool:
    """Whether an eos is committed in the generated part and nothing before it is masked."""
    generated = canvas.tokens[canvas.prompt_length :]
    ends = (generated == eos).nonzero()[:, 0] if eos is not None else generated[:0]
    if not len(ends):
        return False
    return not bool(canvas.masked[: canvas.prompt_length + int(ends[0])].any())


def look(run: Run, state: State, prediction: Prediction) -> tuple[Step, Proposal, list[Cost]]:
    """What the sampler sees, what was proposed, and a list that collects the cost of its peeks."""
    canvas = state.canvas
    proposal = propose(prediction, canvas, run.spec, run.model.special, run.rng, _dtype(run))
    peeked: list[Cost] = []

    def peek(tokens: Tensor) -> list[Prediction]:
        peeked.append(Cost(1, len(tokens)))
        with torch.no_grad():
            return run.model.forward(tokens)

    candidates = canvas.masked.clone()
    block = canvas.block(state.block_index)
    candidates[block.stop :] = False
    if run.sampler.needs.window == "block":
        candidates[: block.start] = False
    step = Step(
        canvas=canvas,
        index=state.index,
        in_block=state.in_block,
        block_index=state.block_index,
        candidates=candidates,
        proposal=proposal.tokens,
        confidence=proposal.confidence,
        prediction=prediction,
        probs=proposal.probs,
        rng=run.rng,
        peek=peek,
    )
    return step, proposal, peeked


def _dtype(run: Run) -> torch.dtype | None:
    return score_dtype(run.spec.score_dtype, run.sampler.score_dtype)
