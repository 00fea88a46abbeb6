"""Traces as what the page draws: small JSON, arrays as base64. NumPy only.

A run is a header and one entry a step. Positions are canvas positions; `at` lists those the step
looked at: the model was asked about them, or a signal has a number there. The arrays of a step run
over `at` in that order, and are NaN (ids -1) where the model was not asked.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from dlmviz.types import Links, StepRecord, Trace

STRONGEST = 6  # edges of a position that the page gets
CONFLICT = re.compile(r"conflicts with (\d{1,9})")  # how a rule says which other one stopped it
FOLDERS = re.compile(r"""(?<![^\s"'“‘(=])/(?:[^\s/"'”’();:,]+/)+(?=[^\s/:])""")
SHOWN_INFO = ("title", "look", "example", "device", "model", "paper", "parent", "step", "edits")


def header(trace: Trace) -> dict[str, Any]:
    """All of a trace but its steps."""
    return {
        "spec": dataclasses.asdict(trace.spec),
        "prompt_length": trace.prompt_length,
        # where a run goes on, what was written before is still part of the answer
        "offset": min(trace.offset, trace.prompt_length),
        "mask_id": trace.mask_id,
        "eos_id": trace.eos_id,
        "initial": trace.initial.tolist(),
        "pieces": {str(token): text for token, text in trace.pieces.items()},
        "info": {key: _shown(trace.info[key]) for key in SHOWN_INFO if key in trace.info},
    }


def _shown(value: Any) -> Any:
    """The same without the `data` of an example, which only its grader reads."""
    return {k: v for k, v in value.items() if k != "data"} if isinstance(value, dict) else value


def step(record: StepRecord, offset: int) -> dict[str, Any]:
    """One step. Confidence, entropy and score float32 [n], top ids int32 and probs float16 [n K].

    `score` is left out where it equals the confidence, `why` where there are no reasons.
    """
    rows = np.flatnonzero(_looked_at(record))
    entry: dict[str, Any] = {
        "block": list(record.block),
        "positions": record.positions.tolist(),
        "tokens": record.tokens.tolist(),
        "remasked": record.remasked.tolist(),
        "nfe": record.nfe,
        "seconds": round(record.seconds, 6),
        "k": int(record.top_ids.shape[1]) if record.top_ids.ndim == 2 else 0,
        "at": _packed(rows + offset, np.int32),
        "confidence": _packed(record.confidence[rows], np.float32),
        "entropy": _packed(record.entropy[rows], np.float32),
        "top_ids": _packed(record.top_ids[rows], np.int32),
        "top_probs": _packed(record.top_probs[rows], np.float16),
    }
    if not np.array_equal(record.score[rows], record.confidence[rows], equal_nan=True):
        entry["score"] = _packed(record.score[rows], np.float32)
    if record.why:
        entry["why"] = _shared(record.why)
    if record.signals:
        entry["signals"] = {
            name: _packed(values[rows], np.float32) for name, values in record.signals.items()
        }
    if record.links is not None:
        entry["edges"] = _strongest(record.links, offset, record.why)
    return entry


def _looked_at(record: StepRecord) -> np.ndarray:
    """bool [N]: where the model was asked, or a signal says something, as of tokens that stand."""
    seen = [record.confidence, *record.signals.values()]
    known: np.ndarray = (~np.isnan(np.stack(seen))).any(axis=0)
    return known


def _strongest(links: Links, offset: int, why: Mapping[int, str]) -> dict[str, str]:
    """The strongest edges of every position, and those that the sampler named as a conflict: pairs
    int32 [m 2], canvas positions a < b, ascending, and scores float32 [m], raw. With each
    position's strongest edge its row maximum is there too.
    """
    scores = links.between().astype(np.float32)  # a matrix of all rows may not fit in memory
    partners = np.argsort(-scores, axis=1, kind="stable")[:, :STRONGEST]
    kept = np.zeros(scores.shape, bool)
    np.put_along_axis(kept, partners, True, axis=1)
    row = {int(node) + offset: i for i, node in enumerate(links.nodes)}
    for position, reason in why.items():
        named = CONFLICT.fullmatch(reason)
        if named and position in row and int(named[1]) in row:
            kept[row[position], row[int(named[1])]] = True
    pairs = np.argwhere(np.triu((kept | kept.T) & (scores > 0), 1))
    return {
        "pairs": _packed(links.nodes[pairs] + offset, np.int32),
        "scores": _packed(scores[pairs[:, 0], pairs[:, 1]], np.float32),
    }


def run(trace: Trace) -> dict[str, Any]:
    """A finished trace, with its numbers."""
    return {
        **header(trace),
        "steps": [step(record, trace.offset) for record in trace.steps],
        "numbers": numbers(trace),
        "text": trace.text,
    }


def numbers(trace: Trace) -> dict[str, Any]:
    """The row of numbers the page shows; None where one is undefined."""
    from dlmviz import metrics

    row = metrics.row(trace)
    return {key: _plain(value) for key, value in row.items() if key != "text"}


def shown_ids(record: StepRecord) -> set[int]:
    """Token ids that a step shows: what it wrote and what it could have written."""
    top = record.top_ids[record.top_ids >= 0]
    return {int(token) for token in np.unique(np.concatenate([record.tokens, top.ravel()]))}


def unseen(record: StepRecord, known: Collection[int]) -> list[int]:
    """Ids shown by this step for the first time, ascending."""
    return sorted(shown_ids(record).difference(known))


def refusal(error: Exception | str, *typed: str) -> str:
    """What is wrong, in words for the page: paths lose their folders, which no page may know, but
    for those that somebody typed there.
    """
    text, known = str(error), tuple(filter(None, typed))
    return FOLDERS.sub(
        lambda found: found[0] if text.startswith(known, found.start()) else "", text
    )


def message(kind: str, **fields: Any) -> str:
    """One message to the page, as compact JSON."""
    return dumps({"type": kind, **fields})


def dumps(value: Mapping[str, Any]) -> str:
    """Compact JSON; raises ValueError for NaN, which no browser would parse."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False, default=_plain)


def _shared(why: Mapping[int, str]) -> dict[str, list[int]]:
    """reason -> its positions: many positions share few reasons, and each is said once."""
    found: dict[str, list[int]] = {}
    for position in sorted(why):
        found.setdefault(why[position], []).append(position)
    return found


def _packed(values: np.ndarray, kind: Any) -> str:
    little = np.ascontiguousarray(values).astype(np.dtype(kind).newbyteorder("<"))
    return base64.b64encode(little.tobytes()).decode("ascii")


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's."""
    return value.item() if isinstance(value, np.generic) else value
