"""Context sensitivity against order (Disentangled Decoding, OpenReview 0ZSLZWAmWo, Fig. 1).

J_j is the Jensen-Shannon divergence [nats] of position j's prediction with and without the block
before, both at the entry of j's block. It is set against the step at which j was finalised, counted
from that entry. The first block has no block before and is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dlmviz.figures import jsd_order as figure
from dlmviz.studies import arms, prompts
from dlmviz.studies.entries import asked, block_entries, recorded
from dlmviz.studies.statistics import grouped, mean_interval, shown, spearman
from dlmviz.studies.study import Row, Study, Tables, Unit
from dlmviz.types import Denoiser, InputError, Trace, knob

BINS = 10  # of equal size, by rank of J
RHO, QUANTILES, RUNS = "Correlation", "Step by quantile", "Runs"
KINDS = ("answer", "eos", "both")  # of tokens
ALL = "all blocks"


@dataclass(frozen=True)
class Settings:
    """What is decoded."""

    model: str = knob("tiny", help="tiny, tiny-early, a folder or a hub id")
    task: str = knob("trivia/bundle", help="a task, or a task and a kind of its prompts")
    arms: str = knob("llada steps=24", help="samplers with their knobs, with semicolons")
    gen_length: int = knob(0, 0, 65536, "tokens to generate; 0 is the task's")
    block_length: int = knob(0, 0, 65536, "tokens of a block; 0 is the task's")
    n: int = knob(200, 1, 5000, "how many prompts")


def units(settings: Settings) -> list[Unit]:
    """Every arm on every prompt, each decoded to its very end: eos is compared, too.

    Prompts of about one length come together, as a batch is padded to its longest.
    """
    answered = sorted(prompts.named(settings.task, settings.n), key=lambda one: len(one.prompt))
    given = {"gen_length": settings.gen_length, "block_length": settings.block_length}
    lengths: dict[str, Any] = {name: length for name, length in given.items() if length}
    return arms.units(arms.parse(settings.arms), answered, settings.model, **lengths)


def measure(unit: Unit, trace: Trace, model: Denoiser | None) -> list[Row]:
    """A row a block but the first: J, step within the block, and whether it is eos, by position."""
    entries = block_entries(trace)
    if len(entries) < 2:
        raise InputError(
            "this run has one block, and its JSD needs a block before; decode it with a "
            f"block_length below {trace.spec.gen_length}, or a sampler that keeps to blocks"
        )
    found = recorded(trace, entries[1:])
    if found is None and model is None:
        raise InputError(
            "this run recorded no JSD; decode it again with record jsd (--record jsd on the "
            "command line, JSD under Record on the page)"
        )
    if found is None and model is not None:
        found = asked(model, trace, entries[1:])
    assert found is not None
    rows = []
    for number, (index, values) in enumerate(zip(entries[1:], found, strict=True), 1):
        start, end = trace.steps[index].block
        at = [p for p in range(start, end) if math.isfinite(values[p])]
        rows.append(
            {
                "block": number,
                "jsd": [round(float(values[p]), 9) for p in at],
                "step": [int(trace.finalized_at[p]) - index for p in at],
                "eos": [bool(trace.final[p] == trace.eos_id) for p in at],
                "right": arms.graded(unit, trace.text),
            }
        )
    return rows


def tables(rows: Sequence[Row], settings: Settings) -> dict[str, pd.DataFrame]:
    """rho by arm, tokens and block; mean step by quantile of J; a row a run."""
    long = tokens_of(rows)
    correlations, quantiles, runs = [], [], []
    for arm, of_arm in long.groupby("arm", sort=False):
        for kind, some in _kinds(of_arm):
            for block in (ALL, *sorted(of_arm["block"].unique())):
                part = some if block == ALL else some[some["block"] == block]
                about = {"arm": arm, "tokens": kind, "block": str(block)}
                correlations.append(about | _rho(part))
                quantiles += [about | line for line in _quantiles(part)]
        runs += [_run(arm, unit, one) for unit, one in of_arm.groupby("unit", sort=False)]
    return {
        RHO: pd.DataFrame(correlations),
        QUANTILES: pd.DataFrame(quantiles),
        RUNS: pd.DataFrame(runs),
    }


def tokens_of(rows: Sequence[Row]) -> pd.DataFrame:
    """A row a token: arm, unit, run, block, jsd, step within the block, eos."""
    lists = ("jsd", "step", "eos")
    names = ("arm", "unit", "run", "block")
    return pd.DataFrame(
        [
            {**{name: row[name] for name in names}, **dict(zip(lists, values, strict=True))}
            for row in rows
            for values in zip(*(row[name] for name in lists), strict=True)
        ],
        columns=[*names, *lists],
    )


def _kinds(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The tokens of the answer, the ends of sequence behind it, and both; none that are empty."""
    ends = table["eos"].astype(bool)
    parts = zip(KINDS, (table[~ends], table[ends], table), strict=True)
    return [(name, part) for name, part in parts if len(part)]


