"""What the worker and the jobs' own processes write into the list. People's verbs are in `jobs`."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from dlmviz.jobs import folder, lock
from dlmviz.jobs.table import LIVE, Job, change, exists, one, select, within
from dlmviz.jobs.work import Progress
from dlmviz.store.table import writing
from dlmviz.types import InputError

DEATHS = 3  # so often a process may vanish before the job counts as failed
GOES_ON = "it goes on from its last checkpoint"


def claim(store: str | Path, job: Job, device: str) -> bool:
    """Whether the queued job is ours now. The caller holds the job's lock."""

    def work(db: sqlite3.Connection) -> bool:
        values: dict[str, Any] = {"started": time.time(), "ended": None, "problem": "", "note": ""}
        values |= {"state": "running", "device": device, "attempts": job.attempts + 1}
        return change(db, job.id, ("queued",), **values)

    return within(store, work)


def tell(store: str | Path, identity: str, progress: Progress | None) -> str:
    """The job's state, after its progress, if any, was written."""

    def work(db: sqlite3.Connection) -> str:
        if progress is not None:
            db.execute("PRAGMA synchronous = NORMAL")  # no fsync: the next one says it better
            change(db, identity, LIVE, **vars(progress))
        return one(db, identity).state

    return within(store, work)


def finish(store: str | Path, identity: str, state: str, problem: str = "", again: str = "") -> str:
    """The state that the job has now that its process is at its end.

    `state` is done, failed or stopped; a job that nobody stopped goes back to the queue if `again`
    says why.
    """

    def work(db: sqlite3.Connection) -> str:
        with writing(db):
            if state == "stopped" and again and one(db, identity).state == "running":
                requeue(db, identity, again)
            else:
                told = {"problem": problem, "note": "", "ended": time.time()}
                change(db, identity, LIVE, state=state, **told)
            return one(db, identity).state

    return within(store, work)


def requeue(db: sqlite3.Connection, identity: str, why: str) -> None:
    change(db, identity, ("running",), state="queued", note=f"{why}: {GOES_ON}")


def died(store: str | Path, identity: str, attempt: int, how: str) -> Job | None:
    """The job after this attempt's process has ended, with or without a word; None: it is gone."""

    def work(db: sqlite3.Connection) -> Job | None:
        with writing(db):
            found = select(db, "id = ? AND attempts = ?", identity, attempt)
            if found:
                _stopped(db, identity)
                _died(db, found[0], how)
        return next(iter(select(db, "id = ?", identity)), None)

    return within(store, work)


def _died(db: sqlite3.Connection, job: Job, how: str) -> None:
    deaths = job.deaths + 1
    change(db, job.id, ("running",), deaths=deaths)
    if deaths < DEATHS:
        requeue(db, job.id, f"its process was ended ({how})")
        return
    problem = (
        f"its process was ended {deaths} times ({how}); see the log, and whether there is memory "
        f"enough; press Resume: {GOES_ON}"
    )
    change(db, job.id, ("running",), state="failed", problem=problem, ended=time.time())


def settle(store: str | Path, own: Collection[str] = ()) -> list[Job]:
    """Jobs that an earlier worker left and whose process still lives; the others are set right.

    Those that were running go back to the queue, those that were stopping are stopped. `own` are
    the jobs that the caller itself looks after.
    """
    if not exists(store):
        return []
    left = []
    for job in within(store, lambda db: select(db, f"state IN {LIVE}")):
        if job.id in own:
            continue
        handle = lock.take(folder.lock_of(store, job.id))
        if handle is None:
            left.append(job)
            continue
        with lock.closing(handle):
            within(store, lambda db, job=job: _settled(db, job.id))  # type: ignore[misc]
    return left


def _settled(db: sqlite3.Connection, identity: str) -> None:
    with writing(db):
        _stopped(db, identity)
        requeue(db, identity, "its worker was ended")


def _stopped(db: sqlite3.Connection, identity: str) -> None:
    """A job that was to stop, and whose process is gone, has stopped."""
    note = "its process was ended before its step; Resume goes on from its last checkpoint"
    told = {"state": "stopped", "note": note, "ended": time.time()}
    change(db, identity, ("stopping",), **told)


def refuse(store: str | Path, identity: str, error: InputError | OSError) -> None:
    """A queued or running job failed before its process began."""
    text = str(error) if isinstance(error, InputError) else f"its process cannot start: {error}"
    told = {"state": "failed", "problem": text, "ended": time.time()}
    within(store, lambda db: change(db, identity, ("queued", *LIVE), **told))
