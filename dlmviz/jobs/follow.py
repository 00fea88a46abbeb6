"""What a page reads of a job again and again: the end of its log, the new part of its curve."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any, NamedTuple

from dlmviz.jobs import folder
from dlmviz.jobs.table import Job

TAIL = 1 << 16  # bytes of a log that are looked at
PIECE = 1 << 22  # bytes of a curve in one answer
TRACE = 256  # bytes before a cursor by which it is known again


class Piece(NamedTuple):
    """Rows of a curve that were not seen yet."""

    rows: list[dict[str, Any]]
    cursor: str  # give it to the next call
    anew: bool  # what was seen before does not hold any more: the rows begin at the first one


def tail(store: str | Path, identity: str, lines: int = 50) -> str:
    """The last lines of a job's log; "" where there is none. Of a progress bar, its last state."""
    try:
        with open(folder.of(store, identity) / folder.LOG, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL))
            text = file.read(TAIL).decode("utf-8", "replace")
    except OSError:
        return ""
    kept = text.replace("\r\n", "\n").split("\n")
    if size > TAIL:
        kept = kept[1:]  # half of it is not here
    shown = [line.rstrip("\r").rpartition("\r")[2] for line in kept]
    if shown and not shown[-1]:
        shown.pop()
    return "\n".join(shown[max(0, len(shown) - lines) :])


def curve(store: str | Path, identity: str, cursor: str = "") -> Piece:
    """The complete rows behind `cursor`; all of them if it is "" or the file was cut meanwhile.

    Lines that are no JSON object are left out. A long curve comes in pieces: ask until none come.
    """
    try:
        with open(folder.of(store, identity) / folder.CURVE, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = _place(cursor)
            if start > size or cursor != _cursor(file, start):
                start = 0
            file.seek(start)
            data = file.read(PIECE)
            whole = data.rfind(b"\n") + 1
            if not whole and len(data) == PIECE:
                whole = PIECE  # no row is that long: the rest of it is left out too
            after = _cursor(file, start + whole)
    except OSError:
        return Piece([], "", cursor != "")
    rows = [row for line in data[:whole].splitlines() if (row := _row(line)) is not None]
    return Piece(rows, after, cursor != "" and start == 0)


def eta(job: Job) -> float | None:
    """Seconds that the stage still takes, at its mean pace so far; None where that is unknown."""
    if job.state != "running" or job.began is None or job.updated is None:
        return None
    steps, seconds = job.done - job.first, job.updated - job.began
    if steps <= 0 or seconds <= 0 or job.total <= job.first:
        return None
    return max(0, job.total - job.done) * seconds / steps


def _cursor(file: Any, place: int) -> str:
    """Names a place by its offset and by what stands before it."""
    if place == 0:
        return ""
    begin = max(0, place - TRACE)
    file.seek(begin)
    return f"{place}-{zlib.crc32(file.read(place - begin)):08x}"


def _place(cursor: str) -> int:
    digits = cursor.partition("-")[0]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else 0


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