def _rho(part: pd.DataFrame) -> dict[str, Any]:
    """rho(J, -step) with its interval over runs: above 0, what depends on context comes first."""
    if not len(part):
        nothing = dict.fromkeys(("rho", "rho_low", "rho_high", "p"))
        return {**nothing, "n": 0, "runs": 0}
    jsd, step = part["jsd"].to_numpy(), -part["step"].to_numpy()
    found = spearman(jsd, step)
    over = grouped(jsd, step, part["unit"].tolist())
    return {
        "rho": found.rho,
        "rho_low": over.low,
        "rho_high": over.high,
        "p": found.p,
        "n": found.n,
        "runs": part["unit"].nunique(),
    }


def _run(arm: Any, unit: Any, tokens: pd.DataFrame) -> dict[str, Any]:
    """A run's rho, of each kind of its tokens and of all; undefined where there are too few."""
    line: dict[str, Any] = {"arm": arm, "unit": unit, "run": tokens["run"].iloc[0]}
    parts = dict(_kinds(tokens))
    for kind in KINDS:
        part = parts.get(kind, tokens[:0])
        found = spearman(part["jsd"].to_numpy(), -part["step"].to_numpy())
        line |= {f"rho, {kind}": found.rho, f"p, {kind}": found.p, f"n, {kind}": found.n}
    return line


def _quantiles(part: pd.DataFrame) -> list[dict[str, Any]]:
    """Mean step of each tenth of the tokens by J; equal J fall into one of them."""
    if not len(part):
        return []
    tenth = ((part["jsd"].rank() - 0.5) * BINS / len(part)).astype(int).clip(0, BINS - 1)
    lines = []
    for number, some in part.groupby(tenth):
        means = mean_interval(some["step"].tolist())
        lines.append(
            {
                "quantile": (int(str(number)) + 0.5) / BINS,
                "jsd": float(some["jsd"].mean()),
                "step": means.value,
                "step_low": means.low,
                "step_high": means.high,
                "n": len(some),
            }
        )
    return lines


def verdict(tables: Tables) -> str:
    """Which sign rho has on the answer's tokens, and on the ends of sequence."""
    table = tables[RHO]
    whole = table[table["block"] == ALL]
    told = [
        f"{line['arm']}, {line['tokens']}: rho {shown(line['rho'])} "
        f"[{shown(line['rho_low'])}, {shown(line['rho_high'])}], "
        f"n {line['n']} tokens of {line['runs']} runs"
        for line in whole.to_dict("records")
        if line["tokens"] != "both"
    ]
    answer = whole[whole["tokens"] == "answer"].to_dict("records")
    return f"{_sign(answer[0] if answer else {})} ({'; '.join(told)})."


def _sign(line: Mapping[Any, Any]) -> str:
    low, high = line.get("rho_low"), line.get("rho_high")
    if low is None or high is None or low != low:
        return "Undefined on what was measured: no interval of rho"
    if low > 0:
        return "Holds: tokens that depend on the block before are committed earlier"
    if high < 0:
        return "The opposite: tokens that depend on the block before are committed later"
    return "Neither sign: the interval of rho holds 0"


STUDY = Study(
    name="jsd_order",
    title="Context sensitivity and order",
    question="Are tokens whose prediction depends on the block before committed earlier or later?",
    claim="Within a block, rho(JSD, -step) is above 0: tokens with high JSD are decoded earlier "
    "(Disentangled Decoding, OpenReview 0ZSLZWAmWo, Fig. 1; its Eq. 10 makes them slow).",
    settings=Settings,
    units=units,
    measure=measure,
    tables=tables,
    figures=figure.figures,
    verdict=verdict,
    keep=0,
)
