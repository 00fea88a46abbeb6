"""The table of the distillation benchmark: arms, gains at matched accuracy, the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks import results_file
from dlmviz.learn.assess import Outcomes, Speedup, speedups

Row = Mapping[str, Any]
Arms = dict[float, Outcomes]
#: who, task, scorer, threshold: chosen on the first prompts, judged on fresh ones
CHOSEN = ("tiny/all/four looks", "pairs", "fast_dllm", 0.5)
GATE = "needs >= 1.2x fewer forwards at matched accuracy with the 95 % interval above 1"
SINGLE = ("words", "pairs", "mrf")  # one block: slow_fast is fast_dllm there, and is not run again
MADE = (
    "first prompts and the fresh ones of the bases: 2 x NVIDIA H200, TF32; the chosen student's "
    "fresh prompts: float32 on a CPU. Students of all tasks: 1,000 steps of 64 rows; scored "
    "students of one task: 3,000 steps of 32 rows, but of lists (1,000 of 64). Students "
    "without arms were trained but not scored"
)
COLUMNS = "tau, accuracy %, nfe, tpf | base tau, accuracy %, nfe | base nfe / nfe [95 % interval]"


def outcome(row: Row) -> Outcomes:
    return Outcomes(np.array(row["right"], bool), np.array(row["nfe"]), np.array(row["tokens"]))


def gathered(rows: Sequence[Row]) -> dict[tuple[str, str, str, str], Arms]:
    """(set, who, task, scorer) -> threshold -> outcomes; the longest row of each threshold."""
    found: dict[tuple[str, str, str, str], Arms] = {}
    for row in sorted(rows, key=lambda row: int(row["n"])):
        at = (row["set"], row["who"], row["task"], row["scorer"])
        found.setdefault(at, {})[row["tau"]] = outcome(row)
    return found


def gains(base: Arms, student: Arms) -> dict[float, Speedup]:
    """threshold of the student -> its speed-up over the base on the same prompts."""
    count = min(len(o.nfe) for o in student.values())
    base, student = first(base, count), first(student, count)
    return {s.student: s for s in speedups(base, student)}


def first(arms: Arms, count: int) -> Arms:
    """The outcomes of the first prompts."""
    return {
        tau: Outcomes(o.right[:count], o.nfe[:count], o.tokens[:count])
        for tau, o in arms.items()
        if len(o.nfe) >= count
    }


def line(tau: float, arm: Outcomes, gain: Speedup | None, base: Arms) -> str:
    """One arm as text; see COLUMNS."""
    told = f"{tau}, {100 * arm.accuracy:.1f}, {arm.mean_nfe:.2f}, {arm.tpf:.2f}"
    if gain is None:
        return told
    matched = base[gain.base].mean_nfe
    return (
        f"{told} | {gain.base}, {100 * gain.accuracy_base:.1f}, {matched:.2f} | "
        f"{gain.ratio:.3f} [{gain.low:.3f}, {gain.high:.3f}]"
    )


def table(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Base arms, then each student's, as lines of text."""
    arms, found = gathered(rows), []
    for at in sorted(arms, key=lambda at: (at[0], "/" in at[1], *at[1:])):
        name, who, task, scorer = at
        base = arms.get((name, who.split("/")[0], task, scorer), {})
        won = gains(base, arms[at]) if "/" in who and base else {}
        count = min(len(o.nfe) for o in arms[at].values())
        lines = [line(tau, o, won.get(tau), base) for tau, o in sorted(arms[at].items())][::-1]
        told = {"set": name, "who": who, "task": task, "scorer": scorer, "n": count}
        found.append({**told, "arms": lines})
    return found


def judged(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The gate, by the chosen arm on prompts that had no part in choosing it."""
    who, task, scorer, tau = CHOSEN
    arms = gathered(rows)
    student = arms.get(("fresh", who, task, scorer), {})
    base = arms.get(("fresh", who.split("/")[0], task, scorer), {})
    gain = gains(base, student).get(tau) if tau in student and base else None
    name = f"{GATE} ({who}, {task}, {scorer} at {tau}, fresh prompts)"
    if gain is None:
        return [results_file.gate(name, 0.0, ">= 1.2", False)]
    enough = gain.ratio >= 1.2 and gain.low > 1 and len(student[tau].nfe) >= 500
    return [
        results_file.gate(name, gain.ratio, ">= 1.2", enough),
        results_file.gate("lower end of its 95 % interval", gain.low, "> 1", gain.low > 1),
    ]


def written(rows: Sequence[Row], trained: Sequence[Row], command: str) -> int:
    """Writes results/distill.json; 1 where the gate is missed."""
    told = table(rows)
    data = {
        "columns": COLUMNS,
        "alike": f"slow_fast on {', '.join(SINGLE)} is fast_dllm: one block, no slow tokens",
        "made": MADE,
        "students": [dict(row) for row in trained],
        "arms": told,
    }
    checked = judged(rows)
    results_file.write("distill", checked, data, command)
    for row in told:
        if "/" in row["who"]:
            print(row["set"], row["who"], row["task"], row["scorer"], row["n"])
            print(*(f"    {text}" for text in row["arms"]), sep="\n")
    for row in checked:
        print("pass" if row["pass"] else "MISS", row["name"], row["value"], row["target"])
    return 0 if all(row["pass"] for row in checked) else 1
