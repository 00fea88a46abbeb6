"""Decoding for the page: a form becomes a RunSpec, a run becomes a stream of small messages."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import dlmviz
from dlmviz import store
from dlmviz.store import index
from dlmviz.tasks import verdict
from dlmviz.types import Denoiser, Example, InputError, RunSpec, StepRecord, Trace
from dlmviz.ui import payload
from dlmviz.ui.loading import Loader, explained, load
from dlmviz.ui.menu import base_of, menu
from dlmviz.ui.shelves import Shelves
from dlmviz.ui.words import say

PAUSE = 0.04  # seconds between messages: 25 a second are smooth, more would only queue up
Closer = Callable[[Sequence[StepRecord]], Trace]
Judge = Callable[[Trace], Trace]


def spec_of(form: Mapping[str, Any]) -> RunSpec:
    """The run a form describes. Raises InputError for what RunSpec refuses, or an empty prompt."""
    if not _text(form["prompt"]):
        raise InputError(say("server.prompt"))
    return RunSpec(
        prompt=form["prompt"],
        model=_text(form["other_model"]) or form["model"],
        adapter=_text(form["adapter"]) or None,
        gen_length=_whole("gen_length", form["gen_length"]),
        block_length=_whole("block_length", form["block_length"]),
        sampler=form["sampler"],
        params=_params(form),
        temperature=_filled("temperature", form["temperature"]),
        draw=form["draw"],
        top_p=_filled("top_p", form["top_p"]),
        top_k=_whole("top_k", form["top_k"]),
        cfg_scale=_filled("cfg_scale", form["cfg_scale"]),
        logits_eos_inf=bool(form["logits_eos_inf"]),
        confidence_eos_eot_inf=bool(form["confidence_eos_eot_inf"]),
        score_dtype=form["score_dtype"],
        chat=bool(form["chat"]),
        forbid_mask=bool(form["forbid_mask"]),
        forward=form["forward"],
        cache_revision=form["cache_revision"],
        stop="eos" if form["stop"] else "none",
        seed=_whole("seed", form["seed"]),
        record=tuple(form["record"] or ()),
    )


def _params(form: Mapping[str, Any]) -> dict[str, Any]:
    """The changed knobs of the sampler, and as "base.KNOB" those of the one that drafts for it."""
    own = _changed(form, form["sampler"])
    entry = next((entry for entry in menu() if entry.name == form["sampler"]), None)
    base = own.get("base", base_of(entry)) if entry else None
    drafts = {} if base is None else _changed(form, base)
    return own | {f"base.{name}": value for name, value in drafts.items()}


def _changed(form: Mapping[str, Any], sampler: str) -> dict[str, Any]:
    """knob -> value, of one sampler."""
    start = f"{sampler}."
    return {key.removeprefix(start): form[key] for key in form if key.startswith(start)}


def _text(value: str | None) -> str:
    """What was typed; a box that nobody touched holds None."""
    return (value or "").strip()


def _filled(name: str, value: Any) -> Any:
    if value is None:
        raise InputError(say("server.empty", name=name))
    return value


def _whole(name: str, value: Any) -> int:
    if _filled(name, value) != int(value):
        raise InputError(say("server.whole", name=name, value=repr(value), better=int(value)))
    return int(value)


def warm(model: str, other_model: str | None, adapter: str | None) -> None:
    """Opens the model while its user reads the example, so that Decode starts at once."""
    with contextlib.suppress(Exception):  # Decode will say what is wrong
        load(_text(other_model) or model, _text(adapter) or None)


def decode(
    form: Mapping[str, Any],
    example: Mapping[str, Any] | None,
    shelves: Shelves,
    load: Loader = load,
) -> Iterator[str]:
    """Messages of one run: begin, steps while they happen, finish; or problem.

    Closing the generator ends the run within a step; what was decoded then stays on the spare shelf
    under the id that `begin` named.
    """
    try:
        spec = spec_of(form)
        model = load(spec.model, spec.adapter)
        start = dlmviz.begin(model, spec)
        close = partial(dlmviz.finish, model, start)
        yield from told(model, start, shelves, close, lambda trace: _graded(trace, example))
    except Exception as error:
        typed = [_text(form[name]) for name in ("other_model", "adapter")]
        typed += [_text(str(form[name])) for name in form if name.endswith(".head")]
        yield payload.message("problem", text=explained(error, *typed))


def told(
    model: Denoiser, start: Trace, shelves: Shelves, close: Closer, judge: Judge = lambda t: t
) -> Iterator[str]:
    """Messages of a run from its beginning on: begin, steps, finish.

    `close` makes the trace of the records there are, of a stopped run too; `judge` sees whole ones.
    """
    identity = uuid.uuid4().hex[:16]
    yield payload.message("begin", header={**payload.header(start), "id": identity})
    records = yield from _stream(model, start, identity, shelves, close)
    yield payload.message("finish", **finished(judge(close(records)), identity, shelves))


def _stream(
    model: Denoiser, start: Trace, identity: str, shelves: Shelves, close: Closer
) -> Generator[str, None, list[StepRecord]]:
    """Yields messages of new steps; returns all records."""
    records: list[StepRecord] = []
    sent, known, last, whole = 0, set(start.pieces), 0.0, False
    try:
        for _, record in dlmviz.steps(model, start.spec, start):
            records.append(record)
            if time.perf_counter() - last >= PAUSE:
                told = news(model, start, identity, records, sent, known)
                yield payload.message("steps", **told)
                sent, last = len(records), time.perf_counter()
        whole = True
    finally:
        if records and not whole:
            store.save(close(records), shelves.spare / f"{identity}.npz")
    if sent < len(records):
        yield payload.message("steps", **news(model, start, identity, records, sent, known))
    return records


def news(
    model: Denoiser,
    start: Trace,
    identity: str,
    records: Sequence[StepRecord],
    sent: int,
    known: set[int],
) -> dict[str, Any]:
    """The steps from `sent` on, with the pieces that they show for the first time."""
    fresh = records[sent:]
    ids = sorted(set().union(*(payload.unseen(record, known) for record in fresh)))
    known.update(ids)
    return {
        "id": identity,
        "first": sent,
        "steps": [payload.step(record, start.offset) for record in fresh],
        "pieces": dict(zip(map(str, ids), model.pieces(ids), strict=True)),
    }


def _graded(trace: Trace, example: Mapping[str, Any] | None) -> Trace:
    """The trace with its example and verdict, if the prompt is the example's."""
    if not example or example["prompt"] != trace.spec.prompt:
        return trace
    told = verdict(Example(**example), trace.text)
    return dataclasses.replace(trace, info={**trace.info, "example": told})


