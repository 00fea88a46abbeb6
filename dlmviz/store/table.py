"""The SQLite table behind `index`: opened, made to agree with the files, moved aside if damaged."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from dlmviz import metrics
from dlmviz.store import RUN_ID, open_trace
from dlmviz.store.schema import MAX_STEPS
from dlmviz.types import InputError

FILE = "index.sqlite3"
VERSION = 1  # of the table below
BUSY = 10.0  # seconds to wait for another process that writes
LONGEST_NAME = 120
LONGEST_TEXT = {"prompt": 200, "model": 200, "sampler": 80, "text": 2000}  # characters kept

TABLE = """
CREATE TABLE IF NOT EXISTS runs (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, created REAL NOT NULL, pinned INTEGER NOT NULL DEFAULT 0,
  deleted REAL, parent TEXT, step INTEGER,
  prompt TEXT, model TEXT, sampler TEXT, gen_length INTEGER, nfe INTEGER, tpf REAL, steps INTEGER,
  text TEXT, problem TEXT NOT NULL,
  size INTEGER NOT NULL, changed INTEGER NOT NULL, gone INTEGER NOT NULL DEFAULT 0
)
"""
FACTS = ("prompt", "model", "sampler", "gen_length", "nfe", "tpf", "steps", "text", "problem")
STAMP = ("size", "changed")  # bytes and mtime [ns] of the file when it was read
Stamp = tuple[int, int]
T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """One run of the list. What only its file knows is None where the file cannot be opened."""

    id: str  # content hash
    name: str  # "" until someone gives one
    created: float  # seconds since 1970: when its file was written
    pinned: bool = False
    deleted: float | None = None  # when; its file is still there until `purge`
    parent: str | None = None  # the run that it continues
    step: int | None = None  # after this many steps of the parent
    prompt: str | None = None
    model: str | None = None
    sampler: str | None = None
    gen_length: int | None = None
    nfe: int | None = None
    tpf: float | None = None
    steps: int | None = None
    text: str | None = None
    problem: str = ""  # why its file cannot be opened


COLUMNS = tuple(field.name for field in fields(Row))


def within(folder: Path, work: Callable[[sqlite3.Connection], T]) -> T:
    """What `work` returns, given an index that knows every file.

    An index that is damaged, or no index of ours, is moved aside and made again from the files.
    """
    for last in (False, True):
        place = _place(folder)
        try:
            with contextlib.closing(_opened(folder)) as db:
                _update(db, folder)
                return work(db)
        except sqlite3.DatabaseError as error:
            if last or type(error) is not sqlite3.DatabaseError:
                raise  # its kinds say that it cannot be written, or that someone is too long at it
            _set_aside(folder, place)
    raise AssertionError("the second pass returns or raises")


def _opened(folder: Path) -> sqlite3.Connection:
    """The index, with its table. Raises DatabaseError for a file that is something else."""
    db = sqlite3.connect(folder / FILE, timeout=BUSY, isolation_level=None)
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == VERSION:
            return db
        with contextlib.suppress(sqlite3.OperationalError):  # another process is just doing it
            db.execute("PRAGMA journal_mode = WAL")
        with writing(db):
            version = db.execute("PRAGMA user_version").fetchone()[0]
            tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if version != VERSION and (version or tables):
                raise sqlite3.DatabaseError("this is no index that we know")
            db.execute(TABLE)
            db.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        db.close()
        raise
    return db


def _update(db: sqlite3.Connection, folder: Path) -> None:
    """Makes the index agree with the files. They are opened before anyone else has to wait."""
    known = {r[0]: r[1:] for r in db.execute("SELECT id, size, changed, gone FROM runs")}
    files = files_in(folder)
    news = {i: stamp for i, stamp in files.items() if known.get(i) != (*stamp, 0)}
    lost = [i for i in known if i not in files and not known[i][2]]
    if not news and not lost:
        return
    told = [fresh(folder, identity, stamp) for identity, stamp in news.items()]
    names = ("id", "name", "created", "parent", "step", *FACTS, *STAMP)
    again = ", ".join(f"{name} = excluded.{name}" for name in (*FACTS, *STAMP))
    with writing(db):
        db.executemany(
            f"INSERT INTO runs ({', '.join(names)}) VALUES ({', '.join(f':{n}' for n in names)}) "
            f"ON CONFLICT (id) DO UPDATE SET {again}, gone = 0",
            told,
        )
        gone = [(i,) for i in lost if not path_of(folder, i).exists()]  # it may be back by now
        db.executemany("UPDATE runs SET gone = 1 WHERE id = ?", gone)


def fresh(folder: Path, identity: str, stamp: Stamp) -> dict[str, Any]:
    """What a file alone says of its run."""
    facts = _facts(path_of(folder, identity), stamp)
    return {
        "id": identity,
        "created": stamp[1] / 1e9,
        **facts,
        **dict(zip(STAMP, stamp, strict=True)),
    }


@lru_cache(maxsize=4096)
def _facts(path: Path, stamp: Stamp) -> dict[str, Any]:
    """Name, parent and facts of a file that has this stamp."""
    try:
        trace = open_trace(path)
    except InputError as error:
        reason = str(error).replace(str(path), "this file")
        none = dict.fromkeys(("parent", "step", *FACTS))
        return {**none, "name": "", "problem": cleaned(reason)}
    spec, info = trace.spec, trace.info
    title, parent, step = (info.get(key) for key in ("title", "parent", "step"))
    if not (isinstance(parent, str) and type(step) is int and 0 <= step < MAX_STEPS):
        parent, step = "", None
    texts = {
        "prompt": spec.prompt,
        "model": spec.model,
        "sampler": spec.sampler,
        "text": trace.text,
    }
    return {
        "name": cleaned(title)[:LONGEST_NAME] if isinstance(title, str) else "",
        "parent": cleaned(parent)[:64] or None,
        "step": step,
        **{key: text[: LONGEST_TEXT[key]] for key, text in texts.items()},
        "gen_length": spec.gen_length,
        "nfe": trace.nfe,
        "tpf": metrics.tpf(trace),
        "steps": len(trace.steps),
        "problem": "",
    }


def select(db: sqlite3.Connection) -> list[Row]:
    """All rows whose file is there."""
    found = db.execute(f"SELECT {', '.join(COLUMNS)} FROM runs WHERE NOT gone")
    return [_row(dict(zip(COLUMNS, values, strict=True))) for values in found]


def _row(values: Mapping[str, Any]) -> Row:
    return Row(**{**values, "pinned": bool(values["pinned"])})


def files_in(folder: Path) -> dict[str, Stamp]:
    """Id -> stamp of every run that lies in the folder."""
    found = {}
    for path in folder.glob("*.npz"):
        with contextlib.suppress(OSError):  # removed since
            if RUN_ID.fullmatch(path.stem):
                status = path.stat()
                found[path.stem] = (status.st_size, status.st_mtime_ns)
    return found


def path_of(folder: Path, identity: str) -> Path:
    return folder / f"{identity}.npz"


def _place(folder: Path) -> int | None:
    """Which file the index is now."""
    try:
        return (folder / FILE).stat().st_ino
    except OSError:
        return None


def _set_aside(folder: Path, place: int | None) -> None:
    """Renames a damaged index, unless another process has done so and made a new one."""
    if place is None or _place(folder) != place:
        return
    aside = f"{FILE}.damaged-{secrets.token_hex(4)}"
    with contextlib.suppress(OSError):
        (folder / FILE).replace(folder / aside)
    for tail in ("-wal", "-shm"):  # of the damaged one: they would damage the new one
        with contextlib.suppress(OSError):
            (folder / f"{FILE}{tail}").replace(folder / f"{aside}{tail}")


def cleaned(name: str) -> str:
    """A text on one line, without control characters and halves of surrogate pairs."""
    kept = (" " if c.isspace() else c for c in name)
    return " ".join("".join(c for c in kept if unicodedata.category(c) not in ("Cc", "Cs")).split())


@contextlib.contextmanager
def writing(db: sqlite3.Connection) -> Iterator[None]:
    """A transaction that nobody else writes in: all of it happens, or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:  # a full disk ends it on its own
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
