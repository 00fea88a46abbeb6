"""What a stored trace must look like: arrays, header, limits, and the checks of each.

Letters: S steps, T canvas, N recorded span, K kept alternatives. The checks raise InputError with
the reason alone; who opens the file says which file and what to do.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from dlmviz.types import InputError, RunSpec

SCHEMA = 3  # 1 knew no reasons and no probes; 1 and 2 held edges as whole matrices
READ = (1, 2, SCHEMA)
MAX_BYTES = 256_000_000  # of all arrays together
MAX_HEADER = 8_000_000  # bytes of JSON, which grow when they are parsed
MAX_STEPS = 200_000
MAX_CANVAS = 65_536
MAX_REPLAY = 256_000_000  # steps times canvas: what replaying a run costs
MAX_SIGNALS = 64
MAX_WHY = 4_000_000  # reasons given in all steps; as dictionaries they take much more room

Arrays = dict[str, np.ndarray]
Layout = dict[str, tuple[str, tuple[str, ...]]]

# name -> (dtype, axes); axes of one name have one length
PER_STEP: Layout = {
    "index": ("<i4", ("S",)),
    "block": ("<i4", ("S", "2")),
    "nfe": ("<i4", ("S",)),
    "probes": ("<i4", ("S",)),
    "sequence_forwards": ("<i4", ("S",)),
    "seconds": ("<f8", ("S",)),
    "confidence": ("<f4", ("S", "N")),
    "entropy": ("<f4", ("S", "N")),
    "score": ("<f4", ("S", "N")),
    "top_ids": ("<i4", ("S", "N", "K")),
    "top_probs": ("<f2", ("S", "N", "K")),
}
RAGGED: Layout = {  # rows of all steps after each other; step s holds row offsets[s]..offsets[s+1]
    "positions": ("<i4", ("n",)),
    "tokens": ("<i4", ("n",)),
    "remasked": ("<i4", ("r",)),
    "why": ("<i4", ("w",)),  # canvas positions, ascending in each step
    "why_reason": ("<i4", ("w",)),  # their reasons, as indices into the header's list
}
DIVIDED = ("positions", "remasked", "why")  # have offsets; tokens and why_reason go with them
SINCE_2 = ("probes", "why", "why_reason", "why_offsets")  # arrays that files of schema 1 lack
# Edges of the steps edges_at: step k's nodes are rows offsets[k]..offsets[k+1] of edges_nodes, and
# the scores of its m nodes are the next m (m - 1) / 2 of edges_scores; see types.Links.
SINCE_3: Layout = {
    "edges_offsets": ("<i8", ("e+1",)),
    "edges_nodes": ("<i4", ("m",)),
    "edges_scores": ("<f2", ("q",)),
}
UNTIL_2: Layout = {"edges": ("<f2", ("e", "N", "N"))}  # instead of those
HEADER = {
    "schema": (int,),
    "spec": (dict,),
    "prompt_length": (int,),
    "mask_id": (int,),
    "eos_id": (int, type(None)),
    "text": (str,),
    "pieces": (dict,),
    "signals": (list,),
    "reasons": (list,),
    "info": (dict,),
}


def layout(signals: int, schema: int = SCHEMA) -> Layout:
    """name -> (dtype, axes) of every array of a trace that has this many signals."""
    sparse: Layout = {"edges_at": ("<i4", ("e",)), **(SINCE_3 if schema > 2 else UNTIL_2)}
    for i in range(signals):
        sparse[f"signal{i}_at"] = ("<i4", (f"s{i}",))  # the steps that have it
        sparse[f"signal{i}"] = ("<f4", (f"s{i}", "N"))
    offsets: Layout = {f"{name}_offsets": ("<i8", ("S+1",)) for name in DIVIDED}
    arrays = {"initial": ("<i4", ("T",)), **PER_STEP, **offsets, **RAGGED, **sparse}
    return {name: arrays[name] for name in arrays if schema > 1 or name not in SINCE_2}


def read_header(blob: bytes) -> dict[str, Any]:
    """The header as a dictionary of known keys and types. Raises InputError for anything else."""
    if len(blob) > MAX_HEADER:
        raise InputError(f"its header has {len(blob)} bytes, at most {MAX_HEADER} are allowed")
    try:
        header = json.loads(blob)
        json.dumps(header, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise InputError("its header is not JSON") from error
    if not isinstance(header, dict) or header.get("schema") not in READ:
        given = header.get("schema") if isinstance(header, dict) else None
        known = ", ".join(map(str, READ))
        raise InputError(f"its schema is {given!r}, this version of dlmviz reads {known}")
    wanted = HEADER.keys() - (("reasons",) if header["schema"] == 1 else ())
    if header.keys() != wanted or any(type(header[key]) not in HEADER[key] for key in wanted):
        raise InputError("its header has a missing, unknown or wrongly typed entry")
    header.setdefault("reasons", [])
    _check_spec(header["spec"])
    pieces, signals, reasons = header["pieces"], header["signals"], header["reasons"]
    if not all(re.fullmatch("0|[1-9][0-9]{0,9}", k) and type(v) is str for k, v in pieces.items()):
        raise InputError("its pieces must map token ids to text")
    if not all(type(name) is str for name in signals) or len({*signals}) != len(signals):
        raise InputError("its signals must be different names")
    if not all(type(text) is str for text in reasons) or len({*reasons}) != len(reasons):
        raise InputError("its reasons must be different texts")
    if len(signals) > MAX_SIGNALS:
        raise InputError(f"it has {len(signals)} signals, at most {MAX_SIGNALS} are allowed")
    return header


def check_shapes(
    signals: int, found: Mapping[str, tuple[str, tuple[int, ...]]], schema: int = SCHEMA
) -> None:
    """None if every array is there with its type, and all lengths agree; else InputError."""
    wanted = layout(signals, schema)
    if missing := wanted.keys() - found.keys():
        raise InputError(f"it lacks the arrays {', '.join(sorted(missing))}")
    if unknown := found.keys() - wanted.keys():
        raise InputError(f"it has unknown arrays: {', '.join(sorted(unknown))[:200]}")
    lengths = {"2": 2}
    for name, (dtype, axes) in wanted.items():
        given, shape = found[name]
        if given != dtype or len(shape) != len(axes):
            raise InputError(
                f"its array {name} is {given} {shape}, not {dtype} ({', '.join(axes)})"
            )
        for axis, length in zip(axes, shape, strict=True):
            if lengths.setdefault(axis, length) != length:
                raise InputError(f"its array {name} has {axis} = {length}, not {lengths[axis]}")
    if any(lengths.get(f"{axis}+1", n + 1) != n + 1 for axis, n in [*lengths.items()]):
        raise InputError("its offsets do not fit its steps")
    steps, canvas = lengths["S"], lengths["T"]
    if steps > MAX_STEPS or canvas > MAX_CANVAS or steps * canvas > MAX_REPLAY:
        raise InputError(
            f"it has {steps} steps on a canvas of {canvas}: at most {MAX_STEPS} on {MAX_CANVAS}, "
            f"and {MAX_REPLAY} together, are allowed"
        )
    if lengths.get("w", 0) > MAX_WHY:
        raise InputError(f"it gives {lengths['w']} reasons, at most {MAX_WHY} are allowed")


def _check_spec(given: Mapping[str, Any]) -> None:
    """Raises InputError unless RunSpec accepts these settings, each of its field's own type."""
    known = {field.name: field for field in dataclasses.fields(RunSpec)}
    if unknown := given.keys() - known.keys():
        raise InputError(f"its settings have unknown names: {', '.join(sorted(unknown))[:200]}")
    allowed = {float: (float, int), type(None): (type(None), str), tuple: (tuple, list)}
    for name, value in given.items():
        default = {} if name == "params" else known[name].default
        if type(value) not in allowed.get(type(default), (type(default),)):
            raise InputError(f"its setting {name} has the wrong type: {type(value).__name__}")
    if given.get("gen_length", 0) > MAX_CANVAS:
        raise InputError(f"its gen_length is over {MAX_CANVAS}")
    RunSpec(**given)


