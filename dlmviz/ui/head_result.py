"""What became of the training of a head, in numbers for the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlmviz import jobs
from dlmviz.jobs import folder
from dlmviz.ui.distil_result import DAMAGED

MOST = 20  # numbers of a score that are shown
SIZES = ("states", "texts", "parameters")


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
        size = {name: int(found[name]) for name in SIZES if name in found}
        broken = _broken(found.get("broken"))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return {"problem": DAMAGED}
    place = made(store, job.id)
    told: dict[str, Any] = folder.plain(
        {
            "score": score,
            **size,
            "broken": broken,
            "head": str(place) if place else None,
            "model": str(job.settings.get("model", ""))[:200],
            "task": _first(job.settings),
        }
    )
    return told


def _broken(found: Any) -> dict[str, Any] | None:
    """How many pairs were broken when they were decoded in several ways; None where none were."""
    if found is None:
        return None
    ways = {name: way for name, way in found.items() if isinstance(way, Mapping)}
    rows = [
        {"way": str(name)[:40], "broken": float(way["broken"]), "nfe": float(way["nfe"])}
        for name, way in [*ways.items()][:MOST]
    ]
    return {"prompts": int(found["prompts"]), "piece": int(found["piece"]), "ways": rows}


def made(store: Path, identity: str) -> Path | None:
    """The folder of the head that a job has made, as long as it is there."""
    if not (identity.isascii() and identity.isalnum()):
        return None
    place = (store / "heads" / identity).absolute()
    return place if (place / "head.json").is_file() else None


def _first(settings: Mapping[str, Any]) -> str:
    tasks = settings.get("tasks")
    return str(tasks[0])[:40] if isinstance(tasks, list) and tasks else ""
