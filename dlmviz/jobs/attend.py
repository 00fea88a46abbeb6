"""How the app sees to it that its jobs are done: it starts a worker when one is needed."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from dlmviz.jobs import folder, kinds, lock, table
from dlmviz.types import InputError

LOG = "worker.log"
LOOK = 0.5  # seconds between two looks whether a worker is needed
AGAIN = 5.0  # seconds before another worker is started
LEAVE = 10.0  # seconds that the app waits for its worker; which ends without it, too


def start_worker(
    store: str | Path, devices: str = "auto", table_of_kinds: str = kinds.TABLE
) -> subprocess.Popen[bytes]:
    """A worker that serves the store until this process ends, however it ends."""
    place = folder.root(store)
    place.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-u", "-m", "dlmviz.jobs.worker", "--store", str(place.parent)]
    command += ["--devices", devices, "--kinds", table_of_kinds, "--parent", str(os.getpid())]
    with open(place / LOG, "ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl+C is for the app, which then ends its worker
        )


def needed(store: str | Path) -> bool:
    """Whether there are jobs to do and no worker to do them."""
    if not table.exists(store) or lock.held(folder.worker_lock(store)):
        return False
    return bool(table.within(store, lambda db: table.select(db, f"state IN {table.OPEN}")))


@contextlib.contextmanager
def attended(
    store: str | Path, devices: str = "auto", table_of_kinds: str = kinds.TABLE
) -> Iterator[None]:
    """While this is open, a worker serves the store as soon as there is a job, and again if killed.

    At the end the worker is told to end: its jobs write a checkpoint and go back to the queue. A
    worker that somebody else started is used, and left alone.
    """
    workers: list[subprocess.Popen[bytes]] = []
    over = threading.Event()

    def attend() -> None:
        pause = LOOK
        while not over.wait(pause):
            pause = LOOK
            with contextlib.suppress(InputError, OSError, sqlite3.Error):  # the next look may do
                if needed(store):
                    workers[:] = [w for w in workers if w.poll() is None]
                    workers.append(start_worker(store, devices, table_of_kinds))
                    pause = AGAIN

    thread = threading.Thread(target=attend, daemon=True)
    if lock.supported():
        thread.start()
    try:
        yield
    finally:
        over.set()
        if thread.is_alive():
            thread.join()
        for worker in workers:
            _end(worker)


def _end(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    try:
        worker.wait(1)
    except subprocess.TimeoutExpired:
        print("Waiting for a job to finish its step. It goes on at the next start.", flush=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.wait(LEAVE)