def finished(trace: Trace, identity: str, shelves: Shelves) -> dict[str, Any]:
    """What the page hears at the end of a run; it is in the store, or, if that fails, on the spare
    shelf.
    """
    try:
        saved = store.put(shelves.store, trace)
        _adopted(trace, saved, shelves)
        note = say("server.saved", saved=saved)
    except InputError as error:
        store.save(trace, shelves.spare / f"{identity}.npz")
        saved, note = identity, say("server.unsaved", why=payload.refusal(error))
    return {
        "id": identity,
        "saved": saved,
        "count": len(trace.steps),
        "text": trace.text,
        "numbers": payload.numbers(trace),
        "info": payload.header(trace)["info"],
        "note": note,
    }


def _adopted(trace: Trace, saved: str, shelves: Shelves) -> None:
    """Notes the parent of a run that continues another one in the library."""
    if "parent" in trace.info:
        with contextlib.suppress(InputError):  # the trace itself says it, too
            index.adopt(shelves.store, saved, trace.info["parent"], trace.info["step"])


def opened(path: str | Path, shelves: Shelves) -> str:
    """The message that shows a file somebody gave; a problem leaves the page as it is."""
    try:
        trace = store.open_trace(path)
        identity = store.run_id(trace)
        store.save(trace, shelves.spare / f"{identity}.npz")
    except InputError as error:
        return payload.message("problem", text=payload.refusal(error))
    return payload.message("open", id=identity, note=say("server.opened", name=Path(path).name))
