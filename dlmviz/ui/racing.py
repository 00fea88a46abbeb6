"""Lanes decoded for the page: what it asks becomes runs, and these a stream of small messages.

What the page sends is data of a stranger: every function here checks it before it is used.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dlmviz
from dlmviz import store
from dlmviz.tasks import regraded
from dlmviz.types import Denoiser, InputError, RunSpec, StepRecord, Trace
from dlmviz.ui import live, payload
from dlmviz.ui.loading import Loader, explained, load
from dlmviz.ui.shelves import Shelves
from dlmviz.ui.words import say

MOST = 4  # lanes
FIELDS = {f.name: getattr(RunSpec(), f.name) for f in dataclasses.fields(RunSpec)}


@dataclass(eq=False)
class Runner:
    """A lane on its way: what it is, and what the page has heard of it."""

    place: int  # on the page
    spec: RunSpec
    model: Denoiser
    start: Trace
    identity: str
    records: list[StepRecord] = field(default_factory=list)
    sent: int = 0
    known: set[int] = field(default_factory=set)
    over: bool = False

    def close(self) -> Trace:
        return dlmviz.finish(self.model, self.start, self.records)


def raced(data: Any, shelves: Shelves, load: Loader = load) -> Iterator[str]:
    """Messages of lanes that are decoded together: begin, steps, finish, lane by lane; problem, of
    one lane or of all; done. Lanes of one model share its forwards, other models follow.

    Closing the generator ends all within a step; what was decoded then stays on the spare shelf.
    """
    try:
        specs = asked(data)
    except InputError as error:
        yield payload.message("problem", text=explained(error))
        yield payload.message("done")
        return
    example = _example(data.get("example"), shelves)
    for model in dict.fromkeys(spec.model for spec in specs.values()):
        lanes = {place: spec for place, spec in specs.items() if spec.model == model}
        try:
            yield from _batch(lanes, example, shelves, load)
        except Exception as error:
            text = explained(error, *(spec.adapter or "" for spec in lanes.values()), model)
            for place in lanes:
                yield payload.message("problem", lane=place, text=text)
    yield payload.message("done")


def asked(data: Any) -> dict[int, RunSpec]:
    """place -> the run of each lane that the page wants decoded. Raises InputError."""
    lanes = data.get("lanes") if isinstance(data, Mapping) else None
    shared = data.get("shared") if isinstance(data, Mapping) else None
    if not (isinstance(lanes, list) and isinstance(shared, Mapping) and 0 < len(lanes) <= MOST):
        raise InputError(f"a race has 1 to {MOST} lanes and what they share; reload the page")
    found = {}
    for lane in lanes:
        place = lane.get("place") if isinstance(lane, Mapping) else None
        spec = lane.get("spec") if isinstance(lane, Mapping) else None
        if type(place) is not int or place in found or not isinstance(spec, Mapping):
            raise InputError("each lane needs its own place and its settings; reload the page")
        found[place] = spec_of({**spec, **shared})
    return found


def spec_of(given: Mapping[str, Any]) -> RunSpec:
    """The run of these settings. Raises InputError for a setting that is none, or does not fit."""
    for name, value in given.items():
        if name not in FIELDS:
            raise InputError(f"a run has no setting {str(name)[:40]!r}; reload the page")
        if not _fits(name, value):
            raise InputError(f"{name} does not fit: got {repr(value)[:80]}; correct it")
    values = {**given, "adapter": given.get("adapter") or None}
    if not str(values.get("prompt", "")).strip():
        raise InputError(say("server.prompt"))
    return RunSpec(**values)


def _fits(name: str, value: Any) -> bool:
    """Whether a value is of the kind that the setting has."""
    default = FIELDS[name]
    if name == "adapter":
        return value is None or isinstance(value, str)
    if name == "params":
        plain = (bool, int, float, str)
        return isinstance(value, Mapping) and all(isinstance(v, plain) for v in value.values())
    if name == "record":
        return isinstance(value, list) and all(isinstance(v, str) for v in value)
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    return isinstance(value, int | float if isinstance(default, float) else type(default))


def _batch(
    specs: Mapping[int, RunSpec], example: Any, shelves: Shelves, load: Loader
) -> Iterator[str]:
    """Messages of the lanes of one model. Adapters that cannot share its forwards follow."""
    name = next(iter(specs.values())).model
    base = load(name, None)
    runners: list[Runner] = []
    for place, spec in specs.items():
        try:
            runners.append(_opened(place, spec, base, load))
        except Exception as error:
            text = explained(error, spec.adapter or "", name)
            yield payload.message("problem", lane=place, text=text)
    for group, together in _groups(base, runners):
        yield from _told(group, together, example, shelves)


def _opened(place: int, spec: RunSpec, base: Denoiser, load: Loader) -> Runner:
    """A lane before its first step. Raises InputError where model, adapter and rule do not fit."""
    from dlmviz import opening
    from dlmviz.models.adapters import adapt
    from dlmviz.models.transformer import TransformerDenoiser
    from dlmviz.samplers import make

    model = base
    if spec.adapter and isinstance(base, TransformerDenoiser):
        model = adapt(base, spec.adapter)
    elif spec.adapter:
        model = load(spec.model, spec.adapter)  # which says why not
    start = dlmviz.begin(model, spec)
    opening.open_run(model, make(spec.sampler, spec.params), spec, start, 0, None)
    return Runner(place, spec, model, start, uuid.uuid4().hex[:16], known=set(start.pieces))


def _groups(base: Denoiser, runners: Sequence[Runner]) -> Iterator[tuple[list[Runner], Any]]:
    """(lanes, how their forwards are made) for each batch: all in one wherever that can be."""
    from dlmviz.models.mixed import mix

    folders = {runner.spec.adapter for runner in runners}
    mixed = mix(base, [f for f in folders if f]) if len(folders) > 1 else None  # type: ignore[arg-type]
    if mixed is not None:
        whose = [runner.spec.adapter for runner in runners]
        yield (
            list(runners),
            lambda lanes, *given: mixed.forward([whose[lane] for lane in lanes], *given),
        )
        return
    for folder in folders:
        group = [runner for runner in runners if runner.spec.adapter == folder]
        model = group[0].model
        yield group, lambda lanes, *given, model=model: model.forward(*given)


def _told(
    runners: Sequence[Runner], together: Any, example: Any, shelves: Shelves
) -> Iterator[str]:
    """Messages of lanes that share their forwards, while they go on."""
    from dlmviz.lanes import Lane, race
    from dlmviz.samplers import make

    lanes = [Lane(r.model, make(r.spec.sampler, r.spec.params), r.start) for r in runners]
    for runner in runners:
        header = {**payload.header(runner.start), "id": runner.identity}
        yield payload.message("begin", lane=runner.place, header=header)
    last = 0.0
    try:
        for told in race(lanes, together):
            for index, runner in enumerate(runners):
                yield from _heard(runner, told.get(index), example, shelves)
            if time.perf_counter() - last >= live.PAUSE:
                yield _news(runners)
                last = time.perf_counter()
        for runner in runners:
            yield from _heard(runner, None, example, shelves)
    finally:
        for runner in runners:
            if runner.records and not runner.over:
                store.save(runner.close(), shelves.spare / f"{runner.identity}.npz")


def _heard(
    runner: Runner, outcome: StepRecord | Exception | None, example: Any, shelves: Shelves
) -> Iterator[str]:
    """Keeps a step; after the last one, yields the last steps and what became of the lane."""
    if isinstance(outcome, StepRecord):
        runner.records.append(outcome)
    if runner.over or isinstance(outcome, StepRecord):
        return
    yield _news([runner])
    if outcome is not None:
        store.save(runner.close(), shelves.spare / f"{runner.identity}.npz")
        runner.over = True
        yield payload.message("problem", lane=runner.place, text=explained(outcome))
        return
    message = live.finished(_graded(runner.close(), example), runner.identity, shelves)
    runner.over = True
    yield payload.message("finish", lane=runner.place, **message)


def _example(given: Any, shelves: Shelves) -> Any:
    """The example that the page sent, or that of the run {"run": id} with its prompt."""
    identity = given.get("run") if isinstance(given, Mapping) else None
    path = shelves.find(identity) if isinstance(identity, str) else None
    if path is None:
        return given
    with contextlib.suppress(InputError):
        trace = store.open_trace(path)
        kept = trace.info.get("example")
        return {**kept, "prompt": trace.spec.prompt} if isinstance(kept, Mapping) else None
    return None


def _graded(trace: Trace, example: Any) -> Trace:
    """The trace with the verdict of its task, if the prompt is the example's."""
    if not (isinstance(example, Mapping) and example.get("prompt") == trace.spec.prompt):
        return trace
    told = regraded(example, trace.spec.prompt, trace.text)
    return dataclasses.replace(trace, info={**trace.info, "example": told}) if told else trace


def _news(runners: Sequence[Runner]) -> str:
    """What is new of these lanes, in one message."""
    parts = []
    for runner in runners:
        if runner.sent < len(runner.records):
            told = live.news(
                runner.model,
                runner.start,
                runner.identity,
                runner.records,
                runner.sent,
                runner.known,
            )
            parts.append({"lane": runner.place, **told})
            runner.sent = len(runner.records)
    return payload.message("steps", lanes=parts)
