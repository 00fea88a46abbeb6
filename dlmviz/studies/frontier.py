"""Accuracy against forwards over each sampler's settings (DAPD Fig. 3-4, DEMASK Fig. 1).

An arm is on the front if no other one of its task is as accurate with as few forwards, and better
in one of the two. Every arm ends a run at its first end of sequence and answers the same prompts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dlmviz import metrics
from dlmviz.figures import frontier as figure
from dlmviz.knobs import unknown
from dlmviz.studies import arms, matched, prompts
from dlmviz.studies.matched import READERS
from dlmviz.studies.statistics import mean_interval
from dlmviz.studies.study import Row, Study, Tables, Unit
from dlmviz.types import Denoiser, InputError, Trace, knob

#: sampler -> its settings; the first arm of top_k is greedy: what speed-ups are measured against
GRIDS: Mapping[str, tuple[str, ...]] = {
    "top_k": ("k=1", "k=2", "k=4", "k=8"),
    "fast_dllm": ("tau=0.95", "tau=0.9", "tau=0.8", "tau=0.7", "tau=0.6", "tau=0.5"),
    "entropy_bound": ("gamma=0.01", "gamma=0.03", "gamma=0.1", "gamma=0.3", "gamma=1"),
    "klass": ("conf_threshold=0.9", "conf_threshold=0.7", "conf_threshold=0.5"),
    "slow_fast": ("tau_low=0.8", "tau_low=0.7", "tau_low=0.6", "tau_low=0.5"),
    "dapd": (
        *(
            "variant=staged tau_max=0.05",
            "variant=staged tau_max=0.15",
            "variant=staged tau_max=0.5",
        ),
        *(
            "variant=direct tau_max=0.05",
            "variant=direct tau_max=0.15",
            "variant=direct tau_max=0.5",
        ),
    ),
    "demask": (
        *(f"tau={tau} gamma=0.3" for tau in (0.05, 0.1, 0.2, 0.5, 1, 2)),
        *(f"tau={tau} gamma=0.5" for tau in (0.1, 0.2, 0.5, 1, 2)),
        *(f"tau={tau} gamma=0.7" for tau in (0.2, 0.5, 1, 2)),
    ),
    "codila": (
        *(f"schedule=static piece={piece}" for piece in (2, 4, 8, 16)),
        *(f"schedule=dynamic piece=8 tau={tau}" for tau in (0.02, 0.05, 0.1, 0.2, 0.5, 1)),
        *(f"schedule=verify piece=8 threshold={least}" for least in (0.9, 0.7, 0.5)),
    ),
    "psd": ("tau=0.9", "tau=0.8", "tau=0.7", "tau=0.6", "tau=0.5"),
}
ARMS, SPEEDUPS, RUNS = "Arms", "Speed-ups at equal accuracy", "Runs"


@dataclass(frozen=True)
class Settings:
    """What is decoded."""

    model: str = knob("tiny", help="tiny, tiny-early, a folder or a hub id")
    tasks: str = knob(
        "trivia/bundle, lists, puzzles, stories", help="tasks, or tasks/kinds, with commas"
    )
    samplers: str = knob(
        ", ".join(GRIDS), help="samplers whose settings are tried, with commas; top_k has greedy"
    )
    arms: str = knob("", help="more arms: samplers with their knobs, with semicolons")
    reference: str = knob("fast_dllm", help="the sampler that the others are compared with")
    within: float = knob(0.01, 0.0, 1.0, "difference of accuracy that counts as equal")
    n: int = knob(100, 1, 5000, "prompts a task")


def units(settings: Settings) -> list[Unit]:
    """Every arm on every prompt of every task."""
    names = arms.names(settings.samplers)
    for name in (*names, settings.reference):
        if name not in GRIDS and name != settings.reference:
            raise InputError(unknown("grid of a sampler", name, GRIDS))
    text = [f"{name} {setting}" for name in names for setting in GRIDS[name]]
    tried = arms.parse("; ".join([*text, *filter(None, [settings.arms.strip()])]))
    found = []
    for task in arms.names(settings.tasks):
        asked = prompts.named(task, settings.n)
        found += arms.units(tried, asked, settings.model, f"{task}/", stop="eos")
    return found


def measure(unit: Unit, trace: Trace, model: Denoiser | None) -> list[Row]:
    """Right or not, forwards and decided tokens. Raises InputError where it cannot be graded."""
    right = arms.graded(unit, trace.text)
    if right is None or unit.example is None:
        raise InputError(
            "this run has no example, so its answer cannot be graded; decode a prompt of a task, "
            "and keep the run with its example"
        )
    return [
        {
            "task": unit.example.task,
            "sampler": trace.spec.sampler,
            "prompt": prompts.identity(trace.spec.prompt),
            "right": right,
            "nfe": trace.nfe,
            "tokens": metrics.generated_count(trace),
        }
    ]


def tables(rows: Sequence[Row], settings: Settings) -> dict[str, pd.DataFrame]:
    """A line an arm and task; speed-ups at equal accuracy; a line a run."""
    frame = pd.DataFrame(rows)
    lines, gains = [], []
    for task, of_task in frame.groupby("task", sort=False):
        found = [
            {"task": task, "sampler": group["sampler"].iloc[0], "arm": arm} | _summary(group)
            for arm, group in of_task.groupby("arm", sort=False)
        ]
        shared = len(found) < 2 or matched.common(of_task)
        lines += [line | {"front": bool(shared) and on_front(line, found)} for line in found]
        gains += [
            {"task": task} | line
            for line in matched.speedups_of(of_task, settings.reference, settings.within)
        ]
    return {ARMS: pd.DataFrame(lines), SPEEDUPS: pd.DataFrame(gains), RUNS: frame}


def _summary(group: pd.DataFrame) -> dict[str, Any]:
    """Accuracy [%] and forwards, with intervals over prompts."""
    line: dict[str, Any] = {"n": len(group)}
    for name, values in (("accuracy", 100.0 * group["right"]), ("nfe", group["nfe"])):
        of = mean_interval(values.astype(float).tolist())
        line |= {name: of.value, f"{name}_low": of.low, f"{name}_high": of.high}
    return line


def on_front(line: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> bool:
    """Whether none of the others is at least as good in both and better in one."""
    return not any(
        other["accuracy"] >= line["accuracy"]
        and other["nfe"] <= line["nfe"]
        and (other["accuracy"] > line["accuracy"] or other["nfe"] < line["nfe"])
        for other in others
    )


def verdict(tables: Tables) -> str:
    """On which tasks a sampler that reads dependence needs the fewest forwards; then one by one."""
    table = tables[ARMS]
    names = list(dict.fromkeys(table["task"]))
    shared = {*table[table["front"]]["task"]}
    names = [task for task in names if task in shared]  # elsewhere arms answered different prompts
    if not names:
        return "Not comparable: the arms answered different prompts; decode the same ones by each."
    tried = [name for name in READERS if name in {*table["sampler"]}]
    ahead = {name: matched.ahead(tables[SPEEDUPS], table, name) for name in tried}
    held = [task for task in names if any(task in of for of in ahead.values())]
    said = "Holds" if len(held) == len(names) else "Holds in part" if held else "Does not hold"
    counts = ", ".join(
        f"{name} on {len(of)} of {len(names)} tasks" + (f" ({', '.join(of)})" if of else "")
        for name, of in ahead.items()
    )
    start = (
        f"{said}: with fewer forwards at equal accuracy than each sampler that does not read "
        f"dependence: {counts}"
        if tried
        else "Not asked, for want of its samplers"
    )
    least = int(table["n"].min())
    rest = [matched.sentence(tables[SPEEDUPS], tried, names)]
    if lacking := [name for name in READERS if name not in tried]:
        rest.append(f"Without any run: {', '.join(lacking)}.")
    return " ".join([f"{start} (n {least} prompts at least).", *filter(None, rest)])


STUDY = Study(
    name="frontier",
    title="Accuracy against forwards",
    question="Which sampler, at which setting, is right as often with fewer forwards?",
    claim="Samplers that read dependence reach a better accuracy at the same number of forwards "
    "than those that go by confidence (DAPD, arXiv 2603.12996, Fig. 3-4; DEMASK, 2604.02560).",
    settings=Settings,
    units=units,
    measure=measure,
    tables=tables,
    figures=figure.figures,
    verdict=verdict,
    keep=0,
)
