"""The process of one job: `python -m dlmviz.jobs.child FOLDER ...`, started by the worker."""

from __future__ import annotations

import argparse
import errno
import faulthandler
import io
import os
import signal
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from dlmviz.jobs import folder, kinds, moves
from dlmviz.jobs.work import Progress, Stopped, Work
from dlmviz.types import InputError

LOOK = 0.25  # seconds between two looks at the list and at the worker
PATIENCE = 60.0  # seconds that a job has to end its step when its worker ends
PERSON = 10  # times as long when a person stops it
TRIES = 20  # half seconds: how long to try to write down how it ended
FULL = (errno.ENOSPC, errno.EDQUOT)
NO_ROOM = (os.strerror(errno.ENOSPC), "disk is full")  # what other libraries and SQLite say
LONGEST = 400  # characters of an error that are shown


class Watch(threading.Thread):
    """Looks after a job while its entry works: takes progress to the list and news to the entry."""

    def __init__(self, work: Work, worker: int, patience: float = PATIENCE) -> None:
        super().__init__(daemon=True)
        self.work, self.worker, self.patience = work, worker, patience
        self.store, self.identity = work.folder.parent.parent, work.folder.name
        self.written = Progress()
        self.stamp = folder.stamp(work.folder)
        self.asked = ""
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(LOOK):
            self.look()

    def look(self) -> None:
        """Worker, folder, list, patience: each once."""
        if os.getppid() != self.worker:
            self.work.ask("worker")
        if folder.stamp(self.work.folder) != self.stamp:
            self.work.broken = folder.changed("somebody touched it while the job ran")
        self.tell()
        if self.work.asked != self.asked:
            self.asked = self.work.asked
            limit = self.patience * (PERSON if self.asked == "person" else 1)
            faulthandler.dump_traceback_later(limit, exit=True, file=2)

    def tell(self) -> None:
        """Writes the progress, if there is any, and reads the state."""
        told = self.work.told
        try:
            state = moves.tell(self.store, self.identity, told if told != self.written else None)
        except InputError as error:
            self.work.broken = error
        except (sqlite3.Error, OSError):  # a full disk or a busy list: the next look may do
            pass
        else:
            self.written = told
            if state == "stopping":
                self.work.ask("person")

    def end(self) -> None:
        """The last look."""
        self.over.set()
        self.join()
        self.tell()
        faulthandler.cancel_dump_traceback_later()


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 once the list says how the job ended, else 1."""
    given = _parser().parse_args(arguments)
    os.set_inheritable(given.lock, False)  # what the entry starts may outlive the job
    faulthandler.enable()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    work = Work(given.folder, {}, None if given.device == "auto" else given.device)
    work.say(f"--- {time.strftime('%Y-%m-%d %H:%M:%S')}: on {given.device}, process {os.getpid()}")
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: work.ask("worker"))
    watch = Watch(work, given.worker, given.patience)
    watch.look()
    watch.start()
    state, problem = perform(work, given.kinds)
    watch.end()
    work.say(f"--- {problem or state}")
    return written(work, state, problem)


def perform(work: Work, table: str) -> tuple[str, str]:
    """(done, stopped or failed; the sentence why it failed)."""
    try:
        about = folder.read(work.folder)
        work.settings = about["settings"]
        entry = kinds.entry(kinds.find(kinds.table(table), about["kind"]))
        if work.stopping():
            return "stopped", ""
        answer = entry(work)
        if isinstance(answer, Mapping):
            folder.write(work.folder / folder.RESULT, folder.plain(answer))
    except Stopped:
        return "stopped", ""
    except InputError as error:
        return "failed", str(error)
    except BaseException as error:
        traceback.print_exc()
        return "failed", sentence(error, work.folder)
    return "done", ""


def sentence(error: BaseException, where: Path) -> str:
    """Why the job failed, for somebody who does not read tracebacks."""
    cause: BaseException | None = error
    while cause is not None:
        full = isinstance(cause, OSError) and cause.errno in FULL
        if full or any(words in str(cause) for words in NO_ROOM):
            return (
                f"the disk is full: free some room for {where}, then press Resume; {moves.GOES_ON}"
            )
        cause = cause.__cause__ or cause.__context__
    line = next(iter(str(error).strip().splitlines()), "")[:LONGEST]
    return f"{type(error).__name__}{': ' if line else ''}{line}; see the log"


def written(work: Work, state: str, problem: str) -> int:
    """0 once the list says how the job ended; 1 if it cannot be written: then it is done again."""
    again = "its worker was ended" if work.asked == "worker" else ""
    store, identity = work.folder.parent.parent, work.folder.name
    for _ in range(TRIES):
        try:
            moves.finish(store, identity, state, problem, again)
            return 0
        except (sqlite3.Error, OSError) as error:
            work.say(f"the list of jobs cannot be written: {error}")
            time.sleep(0.5)
        except InputError as error:  # the job is in the list no more
            work.say(str(error))
            return 0
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", required=True)
    parser.add_argument("--worker", type=int, required=True, help="process that started this one")
    parser.add_argument("--lock", type=int, required=True, help="file descriptor of the job's lock")
    parser.add_argument("--kinds", default=kinds.TABLE)
    parser.add_argument("--patience", type=float, default=PATIENCE)
    return parser


if __name__ == "__main__":
    sys.exit(main())
