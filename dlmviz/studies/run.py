"""Does a study: decodes what is missing, measures, keeps rows; then tables, figures, a verdict.

Runs that agree in all but prompt and seed are decoded in batches. A batch is kept whole or done
again whole, so that a study that was resumed gives the table of one that was not, to the last bit.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlmviz import metrics, store, tasks
from dlmviz.batch import decode_many
from dlmviz.samplers import make
from dlmviz.studies import journal
from dlmviz.studies.journal import Entry
from dlmviz.studies.study import Row, Study, Unit
from dlmviz.types import DecodeError, Denoiser, InputError, RunSpec, Trace

SHOWN = 5  # alternatives a position of a run that is kept to be looked at
BATCH = 8  # runs that share a forward; more of them are no faster without a GPU

Load = Callable[[str, str | None], Denoiser]  # (model, adapter) -> the model


@dataclass(frozen=True)
class Watch:
    """Who is told how far a study is, and who says when it must stop."""

    progress: Callable[[int, int], None] = lambda done, total: None
    stopping: Callable[[], bool] = lambda: False


def run(
    study: Study,
    settings: Any,
    folder: Path,
    load: Load,
    watch: Watch = Watch(),
    batch: int = BATCH,
    runs: Path | None = None,
    share: tuple[int, int] = (0, 1),
    known: Path | None = None,
) -> bool:
    """Whether all units are in the folder's rows; False if it was asked to stop before.

    A unit that cannot be decoded or measured has a sentence instead of rows, and the rest goes on.
    `runs`: a folder of the store where the runs themselves are kept too. `share`: (i, n) does each
    n-th batch from the i-th on; what the folder `known` has of them is not done again.
    """
    begun(study, settings, folder, batch)
    kept = (journal.entries(known) if known else {}) | journal.entries(folder)
    units = study.units(settings)
    _distinct(units)
    before = {
        (unit.spec.model, unit.spec.adapter): kept[unit.key].fingerprint
        for unit in units
        if unit.key in kept and kept[unit.key].fingerprint
    }
    done = 0
    for group in list(batches(units, batch))[share[0] :: share[1]]:
        if watch.stopping():
            return False
        if not all(unit.key in kept for unit in group):
            model = _loaded(load, group[0].spec, before)
            journal.append(folder, _answers(study, group, model, runs))
        if watch.stopping():
            return False
        done += len(group)
        watch.progress(done, len(units))
    return True


def begun(study: Study, settings: Any, folder: Path, batch: int) -> None:
    """Nothing; the folder is this study's. Raises InputError if it is another one's."""
    told = {"study": study.name, "batch": batch, "settings": dataclasses.asdict(settings)}
    journal.begin(folder, told)


def arm_of(spec: RunSpec) -> str:
    """The sampler and the knobs that were given, as words: "fast_dllm, tau 0.7".

    Of a folder its name alone: where it lies on this machine says nothing elsewhere.
    """
    words = {
        name: Path(value).name or value if isinstance(value, str) else value
        for name, value in spec.params.items()
    }
    return ", ".join([spec.sampler, *(f"{name} {value}" for name, value in words.items())])


def rows_of(folder: Path) -> tuple[list[Row], list[Entry]]:
    """(all rows, each with its unit, arm and run; the entries that are problems)."""
    found = journal.entries(folder).values()
    rows = [
        {"unit": entry.unit, "arm": entry.arm, "run": entry.run, **row}
        for entry in found
        for row in entry.rows
    ]
    return rows, [entry for entry in found if entry.problem]


def _distinct(units: Sequence[Unit]) -> None:
    if not units:
        raise InputError(
            "these settings select no run; ask for one prompt and one sampler at least"
        )
    keys = [unit.key for unit in units]
    assert len({*keys}) == len(keys), "keys of units are unique"


def batches(units: Sequence[Unit], size: int) -> Iterator[list[Unit]]:
    """Units whose specs differ in prompt and seed only, `size` at most; in their order."""
    groups: dict[str, list[Unit]] = {}
    for unit in units:
        alike = dataclasses.asdict(dataclasses.replace(unit.spec, prompt="", seed=0))
        groups.setdefault(json.dumps(alike), []).append(unit)
    for group in groups.values():
        for start in range(0, len(group), size):
            yield group[start : start + size]


def _loaded(
    load: Load, spec: RunSpec, before: Mapping[tuple[str, str | None], str]
) -> Denoiser | str:
    """The model, or the sentence why there is none. Raises InputError if it has changed since."""
    try:
        model = load(spec.model, spec.adapter)
    except InputError as error:
        return str(error)
    if before.get((spec.model, spec.adapter), model.fingerprint) != model.fingerprint:
        raise InputError(
            f"{spec.model} has changed since this study began; begin anew in another folder"
        )
    return model


def _answers(
    study: Study, group: Sequence[Unit], model: Denoiser | str, runs: Path | None
) -> list[Entry]:
    """An entry for each unit of a batch, in their order."""
    if isinstance(model, str):
        return [Entry(unit.key, unit.arm, "", problem=model) for unit in group]
    fingerprint = model.fingerprint
    keep = study.keep if runs is None else max(SHOWN, study.keep)
    return [
        Entry(unit.key, unit.arm, fingerprint, problem=trace)
        if isinstance(trace, str)
        else entry_of(study, unit, trace, model, fingerprint, runs)
        for unit, trace in _decoded(model, group, keep)
    ]


def _decoded(
    model: Denoiser, group: Sequence[Unit], keep: int
) -> Iterator[tuple[Unit, Trace | str]]:
    """Each unit with its run, or with the sentence why it has none."""
    spec = group[0].spec
    try:
        sampler = make(spec.sampler, spec.params)
        specs = [unit.spec for unit in group]
        together = list(decode_many(model, sampler, specs, len(group), keep))
    except (InputError, DecodeError) as error:
        if len(group) == 1:
            yield group[0], str(error)
            return
        for unit in group:  # one of them cannot be decoded: alone, the others can
            yield from _decoded(model, [unit], keep)
        return
    for index, trace in sorted(together, key=lambda pair: pair[0]):
        yield group[index], trace


def entry_of(
    study: Study,
    unit: Unit,
    trace: Trace,
    model: Denoiser | None,
    fingerprint: str,
    runs: Path | None,
) -> Entry:
    """What was measured of a run, or the sentence why it cannot be."""
    masks = metrics.masks_due(trace)
    if masks:
        problem = f"this run never finished, {masks} masks are left; decode it to its end"
        return Entry(unit.key, unit.arm, fingerprint, problem=problem)
    kept = ""
    if runs is not None:
        example = unit.example if unit.example and tasks.known(unit.example) else None
        told = {"example": tasks.verdict(example, trace.text)} if example else {}
        kept = store.put(runs, dataclasses.replace(trace, info={**trace.info, **told}))
    try:
        rows = study.measure(unit, trace, model)
    except InputError as error:
        return Entry(unit.key, unit.arm, fingerprint, problem=str(error), run=kept)
    return Entry(unit.key, unit.arm, fingerprint, rows, run=kept)
