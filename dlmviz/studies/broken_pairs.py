"""Pairs whose parts do not agree, of CoDiLA and of independent writing (arXiv 2603.20216).

Each part of a pair is open and both together are not, so tokens that are written at one step
without knowing of each other break it. How pairs are decoded is in jobs.codila.pairs: a training
counts the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dlmviz.figures import spread
from dlmviz.jobs.codila import pairs
from dlmviz.studies.statistics import mean_interval, share_interval, shown
from dlmviz.studies.study import Row, Study, Tables, Unit
from dlmviz.types import Denoiser, InputError, Trace, knob

WAYS, KINDS = "Ways of writing", "By kind of pair"
LOCAL, APART = ("local", "local, best"), ("apart", "apart, best")
MOST = 2.0  # broken pairs of CoDiLA that are wanted at most [%]


@dataclass(frozen=True)
class Settings:
    """What is decoded, and by which local model."""

    model: str = knob("tiny", help="tiny, tiny-early, a folder or a hub id")
    head: str = knob("", help="trained local model: folder or hub id; empty takes the bundled one")
    piece: int = knob(8, 1, 32, "tokens a step, and the length of a block")
    n: int = knob(100, 1, 5000, "how many prompts")


def units(settings: Settings) -> list[Unit]:
    """Every way of writing on the same prompts, with the same seeds."""
    if pairs.LENGTH % settings.piece:
        raise InputError(
            f"piece must divide {pairs.LENGTH}, the length of an answer: got {settings.piece}; "
            "try 1, 2, 4, 8, 16 or 32"
        )
    asked = pairs.examples(settings.n)
    return [
        Unit(
            f"{name}/{number}",
            pairs.spec(way, example, number, settings.model, settings.piece),
            example,
            name,
        )
        for name, way in pairs.ways(settings.piece, settings.head).items()
        for number, example in enumerate(asked)
    ]


def measure(unit: Unit, trace: Trace, model: Denoiser | None) -> list[Row]:
    """Whether the pair is broken, and what it took. InputError for what is no pair."""
    if unit.example is None or unit.example.task != pairs.TASK:
        raise InputError("this run is no answer to a prompt of pairs; decode one, and keep it")
    return [
        {
            "kind": unit.example.kind,
            "broken": pairs.broken(unit.example, trace.text),
            "nfe": trace.nfe,
            "tokens": sum(len(record.positions) for record in trace.steps) / len(trace.steps),
        }
    ]


def tables(rows: Sequence[Row], settings: Settings) -> dict[str, pd.DataFrame]:
    """A line a way of writing; a line a way and kind of pair."""
    frame = pd.DataFrame(rows)
    by_way = [{"way": way} | _share(some) for way, some in frame.groupby("arm", sort=False)]
    by_kind = [
        {"way": way, "kind": kind} | _share(some)
        for (way, kind), some in frame.groupby(["arm", "kind"], sort=False)
    ]
    return {WAYS: pd.DataFrame(by_way), KINDS: pd.DataFrame(by_kind)}


def _share(some: pd.DataFrame) -> dict[str, Any]:
    """Broken pairs [%] with the exact binomial interval; forwards and tokens a step, means."""
    of = share_interval(int(some["broken"].sum()), len(some))
    ends = {"broken": of.value, "broken_low": of.low, "broken_high": of.high}
    return (
        {"n": len(some)}
        | {name: None if value is None else 100 * value for name, value in ends.items()}
        | {
            "nfe": mean_interval(some["nfe"].tolist()).value,
            "tokens a step": mean_interval(some["tokens"].tolist()).value,
        }
    )


def figures(tables: Tables) -> dict[str, Any]:
    """Broken pairs by way of writing, and of each way by kind."""
    by_way = tables[WAYS].assign(of="all pairs")
    unit = "broken pairs [%]"
    return {
        "Broken pairs": spread.grouped(by_way, "way", "of", "broken", "Broken pairs", unit),
        "By kind": spread.grouped(
            tables[KINDS], "kind", "way", "broken", "Broken pairs by kind", unit
        ),
    }


def verdict(tables: Tables) -> str:
    """Whether CoDiLA breaks few pairs where independent writing breaks what it breaks."""
    lines = {str(line["way"]): line for line in tables[WAYS].to_dict("records")}
    told = "; ".join(
        f"{way} {line['broken']:.1f} % [{line['broken_low']:.1f}, {line['broken_high']:.1f}] at "
        f"{shown(line['tokens a step'], 1)} tokens a step"
        for way, line in lines.items()
    )
    known = [lines[way] for way in LOCAL if way in lines]
    apart = [lines[way]["broken"] for way in APART if way in lines]
    if not known or not apart:
        lacking = "codila" if not known else "independent writing"
        return f"Not asked, for want of {lacking}. Broken pairs: {told}."
    few = [line["broken"] <= MOST for line in known]
    fewer = max(line["broken"] for line in known) < min(apart)
    said = "Holds" if all(few) else "Holds in part" if any(few) or fewer else "Does not hold"
    return f"{said} (at most {MOST:g} % are wanted). Broken pairs: {told}."


STUDY = Study(
    name="broken_pairs",
    title="Broken pairs",
    question="How many pairs that belong together are broken when a local model writes several "
    "tokens a step, and how many when each token is written apart?",
    claim="A small autoregressive model that reads the marginals of a block keeps its tokens "
    "coherent where independent sampling mixes answers (CoDiLA, arXiv 2603.20216).",
    settings=Settings,
    units=units,
    measure=measure,
    tables=tables,
    figures=figures,
    verdict=verdict,
    keep=0,
)
