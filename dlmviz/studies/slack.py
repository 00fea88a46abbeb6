"""Is influence sub-additive? The assumption under DEMASK's bound (arXiv 2604.02560, Fig. 4).

For a set S of masked positions and another one i, E[TV(p(Y_i | Y_S), p(Y_i))] should be at most the
sum over j in S of D_ij = E[TV(p(Y_i | Y_j), p(Y_i))]. Slack is that sum less the left side.
Sets are random ones, and those that a rule with such a budget (`demask`) committed itself.
Letters: N targets, S positions of the set, B draws, T canvas positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dlmviz.figures import slack as figure
from dlmviz.signals import entropy
from dlmviz.studies import arms, chain_rule, prompts
from dlmviz.studies.chain_rule import Law
from dlmviz.studies.statistics import mean_interval, shown
from dlmviz.studies.study import Row, Study, Tables, Unit
from dlmviz.types import Denoiser, InputError, Trace, knob

SIZES = (1, 2, 4, 8)  # of the set
TARGETS = 16  # positions that are looked at for each set
DRAWS = 8  # of what is revealed
TRIES = 6  # steps of a run; all where a budget chose, which seldom leaves two open ones to a step
CERTAIN = 0.01  # entropy that counts as none [nats]
BROKEN = -0.01  # a slack below this is no rounding
BY_SIZE, ALL = "By size of the set", "Slack of every position"
RANDOM, CHOSEN = "random", "chosen"  # sets: of any open positions; of what the step committed
BUDGET = "spent"  # the signal of a rule that chooses within a budget of dependence


@dataclass(frozen=True)
class Settings:
    """What is decoded; a state is the canvas that one step of a run found."""

    model: str = knob("tiny", help="tiny, tiny-early, a folder or a hub id")
    tasks: str = knob("mrf, puzzles, pairs", help="tasks, with commas")
    arms: str = knob("random; demask tau=0.5", help="samplers with their knobs, with semicolons")
    n: int = knob(10, 1, 2000, "prompts a task")


def units(settings: Settings) -> list[Unit]:
    """Every arm on every prompt of every task, to the very end."""
    found = []
    for task in arms.names(settings.tasks):
        asked = prompts.examples(task, settings.n)
        found += arms.units(arms.parse(settings.arms), asked, settings.model, f"{task}/")
    return found


def measure(unit: Unit, trace: Trace, model: Denoiser | None) -> list[Row]:
    """A row for each kind of set, size and target, at a step that the run's seed chooses.

    Of a run that a budget decided, the step is one that committed two open positions or more.
    """
    if model is None:
        raise InputError(f"{trace.spec.model} is needed to ask what it thinks: give --model")
    rng = torch.Generator(model.device).manual_seed(trace.spec.seed)
    choice = np.random.default_rng(trace.spec.seed)
    visible = torch.from_numpy(trace.initial != trace.mask_id).to(model.device)
    law = chain_rule.law_of(model, trace.spec, visible)
    at, canvas, where, group = _state(trace, law, choice, model.device)
    task = unit.example.task if unit.example else "unknown"
    mixed = where[torch.from_numpy(choice.permutation(len(where))).to(model.device)]
    orders = {RANDOM: (mixed, len(where) - 1)}
    if len(group):
        others = mixed[~torch.isin(mixed, group)]
        orders[CHOSEN] = (torch.cat([group, others]), min(len(group), len(where) - 1))
    rows: list[Row] = []
    for sets, (order, most) in orders.items():
        for size in (size for size in SIZES if size <= most):
            targets = order[size : size + TARGETS]
            together, apart = sides(law, canvas, order[:size], targets, DRAWS, rng)
            about = {"task": task, "step": at + 1, "sets": sets, "size": size}
            rows += [
                about | {"together": a, "sum": b, "slack": b - a}
                for a, b in zip(together.tolist(), apart.tolist(), strict=True)
            ]
    return rows


def _state(
    trace: Trace, law: Law, choice: np.random.Generator, device: torch.device
) -> tuple[int, Tensor, Tensor, Tensor]:
    """(step, its canvas, its open positions, those of them that a budget let it commit, by falling
    confidence): of some steps in random order the first that has two to look at.

    A position that is certain is moved by nothing, and is left out.
    """
    budget = any(BUDGET in record.signals for record in trace.steps)
    steps = [s for s, record in enumerate(trace.steps) if len(record.positions) > 1 or not budget]
    tries = choice.permutation(steps)[: None if budget else TRIES]
    for at in tries.tolist():
        canvas = torch.from_numpy(trace.canvas_at(at).astype(np.int64)).to(device)
        masked = (canvas == trace.mask_id).nonzero()[:, 0]
        if len(masked) > 1:
            where = masked[entropy(law(canvas[None], masked[None])[0]) > CERTAIN]
            group = _chosen(trace, at, where) if budget else where[:0]
            if len(where) > 1 and (len(group) > 1 or not budget):
                return at, canvas, where, group
    what = "commits" if budget else "finds"
    raise InputError(
        f"no step of this run that was tried {what} two positions that are masked and not certain; "
        "take another prompt, or a task with several right answers, such as pairs"
    )


def _chosen(trace: Trace, step: int, where: Tensor) -> Tensor:
    """What the step committed of these positions, surest first as the rule took them; int64 [S]."""
    record = trace.steps[step]
    at = record.positions - trace.offset
    order = np.argsort(-record.confidence[at].astype(float), kind="stable")
    group = torch.from_numpy(record.positions[order].astype(np.int64)).to(where.device)
    return group[torch.isin(group, where)]


def sides(
    law: Law, canvas: Tensor, group: Tensor, targets: Tensor, draws: int, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """float64 [N] each: E[TV] with the group revealed, and the sum of E[TV] with one of it.

    int64 [T], [S], [N]. The group is drawn by the chain rule; the same draws are revealed one by
    one, so that both sides of a group of one are the same number.
    """
    before = law(canvas[None], targets[None])[0]  # [N V]
    canvases = canvas.repeat(draws, 1)
    for position in group:
        p = law(canvases, position.repeat(draws, 1))[:, 0]
        canvases[:, position] = torch.multinomial(p, 1, generator=rng)[:, 0]
    where = targets.repeat(draws, 1)
    together = _moved(law(canvases, where), before)
    apart = torch.zeros_like(together)
    for position in group:
        alone = canvas.repeat(draws, 1)
        alone[:, position] = canvases[:, position]
        apart += _moved(law(alone, where), before)
    return together, apart


def _moved(after: Tensor, before: Tensor) -> Tensor:
    """[B N V], [N V] -> [N]: mean total variation distance."""
    return (after - before).abs().sum(-1).mean(0) / 2


def tables(rows: Sequence[Row], settings: Settings) -> dict[str, pd.DataFrame]:
    """A line an arm, kind of set and size, of all tasks and of each; and every slack."""
    frame = pd.DataFrame(rows)
    lines = []
    for (arm, sets), of_sets in frame.groupby(["arm", "sets"], sort=False):
        for task, of_task in (("all", of_sets), *of_sets.groupby("task", sort=False)):
            for size, some in of_task.groupby("size"):
                about = {"arm": arm, "sets": sets, "task": task, "size": size}
                lines.append(about | _summary(some))
    return {BY_SIZE: pd.DataFrame(lines), ALL: frame.drop(columns=["run"], errors="ignore")}


def _summary(some: pd.DataFrame) -> dict[str, Any]:
    """Mean slack with an interval over runs, the share that is broken, the first percentile."""
    of = mean_interval(some.groupby("unit", sort=False)["slack"].mean().tolist())
    return {
        "runs": some["unit"].nunique(),
        "positions": len(some),
        "slack": of.value,
        "slack_low": of.low,
        "slack_high": of.high,
        "broken": float((some["slack"] < BROKEN).mean()),
        "first percentile": float(some["slack"].quantile(0.01)),
        "together": float(some["together"].mean()),
        "sum": float(some["sum"].mean()),
    }


def verdict(tables: Tables) -> str:
    """How often influence is not sub-additive, by the kind and the size of the set."""
    several = tables[BY_SIZE].query("task == 'all' and size > 1")
    if not len(several):
        return "Undefined on what was measured: no state had masked positions enough."
    worst = several["broken"].max()
    said = "Holds" if not worst else "Holds mostly" if worst <= 0.01 else "Does not hold everywhere"
    told = []
    for (arm, sets), lines in several.groupby(["arm", "sets"], sort=False):
        sizes = "; ".join(
            f"{line['size']}: {100 * line['broken']:.1f} % of {line['positions']} positions, "
            f"mean slack {shown(line['slack'], 3)}"
            for line in lines.to_dict("records")
        )
        told.append(f"{sets} sets where {arm} wrote: {sizes}")
    return f"{said}: slack is below {BROKEN} for, by size of the set, {' | '.join(told)}."


STUDY = Study(
    name="slack",
    title="Is influence sub-additive?",
    question="Do several revealed tokens move a prediction by no more than the sum of what each of "
    "them moves it by?",
    claim="Influence is sub-additive with occasional violations, and then a budget of pairwise "
    "dependence bounds the error of a parallel step (DEMASK, arXiv 2604.02560, Fig. 4).",
    settings=Settings,
    units=units,
    measure=measure,
    tables=tables,
    figures=figure.figures,
    verdict=verdict,
    forwards=True,
)
