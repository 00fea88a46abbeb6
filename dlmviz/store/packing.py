"""A trace as a JSON header and typed arrays, and back. Nothing here touches a file.

Letters: S steps, T canvas, N recorded span, K kept alternatives.
"""

from __future__ import annotations

import dataclasses
import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlmviz.store.schema import (
    DIVIDED,
    MAX_BYTES,
    PER_STEP,
    RAGGED,
    SCHEMA,
    SINCE_2,
    Arrays,
    check_shapes,
    check_values,
    layout,
    read_header,
)
from dlmviz.types import InputError, Links, RunSpec, StepRecord, Trace


def pack(trace: Trace) -> tuple[bytes, Arrays]:
    """(JSON header, arrays) of a trace. Raises InputError where `unpack` would."""
    steps = trace.steps
    span = len(steps[0].confidence) if steps else len(trace.initial) - trace.offset
    inner = {"2": 2, "N": span, "K": steps[0].top_ids.shape[-1] if steps else 0}
    arrays = {"initial": np.asarray(trace.initial, "<i4")}
    for name, (dtype, axes) in PER_STEP.items():
        rows = np.array([getattr(record, name) for record in steps], dtype)
        arrays[name] = rows.reshape(len(steps), *(inner[axis] for axis in axes[1:]))
    reasons = sorted({reason for record in steps for reason in record.why.values()})
    uneven = [_uneven(record, reasons) for record in steps]
    for name, (dtype, _) in RAGGED.items():
        ragged = [row[name] for row in uneven]
        arrays[name] = _joined(ragged, dtype)
        if name in DIVIDED:
            arrays[f"{name}_offsets"] = np.cumsum([0, *map(len, ragged)], dtype="<i8")
    arrays |= _linked({i: r.links for i, r in enumerate(steps) if r.links is not None})
    signals = sorted({name for record in steps for name in record.signals})
    for number, name in enumerate(signals):
        found = [(i, r.signals[name]) for i, r in enumerate(steps) if name in r.signals]
        at, values = _sparse(found, "<f4", (span,))
        arrays[f"signal{number}_at"], arrays[f"signal{number}"] = at, values
    blob = _header(trace, signals, reasons)
    check_shapes(len(signals), {name: (a.dtype.str, a.shape) for name, a in arrays.items()})
    if (size := sum(array.nbytes for array in arrays.values())) > MAX_BYTES:
        raise InputError(
            f"the run takes {size} bytes, at most {MAX_BYTES} can be saved; record fewer signals "
            "(edges take the most), or shorten gen_length"
        )
    check_values(read_header(blob), arrays)
    return blob, arrays


def unpack(header: Mapping[str, Any], arrays: Arrays) -> Trace:
    """The trace of a checked header and of arrays whose shapes were checked.

    A file of schema 1 has no reasons and no probes, one of schema 1 or 2 has edges as matrices.
    Raises InputError where values contradict each other or point outside the canvas.
    """
    arrays = {**_none(len(arrays["index"])), **arrays}
    if "edges" in arrays:
        whole = [Links.of(matrix) for matrix in arrays.pop("edges")]
        arrays |= _linked(dict(zip(arrays["edges_at"].tolist(), whole, strict=True)))
    check_values(header, arrays)
    links = _links(arrays)
    signals: list[dict[str, np.ndarray]] = [{} for _ in arrays["index"]]
    for number, name in enumerate(header["signals"]):
        at = arrays[f"signal{number}_at"].tolist()
        for index, values in zip(at, arrays[f"signal{number}"], strict=True):
            signals[index][name] = values
    return Trace(
        spec=RunSpec(**header["spec"]),
        initial=arrays["initial"],
        prompt_length=header["prompt_length"],
        mask_id=header["mask_id"],
        eos_id=header["eos_id"],
        steps=tuple(
            _record(arrays, s, signals[s], links.get(s), header["reasons"])
            for s in range(len(signals))
        ),
        text=header["text"],
        pieces={int(key): piece for key, piece in header["pieces"].items()},
        info=header["info"],
    )


