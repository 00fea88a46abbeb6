"""A job that counts, as real ones train: steps, a checkpoint now and then, a curve."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Mapping
from typing import Any

from dlmviz.jobs.kinds import Kind
from dlmviz.jobs.work import Stopped, Work
from dlmviz.types import InputError

KINDS: Mapping[str, Kind] = {
    "count": Kind("count", "Counting", "tests.toy_job:count"),
    "break": Kind("break", "Breaking", "tests.toy_job:broken"),
    "lost": Kind("lost", "Lost", "tests.no_such_module:run"),
}
TABLE = "tests.toy_job:KINDS"
GO = "go"


def count(work: Work) -> dict[str, Any]:
    """Counts to `n`, with a checkpoint after each `every`; waits at `hold` for the file `go`.

    The checkpoint holds the place in the curve, so that no number is told twice.
    """
    n, every = int(work.settings["n"]), int(work.settings.get("every", 5))
    number = _restored(work)
    work.stage("counting", n, "numbers", done=number)
    while number < n:
        if work.stopping() and not work.settings.get("deaf"):
            _save(work, number)
            raise Stopped
        if number == work.settings.get("hold") and not (work.folder / GO).exists():
            time.sleep(0.01)
            continue
        number += 1
        work.metric(step=number, loss=1 / number)
        work.progress(number)
        if number % every == 0:
            _save(work, number)
    work.say(f"counted to {n}")
    return {"counted": number, "nothing": float("nan")}


def broken(work: Work) -> None:
    """Fails, or ends its process, in the way that its settings name."""
    way = work.settings["way"]
    if way == "input":
        raise InputError("n must be a number: got x; try 3")
    if way == "disk":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if way == "wrapped":
        raise RuntimeError("cannot write: No space left on device (os error 28)")
    if way == "exit":
        raise SystemExit(3)
    if way == "killed":
        os.kill(os.getpid(), 9)
    raise ValueError("first line\nsecond line")


def _save(work: Work, number: int) -> None:
    path = work.folder / "checkpoint.json"
    path.with_suffix(".new").write_text(json.dumps({"number": number, "mark": work.mark()}))
    path.with_suffix(".new").replace(path)


def _restored(work: Work) -> int:
    path = work.folder / "checkpoint.json"
    if not path.exists():
        work.rewind(0)
        return 0
    kept = json.loads(path.read_text())
    work.rewind(kept["mark"])
    return int(kept["number"])