def check_values(header: Mapping[str, Any], arrays: Arrays) -> None:
    """Raises InputError with the first rule that the values break.

    The generated part may be longer than gen_length: it starts with the prompt's own masks and ends
    with fixed tokens, where a run has such.
    """
    length, count = len(arrays["initial"]), len(arrays["index"])
    masked = np.flatnonzero(arrays["initial"] == header["mask_id"])
    offset = int(masked[0]) if len(masked) else length
    ids = (arrays["initial"], arrays["tokens"], arrays["top_ids"].ravel())
    shown = np.unique(np.concatenate(ids)).tolist()
    special = [header["mask_id"], *([] if header["eos_id"] is None else [header["eos_id"]])]
    block, positions = arrays["block"], [arrays[name] for name in DIVIDED]
    rules = {
        "prompt and gen_length must fit in the canvas": 0
        <= header["prompt_length"]
        <= length - header["spec"].get("gen_length", RunSpec.gen_length),
        "token ids must be 32-bit numbers >= 0": all(0 <= token < 2**31 for token in special),
        "every token must have a piece": all(
            str(token) in header["pieces"] for token in shown if token != -1
        )
        and bool((arrays["initial"] >= 0).all() and (arrays["tokens"] >= 0).all()),
        "steps must be numbered from 0": np.array_equal(arrays["index"], np.arange(count)),
        "blocks must lie in the canvas": _within(block, 0, length)
        and bool((block[:, 0] <= block[:, 1]).all()),
        "offsets must divide their rows": all(
            _divides(arrays[f"{name}_offsets"], arrays[name]) for name in DIVIDED
        ),
        "positions must lie in the canvas, from its first mask on": _within(
            np.concatenate(positions), offset, length - 1
        ),
        "reasons must be of the header's list, at most one a position, in order": _within(
            arrays["why_reason"], 0, len(header["reasons"]) - 1
        )
        and _ascends(arrays["why_offsets"], arrays["why"], length),
        "what was seen must cover the canvas from its first mask on, or nothing": not count
        or arrays["confidence"].shape[1] in (0, length - offset),
        "counts and seconds must be finite and >= 0": all(
            _within(arrays[name], 0, 2**31)
            for name in ("nfe", "probes", "sequence_forwards", "seconds")
        ),
        "edges must have the nodes and scores that they state": _linked(
            arrays["edges_offsets"], arrays["edges_nodes"], arrays["edges_scores"], length - offset
        ),
        "signals and edges must name steps, in order": all(
            _within(at, 0, count - 1) and bool((np.diff(at) > 0).all())
            for name, at in arrays.items()
            if name.endswith("_at")
        ),
    }
    for rule, holds in rules.items():
        if not holds:
            raise InputError(rule)


def _within(values: np.ndarray, low: int, high: int) -> bool:
    """Whether all values lie in low..high; a NaN does not."""
    return bool(((values >= low) & (values <= high)).all())


def _ascends(offsets: np.ndarray, positions: np.ndarray, length: int) -> bool:
    """Whether the positions of each step ascend."""
    steps = np.searchsorted(offsets, np.arange(len(positions)), side="right")
    return bool((np.diff(steps * length + positions) > 0).all())


def _linked(offsets: np.ndarray, nodes: np.ndarray, scores: np.ndarray, span: int) -> bool:
    """Whether the nodes of each step ascend within the span, and every pair has its score."""
    if not (_divides(offsets, nodes) and _within(nodes, 0, span - 1)):
        return False
    sizes = np.diff(offsets)
    return _ascends(offsets, nodes, span) and len(scores) == int((sizes * (sizes - 1) // 2).sum())


def _divides(offsets: np.ndarray, rows: np.ndarray) -> bool:
    return bool(offsets[0] == 0 and offsets[-1] == len(rows) and (np.diff(offsets) >= 0).all())
