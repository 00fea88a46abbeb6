"""Traces at rest: one .npz a run, a folder of runs. Reading never writes.

A file holds a JSON header and typed arrays, never pickled objects. Its sizes are checked before
anything is allocated, its values before a Trace is made.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
import secrets
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dlmviz.store.packing import pack, unpack
from dlmviz.store.schema import (
    MAX_BYTES,
    MAX_HEADER,
    Arrays,
    check_shapes,
    read_header,
)
from dlmviz.types import InputError, RunSpec, Trace

RUN_ID = re.compile("[0-9a-f]{16}")
COMPRESSION = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# what a damaged file can make zipfile, zlib and numpy raise; InputError is a ValueError
DAMAGE = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)
# the only array headers that numpy writes for us; numpy's own parser evaluates literals
NPY_HEADER = re.compile(
    rb"\{'descr': '([<|][a-zA-Z]\d*)', 'fortran_order': False, 'shape': \(([\d, ]*)\), \} *\n"
)


def save(trace: Trace, path: str | Path) -> Path:
    """The path, after the trace was written there: whole, or not at all.

    An existing file is replaced. Raises InputError where the folder cannot be written, and for a
    trace that `open_trace` would refuse.
    """
    path = Path(path)
    header, arrays = pack(trace)
    with _replacing(path) as temporary, open(temporary, "xb") as file:
        blob = np.frombuffer(header, np.uint8)
        np.savez_compressed(file, allow_pickle=False, header=blob, **arrays)
        file.flush()
        os.fsync(file.fileno())
    return path


def check_writable(path: str | Path) -> None:
    """None if `save` can write to this path; else InputError. Leaves nothing behind."""
    path = Path(path)
    temporary = _temporary(path)
    with _explained(path):
        temporary.touch(exist_ok=False)
        temporary.unlink()


def open_trace(path: str | Path) -> Trace:
    """The trace in a file that `save` wrote, equal to what was saved to the last bit.

    Raises InputError for a missing, foreign, cut, damaged, oversize or contradictory file.
    """
    path = Path(path)
    with _opening(path):
        return unpack(*_read(path))


def run_id(trace: Trace) -> str:
    """16 hexadecimal digits of the SHA-256 of everything in the trace, timings included."""
    header, arrays = pack(trace)
    digest = hashlib.sha256(header)
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()[:16]


def put(folder: str | Path, trace: Trace) -> str:
    """The run's id, after it was written to `folder`, which is made if need be."""
    path = Path(folder) / f"{run_id(trace)}.npz"
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    save(trace, path)
    return path.stem


def get(folder: str | Path, identity: str) -> Trace:
    """The stored run with this id. Raises InputError for what is no id, and as `open_trace`."""
    if not RUN_ID.fullmatch(identity):
        raise InputError(f"a run id has 16 digits 0-9 a-f: got {identity!r}; see the list of runs")
    return open_trace(Path(folder) / f"{identity}.npz")


def runs(folder: str | Path) -> list[dict[str, Any]]:
    """One row a run in `folder`, by id: id, problem, spec, text, steps, nfe, seconds.

    `problem` is "" or the sentence why the file cannot be opened; then the rest is None. A missing
    folder has no runs. Only headers and two counters a file are read.
    """
    paths = sorted(Path(folder).glob("*.npz"))
    return [_row(path) for path in paths if RUN_ID.fullmatch(path.stem)]


def _row(path: Path) -> dict[str, Any]:
    empty = dict.fromkeys(("spec", "text", "steps", "nfe", "seconds"))
    try:
        with _opening(path):
            header, arrays = _read(path, only=("nfe", "seconds"))
    except InputError as error:
        return {"id": path.stem, "problem": str(error), **empty}
    return {
        "id": path.stem,
        "problem": "",
        "spec": RunSpec(**header["spec"]),
        "text": header["text"],
        "steps": len(arrays["nfe"]),
        "nfe": int(arrays["nfe"].sum()),
        "seconds": float(arrays["seconds"].sum()),
    }


def _read(path: Path, only: tuple[str, ...] = ()) -> tuple[dict[str, Any], Arrays]:
    """(header, arrays) with known keys, types and shapes; the arrays in `only`, or all."""
    if not path.is_file():
        raise InputError("there is no such file")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"it has over {MAX_BYTES} bytes")
    with zipfile.ZipFile(path) as archive:
        members = _members(archive)
        shapes = {name: _shape(archive, entry) for name, entry in members.items()}
        if shapes.pop("header")[0] != "|u1":
            raise InputError("its header is not text")
        header = read_header(_array(archive, members["header"]).tobytes())
        check_shapes(len(header["signals"]), shapes, header["schema"])
        return header, {name: _array(archive, members[name]) for name in only or shapes}


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """name -> entry of the archive's directory, once its sizes are known to be harmless.

    zipfile never unpacks an entry beyond the size that the directory states.
    """
    entries = archive.infolist()
    members = {entry.filename.removesuffix(".npy"): entry for entry in entries}
    if len(members) != len(entries) or "header" not in members:
        raise InputError("it has no header, or two entries of one name")
    size = sum(entry.file_size for entry in entries)
    if size > MAX_BYTES or members["header"].file_size > MAX_HEADER:
        raise InputError(
            f"it unpacks to {size} bytes with a header of {members['header'].file_size}: at most "
            f"{MAX_BYTES} and {MAX_HEADER} are allowed"
        )
    if any(entry.compress_type not in COMPRESSION for entry in entries):
        raise InputError("it is compressed in a way that dlmviz does not use")
    return members


def _shape(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> tuple[str, tuple[int, ...]]:
    """(dtype, shape) that an array states, once they agree with the size of its entry."""
    with archive.open(entry) as file:
        start = file.read(10)
        length = int.from_bytes(start[8:], "little")
        match = NPY_HEADER.fullmatch(file.read(length))
    if start[:8] != b"\x93NUMPY\x01\x00" or match is None:
        raise InputError(f"its array {entry.filename} is not in numpy's format")
    dtype = match[1].decode()
    if dtype[1] == "O":
        raise InputError(f"its array {entry.filename} holds pickled objects, which are never read")
    shape = tuple(int(axis) for axis in match[2].split(b",") if axis.strip())
    if 10 + length + int(dtype[2:] or 0) * math.prod(shape) != entry.file_size:
        raise InputError(f"its array {entry.filename} does not have the size it states")
    return dtype, shape


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(entry) as file:
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


@contextlib.contextmanager
def _opening(path: Path) -> Iterator[None]:
    """Turns whatever is wrong with a file into one InputError that names it."""
    try:
        yield
    except DAMAGE as error:
        reason = str(error) if isinstance(error, InputError) else "it is damaged"
        if isinstance(error, zipfile.BadZipFile):
            reason = "it is no .npz file, or one that is cut short or damaged"
        elif isinstance(error, OSError) and error.strerror:
            reason = error.strerror
        raise InputError(
            f"cannot open {path} as a trace: {reason}; give a file that dlmviz saved"
        ) from error


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place at the end, or vanishes on an error."""
    temporary = _temporary(path)
    try:
        with _explained(path):
            yield temporary
            temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror}; give a folder that exists and is yours to "
            "write, with room left"
        ) from error


def _temporary(path: Path) -> Path:
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; give the name of a file in it")
    return path.with_name(f".{secrets.token_hex(8)}.part")
