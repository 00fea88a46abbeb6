"""Runs that go on from a step of a recorded one, with edits.

What the page sends is data of a stranger: every function here checks it before it is used.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from dlmviz import store
from dlmviz.tasks import regraded
from dlmviz.types import Denoiser, InputError, RunSpec, StepRecord, Trace
from dlmviz.ui import live, payload
from dlmviz.ui.loading import Loader, explained, load
from dlmviz.ui.shelves import Shelves
from dlmviz.ui.words import say

KINDS = ("pin", "replace", "remask")
MOST = 65_536  # edits of a canvas


@dataclass(frozen=True)
class Edit:
    """One change of the canvas: keep a token, write another one, or mask it again."""

    position: int
    kind: str
    token: int | None = None  # what stands there afterwards; None where it is masked again


def continued(data: Any, shelves: Shelves, load: Loader = load) -> Iterator[str]:
    """Messages of a run that goes on from a step of another one; or the answer why it cannot.

    Everything that is not masked on the edited canvas counts as given: nothing rewrites it.
    """
    ask = data.get("ask") if isinstance(data, Mapping) else None
    begun = False
    try:
        trace, step = found(data, shelves), data.get("step")
        canvas, edits = edited(trace, step, edits_of(data.get("edits", [])))
        spec = spec_of(trace.spec, data.get("sampler"))
        model = model_of(trace, load)
        told = [dataclasses.asdict(edit) for edit in edits]
        info = {"parent": data["run"], "step": step, "edits": told}
        start = started(model, trace, spec, canvas, info)
        close, judge = partial(closed, model, start), partial(graded, trace)
        for message in live.told(model, start, shelves, close, judge):
            begun = True
            yield message
    except Exception as error:
        text = explained(error)
        if begun:
            yield payload.message("problem", text=text)
        else:
            yield payload.message("answer", ask=ask if isinstance(ask, str) else "", problem=text)


def edits_of(given: Any) -> tuple[Edit, ...]:
    """The edits that the page sent, in order of position, one a position."""
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) > MOST:
        raise InputError(f"edits must be a list of at most {MOST}: got {type(given).__name__}")
    edits = {}
    for entry in given:
        if not isinstance(entry, Mapping):
            raise InputError(f"an edit is an object: got {repr(entry)[:80]}; reload the page")
        position, kind, token = (entry.get(name) for name in ("position", "kind", "token"))
        if kind not in KINDS:
            raise InputError(f"an edit is one of {', '.join(KINDS)}: got {repr(kind)[:80]}")
        if type(position) is not int or position in edits:
            raise InputError(
                f"an edit needs a position, each position one edit: got {repr(position)[:80]}"
            )
        if not (token is None or (type(token) is int and abs(token) < 2**31)):
            raise InputError(f"a token is given by its number: got {repr(token)[:80]}")
        edits[position] = Edit(position, kind, token)
    return tuple(edits[position] for position in sorted(edits))


def edited(trace: Trace, step: Any, edits: Sequence[Edit]) -> tuple[np.ndarray, tuple[Edit, ...]]:
    """int32 [T]: the canvas after `step` steps, edited; and the edits with their tokens.

    Raises InputError for a step that the run does not have, a position outside the generated part,
    a pin or a remask where nothing stands, and if no mask is left.
    """
    if type(step) is not int or not 0 <= step <= len(trace.steps):
        raise InputError(
            f"step must be a whole number from 0 to {len(trace.steps)}: got {repr(step)[:80]}; "
            "take a step of this run"
        )
    canvas, done = trace.canvas_at(step), []
    open_ = trace.initial == trace.mask_id
    open_[trace.prompt_length : trace.prompt_length + trace.spec.gen_length] = True
    for edit in edits:
        if not (0 <= edit.position < len(canvas) and open_[edit.position]):
            raise InputError(
                f"position {edit.position} is no part of the answer: only generated tokens can be "
                "edited; choose one on the canvas"
            )
        done.append(_done(edit, int(canvas[edit.position]), trace.mask_id))
        token = done[-1].token
        canvas[edit.position] = trace.mask_id if token is None else token
    if not (canvas == trace.mask_id).any():
        raise InputError(say("server.full", step=step))
    return canvas, tuple(done)


def _done(edit: Edit, stands: int, mask: int) -> Edit:
    """The edit with the token that stands there afterwards, once it can be made."""
    if edit.kind == "replace":
        if edit.token is None or edit.token == mask:
            raise InputError(
                f"position {edit.position} needs a token to be replaced with: got none, or the "
                "mask; choose one from its list"
            )
        return edit
    if stands == mask:
        raise InputError(
            f"position {edit.position} is masked at this step: nothing to {edit.kind}; "
            "write a token there, or go to a later step"
        )
    return dataclasses.replace(edit, token=stands if edit.kind == "pin" else None)


def spec_of(spec: RunSpec, sampler: Any) -> RunSpec:
    """The run's settings; with a sampler's name, that one at its own knobs' defaults."""
    if sampler is None:
        return spec
    if not isinstance(sampler, str):
        raise InputError(f"a sampler is given by its name: got {repr(sampler)[:80]}")
    from dlmviz.samplers import make

    make(sampler)
    return dataclasses.replace(spec, sampler=sampler, params={})


