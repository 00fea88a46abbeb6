"""The list of jobs, one SQLite file: what each job is, and how far it is.

A list that is damaged is moved aside and made again from the folders. Every change of a state is
one transaction, so that page, command line, worker and the jobs' own processes can all write.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from dlmviz.jobs import folder, lock
from dlmviz.store.table import cleaned, writing
from dlmviz.types import InputError

FILE = "jobs.sqlite3"
VERSION = 1  # of the table below
BUSY = 10.0  # seconds to wait for another process that writes
LONGEST_TITLE = 120
FOUND = "the list of jobs was lost and made again from the folders"
LIVE = ("running", "stopping")  # states in which a process should be at it
OPEN = ("queued", *LIVE)  # states in which a worker has something to do

TABLE = """
CREATE TABLE IF NOT EXISTS jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL,
  kind TEXT NOT NULL, title TEXT NOT NULL, settings TEXT NOT NULL, created REAL NOT NULL,
  state TEXT NOT NULL, device TEXT NOT NULL DEFAULT '',
  stage TEXT NOT NULL DEFAULT '', unit TEXT NOT NULL DEFAULT '',
  done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0,
  first INTEGER NOT NULL DEFAULT 0, began REAL, updated REAL, started REAL, ended REAL,
  attempts INTEGER NOT NULL DEFAULT 0, deaths INTEGER NOT NULL DEFAULT 0,
  problem TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT ''
)
"""
T = TypeVar("T")


@dataclass(frozen=True)
class Job:
    """One row of the list. Times are seconds since 1970, by the clock of their moment."""

    id: str  # 8 hexadecimal digits
    kind: str
    title: str
    state: str  # queued, running, stopping, stopped, done, failed
    created: float
    settings: Mapping[str, Any] = field(default_factory=dict)
    device: str = ""  # of its last attempt
    stage: str = ""  # "answers", "training", ...
    unit: str = ""  # of done and total: "steps", "prompts", ...
    done: int = 0
    total: int = 0  # 0: nobody knows
    first: int = 0  # what was done already when the stage began, or was taken up again
    began: float | None = None  # when that was
    updated: float | None = None  # when `done` was told
    started: float | None = None  # the last attempt
    ended: float | None = None
    attempts: int = 0
    deaths: int = 0  # how often its process vanished, since a person last said "go"
    problem: str = ""  # why it failed: one sentence
    note: str = ""


COLUMNS = tuple(column.name for column in fields(Job))


def within(store: str | Path, work: Callable[[sqlite3.Connection], T]) -> T:
    """What `work` returns, given the list; a damaged one is made again from the folders first.

    Raises InputError for the list of another version, and sqlite3.Error where nothing can be
    written.
    """
    for last in (False, True):
        place = _place(store)
        try:
            with contextlib.closing(_opened(store)) as db:
                return work(db)
        except sqlite3.DatabaseError as error:
            if last or type(error) is not sqlite3.DatabaseError:
                raise  # its kinds say that it cannot be written, or that someone is too long at it
            _set_aside(store, place)
    raise AssertionError("the second pass returns or raises")


def exists(store: str | Path) -> bool:
    """Whether there is, or was, a job in this store."""
    return _path(store).exists() or any(folder.all_in(store))


def insert(db: sqlite3.Connection, identity: str, about: Mapping[str, Any], **more: Any) -> None:
    """Adds a job as the last of the queue, or with the state and note that `more` holds."""
    values = {"id": identity, "state": "queued", **about, **more}
    values["settings"] = json.dumps(about["settings"])
    marks = ", ".join("?" for _ in values)
    told = f"INSERT OR IGNORE INTO jobs ({', '.join(values)}) VALUES ({marks})"
    db.execute(told, tuple(values.values()))


def select(db: sqlite3.Connection, where: str = "1", *values: object) -> list[Job]:
    """The jobs that meet a condition, oldest first, whatever the clock said."""
    told = f"SELECT {', '.join(COLUMNS)} FROM jobs WHERE {where} ORDER BY number"
    found = [_job(dict(zip(COLUMNS, row, strict=True))) for row in db.execute(told, values)]
    return [job for job in found if folder.JOB_ID.fullmatch(str(job.id))]  # they become paths


def one(db: sqlite3.Connection, identity: str) -> Job:
    """The job of that id. Raises InputError where there is none."""
    found = select(db, "id = ?", identity)
    if not found:
        raise folder.unknown(identity)
    return found[0]


def change(db: sqlite3.Connection, identity: str, only: tuple[str, ...], **values: Any) -> bool:
    """Whether the job was in one of the states `only`, and so took these values."""
    pairs = ", ".join(f"{name} = ?" for name in values)
    marks = ", ".join("?" for _ in only)
    told = f"UPDATE jobs SET {pairs} WHERE id = ? AND state IN ({marks})"
    return db.execute(told, (*values.values(), identity, *only)).rowcount > 0


def _opened(store: str | Path) -> sqlite3.Connection:
    """The list, with its table. Raises DatabaseError for a file that is something else."""
    folder.root(store).mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(_path(store), timeout=BUSY, isolation_level=None)
    try:
        if _version(db) == VERSION:
            return db
        with contextlib.suppress(sqlite3.OperationalError):  # another process is just doing it
            db.execute("PRAGMA journal_mode = WAL")
        with writing(db):
            if _version(db) == 0:
                if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    raise sqlite3.DatabaseError("this is no list of ours")
                db.execute(TABLE)
                db.execute(f"PRAGMA user_version = {VERSION}")
                _adopt(db, store)
    except BaseException:
        db.close()
        raise
    return db


def _version(db: sqlite3.Connection) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, VERSION):
        raise InputError(
            f"the list of jobs has version {version} and this dlmviz knows {VERSION}; use the "
            "dlmviz that made it, or another --store"
        )
    return version


def _adopt(db: sqlite3.Connection, store: str | Path) -> None:
    """Lists the jobs whose folders lie there, the oldest first."""
    found = []
    for path in folder.all_in(store):
        with contextlib.suppress(InputError):
            about = folder.read(path)
            found += [about] if about["id"] == path.name else []
    for about in sorted(found, key=lambda a: (a["created"], a["id"])):
        identity = about["id"]
        state = "stopped"
        if lock.held(folder.lock_of(store, identity)):
            state = "running"
        elif folder.result(folder.of(store, identity)) is not None:
            state = "done"
        kept = {name: about[name] for name in ("kind", "title", "created", "settings")}
        kept |= {name: cleaned(kept[name])[:LONGEST_TITLE] for name in ("kind", "title")}
        insert(db, identity, kept, state=state, note=FOUND)


def _job(values: dict[str, Any]) -> Job:
    try:
        settings = json.loads(values["settings"])
    except (TypeError, ValueError):
        settings = None
    return Job(**{**values, "settings": settings if isinstance(settings, dict) else {}})


def _path(store: str | Path) -> Path:
    return folder.root(store) / FILE


def _place(store: str | Path) -> int | None:
    """Which file the list is now."""
    try:
        return _path(store).stat().st_ino
    except OSError:
        return None


def _set_aside(store: str | Path, place: int | None) -> None:
    """Renames a damaged list, unless another process has done so and made a new one."""
    if place is None or _place(store) != place:
        return
    aside = f"{FILE}.damaged-{secrets.token_hex(4)}"
    for tail in ("", "-wal", "-shm"):  # those of the damaged one would damage the new one
        with contextlib.suppress(OSError):
            path = _path(store)
            path.with_name(path.name + tail).replace(path.with_name(aside + tail))
