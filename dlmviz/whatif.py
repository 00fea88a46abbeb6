"""What would the others do? Every rule asked about one step of a recorded run.

Letters: A positions that a rule would commit, B positions that the run did commit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dlmviz.decoding import State, foresee, look
from dlmviz.guard import check
from dlmviz.opening import Run, first_canvas, open_run
from dlmviz.types import (
    Canvas,
    DecodeError,
    Denoiser,
    InputError,
    Prediction,
    RunSpec,
    Sampler,
    StepRecord,
    Trace,
)

Foreseen = dict[tuple[float, bool], Prediction]  # by what was asked of the model beyond logits


@dataclass(frozen=True)
class Opinion:
    """What one rule would do; `problem` says why it cannot be asked, then the rest is empty."""

    sampler: str
    positions: tuple[int, ...] = ()  # canvas positions, ascending: A
    tokens: tuple[int, ...] = ()  # what it would write there
    why: Mapping[int, str] = field(default_factory=dict)  # position -> reason, for candidates
    nfe: int = 0  # forward calls of this one step, peeks included
    agreement: float | None = None  # with what the run did; see `agreement`
    problem: str = ""


def opinions(
    model: Denoiser, trace: Trace, step: int, samplers: Sequence[Sampler]
) -> list[Opinion]:
    """One Opinion a sampler: what it would commit on the canvas that step `step` (1..S) found.

    It is asked as if the block of that step were just entered: no memory, in_block 0, a random
    stream seeded by the spec. So the run's own sampler says exactly what it did at a block's first
    step, but for what it draws, or remembers of earlier blocks. A rule with another division into
    blocks is asked in the first of its blocks, from the run's on, that holds a mask. Windows over
    kept keys and values see the whole canvas on entry: everybody gets a full forward. A rule that
    revises a draft (edit) answers as its draft does.

    Raises InputError for another model's trace, for a step that the run does not have, and for a
    step that found no mask.
    """
    check_model(model, trace)
    if type(step) is not int or not 1 <= step <= len(trace.steps):
        raise InputError(
            f"step must be a whole number from 1 to {len(trace.steps)}: got {step!r}; "
            "take a step of this run"
        )
    tokens = trace.canvas_at(step - 1)
    if not (tokens == trace.mask_id).any():
        raise InputError(
            f"step {step} found no mask, so there was nothing to commit; ask at an earlier step"
        )
    spec = dataclasses.replace(trace.spec, forward="full", record=())
    foreseen: Foreseen = {}
    return [_asked(model, trace, step, tokens, spec, sampler, foreseen) for sampler in samplers]


def check_model(model: Denoiser, trace: Trace) -> None:
    """Raises InputError if the trace says that it was made with other weights or tokens."""
    if trace.info.get("fingerprint", model.fingerprint) != model.fingerprint:
        raise InputError(
            f"this run was made with another {model.name}: its weights or its vocabulary differ; "
            "decode the prompt again, then ask"
        )


def agreement(ours: Sequence[int], theirs: Sequence[int]) -> float:
    """|A and B| / |A or B|, the Jaccard index, in 0..1; 1 where both are empty."""
    a, b = set(ours), set(theirs)
    return len(a & b) / len(a | b) if a | b else 1.0


def _asked(
    model: Denoiser,
    trace: Trace,
    step: int,
    tokens: np.ndarray,
    spec: RunSpec,
    sampler: Sampler,
    foreseen: Foreseen,
) -> Opinion:
    record = trace.steps[step - 1]
    try:
        run = open_run(model, sampler, spec, trace, keep=0, max_steps=None)
        return _opinion(run, _entered(run, record, tokens, step - 1), record, foreseen)
    except (InputError, DecodeError) as error:
        return Opinion(sampler.name, problem=str(error))


def _entered(run: Run, record: StepRecord, tokens: np.ndarray, index: int) -> State:
    """A state on this canvas whose block was just entered."""
    first = first_canvas(run)
    now = first.tokens.new_tensor(tokens.astype(np.int64))
    canvas = dataclasses.replace(first, tokens=now)
    return State(canvas, index=index, block_index=_block_index(canvas, record.block[0]))


def _block_index(canvas: Canvas, start: int) -> int:
    """The first block from position `start` on that holds a mask; else the first that does."""
    holding = [i for i in range(canvas.blocks) if bool(canvas.masked[canvas.block(i)].any())]
    later = (i for i in holding if canvas.block(i).start >= start)
    return next(later, holding[0] if holding else 0)


def _opinion(run: Run, state: State, record: StepRecord, foreseen: Foreseen) -> Opinion:
    key = (run.needs.attention, run.needs.hidden)
    if key not in foreseen:  # rules that ask the same of the model share its answer
        foreseen[key] = foresee(run, state)[1]
    step, _, peeked = look(run, state, foreseen[key])
    if not bool(step.candidates.any()):
        raise InputError(f"{run.sampler.name} finds no mask in the part it fills; ask elsewhere")
    choice = run.sampler.select(step, None)
    check(choice, step, run.sampler.name)
    wrote = step.proposal if choice.tokens is None else choice.tokens
    positions = (choice.transfer & (wrote != step.canvas.mask_id)).nonzero()[:, 0]
    return Opinion(
        sampler=run.sampler.name,
        positions=tuple(positions.tolist()),
        tokens=tuple(wrote[positions].tolist()),
        why=dict(choice.why()) if choice.why is not None else {},
        nfe=1 + sum(cost.calls for cost in peeked),
        agreement=agreement(positions.tolist(), record.positions.tolist()),
    )
