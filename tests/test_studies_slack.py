"""Sub-additivity of influence: laws that are written down, its famous failure, and the tables."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

import dlmviz
from dlmviz.models.exact import exact_model
from dlmviz.studies import chain_rule, slack
from dlmviz.studies.run import rows_of, run
from dlmviz.studies.slack import ALL, BY_SIZE, STUDY, Settings
from dlmviz.studies.study import Unit
from dlmviz.types import InputError, RunSpec
from tests.toy import Toy

XOR = exact_model({f"{a} {b} {'ab'[(a == 'b') != (b == 'b')]}": 1 for a in "ab" for b in "ab"})
COPY = exact_model({"a a a": 1, "b b b": 1, "c c c": 1, "d d d": 1})
FOUR = exact_model({" ".join(words): 1 for words in itertools.product("ab", repeat=4)})
FREE = exact_model({" ".join(words): 1 for words in itertools.product("ab", repeat=3)})


def sides(model, group, target):
    canvas = torch.full((3,), model.special.mask)
    law = chain_rule.law_of(model, RunSpec(), canvas != model.special.mask)
    rng = torch.Generator().manual_seed(0)
    given = torch.tensor(group), torch.tensor([target])
    return [float(side) for side in slack.sides(law, canvas, *given, 4, rng)]


def test_the_worked_sides() -> None:
    """Two bits that fix a third move it by half, though neither does alone; a copy needs one."""
    assert sides(XOR, [0, 1], 2) == pytest.approx([0.5, 0.0], abs=1e-6)
    assert sides(COPY, [0, 1], 2) == pytest.approx([0.75, 1.5], abs=1e-6)
    assert sides(FREE, [0, 1], 2) == pytest.approx([0.0, 0.0], abs=1e-6)


@pytest.mark.parametrize("model", [XOR, COPY, FREE, dlmviz.load("exact")])
def test_a_set_of_one_has_no_slack_at_all(model) -> None:
    together, apart = sides(model, [0], 2)
    assert together == apart


def measured():
    spec = RunSpec(
        prompt="the", model="exact", gen_length=11, block_length=11, sampler="random", seed=3
    )
    model = dlmviz.load("exact")
    return STUDY.measure(Unit("u", spec), dlmviz.decode(model, spec), model)


@pytest.fixture(scope="module")
def rows():
    return measured()


def test_a_run_is_looked_at_once_with_sets_of_every_size_that_fits(rows) -> None:
    assert len({row["step"] for row in rows}) == 1
    sizes = [row["size"] for row in rows]
    left = sizes.count(1) + 1  # positions that are open there
    assert 2 < left <= 12 - rows[0]["step"]  # of 11, one is written at each step
    assert sizes == [size for size in slack.SIZES if size < left for _ in range(left - size)]
    assert all(row["slack"] == 0 for row in rows if row["size"] == 1)
    assert all(row["slack"] == row["sum"] - row["together"] for row in rows)


def test_the_same_run_gives_the_same_rows(rows) -> None:
    assert measured() == rows


def made(*slacks: float) -> list[dict]:
    about = {"arm": "random", "run": "", "task": "t", "step": 1, "size": 2, "together": 0.1}
    about["sets"] = "random"
    return [
        about | {"unit": str(i), "sum": 0.1 + value, "slack": value}
        for i, value in enumerate(slacks)
    ]


def test_a_slack_below_a_hundredth_is_broken_and_a_smaller_one_is_rounding() -> None:
    tables = STUDY.tables(made(0.2, -0.005, -0.02, 0.1), Settings())
    line = tables[BY_SIZE].query("task == 'all'").iloc[0]
    assert (line["broken"], line["positions"], line["runs"]) == (0.25, 4, 4)
    assert line["slack"] == pytest.approx(0.06875)
    assert len(tables[ALL]) == 4
    assert STUDY.verdict(tables).startswith("Does not hold everywhere: slack is below -0.01 for")
    assert "2: 25.0 % of 4 positions, mean slack 0.069" in STUDY.verdict(tables)
    assert STUDY.verdict(STUDY.tables(made(0.2, 0.0), Settings())).startswith("Holds: ")
    line = STUDY.figures(tables)["Distribution of slack, random sets"].data[0]
    assert (min(line.x), max(line.x)) == (-0.02, 0.2)


def budgeted(model, k=2, length=3):
    """A run that commits the k most confident, as if a budget had let it."""
    how = {"gen_length": length, "block_length": length, "sampler": "top_k", "params": {"k": k}}
    trace = dlmviz.decode(model, RunSpec(**how))
    spent = np.zeros(length, np.float32)
    steps = [dataclasses.replace(step, signals={"spent": spent}) for step in trace.steps]
    return dataclasses.replace(trace, steps=tuple(steps))


def test_the_sets_that_a_budget_chose_stand_beside_random_ones() -> None:
    """The first step writes two of three bits, whose parity fixes the third."""
    trace = budgeted(XOR)
    rows = STUDY.measure(Unit("u", trace.spec), trace, XOR)
    assert {row["step"] for row in rows} == {1}
    sizes = {sets: [r["size"] for r in rows if r["sets"] == sets] for sets in ("random", "chosen")}
    assert sizes == {"random": [1, 1, 2], "chosen": [1, 1, 2]}
    slacks = [row["slack"] for row in rows if row["sets"] == "chosen"]
    assert slacks == pytest.approx([0, 0, -0.5], abs=1e-4)


def test_a_chosen_set_is_no_larger_than_what_was_committed() -> None:
    rows = STUDY.measure(Unit("u", RunSpec()), budgeted(FOUR, 3, length=4), FOUR)
    assert [row["size"] for row in rows if row["sets"] == "chosen"] == [1, 1, 1, 2, 2]


def test_a_budget_that_commits_one_at_a_time_chose_no_set() -> None:
    with pytest.raises(InputError, match="tried commits two positions that are masked and not"):
        STUDY.measure(Unit("u", RunSpec()), budgeted(XOR, k=1), XOR)


@pytest.mark.usefixtures("toy_heads")
def test_a_run_of_demask_as_the_study_keeps_it_has_chosen_sets(tmp_path) -> None:
    """Signals and confidences are kept, by which a step's group is known and ordered."""
    how = {"gen_length": 16, "block_length": 16, "sampler": "demask", "params": {"tau": 1000.0}}
    unit = Unit("u", RunSpec(prompt="the", model="toy", **how), arm="demask")
    study = dataclasses.replace(STUDY, units=lambda settings: [unit])
    assert run(study, Settings(), tmp_path, lambda name, adapter: Toy())
    rows, problems = rows_of(tmp_path)
    assert [one.problem for one in problems] == []
    assert {row["sets"] for row in rows} == {"random", "chosen"}


