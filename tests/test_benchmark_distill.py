"""The distillation benchmark: its fast decode is that of the samplers, its gate cannot be lucky."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks import distill_decode, distill_table
from benchmarks.distill_students import RECIPES, students
from dlmviz.jobs.distil.recipe import Recipe
from dlmviz.jobs.distil.scoring import knobs
from dlmviz.learn.assess import outcomes
from dlmviz.learn.distill.settings import Settings
from dlmviz.models import load
from dlmviz.samplers import make
from dlmviz.tasks import TASKS

Rows = list[dict[str, Any]]


@pytest.mark.parametrize(
    ("name", "scorer", "tau"),
    [("mrf", "fast_dllm", 0.7), ("trivia", "slow_fast", 0.6)],
)
def test_decoding_all_at_once_is_the_sampler_run_by_run(name: str, scorer: str, tau: float) -> None:
    model, task = load("tiny-early", device="cpu"), TASKS[name]
    examples = list(task.examples(4, 101))
    knob = knobs(scorer, tau)
    specs = [
        Recipe().spec(e.prompt, task.gen_length, 32, sampler=scorer, params=knob) for e in examples
    ]
    *_, (_, slow) = outcomes(
        model, make(scorer, knob), specs, lambda i, text: task.score(examples[i], text), 4
    )
    low, high = knob.get("tau", knob.get("tau_low", tau)), knob.get("tau_high", tau)
    fast = distill_decode.outcomes(model, task, examples, 32, low, high)
    assert slow is not None
    for field in ("right", "nfe", "tokens"):
        assert getattr(fast, field).tolist() == getattr(slow, field).tolist(), field


def row(name: str, who: str, tau: float, right: int, nfe: int, count: int = 500) -> dict[str, Any]:
    _, task, scorer, _ = distill_table.CHOSEN
    told = {"set": name, "who": who, "task": task, "scorer": scorer, "tau": tau, "n": count}
    answers = np.arange(count) < right * count // 100
    return {
        **told,
        "right": answers.astype(int).tolist(),
        "nfe": [nfe] * count,
        "tokens": [9] * count,
    }


def rows(name: str, accuracy: int, count: int = 500) -> Rows:
    who, _, _, tau = distill_table.CHOSEN
    base = who.split("/")[0]
    return [
        row(name, base, 0.9, 99, 6, count),
        row(name, base, 0.5, 90, 4, count),
        row(name, who, tau, accuracy, 3, count),
    ]


def test_the_gate_compares_with_the_cheapest_base_that_is_as_right() -> None:
    gates = distill_table.judged(rows("fresh", 98))
    assert [g["pass"] for g in gates] == [True, True]
    assert gates[0]["value"] == 2.0  # 6 forwards over 3: the base at 0.5 is not right enough
    assert distill_table.judged(rows("fresh", 91))[0]["value"] == 1.3333  # 4 over 3


def test_the_prompts_that_chose_the_arm_do_not_open_the_gate() -> None:
    assert not distill_table.judged(rows("first", 98))[0]["pass"]
    assert not distill_table.judged(rows("fresh", 98, 400))[0]["pass"]


def test_a_table_row_tells_the_match_and_its_interval() -> None:
    told = {r["who"]: r["arms"] for r in distill_table.table(rows("first", 98))}
    assert told["tiny"] == ["0.9, 99.0, 6.00, 1.50", "0.5, 90.0, 4.00, 2.25"]
    assert told[distill_table.CHOSEN[0]] == [
        "0.5, 98.0, 3.00, 3.00 | 0.9, 99.0, 6.00 | 2.000 [2.000, 2.000]"
    ]


def test_students_are_named_by_patterns_and_every_recipe_is_one_of_settings() -> None:
    found = [s.name for s in students(["tiny/all/two looks", "*/mrf+words/paper"], 3000, 64)]
    assert found == ["tiny/all/two looks", "tiny/mrf+words/paper", "tiny-early/mrf+words/paper"]
    for recipe in RECIPES:
        (student,) = students([f"tiny/mrf/{recipe}"], 3000, 64)
        assert isinstance(student.settings(), Settings)
        assert student.tasks == ("mrf",)
