"""What a job's entry is given: its settings, and how to tell how far it is and whether to stop."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from dlmviz.jobs.folder import CURVE
from dlmviz.types import InputError

Number = int | float | None


class Stopped(Exception):
    """Raised by an entry that was asked to stop, after it wrote its checkpoint."""


@dataclass(frozen=True)
class Progress:
    """How far a job is; columns of the list."""

    stage: str = ""
    unit: str = ""
    done: int = 0
    total: int = 0
    first: int = 0
    began: float | None = None
    updated: float | None = None


class Work:
    """One job being done. An entry that finds a checkpoint in `folder` goes on from there.

    Works without a worker too: `Work(folder, settings)` is enough for a test.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, Any], device: str | None = None
    ) -> None:
        self.folder, self.settings = folder, settings
        self.device = device  # None: the entry chooses, a GPU if there is one
        self.told = Progress()
        self.asked = ""  # who wants it to stop: "person", "worker" or nobody
        self.broken: InputError | None = None  # why it cannot go on
        self._silent = False
        self._trim()

    def stage(self, name: str, total: int = 0, unit: str = "", done: int = 0) -> None:
        """Begins a stage of `total` steps, or goes on with it where `done` are done already."""
        now = time.time()
        self.told = Progress(name, unit, int(done), int(total), int(done), now, now)

    def progress(self, done: int) -> None:
        """Tells how many steps of the stage are done; cheap enough for every step."""
        self._intact()
        self.told = replace(self.told, done=int(done), updated=time.time())

    def stopping(self) -> bool:
        """Whether to write a checkpoint and raise Stopped; costs nothing."""
        self._intact()
        return self.asked != ""

    def metric(self, **numbers: float | None) -> None:
        """Appends a row to the curve. What is no number in JSON (NaN, infinity) is null there.

        A row that cannot be written, on a full disk say, is left out whole.
        """
        self._intact()
        row = {name: self._number(name, value) for name, value in numbers.items()}
        line = (json.dumps(row, allow_nan=False) + "\n").encode()
        size = self.mark()
        try:
            with open(self.folder / CURVE, "ab") as file:
                file.write(line)
        except OSError as error:
            self._cut(size)
            if not self._silent:
                self.say(f"rows of the curve are missing: {error}")
            self._silent = True

    def mark(self) -> int:
        """Where the curve ends now. Keep it in the checkpoint, for `rewind`."""
        try:
            return (self.folder / CURVE).stat().st_size
        except OSError:
            return 0

    def rewind(self, mark: int) -> None:
        """Takes back the rows that were added after `mark`: the steps that are done again."""
        if self.mark() < mark:
            self.say("rows of the curve are missing: its file is shorter than it was")
        self._cut(mark)

    def say(self, text: str) -> None:
        """Adds lines to the log, at once. A log that cannot be written stops nothing."""
        with contextlib.suppress(OSError):
            print(text, flush=True)

    def ask(self, who: str) -> None:
        """Asks the entry to stop: a "person" wants it, or its "worker" is at its end."""
        self.asked = "worker" if "worker" in (who, self.asked) else who

    def _intact(self) -> None:
        if self.broken is not None:
            raise self.broken

    def _number(self, name: str, value: Any) -> Number:
        if value is None:
            return None
        if isinstance(value, Integral):
            return int(value)
        if not isinstance(value, Real):
            raise TypeError(f"a metric is a number: {name} is a {type(value).__name__}; use float")
        if math.isfinite(value):
            return float(value)
        self.say(f"{name} is {float(value)}; null in the curve")
        return None

    def _trim(self) -> None:
        """Removes half a line that a process left when it was killed."""
        with contextlib.suppress(OSError), open(self.folder / CURVE, "rb+") as file:
            size = file.seek(0, os.SEEK_END)
            while size:
                begin = max(0, size - 65536)
                file.seek(begin)
                cut = file.read(size - begin).rfind(b"\n")
                if cut >= 0:
                    size = begin + cut + 1
                    break
                size = begin
            file.truncate(size)

    def _cut(self, size: int) -> None:
        with contextlib.suppress(OSError):
            if self.mark() > size:
                os.truncate(self.folder / CURVE, size)
