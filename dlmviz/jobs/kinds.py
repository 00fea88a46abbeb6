"""What a job can be: each kind's name, title and the function that does it."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dlmviz.types import InputError


@dataclass(frozen=True)
class Kind:
    """A kind of job. Its entry is imported in the job's own process only."""

    name: str
    title: str
    entry: str  # "module:function"; called with a Work, answers what goes to result.json, or None


KINDS: Mapping[str, Kind] = {
    "distil": Kind("distil", "Distillation", "dlmviz.jobs.distil.job:run"),
    "study": Kind("study", "Study", "dlmviz.studies.job:entry"),
    "demask": Kind("demask", "DEMASK predictor", "dlmviz.jobs.demask.job:run"),
    "codila": Kind("codila", "CoDiLA local model", "dlmviz.jobs.codila.job:run"),
}
TABLE = f"{__name__}:KINDS"


def find(kinds: Mapping[str, Kind], name: str) -> Kind:
    """The kind of that name. Raises InputError naming the known ones and the nearest."""
    if name in kinds:
        return kinds[name]
    near = difflib.get_close_matches(name, kinds, 1)
    hint = f"did you mean {near[0]}?" if near else "choose one of them"
    raise InputError(
        f"unknown kind of job: got {name[:80]!r}; known are {', '.join(kinds)}; {hint}"
    )


def table(place: str) -> Mapping[str, Kind]:
    """The table of kinds that lies at `place`, as "module:name"."""
    found: Mapping[str, Kind] = imported(place)
    return found


def entry(kind: Kind) -> Callable[[Any], Mapping[str, Any] | None]:
    """The function that does a job of this kind."""
    found: Callable[[Any], Mapping[str, Any] | None] = imported(kind.entry)
    return found


def imported(place: str) -> Any:
    """What "module:name" names."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
