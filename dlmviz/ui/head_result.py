"""What became of the training of a head, in numbers for the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlmviz import jobs
from dlmviz.jobs import folder
from dlmviz.ui.distil_result import DAMAGED

MOST = 20  # numbers of a score that are shown


def outcome(store: Path, job: jobs.Job) -> dict[str, Any]:
    """Score, size and place of the head of a job that is done.

    The place is what Inspect can open: None where the head is gone.
    """
    found = jobs.result(store, job.id) or {}
    try:
        score = {
            str(name)[:40]: None if value is None else float(value)
            for name, value in [*found["score"].items()][:MOST]
        }
        size = {name: int(found[name]) for name in ("states", "parameters") if name in found}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return {"problem": DAMAGED}
    place = made(store, job.id)
    told: dict[str, Any] = folder.plain(
        {
            "score": score,
            **size,
            "head": str(place) if place else None,
            "model": str(job.settings.get("model", ""))[:200],
            "task": _first(job.settings),
        }
    )
    return told


def made(store: Path, identity: str) -> Path | None:
    """The folder of the head that a job has made, as long as it is there."""
    if not (identity.isascii() and identity.isalnum()):
        return None
    place = (store / "heads" / identity).absolute()
    return place if (place / "head.json").is_file() else None


def _first(settings: Mapping[str, Any]) -> str:
    tasks = settings.get("tasks")
    return str(tasks[0])[:40] if isinstance(tasks, list) and tasks else ""
