"""Does DEMASK's predictor know the influence that reveals measure (arXiv 2604.02560)?

A state is the canvas that one step of a run found. D_ij = E_{y ~ p_j} TV(p_i given y at j, p_i) is
measured there by forwards with y revealed, as for training, and set against what the predictor
reads off the hidden states.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import torch

from dlmviz.figures import predicted as figure
from dlmviz.learn.demask.settings import Fit
from dlmviz.learn.demask.states import State, measured
from dlmviz.models.heads import PairHead, open_head
from dlmviz.studies import arms, prompts
from dlmviz.studies.statistics import grouped, ratio_interval, shown, spearman
from dlmviz.studies.study import Row, Study, Tables, Unit
from dlmviz.types import Denoiser, InputError, Trace, knob

EFFORT = Fit(sources=4, draws=4)  # positions that are revealed in a state, tokens revealed at each
LOW = 0.02  # a prediction below it is trusted to be harmless
BINS = (0.0, 0.002, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # of what is predicted
WANTED, SHARE = 0.6, 0.5  # rank correlation, and mean error as a share of the best constant's
TASKS, CALIBRATION, ALL = "By task", "Calibration", "all"


@dataclass(frozen=True)
class Settings:
    """What is decoded, and which predictor is asked."""

    model: str = knob("tiny", help="tiny, tiny-early, a folder or a hub id")
    tasks: str = knob(
        "pairs, mrf, puzzles, words, trivia/bundle", help="tasks, or tasks/kinds, with commas"
    )
    arms: str = knob("random k=4; demask", help="samplers with their knobs, with semicolons")
    head: str = knob("", help="folder of the predictor; empty takes the bundled one")
    n: int = knob(4, 1, 2000, "prompts a task")


def units(settings: Settings) -> list[Unit]:
    """Every arm on every prompt of every task; a state of each."""
    found = []
    of = arms.parse(settings.arms)
    for task in arms.names(settings.tasks):
        asked = prompts.named(task, settings.n)
        head = settings.head
        found += arms.units(of, asked, settings.model, f"{task}/", head, stop="eos")
    return found


def measure(unit: Unit, trace: Trace, model: Denoiser | None) -> list[Row]:
    """One row: true and predicted D of the pairs of one state, the step chosen by the seed."""
    if model is None:
        raise InputError(f"{trace.spec.model} is needed to ask what it thinks: give --model")
    if trace.spec.cfg_scale:
        raise InputError(
            f"this run was guided (cfg_scale {trace.spec.cfg_scale:g}), and the predictor is of "
            "the model alone; decode it with cfg_scale 0"
        )
    head = open_head("demask", model, unit.head)
    steps = [s for s in range(len(trace.steps)) if _masks(trace, s) > 1]
    if not steps:
        raise InputError("no step of this run finds two masks; decode a longer answer")
    at = int(np.random.default_rng(trace.spec.seed).choice(steps))
    canvas = torch.from_numpy(trace.canvas_at(at).astype(np.int64))
    rng = torch.Generator().manual_seed(trace.spec.seed)
    (state,) = measured(model, [canvas], EFFORT, rng)
    true, said = pairs(head, state, model.device)
    task = unit.example.task if unit.example else "unknown"
    about = {"task": task, "step": at + 1, "masks": len(state.hidden)}
    return [about | {"true": _short(true), "predicted": _short(said)}]


def _masks(trace: Trace, step: int) -> int:
    return int((trace.canvas_at(step) == trace.mask_id).sum())


def pairs(head: PairHead, state: State, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """(true, predicted) D of all pairs i != j whose j was revealed; float64 [n] each."""
    with torch.no_grad():
        said = head.scores(state.hidden.to(device)).double().sigmoid().cpu()[:, state.sources]
    other = torch.arange(len(state.hidden))[:, None] != state.sources
    return state.columns[other].double().numpy(), said[other].numpy()


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{value:.7g}") for value in values]


def tables(rows: Sequence[Row], settings: Settings) -> dict[str, pd.DataFrame]:
    """A line for all states, each task and each arm; a line a bin of what is predicted."""
    tasks, names = (list(dict.fromkeys(row[key] for row in rows)) for key in ("task", "arm"))
    chosen: list[tuple[str, str, list[Row]]] = [(ALL, ALL, list(rows))]
    chosen += [(task, ALL, [row for row in rows if row["task"] == task]) for task in tasks]
    chosen += [(ALL, arm, [row for row in rows if row["arm"] == arm]) for arm in names]
    lines = [{"task": task, "arm": arm} | _score(some) for task, arm, some in chosen]
    return {TASKS: pd.DataFrame(lines), CALIBRATION: pd.DataFrame(_calibration(rows))}


def _score(rows: Sequence[Row]) -> dict[str, Any]:
    """The numbers of learn.demask.predictor.Score over the pairs of these states.

    The constants are the median and the mean of these very pairs, so the best there are. Intervals
    draw whole states.
    """
    sizes = [len(row["true"]) for row in rows]
    true, said = (np.concatenate([row[key] for row in rows]) for key in ("true", "predicted"))
    of = np.repeat(np.arange(len(rows)), sizes)
    errors = np.bincount(of, np.abs(said - true), len(rows))
    mae = ratio_interval(errors.tolist(), sizes)
    interval = grouped(true, said, of.tolist(), 200)
    low = said < LOW
    return {
        "states": len(rows),
        "pairs": len(true),
        "mae": mae.value,
        "mae_low": mae.low,
        "mae_high": mae.high,
        "constant_mae": float(np.abs(true - np.median(true)).mean()),
        "mean_mae": float(np.abs(true - true.mean()).mean()),
        "spearman": spearman(true, said).rho,
        "spearman_low": interval.low,
        "spearman_high": interval.high,
        "trusted": float((true[low] < LOW).mean()) if low.any() else None,
        "below": float(low.mean()),
        "true": float(true.mean()),
        "predicted": float(said.mean()),
    }


def _calibration(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Mean measured D of the pairs in each bin [from, to) of predicted D; the last one is closed.

    Intervals are over states: of each its mean in the bin.
    """
    lines = []
    for low, high in pairwise(BINS):
        true, said = [], []
        for row in rows:
            p, d = np.array(row["predicted"]), np.array(row["true"])
            inside = (p >= low) & ((p < high) | (high == BINS[-1]))
            true += [d[inside]] if inside.any() else []
            said += [p[inside]] if inside.any() else []
        sums, sizes = [float(part.sum()) for part in true], [float(len(part)) for part in true]
        of = ratio_interval(sums, sizes)
        lines.append(
            {
                "predicted from": low,
                "to": high,
                "states": len(true),
                "pairs": int(sum(sizes)),
                "predicted": float(np.concatenate(said).mean()) if said else None,
                "true": of.value,
                "true_low": of.low,
                "true_high": of.high,
            }
        )
    return lines


