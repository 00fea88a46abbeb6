"""Segments against progress (DAPD, arXiv 2603.12996, Fig. 5 and Table 2): does a decode spread out?

A segment is a run of neighbouring tokens that are decided. Progress is the decided share of the
generated positions; between two steps the count is interpolated. On bundles of five independent
questions a sampler that sees their independence works on several at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dlmviz import metrics
from dlmviz.figures import segments as figure
from dlmviz.studies import arms, prompts
from dlmviz.studies.statistics import mean_interval, ratio_interval, shown
from dlmviz.studies.study import Row, Study, Tables, Unit
from dlmviz.types import Denoiser, Trace, knob

GRID = tuple(i / 20 for i in range(21))  # progress
STRIPS = 3  # prompts whose order is drawn
ARMS, CURVES, ORDER = "Samplers", "Segments by progress", "Order of the first prompts"


@dataclass(frozen=True)
class Settings:
    """What is decoded."""

    model: str = knob("tiny", help="tiny, tiny-early, a folder or a hub id")
    task: str = knob("trivia/bundle", help="a task, or a task and a kind of its prompts")
    arms: str = knob(
        "top_k k=1; top_k k=2; fast_dllm tau=0.9; entropy_bound gamma=0.1; klass; "
        "dapd variant=staged; dapd variant=direct",
        help="samplers with their knobs, with semicolons; speed-ups are over the first",
    )
    one_block: bool = knob(True, help="one block, as in the paper; else the task's blocks")
    n: int = knob(50, 1, 5000, "how many prompts")


def units(settings: Settings) -> list[Unit]:
    """Every arm on every prompt, to its very end."""
    asked = prompts.named(settings.task, settings.n)
    length = prompts.task_of(settings.task).gen_length
    blocks: dict[str, Any] = {"block_length": length} if settings.one_block else {}
    return arms.units(arms.parse(settings.arms), asked, settings.model, **blocks)


def measure(unit: Unit, trace: Trace, model: Denoiser | None) -> list[Row]:
    """Segments at each point of GRID, the finalising step of each position, right or not, NFE."""
    counts = metrics.segments(trace)
    return [
        {
            "prompt": prompts.identity(trace.spec.prompt),
            "right": arms.graded(unit, trace.text),
            "nfe": trace.nfe,
            "segments_max": int(counts.max()),
            "segments": by_progress(trace, counts),
            "steps": [int(step) for step in trace.finalized_at[trace.prompt_length :]],
        }
    ]


def by_progress(trace: Trace, counts: np.ndarray) -> list[float]:
    """The count at each share of GRID; [S + 1] counts, one before the first step and after each."""
    decided = [0]
    for record in trace.steps:
        decided.append(decided[-1] + len(record.positions) - len(record.remasked))
    share = np.array(decided) / max(1, decided[-1])
    kept = np.flatnonzero(np.diff(share, prepend=-1) > 0)  # after a step back, the later one
    return [round(float(x), 6) for x in np.interp(GRID, share[kept], counts[kept])]


def tables(rows: Sequence[Row], settings: Settings) -> dict[str, pd.DataFrame]:
    """A line an arm; a line an arm and share; a line a position of the first prompts."""
    frame = pd.DataFrame(rows)
    base = frame[frame["arm"] == frame["arm"].iloc[0]].set_index("prompt")["nfe"]
    lines, curves = [], []
    for arm, group in frame.groupby("arm", sort=False):
        lines.append({"arm": arm} | _summary(group, base))
        for place, share in enumerate(GRID):
            of = mean_interval([counts[place] for counts in group["segments"]])
            curves.append(
                {
                    "arm": arm,
                    "progress": share,
                    "segments": of.value,
                    "segments_low": of.low,
                    "segments_high": of.high,
                }
            )
    first = list(dict.fromkeys(frame["prompt"]))[:STRIPS]
    order = [
        {"prompt": first.index(row["prompt"]) + 1, "arm": row["arm"], "run": row["run"]}
        | {"position": position, "step": step, "steps": max(row["steps"]) + 1}
        for row in rows
        if row["prompt"] in first
        for position, step in enumerate(row["steps"])
    ]
    return {ARMS: pd.DataFrame(lines), CURVES: pd.DataFrame(curves), ORDER: pd.DataFrame(order)}


def _summary(group: pd.DataFrame, base: pd.Series[Any]) -> dict[str, Any]:
    """Accuracy [%], forwards, segments and speed-up over the first arm, with intervals."""
    line: dict[str, Any] = {"n": len(group)}
    known = group["right"].dropna().astype(float)
    for name, values in (
        ("accuracy", 100 * known),
        ("nfe", group["nfe"]),
        ("segments_max", group["segments_max"]),
    ):
        of = mean_interval(values.tolist())
        line |= {name: of.value, f"{name}_low": of.low, f"{name}_high": of.high}
    common = group[group["prompt"].isin(base.index)]
    before = base.loc[common["prompt"]].tolist() if len(common) else []
    of = ratio_interval(before, common["nfe"].tolist())
    return line | {"speedup": of.value, "speedup_low": of.low, "speedup_high": of.high}


def verdict(tables: Tables) -> str:
    """Whether DAPD holds more segments than thresholds on confidence, and needs fewer forwards."""
    lines = {str(line["arm"]): line for line in tables[ARMS].to_dict("records")}
    told = "; ".join(
        f"{arm} {shown(line['segments_max'], 1)} segments, {shown(line['accuracy'], 0)} % right, "
        f"{shown(line['nfe'], 1)} forwards"
        for arm, line in lines.items()
    )
    dapd = [line for arm, line in lines.items() if arm.startswith("dapd")]
    fast = [line for arm, line in lines.items() if arm.startswith("fast_dllm")]
    if not dapd or not fast:
        return f"Not asked, for want of dapd or fast_dllm: {told}."
    few = min(int(line["n"]) for line in (*dapd, *fast))
    if few < 2:
        return f"Undefined on what was measured, for want of prompts (n {few}): {told}."
    more = max(line["segments_max_low"] for line in dapd) > max(
        line["segments_max_high"] for line in fast
    )
    fewer = min(line["nfe_high"] for line in dapd) < min(line["nfe_low"] for line in fast)
    said = {True: "holds", False: "does not hold"}
    return (
        f"More segments than fast_dllm: {said[more]}; fewer forwards than fast_dllm: "
        f"{said[fewer]} (n {few} prompts; means, of the most segments in a run): {told}."
    )


STUDY = Study(
    name="segments",
    title="Segments against progress",
    question="Does a sampler work at one place, or at several that do not depend on each other?",
    claim="On bundles of independent questions DAPD holds more segments open than samplers that "
    "go by confidence, with fewer forwards at the same accuracy (arXiv 2603.12996, Fig. 5, Table "
    "2).",
    settings=Settings,
    units=units,
    measure=measure,
    tables=tables,
    figures=figure.figures,
    verdict=verdict,
    keep=0,
)