def _uneven(record: StepRecord, reasons: Sequence[str]) -> dict[str, Any]:
    """name -> row of every ragged array at one step."""
    given = sorted(record.why)
    return {
        "positions": record.positions,
        "tokens": record.tokens,
        "remasked": record.remasked,
        "why": given,
        "why_reason": [bisect_left(reasons, record.why[position]) for position in given],
    }


def _none(steps: int) -> Arrays:
    """The arrays that came with schema 2, for a run without reasons and probes."""
    axes = {"S": steps, "S+1": steps + 1}
    wanted = layout(0)
    return {
        name: np.zeros([axes.get(axis, 0) for axis in wanted[name][1]], wanted[name][0])
        for name in SINCE_2
    }


def _header(trace: Trace, signals: list[str], reasons: list[str]) -> bytes:
    """Canonical JSON: sorted keys and no spaces, so that equal runs have equal bytes."""
    header = {
        "schema": SCHEMA,
        "spec": dataclasses.asdict(trace.spec),
        "prompt_length": trace.prompt_length,
        "mask_id": trace.mask_id,
        "eos_id": trace.eos_id,
        "text": trace.text,
        "pieces": {str(key): piece for key, piece in trace.pieces.items()},
        "signals": signals,
        "reasons": reasons,
        "info": dict(trace.info),
    }
    try:
        text = json.dumps(header, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return text.encode()
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the run's settings, text and info must be plain JSON values: {error}"
        ) from error


def _linked(links: Mapping[int, Links]) -> Arrays:
    """The arrays of the edges of all steps that have some."""
    sizes = [len(each.nodes) for each in links.values()]
    return {
        "edges_at": np.array([*links], "<i4"),
        "edges_offsets": np.cumsum([0, *sizes], dtype="<i8"),
        "edges_nodes": _joined([each.nodes for each in links.values()], "<i4"),
        "edges_scores": _joined([each.scores for each in links.values()], "<f2"),
    }


def _links(arrays: Arrays) -> dict[int, Links]:
    """step -> its edges."""
    found, offsets, start = {}, arrays["edges_offsets"].tolist(), 0
    for step, first, last in zip(arrays["edges_at"].tolist(), offsets, offsets[1:], strict=False):
        end = start + (last - first) * (last - first - 1) // 2
        nodes = arrays["edges_nodes"][first:last]
        found[step], start = Links(nodes, arrays["edges_scores"][start:end]), end
    return found


def _joined(parts: Sequence[np.ndarray], dtype: str) -> np.ndarray:
    """The parts after each other; an empty array where there is none."""
    return np.concatenate([np.zeros(0, dtype), *(np.asarray(part, dtype) for part in parts)])


def _sparse(
    found: list[tuple[int, np.ndarray]], dtype: str, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """(steps that have a value, those values stacked)."""
    at = np.array([index for index, _ in found], "<i4")
    return at, np.array([value for _, value in found], dtype).reshape(len(found), *shape)


def _record(
    arrays: Arrays,
    s: int,
    signals: Mapping[str, np.ndarray],
    links: Links | None,
    reasons: Sequence[str],
) -> StepRecord:
    def ragged(name: str, offsets: str) -> np.ndarray:
        return arrays[name][arrays[offsets][s] : arrays[offsets][s + 1]]

    given = ragged("why", "why_offsets").tolist()
    reason = [reasons[i] for i in ragged("why_reason", "why_offsets")]
    return StepRecord(
        index=int(arrays["index"][s]),
        block=(int(arrays["block"][s, 0]), int(arrays["block"][s, 1])),
        positions=ragged("positions", "positions_offsets"),
        tokens=ragged("tokens", "positions_offsets"),
        remasked=ragged("remasked", "remasked_offsets"),
        confidence=arrays["confidence"][s],
        entropy=arrays["entropy"][s],
        score=arrays["score"][s],
        top_ids=arrays["top_ids"][s],
        top_probs=arrays["top_probs"][s],
        nfe=int(arrays["nfe"][s]),
        sequence_forwards=int(arrays["sequence_forwards"][s]),
        seconds=float(arrays["seconds"][s]),
        signals=signals,
        links=links,
        why=dict(zip(given, reason, strict=True)),
        probes=int(arrays["probes"][s]),
    )
