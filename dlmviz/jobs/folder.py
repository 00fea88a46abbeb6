"""The folder of a job: what it is (`job.json`, written once), its log, its curve, its result."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dlmviz.types import InputError

JOB, LOG, CURVE, RESULT = "job.json", "log.txt", "curve.jsonl", "result.json"
JOB_ID = re.compile("[0-9a-f]{8}")
LARGEST = 1 << 24  # bytes of a job.json or result.json that are read
GONE = ".gone-"  # how the name of a folder begins that is being removed
Stamp = tuple[int, int, int]


def root(store: str | Path) -> Path:
    """Where all that belongs to jobs lies in a store."""
    return Path(store).absolute() / "jobs"


def of(store: str | Path, identity: str) -> Path:
    """The folder of a job. Raises InputError for what is no id."""
    if not JOB_ID.fullmatch(identity):
        raise unknown(identity)
    return root(store) / identity


def lock_of(store: str | Path, identity: str) -> Path:
    """The file that a job's process locks; beside the folder, which a person may remove."""
    return root(store) / f"{identity}.lock"


def worker_lock(store: str | Path) -> Path:
    """The file that the worker of a store locks."""
    return root(store) / "worker.lock"


def unknown(identity: str) -> InputError:
    """The refusal of an id that no job has."""
    return InputError(
        f"there is no job {identity[:80]!r} in the list; reload the list and choose one of it"
    )


def changed(what: str) -> InputError:
    """The refusal of a folder that is not as it was left."""
    return InputError(
        f"its folder was changed: {what}; put it back as it was, or press Retry: a fresh job of "
        "the same settings"
    )


def make(store: str | Path, identity: str, about: Mapping[str, Any]) -> None:
    """Makes the folder, with its job.json, whole."""
    folder = of(store, identity)
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / JOB, {"id": identity, **about})


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON file: whole, or not at all."""
    text = json.dumps(content, indent=1, allow_nan=False)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read(folder: Path) -> dict[str, Any]:
    """What job.json says: id, kind, title, created, settings. Raises InputError if it cannot."""
    if not folder.is_dir():
        raise changed("it is gone")
    try:
        about = _json(folder / JOB)
    except FileNotFoundError as error:
        raise changed(f"{JOB} is gone") from error
    except (OSError, ValueError, RecursionError) as error:
        raise changed(f"{JOB} cannot be read") from error
    types = {"id": str, "kind": str, "title": str, "created": float, "settings": dict}
    if not all(type(about.get(name)) is kind for name, kind in types.items()):
        raise changed(f"{JOB} does not say what job this is")
    return about


def check(folder: Path, kind: str, settings: Mapping[str, Any]) -> None:
    """Raises InputError unless the folder is that of this very job."""
    about = read(folder)
    if (about["id"], about["kind"], about["settings"]) != (folder.name, kind, settings):
        raise changed(f"{JOB} is no longer what the list of jobs says")


def result(folder: Path) -> dict[str, Any] | None:
    """What result.json says; None where there is none that can be read."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        return _json(folder / RESULT)
    return None


def plain(value: Any) -> Any:
    """The same with None for numbers that JSON does not know."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def stamp(folder: Path) -> Stamp | None:
    """Changes when somebody touches job.json; None when it is gone."""
    try:
        status = (folder / JOB).stat()
    except OSError:
        return None
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def all_in(store: str | Path) -> Iterator[Path]:
    """The folders that look like those of jobs."""
    with contextlib.suppress(OSError):
        for path in root(store).iterdir():
            if JOB_ID.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
                yield path


def remove(store: str | Path, identity: str) -> None:
    """Removes a job's folder; nobody ever sees half of it."""
    folder = of(store, identity)
    aside = folder.with_name(GONE + secrets.token_hex(4))
    with contextlib.suppress(FileNotFoundError):
        folder.replace(aside)
    lock_of(store, identity).unlink(missing_ok=True)
    for path in root(store).glob(f"{GONE}*"):  # also what an interrupted removal left
        shutil.rmtree(path, ignore_errors=True)


def _json(path: Path) -> dict[str, Any]:
    with open(path, encoding="utf-8") as file:
        content = json.loads(file.read(LARGEST))
    if not isinstance(content, dict):
        raise ValueError("no object")
    return content
