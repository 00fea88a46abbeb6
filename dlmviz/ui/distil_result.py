"""What became of a distillation, in numbers for the page."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dlmviz import jobs
from dlmviz.jobs import folder
from dlmviz.store.adapters import cards

DAMAGED = "its result cannot be read: somebody edited it; press Retry for a fresh job"


def outcome(store: Path, job: jobs.Job) -> dict[str, Any]:
    """Scores, what they gain, and the adapter of a job that is done."""
    told: dict[str, Any] = folder.plain(_outcome(store, job))
    return told


def _outcome(store: Path, job: jobs.Job) -> dict[str, Any]:
    found = jobs.result(store, job.id) or {}
    try:
        scores = [arms(found["scores"], *key) for key in keys(found["scores"])]
        told: dict[str, Any] = {"scores": scores, "kl": found["kl"], "sample": found.get("sample")}
        told["gains"] = list(verdicts(found["scores"], found["gains"]))
        identity = found["adapter"]
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return {"problem": DAMAGED}
    if identity is None:
        where = folder.of(store, job.id) / "model"
        return told | {"adapter": None, "folder": str(where)}
    card = next((pair for pair in cards(store / "adapters") if pair[1].id == identity), None)
    if card is None:
        return told | {"adapter": None, "folder": None}
    shown = {k: v for k, v in dataclasses.asdict(card[1]).items() if k not in ("job", "scores")}
    return told | {"adapter": shown, "folder": str(card[0])}


def keys(scores: Sequence[Mapping[str, Any]]) -> list[tuple[str, float]]:
    """(task, threshold) of every pair of arms, as they come."""
    return list(dict.fromkeys((row["task"], row["threshold"]) for row in scores))


def arms(scores: Sequence[Mapping[str, Any]], task: str, threshold: float) -> dict[str, Any]:
    """Base against student at one threshold; a dict of numbers each, or None."""
    named = {
        row["model"]: {name: float(row[name]) for name in ("n", "accuracy", "nfe", "tpf")}
        for row in scores
        if (row["task"], row["threshold"]) == (task, threshold)
    }
    pair = {name: named.get(name) for name in ("base", "student")}
    return {"task": str(task), "threshold": float(threshold), **pair}


def verdicts(
    scores: Sequence[Mapping[str, Any]], gains: Sequence[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """What each threshold of the student gains at matched accuracy."""
    told = {(gain["task"], gain["student"]): gain for gain in gains}
    for task, threshold in keys(scores):
        student = arms(scores, task, threshold)["student"]
        where = {"task": str(task), "threshold": float(threshold)}
        if (task, threshold) in told:
            yield where | judged(told[task, threshold], student["n"])
        elif student is not None:  # no arm of the base is as often right
            yield where | {"verdict": "better", "n": student["n"]}


def judged(gain: Mapping[str, Any], n: float) -> dict[str, Any]:
    """A gain on n prompts: how many times fewer, or more, forwards, and 95 % interval.

    `verdict` is faster or slower only where the interval leaves 1 out; where no answer is right,
    there is none.
    """
    right, base = (100 * float(gain[f"accuracy_{name}"]) for name in ("student", "base"))
    if right == base == 0:
        return {"verdict": "none", "n": n}
    ratio, low, high = (float(gain[name]) for name in ("ratio", "low", "high"))
    way = "fewer" if ratio > 1 else "as"
    if ratio < 1:
        ratio, low, high, way = 1 / ratio, 1 / high, 1 / low, "more"
    verdict = "same" if low <= 1 <= high else "slower" if way == "more" else "faster"
    numbers = {"ratio": ratio, "low": low, "high": high, "right": right, "base": base}
    return {"verdict": verdict, "way": way, "n": n, "at": float(gain["base"]), **numbers}