def started(
    model: Denoiser, trace: Trace, spec: RunSpec, canvas: np.ndarray, info: Mapping[str, Any]
) -> Trace:
    """A trace without steps on this canvas. InputError for a token that the model does not know."""
    from dlmviz import opening
    from dlmviz.samplers import make

    unknown = canvas[(canvas < 0) | (canvas >= model.vocab_size)].tolist()
    if unknown:
        raise InputError(
            f"a token must be a number from 0 to {model.vocab_size - 1}: got {unknown[0]}; "
            "choose one from the list of its position"
        )
    given = canvas[: len(canvas) - spec.gen_length].tolist()
    start = opening.begin(model, spec, prompt_ids=given, canvas=canvas.tolist())
    start = dataclasses.replace(start, prompt_length=trace.prompt_length, info=dict(info))
    opening.open_run(model, make(spec.sampler, spec.params), spec, start, 0, None)
    return start


def closed(model: Denoiser, start: Trace, records: Sequence[StepRecord]) -> Trace:
    """The trace of a continued run: with its parent, and the text that it and its parent wrote."""
    import dlmviz

    made = dlmviz.finish(model, start, records)
    text, info = made.text, {**made.info, **start.info}
    written = made.final[start.prompt_length :]
    if len(written) == start.spec.gen_length:  # else infilling, whose text is all of the canvas
        ends = np.flatnonzero(written == made.eos_id)
        upto = written[: int(ends[0]) if ends.size else None]
        text = model.text(upto[upto != made.mask_id].tolist())
    return dataclasses.replace(made, text=text, info=info)


def graded(parent: Trace, made: Trace) -> Trace:
    """The continued run with the verdict of its parent's task, if that can be given and the prompt
    is the parent's.
    """
    length = parent.prompt_length
    same = np.array_equal(made.initial[:length], parent.initial[:length])
    told = regraded(parent.info.get("example"), made.spec.prompt, made.text) if same else None
    return dataclasses.replace(made, info={**made.info, "example": told}) if told else made


def found(data: Any, shelves: Shelves) -> Trace:
    """The run that the page names. Raises InputError if it is nowhere, or damaged."""
    identity = data.get("run") if isinstance(data, Mapping) else None
    path = shelves.find(identity) if isinstance(identity, str) else None
    if path is None:
        raise InputError(say("server.lost"))
    try:
        return store.open_trace(path)
    except InputError as error:  # without the place where the file lies
        raise InputError(str(error).replace(str(path), f"run {path.stem}")) from error


def model_of(trace: Trace, load: Loader) -> Denoiser:
    """The model that made a run, and no other one."""
    from dlmviz.whatif import check_model

    model = load(trace.spec.model, trace.spec.adapter)
    check_model(model, trace)
    return model
