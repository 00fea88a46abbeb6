"""What a study is: a question, the runs that answer it, and how their numbers become an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlmviz.types import Denoiser, Example, RunSpec, Trace

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]  # plain values by name; None where a number is undefined, never NaN
Tables = Mapping[str, "pd.DataFrame"]  # title -> table; the first is the one to read first


@dataclass(frozen=True)
class Unit:
    """One run of a study."""

    key: str  # unique in the study and the same each time: what a study is resumed by
    spec: RunSpec
    example: Example | None = None  # None: the run cannot be graded
    arm: str = ""  # what is compared: a sampler with its setting, say
    head: str = ""  # folder of the trained part that is asked; empty: the one that came along


@dataclass(frozen=True)
class Study:
    """A question asked of many runs. All functions are pure."""

    name: str
    title: str
    question: str
    claim: str  # the paper's, with its source
    settings: type[Any]  # a frozen dataclass; fields are knobs, `model` among them
    units: Callable[[Any], Sequence[Unit]]  # settings -> the runs, in the order of the tables
    # (unit, its trace, the model or None) -> rows. Raises InputError, in a sentence, for a trace
    # that lacks what is measured. The model is None for a stored trace unless `forwards` is true.
    measure: Callable[[Unit, Trace, Denoiser | None], list[Row]]
    # (rows of all units, each with its `unit` and `arm`, in the order of the units; settings)
    tables: Callable[[Sequence[Row], Any], dict[str, pd.DataFrame]]
    figures: Callable[[Tables], dict[str, Any]]  # title -> plotly figure; {} of empty tables
    verdict: Callable[[Tables], str]  # one sentence with its numbers; also of empty tables
    forwards: bool = False  # measure asks the model itself, which is then loaded for stored traces
    keep: int = 1  # alternatives a position that its traces keep; 0 keeps commits only
