"""The true cost of parallel steps: each committed group against the model's own chain rule.

What is measured is in group_cost; here are the runs, the tables, and what they say. CoDiLA does not
draw from the marginals: its `lost` is what its groups would lose if they were written apart, and
`overstated`, the log of the marginals of what it wrote less the model's own chain-rule log
probability of it, is below zero where its tokens support each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dlmviz.figures import group_error as figure
from dlmviz.studies import arms, prompts
from dlmviz.studies.group_cost import PROXY, costs
from dlmviz.studies.statistics import grouped, mean_interval, shown, spearman
from dlmviz.studies.study import Row, Study, Tables, Unit
from dlmviz.types import Denoiser, InputError, Trace, knob

ROUNDING = 1e-6  # of a distance and a budget that float32 forwards gave
FIFTHS = 5  # parts of the decode in the curve
RUNS, CURVE, PROXIES, GROUPS = "Bits a run", "Over the decode", "Proxies", "Groups"

LOCAL = ("codila",)  # samplers whose tokens are not drawn from the marginals
USED = {  # sampler -> the proxy that it decides by
    "fast_dllm": "least",
    "llada": "least",
    "top_k": "least",
    "psd": "least",
    "entropy_bound": "budget",
    "klass": "kl",
    "slow_fast": "jsd",
    "dapd": "edge",
    "demask": "bound",
}


@dataclass(frozen=True)
class Settings:
    """What is decoded, and how groups are gone through."""

    model: str = knob("tiny", help="tiny, tiny-early, a folder or a hub id")
    tasks: str = knob("lists, puzzles", help="tasks, with commas")
    arms: str = knob(
        "top_k; fast_dllm tau=0.9; fast_dllm tau=0.5; entropy_bound gamma=0.1; klass; slow_fast; "
        "dapd; demask; codila; top_k k=4",
        help="samplers with their knobs, with semicolons",
    )
    n: int = knob(30, 1, 2000, "prompts a task")


def units(settings: Settings) -> list[Unit]:
    """Every arm on every prompt of every task; edge scores are recorded for all of them."""
    found = []
    for task in arms.names(settings.tasks):
        asked = prompts.examples(task, settings.n)
        of = arms.parse(settings.arms)
        prefix = f"{task}/"
        found += arms.units(of, asked, settings.model, prefix, stop="eos", record=("edges",))
    return found


def measure(unit: Unit, trace: Trace, model: Denoiser | None) -> list[Row]:
    """A row a step, with what the run answered. InputError without a model."""
    if model is None:
        raise InputError(f"{trace.spec.model} is needed to ask what it thinks: give --model")
    right = arms.graded(unit, trace.text)
    about = {
        "task": unit.example.task if unit.example else "unknown",
        "sampler": trace.spec.sampler,
        "right": right,
        "nfe": trace.nfe,
    }
    return [about | row for row in costs(trace, model)]


def tables(rows: Sequence[Row], settings: Settings) -> dict[str, pd.DataFrame]:
    """By arm: bits a run, bits over the decode, proxies against bits; then a row a group."""
    frame = pd.DataFrame(rows)
    some = frame[frame["size"] > 1].drop(columns=["right", "nfe", "run"], errors="ignore")
    return {
        RUNS: pd.DataFrame([_runs(arm, of) for arm, of in frame.groupby("arm", sort=False)]),
        CURVE: pd.DataFrame(
            [line for arm, of in frame.groupby("arm", sort=False) for line in _curve(arm, of)]
        ),
        PROXIES: pd.DataFrame(
            [line for arm, of in some.groupby("arm", sort=False) for line in _held(arm, of)],
            columns=["arm", "proxy", "goes by it", "rho", "rho_low", "rho_high", "p", "groups"],
        ),
        GROUPS: some.reset_index(drop=True),
    }


def _runs(arm: Any, frame: pd.DataFrame) -> dict[str, Any]:
    """Sums of a run's groups, averaged over runs, with 95 % intervals over runs."""
    runs = frame.groupby("unit", sort=False)
    first = runs.first()
    right = first["right"].dropna()
    bits = mean_interval(runs["lost"].sum().tolist())
    over = mean_interval(runs["overstated"].sum().tolist())
    several = frame[frame["size"] > 1]
    return {
        "arm": arm,
        "sampler": str(first["sampler"].iloc[0]),
        "runs": len(first),
        "right": float(right.astype(float).mean()) if len(right) else None,
        "nfe": float(first["nfe"].mean()),
        "lost": bits.value,
        "lost_low": bits.low,
        "lost_high": bits.high,
        "overstated": over.value,
        "overstated_low": over.low,
        "overstated_high": over.high,
        "groups": len(several),
        "tokens a group": float(several["size"].mean()) if len(several) else None,
        "tv": mean_interval(several["tv"].tolist()).value,
        "bounded": int(several["bound"].notna().sum()),
        "above bound": above_bound(several),
        "sampled": int((frame["method"] == "sampled").sum()),
        "left_out": float(runs["left_out"].sum().mean()),
    }


