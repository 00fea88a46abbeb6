"""What a student learns from: prompts, and the answers that the teacher itself gives to them.

Answers go to a JSON-lines file, one at a time, so that a stop loses none; a second call takes up
where the file ends. The name of the file says model, prompts and settings: it is made once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlmviz.batch import decode_many
from dlmviz.learn.distill.settings import Pair
from dlmviz.types import Denoiser, RunSpec, Sampler


@dataclass(frozen=True)
class Counts:
    """What became of the prompts."""

    answers: int
    kept: int
    unfinished: int  # no end of sequence
    long: int  # prompt and answer do not fit the length that was asked


def place(folder: Path, fingerprint: str, specs: Sequence[RunSpec]) -> Path:
    """The file in `folder` that holds exactly these answers of this model."""
    told = json.dumps([fingerprint, [dataclasses.asdict(spec) for spec in specs]], sort_keys=True)
    return folder / f"{hashlib.sha256(told.encode()).hexdigest()[:16]}.jsonl"


def generate(
    model: Denoiser,
    sampler: Sampler,
    specs: Sequence[RunSpec],
    path: Path,
    batch: int,
) -> Iterator[int]:
    """Yields the number of answers in the file after each new one; stop asking to stop."""
    done = {row["number"] for row in _rows(path)}
    todo = [number for number in range(len(specs)) if number not in done]
    if not todo:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    _mend(path)
    with path.open("a", encoding="utf-8") as file:
        for i, trace in decode_many(model, sampler, [specs[n] for n in todo], batch, keep=1):
            final = trace.final
            row = {
                "number": todo[i],
                "prompt": final[: trace.prompt_length].tolist(),
                "answer": final[trace.prompt_length :].tolist(),
                "text": trace.text,
                "nfe": trace.nfe,
            }
            file.write(json.dumps(row) + "\n")
            file.flush()
            done.add(todo[i])
            yield len(done)


def _mend(path: Path) -> None:
    """Ends a line that a kill cut: what follows it is a line of its own."""
    if path.is_file() and not path.read_bytes().endswith(b"\n") and path.stat().st_size:
        with path.open("a", encoding="utf-8") as file:
            file.write("\n")


def _rows(path: Path) -> list[Mapping[str, Any]]:
    """The whole rows of a file of ours; a line that a kill cut is left out."""
    if not path.is_file():
        return []
    rows: list[Mapping[str, Any]] = []
    for line in path.read_text("utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and {"number", "prompt", "answer"} <= row.keys():
            rows.append(row)
    return rows


def kept(path: Path, eos_id: int, longest: int) -> tuple[list[Pair], Counts]:
    """The answers that end and fit `longest` tokens with their prompt, in the prompts' order."""
    rows = sorted(_rows(path), key=lambda row: row["number"])
    pairs, unfinished, long = [], 0, 0
    for row in rows:
        pair = Pair(np.array(row["prompt"], np.int32), np.array(row["answer"], np.int32))
        if eos_id not in row["answer"]:
            unfinished += 1
        elif len(pair.prompt) + len(pair.answer) > longest:
            long += 1
        else:
            pairs.append(pair)
    return pairs, Counts(len(rows), len(pairs), unfinished, long)
