"""Jobs that take minutes or days: submitted by the page or a command, done by a worker.

A job is a row in a list (SQLite) and a folder in the store; its process can be stopped or killed at
any moment and goes on from its last checkpoint. Nothing here knows what the jobs do: see `kinds`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from dlmviz.jobs import folder, lock, moves, table
from dlmviz.jobs.attend import attended, start_worker
from dlmviz.jobs.follow import Piece, curve, eta, tail
from dlmviz.jobs.kinds import KINDS, Kind, find
from dlmviz.jobs.table import LIVE, LONGEST_TITLE, OPEN, Job
from dlmviz.jobs.work import Stopped, Work
from dlmviz.store.table import cleaned, writing
from dlmviz.types import InputError

__all__ = [
    "KINDS",
    "Job",
    "Kind",
    "Piece",
    "Stopped",
    "Work",
    "allowed",
    "attended",
    "curve",
    "delete",
    "eta",
    "job",
    "jobs",
    "result",
    "resume",
    "retry",
    "start_worker",
    "stop",
    "submit",
    "tail",
]

STATES = {  # verb: the states it is for, and its participle
    "stop": (("queued", "running"), "stopped"),
    "resume": (("stopped", "failed"), "resumed"),
    "retry": (("stopped", "done", "failed"), "retried"),
    "delete": (("queued", "stopped", "done", "failed"), "deleted"),
}
UNSERVED = "no worker is running: it goes on when the app or `dlmviz jobs worker` starts"
LEAVING = "its worker has ended: its process finishes its step"
T = TypeVar("T")


def submit(
    store: str | Path,
    kind: str,
    title: str,
    settings: Mapping[str, Any],
    kinds: Mapping[str, Kind] = KINDS,
) -> str:
    """The id of a new job at the end of the queue. Raises InputError for an unknown kind.

    `settings` are what JSON can hold; the job's process finds them in `Work.settings`.
    """
    name = cleaned(title)[:LONGEST_TITLE] or find(kinds, kind).title
    about = {"kind": find(kinds, kind).name, "title": name, "created": time.time()}
    try:
        kept = json.loads(json.dumps(dict(settings), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"settings of a job are texts, finite numbers, lists and objects: {error}; leave the "
            "rest out"
        ) from error
    identity = secrets.token_hex(4)

    def work(db: sqlite3.Connection) -> None:
        with writing(db):
            folder.make(store, identity, about | {"settings": kept})
            table.insert(db, identity, about | {"settings": kept})

    try:
        _within(store, work)
    except InputError:
        with contextlib.suppress(OSError):
            folder.remove(store, identity)
        raise
    return identity


def jobs(store: str | Path) -> list[Job]:
    """All jobs, the newest first. What no worker serves, or has lost its folder, has a note."""
    if not table.exists(store):
        return []
    found = _within(store, table.select)
    served = lock.held(folder.worker_lock(store))
    return [_noted(store, job, served) for job in reversed(found)]


def job(store: str | Path, identity: str) -> Job:
    """The job of that id. Raises InputError where there is none."""
    folder.of(store, identity)
    if not table.exists(store):
        raise folder.unknown(identity)
    found = _within(store, lambda db: table.one(db, identity))
    return _noted(store, found, lock.held(folder.worker_lock(store)))


def allowed(state: str) -> tuple[str, ...]:
    """The verbs that a job in that state can be given."""
    return tuple(verb for verb, (states, _) in STATES.items() if state in states)


def stop(store: str | Path, identity: str) -> Job:
    """The job, which is stopped if it was queued, else stopping: it ends after its step."""
    _settled(store)
    values: dict[str, Any] = {"problem": "", "note": ""}

    def work(db: sqlite3.Connection) -> None:
        with writing(db):
            found = _fit(db, identity, "stop")
            if found.state == "running":
                table.change(db, identity, ("running",), state="stopping", **values)
            else:
                told = {"state": "stopped", "ended": time.time(), **values}
                table.change(db, identity, ("queued",), **told)

    _within(store, work)
    return job(store, identity)


def resume(store: str | Path, identity: str) -> Job:
    """The job, which is queued again and goes on from its last checkpoint."""
    _settled(store)

    def work(db: sqlite3.Connection) -> None:
        with writing(db):
            found = _fit(db, identity, "resume")
            folder.check(folder.of(store, identity), found.kind, found.settings)
            told = {"state": "queued", "ended": None, "deaths": 0, "problem": "", "note": ""}
            table.change(db, identity, (found.state,), **told)

    _within(store, work)
    return job(store, identity)


def retry(store: str | Path, identity: str, kinds: Mapping[str, Kind] = KINDS) -> str:
    """The id of a fresh job of the same kind and settings."""
    _settled(store)
    found = _within(store, lambda db: _fit(db, identity, "retry"))
    return submit(store, found.kind, found.title, found.settings, kinds)


def delete(store: str | Path, identity: str) -> None:
    """Removes a job from the list, and its folder with all that is in it."""
    _settled(store)
    _within(store, lambda db: _fit(db, identity, "delete"))
    handle = lock.take(folder.lock_of(store, identity))
    if handle is None:
        raise InputError(
            f"job {identity} cannot be deleted: its process is just at its end; try again"
        )
    with lock.closing(handle):  # no worker begins it meanwhile
        _within(store, lambda db: _fit(db, identity, "delete"))
        folder.remove(store, identity)  # first: on a full disk the list has no room to shrink
        _within(store, lambda db: db.execute("DELETE FROM jobs WHERE id = ?", (identity,)))


def result(store: str | Path, identity: str) -> dict[str, Any] | None:
    """What the job's entry answered; None before it is done."""
    return folder.result(folder.of(store, identity))


def _fit(db: sqlite3.Connection, identity: str, verb: str) -> Job:
    """The job, if its state allows the verb; else InputError."""
    found = table.one(db, identity)
    states, participle = STATES[verb]
    if found.state in states:
        return found
    others = [f"be {STATES[other][1]}" for other in allowed(found.state)]
    can = f"it can {' or '.join(others)}" if others else "wait until it has stopped"
    raise InputError(f"job {identity} is {found.state}: it cannot be {participle}; {can}")


def _settled(store: str | Path) -> None:
    """Where no worker is, sets right what a killed one left: nothing has to wait for the next."""
    if table.exists(store) and not lock.held(folder.worker_lock(store)):
        _explained(store, lambda: moves.settle(store))


def _noted(store: str | Path, job: Job, served: bool) -> Job:
    note = job.note
    if job.state not in LIVE and folder.stamp(folder.of(store, job.id)) is None:
        note = str(folder.changed("it, or its job.json, is gone"))
    elif job.state in OPEN and not served:
        leaving = job.state in LIVE and lock.held(folder.lock_of(store, job.id))
        note = LEAVING if leaving else UNSERVED
    return dataclasses.replace(job, note=note)


def _within(store: str | Path, work: Callable[[sqlite3.Connection], T]) -> T:
    return _explained(store, lambda: table.within(store, work))


def _explained(store: str | Path, work: Callable[[], T]) -> T:
    try:
        return work()
    except (sqlite3.Error, OSError) as error:
        raise InputError(
            f"the jobs in {folder.root(store)} cannot be read or changed: {error}; give a --store "
            "folder that is yours to write, with room left"
        ) from error
