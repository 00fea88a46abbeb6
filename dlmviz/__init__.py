"""dlmviz: watch, compare and understand how masked diffusion language models decode.

Nothing heavy is imported here: torch and transformers load at the first `load` or `decode`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dlmviz.store import open_trace
from dlmviz.types import (
    Canvas,
    DecodeError,
    Denoiser,
    InputError,
    RunSpec,
    StepRecord,
    Trace,
)

__version__ = "0.1.0"
__all__ = [
    "DecodeError",
    "InputError",
    "RunSpec",
    "Trace",
    "begin",
    "decode",
    "finish",
    "load",
    "open_trace",
    "steps",
]


def load(
    name: str | Path, adapter: str | Path | None = None, device: Any = None, dtype: Any = None
) -> Denoiser:
    """The model called `name`: "tiny", "tiny-early", "exact", a local folder, or a hub id.

    Folders and ids: LLaDA, Dream, or any masked language model that transformers knows (BERT).
    The GPU is used when there is one. Raises InputError, and loads nothing, if it cannot be opened.
    """
    from dlmviz.models import load as load_model

    return load_model(str(name), None if adapter is None else str(adapter), device, dtype)


def begin(model: Denoiser, spec: RunSpec) -> Trace:
    """The trace of `spec` before its first step: prompt and masks."""
    from dlmviz import opening

    return opening.begin(model, spec)


def steps(
    model: Denoiser, spec: RunSpec, start: Trace | None = None
) -> Iterator[tuple[Canvas, StepRecord]]:
    """Yields the canvas after each step and the step's record, while decoding."""
    from dlmviz import decoding
    from dlmviz.samplers import make

    yield from decoding.steps(model, make(spec.sampler, spec.params), spec, start)


def finish(model: Denoiser, start: Trace, records: Sequence[StepRecord]) -> Trace:
    """The trace of a run from its beginning and the records made so far."""
    from dlmviz import record
    from dlmviz.samplers import make

    return record.finish(model, make(start.spec.sampler, start.spec.params), start, records)


def decode(model: Denoiser, spec: RunSpec) -> Trace:
    """The whole run of `spec` as a Trace."""
    from dlmviz import decoding
    from dlmviz.samplers import make

    return decoding.decode(model, make(spec.sampler, spec.params), spec)