def test_kinds_of_sets_and_arms_have_lines_of_their_own() -> None:
    rows = made(0.2, 0.1) + [
        row | {"arm": "demask", "sets": sets}
        for sets, slacks in (("random", (0.3, 0.1)), ("chosen", (-0.2, 0.4)))
        for row in made(*slacks)
    ]
    tables = STUDY.tables(rows, Settings())
    lines = tables[BY_SIZE].query("task == 'all'").set_index(["arm", "sets"])
    assert lines["slack"].tolist() == pytest.approx([0.15, 0.2, 0.1])
    assert lines["broken"].tolist() == [0, 0, 0.5]
    told = STUDY.verdict(tables)
    assert "random sets where random wrote: 2: 0.0 %" in told
    assert "chosen sets where demask wrote: 2: 50.0 % of 2 positions, mean slack 0.100" in told
    assert "Random and chosen sets" in STUDY.figures(tables)
    assert [len(line.x) for line in STUDY.figures(tables)["Mean slack"].data] == [1, 1]


def test_a_set_of_one_alone_says_nothing() -> None:
    rows = [row | {"size": 1, "slack": 0.0} for row in made(0.0)]
    assert STUDY.verdict(STUDY.tables(rows, Settings())).startswith("Undefined")


def test_a_run_of_one_token_has_no_set_and_a_model_is_needed() -> None:
    model = dlmviz.load("exact")
    spec = RunSpec(prompt="the", model="exact", gen_length=1, block_length=1, sampler="random")
    trace = dlmviz.decode(model, spec)
    with pytest.raises(InputError, match="finds two positions that are masked and not certain"):
        STUDY.measure(Unit("u", spec), trace, model)
    with pytest.raises(InputError, match="exact is needed"):
        STUDY.measure(Unit("u", spec), trace, None)
