"""The worker of a store: starts the jobs, one a device, oldest first, each in its own process."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlmviz.jobs import child, folder, kinds, lock, moves
from dlmviz.jobs.table import OPEN, Job, exists, select, within
from dlmviz.types import InputError

PAUSE = 0.2  # seconds between two looks at the list
DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
SLACK = 10.0  # seconds more than its patience that a process gets to end itself


@dataclass(frozen=True)
class Settings:
    """How a worker works."""

    store: Path
    devices: tuple[str, ...] = ("auto",)  # auto: the job's kind chooses
    wait: bool = False  # until another worker has ended
    drain: bool = False  # end when nothing is left to do
    parent: int = 0  # end when this process is our parent no more; 0: nobody's
    patience: float = child.PATIENCE
    kinds: str = kinds.TABLE


@dataclass(frozen=True)
class Child:
    """A job at work."""

    job: str
    attempt: int
    process: subprocess.Popen[bytes]


class Worker:
    """The processes that this worker started, by device, and how often it was told to end."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.children: dict[str, Child] = {}
        self.told = 0
        self.complaint = ""

    def serve(self) -> None:
        """Works until it is told to end, by a signal or because its parent or lock is gone.

        Raises InputError if another worker serves the store.
        """
        store = self.settings.store
        busy = f"serves the jobs of {store} already: end it first, or give --wait to take its place"
        path = folder.worker_lock(store)
        with lock.alone(path, self.settings.wait, busy) as handle:
            for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(name, self._tell)
            say(f"worker {os.getpid()} serves {store} on {', '.join(self.settings.devices)}")
            try:
                while not self.told and self._wanted() and lock.ours(path, handle):
                    if self._safely() and self.settings.drain:
                        break
                    time.sleep(PAUSE)
            finally:
                self._end()
            say(f"worker {os.getpid()} ends")

    def _tell(self, *_: object) -> None:
        self.told += 1

    def _wanted(self) -> bool:
        return self.settings.parent in (0, os.getppid())

    def _safely(self) -> bool:
        """`turn`; a list that cannot be used now is tried again, and complained about once."""
        try:
            nothing = self.turn()
        except (sqlite3.Error, OSError, InputError) as error:
            if str(error) != self.complaint:
                say(f"trouble: {error}")
            self.complaint = str(error)
            return False
        self.complaint = ""
        return nothing

    def turn(self) -> bool:
        """Whether nothing is left to do, after all was done that can be done now."""
        for device, each in list(self.children.items()):
            status = each.process.poll()
            if status is not None:
                self._ended(each, status)
                del self.children[device]
        own = {each.job for each in self.children.values()}
        found = self._open()
        if any(job.state != "queued" and job.id not in own for job in found):
            if moves.settle(self.settings.store, own):
                return False  # their devices are not free before they end
            found = self._open()
        waiting = [job for job in found if job.state == "queued"]
        for device in self.settings.devices:
            if device not in self.children:
                while waiting and not self._begin(waiting.pop(0), device):
                    pass
        return not self.children and not (found and self._open())

    def _open(self) -> list[Job]:
        """The jobs that are not at their end, oldest first."""
        store = self.settings.store
        if not exists(store):
            return []
        return within(store, lambda db: select(db, f"state IN {OPEN}"))

    def _begin(self, job: Job, device: str) -> bool:
        """Whether a process is at the job now. A job that cannot begin has failed."""
        store = self.settings.store
        handle = lock.take(folder.lock_of(store, job.id))
        if handle is None:  # the process before it is at its end; or somebody deletes it
            return False
        with lock.closing(handle):  # the child has its own copy
            try:
                folder.check(folder.of(store, job.id), job.kind, job.settings)
                if not moves.claim(store, job, device):
                    return False
                process = self._started(job.id, device, handle)
            except (InputError, OSError) as error:
                moves.refuse(store, job.id, error)
                return False
        self.children[device] = Child(job.id, job.attempts + 1, process)
        say(f"{job.id} on {device}: process {process.pid}")
        return True

    def _started(self, identity: str, device: str, handle: int) -> subprocess.Popen[bytes]:
        place = folder.of(self.settings.store, identity)
        command = [sys.executable, "-u", "-X", "utf8", "-m", child.__name__, str(place)]
        command += ["--device", device, "--worker", str(os.getpid()), "--lock", str(handle)]
        command += ["--kinds", self.settings.kinds, "--patience", str(self.settings.patience)]
        with open(place / folder.LOG, "ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(handle,),
                start_new_session=True,  # Ctrl+C in the worker's terminal is not for the job
            )

    def _ended(self, each: Child, status: int) -> None:
        """Sees to it that the list says how the job ended, where its process did not."""
        if self.told:  # `_end` sets it right
            return
        how = f"signal {-status}" if status < 0 else f"status {status}"
        job = moves.died(self.settings.store, each.job, each.attempt, how)
        say(f"{each.job} {job.state if job else 'is gone'} ({how})")

    def _end(self) -> None:
        """Ends the jobs after their step; those that take too long, or when told twice, at once."""
        for each in self.children.values():
            each.process.terminate()
        end = time.monotonic() + self.settings.patience + SLACK
        while any(each.process.poll() is None for each in self.children.values()):
            if self.told > 1 or time.monotonic() > end:
                for each in self.children.values():
                    each.process.kill()
            time.sleep(PAUSE / 4)
        try:
            moves.settle(self.settings.store)
        except (sqlite3.Error, OSError, InputError) as error:
            say(f"trouble: {error}")


def say(text: str) -> None:
    """A line for the log. One that cannot be written, on a full disk say, stops nothing."""
    with contextlib.suppress(OSError):
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def options(parser: argparse.ArgumentParser) -> None:
    """Adds what the command line can say of a worker."""
    parser.add_argument("--store", default="runs", help="folder of the app (./runs)")
    parser.add_argument("--devices", default="auto", help="auto, cpu, or some as cuda:0,cuda:1")
    parser.add_argument("--wait", action="store_true", help="until another worker has ended")
    parser.add_argument("--drain", action="store_true", help="end when no job is left to do")
    parser.add_argument("--parent", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--kinds", default=kinds.TABLE, help=argparse.SUPPRESS)
    parser.add_argument(
        "--patience", type=float, default=child.PATIENCE, help="seconds to finish a step in (60)"
    )


def run(given: argparse.Namespace) -> None:
    """Serves as `options` were given. Raises InputError, as `Worker.serve`."""
    devices = tuple(name.strip() for name in given.devices.split(","))
    if len(set(devices)) < len(devices) or not all(map(DEVICE.fullmatch, devices)):
        raise InputError(
            f"devices are auto, cpu, mps, cuda or cuda:N, each once: got {given.devices!r}; "
            "try --devices cuda:0,cuda:1"
        )
    names = ("wait", "drain", "parent", "patience", "kinds")
    more = {name: vars(given)[name] for name in names}
    Worker(Settings(Path(given.store).absolute(), devices, **more)).serve()


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 after an end in good order, 2 with one sentence if it cannot serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    options(parser)
    try:
        run(parser.parse_args(arguments))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