def verdict(tables: Tables) -> str:
    """Whether ranks and errors are good enough, and how far a low prediction can be trusted."""
    line = tables[TASKS].to_dict("records")[0]
    rho, mae, constant = (line[name] for name in ("spearman", "mae", "constant_mae"))
    if rho is None or rho != rho or not constant:
        return "Undefined on what was measured: nearly all influences are one number."
    ranks, errors = rho >= WANTED, mae <= SHARE * constant
    said = "Holds" if ranks and errors else "Holds in part" if ranks or errors else "Does not hold"
    trusted = line["trusted"]
    below = "undefined" if trusted is None or trusted != trusted else f"{100 * trusted:.1f} %"
    return (
        f"{said}: Spearman's rho of predicted and measured influence is {shown(rho)} ({WANTED} is "
        f"wanted), the mean error {mae:.2g} is {shown(mae / constant)} times that of the best "
        f"constant ({SHARE} at most is wanted), over {line['pairs']} pairs of {line['states']} "
        f"states; of the pairs predicted below {LOW}, the share that is: {below}."
    )


STUDY = Study(
    name="predicted",
    title="Does the predictor know the influence?",
    question="How close is the influence that DEMASK's predictor reads off the hidden states to "
    "the one that forwards with a token revealed measure?",
    claim="One look at the final hidden states tells how much each masked token would move each "
    "other one (DEMASK, arXiv 2604.02560, Fig. 3).",
    settings=Settings,
    units=units,
    measure=measure,
    tables=tables,
    figures=figure.figures,
    verdict=verdict,
    forwards=True,
    keep=0,
)
