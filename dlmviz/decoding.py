"""Decoding: propose, select, check, write, record. Samplers are rules; the loop is here, once.

Letters: T canvas positions, L generated, R asked rows, V vocabulary.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dlmviz.caching import block_over, first_is_forced, forced, predict_window
from dlmviz.forward import Cost, forward, predict
from dlmviz.guard import check, where
from dlmviz.on_request import requested
from dlmviz.opening import Run, begin, first_canvas, open_run
from dlmviz.propose import Proposal, propose, score_dtype
from dlmviz.record import finish, observe
from dlmviz.types import (
    Canvas,
    DecodeError,
    Denoiser,
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
    cache: Any = None  # keys and values kept at the block's entry
    before: Prediction | None = None  # the last step's, with what was scored; for KL on request
    revising: bool = False  # the draft is done, its blocks have become one
    ask: bool = False  # the next step asks what to take back
    done: bool = False  # nothing was taken back


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
        state, prediction, cost = foresee(run, state)
        after, record = advance(run, state, prediction, cost, began)
        yield after.canvas, record
        state = settle(run, after)


def decode(model: Denoiser, sampler: Sampler, spec: RunSpec, keep: int = 5) -> Trace:
    """The whole run as a Trace."""
    start = begin(model, spec)
    records = [record for _, record in steps(model, sampler, spec, start, keep)]
    return finish(model, sampler, start, records)


def foresee(run: Run, state: State) -> tuple[State, Prediction, Cost]:
    """The prediction of the state's canvas and what it cost; a cache that was made is kept."""
    canvas, spec = state.canvas, run.spec
    if state.prediction is not None:
        return state, state.prediction, Cost()
    if state.ask:  # the sampler peeks as it likes; there is no mask to predict
        nothing = canvas.tokens[:0]
        logits = torch.zeros(0, run.model.vocab_size, device=canvas.tokens.device)
        return state, Prediction(nothing, logits), Cost()
    if spec.forward == "full" or state.revising:
        prediction = predict(run.model, [canvas], [run.visible], spec, run.needs)[0]
        return state, prediction, Cost(1, 2 if spec.cfg_scale else 1)
    kept = state.cache if state.in_block else None
    block = canvas.block(state.block_index)
    prediction = predict_window(run.model, canvas, block, spec.forward, kept)
    state = dataclasses.replace(state, cache=prediction.cache if kept is None else kept)
    return state, prediction, Cost(1, 1)


def advance(
    run: Run, state: State, prediction: Prediction, cost: Cost, began: float
) -> tuple[State, StepRecord]:
    """The state after one step, and its record; `cost` is what the prediction cost."""
    step, proposal, peeked = look(run, state, prediction)
    if first_is_forced(run) and not state.in_block and not state.revising:
        choice = forced(step, state.memory)
    else:
        choice = run.sampler.select(step, state.memory)
    check(choice, step, run.sampler.name)
    canvas = state.canvas.write(choice, step.proposal)
    asked = requested(run, step, choice, state.before)
    total = sum(peeked, cost)
    record = observe(step, choice, proposal, asked, run.start.offset, run.keep, total, began)
    seen = None
    if "kl" in run.spec.record:
        seen = dataclasses.replace(prediction, logits=proposal.probs())
    after = dataclasses.replace(
        state,
        canvas=canvas,
        index=state.index + 1,
        in_block=state.in_block + 1,
        memory=choice.memory,
        prediction=choice.prediction,
        before=seen,
        ask=False,
        done=state.ask and (choice.remask is None or not bool(choice.remask.any())),
    )
    return after, record


def settle(run: Run, state: State) -> State | None:
    """The state in the block that is open now; None when the run is over."""
    while state.block_index < state.canvas.blocks and _block_ended(run, state):
        state = dataclasses.replace(
            state, block_index=state.block_index + 1, in_block=0, cache=None
        )
    over = state.block_index == state.canvas.blocks
    if run.spec.stop == "eos" and ends_at_eos(state.canvas, run.start.eos_id, run.visible):
        over = True
    if state.done or (over and not run.needs.revises):
        return None
    if over:
        whole = dataclasses.replace(state.canvas, block_length=state.canvas.gen_length)
        state = State(whole, state.index, memory=state.memory, revising=True, ask=True)
    if state.index >= run.max_steps:
        raise DecodeError(
            f"sampler {run.sampler.name} took {run.max_steps} steps and block "
            f"{state.block_index} is not full: {where(state.canvas.masked)} are still masked"
        )
    return state


def _block_ended(run: Run, state: State) -> bool:
    """Whether the open block is over, by the sampler's own rule and that of the forward policy."""
    canvas, index = state.canvas, state.block_index
    full = not bool(canvas.masked[canvas.block(index)].any())
    if state.revising:
        return full and not state.ask
    decided = block_over(run, canvas, state.in_block, full)
    if decided is not None:
        return decided
    ends = getattr(run.sampler, "ends", None)
    if ends is None or (full and first_is_forced(run)):
        return full
    return bool(ends(canvas, index, _seen_in_block(run, state)))


def ends_at_eos(canvas: Canvas, eos: int | None, given: Tensor) -> bool:
    """Whether an eos was committed in the generated part and nothing before it is masked."""
    if eos is None:
        return False
    committed = (canvas.tokens == eos) & ~given
    ends = committed[canvas.prompt_length :].nonzero()[:, 0]
    if not len(ends):
        return False
    return not bool(canvas.masked[: canvas.prompt_length + int(ends[0])].any())


def look(run: Run, state: State, prediction: Prediction) -> tuple[Step, Proposal, list[Cost]]:
    """What the sampler sees, what was proposed, and a list that collects the cost of its peeks."""
    canvas = state.canvas
    dtype = score_dtype(run.spec.score_dtype, run.sampler.score_dtype)
    proposal = propose(prediction, canvas, run.spec, run.model.special, run.rng, dtype, run.draw)
    peeked: list[Cost] = []

    def peek(tokens: Tensor) -> list[Prediction]:
        peeked.append(Cost(1, len(tokens) * (2 if run.spec.cfg_scale else 1)))
        seen = [run.visible] * len(tokens)
        return forward(run.model, tokens, None, seen, run.spec, run.needs)

    def at(other: Canvas, its_prediction: Prediction) -> Step:
        return look(run, dataclasses.replace(state, canvas=other), its_prediction)[0]

    step = Step(
        canvas=canvas,
        index=state.index,
        in_block=_seen_in_block(run, state),
        block_index=state.block_index,
        candidates=_candidates(run, state, prediction),
        proposal=proposal.tokens,
        confidence=proposal.confidence,
        prediction=prediction,
        probs=proposal.probs,
        rng=run.rng,
        peek=peek,
        at=at,
        special=run.model.special,
        fixed=run.visible,
        head=run.head,
        revise=state.ask,
    )
    return step, proposal, peeked


def _candidates(run: Run, state: State, prediction: Prediction) -> Tensor:
    """bool [T]: asked masks before the block's end, or in the block, as the sampler wants it."""
    block = state.canvas.block(state.block_index)
    candidates = torch.zeros_like(run.visible)
    candidates[prediction.rows] = True
    candidates[block.stop :] = False
    if run.needs.window == "block":
        candidates[: block.start] = False
    return candidates


def _seen_in_block(run: Run, state: State) -> int:
    """Steps of the block that the sampler decided: a forced first one is not its own."""
    return max(0, state.in_block - 1) if first_is_forced(run) else state.in_block
