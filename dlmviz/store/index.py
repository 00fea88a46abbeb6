"""The list of the runs in a folder: names, pins and parents, and what to show of each.

The files are the truth: a run whose file lies there is in the list, whatever the index knows. The
index, one SQLite file beside them, adds what people said about it and spares opening every file
again. Nothing here writes a trace; `purge` alone removes files, of runs that were deleted.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dlmviz.store import RUN_ID
from dlmviz.store.table import (
    COLUMNS,
    FILE,
    LONGEST_NAME,
    Row,
    cleaned,
    files_in,
    fresh,
    path_of,
    select,
    within,
    writing,
)
from dlmviz.types import InputError

UNDO = 30.0  # seconds in which a deleted run's file is kept for sure


def listed(folder: str | Path, query: str = "", deleted: bool = False) -> list[Row]:
    """Runs of `folder` whose name, prompt, text, settings or id hold every word of `query`.

    Pinned ones first, then the newest; `deleted` lists the deleted ones instead. A folder or an
    index that cannot be written is listed all the same, from its files.
    """
    folder = Path(folder)
    try:
        rows = within(folder, select) if folder.is_dir() else []
    except sqlite3.Error:
        rows = _unsaved(folder)
    words = query.casefold().split()
    found = [r for r in rows if (r.deleted is not None) == deleted and _holds(r, words)]
    return sorted(found, key=lambda r: (not r.pinned, -r.created, r.id))


def sync(folder: str | Path) -> None:
    """Gives every file a row, and marks the rows whose file is gone: they are listed no more."""
    if Path(folder).is_dir():
        within(Path(folder), lambda db: None)


def rename(folder: str | Path, identity: str, name: str) -> str:
    """The name as it is kept: blanks joined, control characters left out; "" takes it away."""
    kept = cleaned(name)
    if len(kept) > LONGEST_NAME:
        raise InputError(
            f"a name has at most {LONGEST_NAME} characters: got {len(kept)}; shorten it"
        )
    _change(folder, identity, name=kept)
    return kept


def pin(folder: str | Path, identity: str, pinned: bool = True) -> None:
    """Keeps a run at the top of the list, or no longer."""
    _change(folder, identity, pinned=int(pinned))


def delete(folder: str | Path, identity: str) -> None:
    """Takes a run out of the list. Its file stays until `purge`."""
    _change(folder, identity, deleted=time.time())


def undelete(folder: str | Path, identity: str) -> None:
    """Puts a deleted run back. Raises InputError if `purge` came first."""
    _change(folder, identity, deleted=None)


def adopt(folder: str | Path, identity: str, parent: str, step: int) -> None:
    """Notes that a run continues `parent` after `step` of its steps."""
    if step < 0 or not 0 < len(parent) <= 64:
        raise InputError(
            f"a parent is a run's id and a step >= 0: got {parent[:80]!r} and {step}; "
            "give the run that was continued"
        )
    _change(folder, identity, parent=cleaned(parent), step=step)


def purge(folder: str | Path, older: float = UNDO) -> list[str]:
    """Ids of the runs that are gone for good now: deleted more than `older` seconds ago."""
    folder = Path(folder)

    def work(db: sqlite3.Connection) -> list[str]:
        gone = []
        with writing(db):  # nobody can undelete meanwhile
            old = db.execute("SELECT id FROM runs WHERE deleted <= ?", (time.time() - older,))
            for (identity,) in old.fetchall():
                with contextlib.suppress(OSError):  # stays deleted, and is tried again
                    path_of(folder, identity).unlink(missing_ok=True)
                    db.execute("DELETE FROM runs WHERE id = ?", (identity,))
                    gone.append(identity)
        return gone

    with _explained(folder):
        return within(folder, work) if folder.is_dir() else []


def _change(folder: str | Path, identity: str, **values: Any) -> None:
    folder = Path(folder)
    missing = InputError(
        f"there is no run {identity[:80]!r} in the library; reload the list and choose one of it"
    )
    if not RUN_ID.fullmatch(identity) or not folder.is_dir():
        raise missing
    pairs = ", ".join(f"{name} = ?" for name in values)

    def work(db: sqlite3.Connection) -> int:
        with writing(db):
            told = (*values.values(), identity)
            return db.execute(f"UPDATE runs SET {pairs} WHERE id = ? AND NOT gone", told).rowcount

    with _explained(folder):
        if not within(folder, work):
            raise missing


def _holds(row: Row, words: list[str]) -> bool:
    told = (row.id, row.name, row.prompt, row.model, row.sampler, row.text)
    text = "\n".join(part or "" for part in told).casefold()
    return all(word in text for word in words)


def _unsaved(folder: Path) -> list[Row]:
    """The rows of a folder whose index cannot be written: what it says, and what the files say."""
    saved: dict[str, Row] = {}
    with contextlib.suppress(sqlite3.Error):
        address = f"file:{quote(str((folder / FILE).absolute()))}?immutable=1"
        with contextlib.closing(sqlite3.connect(address, uri=True)) as db:
            saved = {row.id: row for row in select(db)}
    return [
        saved.get(i) or Row(**{k: v for k, v in fresh(folder, i, s).items() if k in COLUMNS})
        for i, s in files_in(folder).items()
    ]


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise InputError(
            f"the library in {folder} cannot be changed: {error}; give a --store folder that is "
            "yours to write, with room left"
        ) from error
