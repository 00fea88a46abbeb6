"""Locks that the system itself takes back when their holder dies, however it dies."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from dlmviz.types import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PATIENCE = 1.0  # seconds to try again: who only asks holds a lock for a moment too


def supported() -> bool:
    """Whether this system has the locks that jobs need."""
    return fcntl is not None


def take(path: Path) -> int | None:
    """A file descriptor that holds the lock until all its copies are closed; None: it is taken."""
    if fcntl is None:
        raise InputError(
            "jobs need file locks that Windows does not have; run dlmviz on Linux, macOS or WSL"
        )
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except BaseException:
        os.close(handle)
        raise
    return handle


@contextlib.contextmanager
def closing(handle: int) -> Iterator[None]:
    """Closes the descriptor at the end."""
    try:
        yield
    finally:
        os.close(handle)


def held(path: Path) -> bool:
    """Whether a living process holds the lock."""
    if fcntl is None:
        return False
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False


@contextlib.contextmanager
def alone(path: Path, wait: bool, busy: str) -> Iterator[int]:
    """While this is open, nobody else holds the lock. Raises InputError(`busy`), or waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + PATIENCE
    while (handle := take(path)) is None:
        if not wait and time.monotonic() > end:
            raise InputError(f"process {_owner(path)} {busy}")
        time.sleep(0.05 if time.monotonic() < end else 0.5)
    with closing(handle):
        with contextlib.suppress(OSError):  # a full disk: only the sentence is the poorer
            os.truncate(handle, 0)
            os.write(handle, str(os.getpid()).encode())
        yield handle


def ours(path: Path, handle: int) -> bool:
    """Whether the file that `handle` locks is still the one that others find at `path`."""
    try:
        there, own = path.stat(), os.fstat(handle)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino)


def _owner(path: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        return str(int(path.read_text("utf-8")))
    return "of unknown number"
