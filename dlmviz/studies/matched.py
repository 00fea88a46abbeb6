"""Forwards at equal accuracy: each sampler against greedy and a reference, and, for those that read
dependence, against every other one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dlmviz.learn.assess import Outcomes, speedups
from dlmviz.studies.statistics import shown

READERS = ("dapd", "demask", "codila")  # what is said of dependence is read, not guessed
PLAIN = "top_k"  # so many a step: greedy among its settings
GREEDY = "top_k, k 1"
ROUNDING = 1e-9  # of a difference of accuracies


def speedups_of(of_task: pd.DataFrame, reference: str, within: float) -> list[dict[str, Any]]:
    """A line a base and sampler: of the sampler's arms that are at most `within` below the base's
    best accuracy the one with the largest ratio of forwards, over prompts that all arms answered.

    The base is the cheapest of its arms that is at most `within` less accurate than that arm, or
    than the best of the base where that arm is more accurate than all of them.
    """
    every = {str(arm): group.set_index("prompt") for arm, group in of_task.groupby("arm")}
    shared = common(of_task)
    if not shared:
        return []
    made = {arm: _outcomes(group.loc[shared]) for arm, group in every.items()}
    by: dict[str, list[str]] = {}
    for arm, group in every.items():
        by.setdefault(str(group["sampler"].iloc[0]), []).append(arm)
    lines = []
    for base, arms_of, name, rival in _pairs(by, reference):
        mine = [arm for arm in by[name] if arm not in arms_of]
        if arms_of and (best := _best(made, arms_of, mine, within)):
            about = {"base": base, "sampler": name, "rival": rival, "n": len(shared)}
            lines.append(about | best)
    return lines


def _pairs(
    by: Mapping[str, Sequence[str]], reference: str
) -> Iterator[tuple[str, Sequence[str], str, bool]]:
    """(base, its arms, sampler, whether the base is a rival): greedy and the reference are bases
    for all, each other sampler is a rival of readers.
    """
    greedy = [arm for arm in by.get(PLAIN, []) if arm == GREEDY]
    for base, arms_of in (("greedy", greedy), (reference, by.get(reference, []))):
        yield from ((base, arms_of, name, False) for name in by)
    for name in (name for name in by if name in READERS):
        for base in (base for base in by if base not in (name, reference, PLAIN)):
            yield base, by[base], name, True


def ahead(gains: pd.DataFrame, arms: pd.DataFrame, reader: str) -> list[str]:
    """The tasks where it needs fewer forwards at equal accuracy than each that does not read.

    The whole interval of each ratio must be above 1.
    """
    better = [
        (line["task"], line["base"])
        for line in gains.to_dict("records")
        if line["sampler"] == reader and line["speedup_low"] > 1
    ]
    found = []
    for task, of_task in arms.groupby("task", sort=False):
        rivals = {*of_task["sampler"]} - {*READERS, PLAIN}
        rivals |= {"greedy"} if GREEDY in {*of_task["arm"]} else set()
        if rivals and all((task, name) in better for name in rivals):
            found.append(str(task))
    return found


def common(of_task: pd.DataFrame) -> list[str]:
    """The prompts that every arm answered, in a fixed order."""
    return sorted(set.intersection(*({*group["prompt"]} for _, group in of_task.groupby("arm"))))


def _best(
    made: Mapping[str, Outcomes], base: Sequence[str], mine: Sequence[str], within: float
) -> dict[str, Any] | None:
    """The largest ratio of forwards among arms as accurate as the best of the base."""
    top = max(made[arm].accuracy for arm in base)
    fair = {
        i: made[arm] for i, arm in enumerate(mine) if made[arm].accuracy >= top - within - ROUNDING
    }
    if not fair:
        return None
    bases = {float(i): made[arm] for i, arm in enumerate(base)}
    found = [
        one
        for i, arm in fair.items()
        for one in speedups(
            bases, {float(i): arm}, within + max(0.0, arm.accuracy - top) + ROUNDING
        )
    ]
    best = max(found, key=lambda one: one.ratio)
    return {
        "arm": mine[int(best.student)],
        "base_arm": base[int(best.base)],
        "speedup": best.ratio,
        "speedup_low": best.low,
        "speedup_high": best.high,
        "accuracy": 100 * best.accuracy_student,
        "base_accuracy": 100 * best.accuracy_base,
    }


def _outcomes(group: pd.DataFrame) -> Outcomes:
    return Outcomes(
        np.asarray(group["right"], bool),
        np.asarray(group["nfe"], np.int64),
        np.asarray(group["tokens"], np.int64),
    )


def sentence(gains: pd.DataFrame, readers: Sequence[str], tasks: Sequence[str]) -> str:
    """How many times fewer forwards than greedy each reader needs at equal accuracy, task by task,
    and which other sampler needs the fewest. Empty where nobody was set against greedy.
    """
    over = {
        (str(line["sampler"]), line["task"]): float(line["speedup"])
        for line in gains.to_dict("records")
        if line["base"] == "greedy"
    }
    if not over:
        return ""
    told = []
    for name in readers:
        gained = [
            f"{task} {shown(over[name, task], 1)}" for task in tasks if (name, task) in over
        ] + [f"{task} never as accurate" for task in tasks if (name, task) not in over]
        told.append(f"{name} {', '.join(gained)}")
    best = []
    for task in tasks:
        plain = {name: gain for (name, of), gain in over.items() if of == task}
        plain = {name: gain for name, gain in plain.items() if name not in (*READERS, PLAIN)}
        if plain:
            first = max(plain, key=lambda name: plain[name])
            best.append(f"{task} {first} {shown(plain[first], 1)}")
    told += [f"best of the others {', '.join(best)}"] if best else []
    return f"Times fewer forwards than greedy at equal accuracy: {'; '.join(told)}."