def above_bound(groups: pd.DataFrame) -> float | None:
    """Share of groups that are further from their product than the rule's budget said; None where
    no rule kept one. DEMASK's theorem says 0, for true and sub-additive dependence.
    """
    known = groups[groups["bound"].notna()]
    return float((known["tv"] > known["bound"] + ROUNDING).mean()) if len(known) else None


def _curve(arm: Any, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Bits lost in each fifth of what there was to write, a run; a step counts where it begins."""
    runs = frame["unit"].nunique()
    fifth = np.minimum((frame["progress"] * FIFTHS).astype(int), FIFTHS - 1)
    out = []
    for part in range(FIFTHS):
        inside = frame[fifth == part]
        lost = inside.groupby("unit")["lost"].sum().tolist()
        bits = mean_interval(lost + [0.0] * (runs - len(lost)))
        out.append(
            {
                "arm": arm,
                "part": f"{part * 20} to {part * 20 + 20} %",
                "lost": bits.value,
                "lost_low": bits.low,
                "lost_high": bits.high,
                "steps": len(inside) / runs,
            }
        )
    return out


def _held(arm: Any, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Spearman's rho of bits lost against each proxy over groups of two and more.

    The interval draws whole runs, as groups of one run are not independent of each other.
    """
    out = []
    used = USED.get(str(frame["sampler"].iloc[0]))
    for name, told in PROXY.items():
        known = frame[frame[name].notna()]
        x, y = known[name].tolist(), known["lost"].tolist()
        found, interval = spearman(x, y), grouped(x, y, known["unit"].tolist(), 200)
        out.append(
            {
                "arm": arm,
                "proxy": told,
                "goes by it": name == used,
                "rho": found.rho,
                "rho_low": interval.low,
                "rho_high": interval.high,
                "p": found.p,
                "groups": found.n,
            }
        )
    return out


def figures(tables: Tables) -> dict[str, Any]:
    """Bits a run by arm, bits over the decode, and bits of groups against a proxy."""
    return figure.figures(tables[RUNS], tables[CURVE], tables[GROUPS], PROXY)


def verdict(tables: Tables) -> str:
    """The arms by what they lost, which proxy follows it best, budgets that were exceeded."""
    runs, held = tables[RUNS].sort_values("lost"), tables[PROXIES]
    apart = [line for line in runs.to_dict("records") if line["sampler"] not in LOCAL]
    order = ", ".join(f"{line['arm']} {shown(line['lost'])}" for line in apart)
    own = held[held["goes by it"] & held["rho"].notna()]
    follows = ", ".join(
        f"{line['arm']}: {line['proxy']} {shown(line['rho'])}" for line in own.to_dict("records")
    )
    positive = bool(len(own)) and bool((own["rho"] > 0).all())
    return (
        f"Bits lost a run, fewest first: {order or 'nobody wrote tokens apart'}. What a rule goes "
        f"by {'follows' if positive else 'does not always follow'} what its groups lose "
        f"(Spearman's rho): {follows or 'no arm has groups enough'}.{_budgets(runs)}{_local(runs)}"
    )


def _budgets(runs: pd.DataFrame) -> str:
    """How many groups are further from independent than the budget spent on them promised."""
    lines = runs[runs["bounded"] > 0].to_dict("records")
    told = [
        f"{line['arm']} {100 * line['above bound']:.1f} % of {line['bounded']}" for line in lines
    ]
    if told:
        return f" Groups beyond the bound that their rule spent: {', '.join(told)}."
    asked = any(line["sampler"] == "demask" for line in runs.to_dict("records"))
    return " No group of demask had two tokens, so its bound was not put to the test." * asked


def _local(runs: pd.DataFrame) -> str:
    """What tokens are to each other that were not drawn from the marginals."""
    told = []
    for line in (line for line in runs.to_dict("records") if line["sampler"] in LOCAL):
        bits = shown(abs(line["overstated"]))
        way = "less" if line["overstated"] > 0 else "more"
        told.append(
            f" {line['arm']} does not write tokens apart, which would lose {shown(line['lost'])} "
            f"bits a run; under the model's own chain rule what it wrote is {bits} bits a run "
            f"{way} likely than by its marginals."
        )
    return "".join(told)


STUDY = Study(
    name="group_error",
    title="What parallel steps lose",
    question="How many bits does each parallel step lose by writing its tokens independently, and "
    "does what the rule goes by foresee it?",
    claim="The error of a parallel step is the total correlation of its tokens, and confidence, "
    "entropy, divergence or attention bound it (arXiv 2505.24857, 2601.15593, 2603.12996).",
    settings=Settings,
    units=units,
    measure=measure,
    tables=tables,
    figures=figures,
    verdict=verdict,
    forwards=True,
)
