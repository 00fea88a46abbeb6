"""The form of the Analyse tab: what it shows of each study, and the job that it starts.

Studies import torch and plotly, so they are looked at by the first request that needs them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlmviz import jobs, knobs
from dlmviz.store import RUN_ID
from dlmviz.types import InputError

KIND = "study"
KEPT = 250  # runs of a study that go to the Library; more would bury all others there
REFUSED = 200  # files that were no runs, of which a study tells


def studies() -> list[dict[str, Any]]:
    """Each study with its sentences and its settings, in menu order."""
    from dlmviz.studies import STUDIES, find

    return [
        {
            **{name: getattr(study, name) for name in ("name", "title", "question", "claim")},
            "fields": [field(one) for one in knobs.fields(study.settings).values()],
        }
        for study in map(find, STUDIES)
    ]


def field(knob: dataclasses.Field[Any]) -> dict[str, Any]:
    """A setting as the form shows it; its value is text, or a truth value."""
    value = knob.default
    told = {name: knob.metadata.get(name) for name in ("help", "low", "high")}
    choices = list(knob.metadata.get("choices", ()))
    return {
        "name": knob.name,
        "value": value if isinstance(value, bool) else str(value),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "choices": choices,
        **told,
    }


def begun(store: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """The id of the job that the form describes. Raises InputError for what does not fit."""
    from dlmviz.studies import find

    study = find(str(given.get("study", ""))[:80])
    values = given.get("values")
    if not isinstance(values, Mapping):
        raise InputError("the request holds no form; reload the page")
    settings = knobs.chosen(study.settings, values, study.name)
    work: dict[str, Any] = {"study": study.name, "settings": dataclasses.asdict(settings)}
    if "runs" in given:
        work |= {"runs": chosen_runs(given["runs"]), "refused": refusals(given.get("refused"))}
    else:  # what makes no sense is refused here, not in the job
        work["keep"] = len(study.units(settings)) <= KEPT
    return {"id": jobs.submit(store, KIND, study.title, work)}


def chosen_runs(given: Any) -> list[str]:
    """Ids of runs of the store, each once. Raises InputError for none, or for what is no id."""
    runs = list(dict.fromkeys(map(str, given))) if isinstance(given, list) else []
    if not runs:
        raise InputError("no runs are chosen; choose some of the Library, or add files")
    strange = next((run for run in runs if not RUN_ID.fullmatch(run)), None)
    if strange is not None:
        raise InputError(f"the Library has no run {strange[:80]!r}; reload the page")
    return runs


def refusals(given: Any) -> list[tuple[str, str]]:
    """(name, why) of files that were no runs, as the page tells them; each name once."""
    pairs = [one for one in given if isinstance(one, Mapping)] if isinstance(given, list) else []
    told = {str(one.get("name", ""))[:200]: str(one.get("problem", ""))[:500] for one in pairs}
    return list(told.items())[:REFUSED]
