"""A study over runs that exist already, instead of new ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dlmviz import store, tasks
from dlmviz.studies import journal
from dlmviz.studies.journal import Entry
from dlmviz.studies.run import Load, Watch, arm_of, entry_of
from dlmviz.studies.study import Study, Unit
from dlmviz.types import Denoiser, Example, InputError, Trace

FIELDS = ("task", "kind", "answer", "data")


def over(
    study: Study,
    traces: Iterable[tuple[str, Trace | str]],
    settings: Any,
    folder: Path,
    load: Load,
) -> None:
    """Measures runs that exist, given as (name, trace or why there is none), instead of new ones.

    The rows are written anew. Runs of another tokenizer than the first one's, and runs that never
    finished, have a sentence instead of rows.
    """
    begin(study, settings, folder)
    (folder / journal.ROWS).unlink(missing_ok=True)
    first: Trace | None = None
    for name, trace in traces:
        first = first or (trace if isinstance(trace, Trace) else None)
        journal.append(folder, [measured(study, name, trace, first, load, settings)])


def begin(study: Study, settings: Any, folder: Path, **more: Any) -> None:
    """Makes the folder that of a study over runs that exist; `more` tells which. InputError if it
    is another study's.
    """
    told = {"study": study.name, "traces": True, "settings": dataclasses.asdict(settings)}
    journal.begin(folder, told | more)


def in_store(
    study: Study,
    runs: Sequence[str],
    refused: Sequence[tuple[str, str]],
    settings: Any,
    folder: Path,
    load: Load,
    watch: Watch,
    shelf: Path,
) -> bool:
    """Whether all these runs of the store are in the folder's rows; False if it was to stop before.

    A run is known by its id, by which a page opens it. `refused`: names of files that were no runs,
    and why; they are told among the runs that could not be measured. What is in the rows already
    is not measured again.
    """
    begin(study, settings, folder, runs=[*runs], refused=[[*pair] for pair in refused])
    known = journal.entries(folder)
    new = [Entry(name, "", "", problem=why) for name, why in refused if name not in known]
    journal.append(folder, new)
    first: Trace | None = None
    for done, name in enumerate(runs):
        if watch.stopping():
            return False
        watch.progress(done, len(runs))
        if name in known and first is not None:
            continue
        trace = _opened(shelf, name)
        first = first or (trace if isinstance(trace, Trace) else None)
        if name not in known:
            entry = measured(study, name, trace, first, load, settings)
            journal.append(folder, [dataclasses.replace(entry, run=name)])
    watch.progress(len(runs), len(runs))
    return True


def _opened(shelf: Path, identity: str) -> Trace | str:
    try:
        return store.get(shelf, identity)
    except InputError as error:
        return str(error)


def measured(
    study: Study,
    name: str,
    trace: Trace | str,
    first: Trace | None,
    load: Load,
    settings: Any,
) -> Entry:
    """What was measured of a run that exists, or the sentence why it cannot be."""
    if isinstance(trace, str) or first is None:
        return Entry(name, "", "", problem=str(trace))
    head = getattr(settings, "head", "")
    unit = Unit(name, trace.spec, example_of(trace), arm_of(trace.spec), head)
    fingerprint = str(trace.info.get("fingerprint", ""))
    try:
        _alike(first, trace)
        model = _same_model(load, trace) if study.forwards else None
        return entry_of(study, unit, trace, model, fingerprint, None)
    except InputError as error:
        return Entry(name, unit.arm, fingerprint, problem=str(error))


def read(places: Sequence[str | Path]) -> Iterator[tuple[str, Trace | str]]:
    """(name, run or why there is none) of every file, and of every run in a folder, by name.

    Raises InputError where there is nothing at all.
    """
    paths: list[Path] = []
    for place in map(Path, places):
        paths += sorted(place.glob("*.npz")) if place.is_dir() else [place]
    if not paths:
        raise InputError(
            f"there are no runs in {', '.join(map(str, places)) or 'an empty list'}: give .npz "
            "files that dlmviz saved, or a folder of them"
        )
    for path in paths:
        try:
            yield path.stem, store.open_trace(path)
        except InputError as error:
            yield path.stem, str(error)


def example_of(trace: Trace) -> Example | None:
    """The example that a run answered, where it was kept and can be graded."""
    kept = trace.info.get("example")
    told = tasks.regraded(kept, trace.spec.prompt, trace.text)
    if told is None:
        return None
    return Example(prompt=trace.spec.prompt, **{k: told[k] for k in FIELDS})


def _alike(first: Trace, trace: Trace) -> None:
    """Raises InputError if one id is two tokens in these runs: counts of tokens do not compare."""
    common = first.pieces.keys() & trace.pieces.keys()
    clash = next((i for i in sorted(common) if first.pieces[i] != trace.pieces[i]), None)
    if clash is not None or first.mask_id != trace.mask_id:
        raise InputError(
            "this run has another tokenizer than the first one "
            f"({trace.spec.model}, {first.spec.model}): their tokens cannot be counted together; "
            "give the runs of one model"
        )


def _same_model(load: Load, trace: Trace) -> Denoiser:
    """The model that made the run. Raises InputError if what loads now is another one."""
    model = load(trace.spec.model, trace.spec.adapter)
    if trace.info.get("fingerprint") != model.fingerprint:
        raise InputError(
            f"this run was made by another version of {trace.spec.model} than the one that loads "
            "now, so nothing can be asked of it; decode the prompt again"
        )
    return model
