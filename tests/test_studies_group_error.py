"""What parallel steps lose: the exact model's analytic value, and an order on the built-in one."""

import dataclasses
import itertools
import math

import numpy as np
import pandas as pd
import pytest

import dlmviz
from dlmviz.models.exact import exact_model, group_error
from dlmviz.studies import group_error as study
from dlmviz.studies.group_cost import PROXY, costs, proxies
from dlmviz.studies.study import Unit
from dlmviz.types import InputError, RunSpec
from tests.toy import Toy

XOR = exact_model({f"{a} {b} {'ab'[(a == 'b') != (b == 'b')]}": 1 for a in "ab" for b in "ab"})
COPY = exact_model({"a a a": 1, "b b b": 1, "c c c": 1, "d d d": 1})
UNEVEN = exact_model({"a a b": 5, "a b a": 2, "b a a": 2, "b b b": 1, "a a a": 3})
FREE = exact_model({" ".join(words): 1 for words in itertools.product("ab", repeat=3)})
BUILT_IN = dlmviz.load("exact")


def decoded(model, sampler, prompt="", length=3, record=(), **params):
    spec = RunSpec(
        prompt=prompt,
        gen_length=length,
        block_length=length,
        sampler=sampler,
        params=params,
        record=record,
    )
    return dlmviz.decode(model, spec)


@pytest.mark.parametrize("model", [XOR, COPY, UNEVEN, FREE, BUILT_IN])
@pytest.mark.parametrize(
    ("sampler", "params"),
    [("top_k", {"k": 3}), ("top_k", {"k": 2}), ("fast_dllm", {"tau": 0.4}), ("dapd", {})],
)
def test_what_a_step_loses_is_the_total_correlation_of_what_it_wrote(
    model, sampler, params
) -> None:
    prompt, length = ("the", 8) if model is BUILT_IN else ("", 3)
    trace = decoded(model, sampler, prompt, length, **params)
    lost = [row["lost"] for row in costs(trace, model)]
    analytic = [nats / math.log(2) for nats in group_error(model, trace)]
    assert lost == pytest.approx(analytic, abs=1e-6)
    assert len(lost) == len(trace.steps)


def test_three_bits_with_one_hidden_between_them_lose_one_bit() -> None:
    whole, one = costs(decoded(XOR, "top_k", k=3), XOR), costs(decoded(XOR, "top_k", k=1), XOR)
    assert [row["lost"] for row in whole] == pytest.approx([1.0])
    assert [row["lost"] for row in one] == [0, 0, 0]
    assert {row["method"] for row in one} == {"one"}


def test_tokens_that_go_together_are_understated_by_their_marginals() -> None:
    """ "a a a" has 1/4, its marginals' product 1/64."""
    (row,) = costs(decoded(COPY, "top_k", k=3), COPY)
    assert row["overstated"] == pytest.approx(-4)
    assert row["lost"] == pytest.approx(4)


@pytest.mark.parametrize("model", [XOR, COPY, UNEVEN, BUILT_IN])
def test_what_is_overstated_is_the_ratio_of_product_and_joint(model) -> None:
    trace = decoded(model, "top_k", "the" if model is BUILT_IN else "", 3, k=3)
    for index, row in enumerate(costs(trace, model)):
        canvas, record = trace.canvas_at(index), trace.steps[index]
        joint = model.joint(canvas, record.positions.tolist())
        together = joint.get(tuple(record.tokens.tolist()))
        if together is None:  # the product wrote what no sentence says
            assert row["overstated"] > 50
            continue
        p = model.marginals(canvas)[record.positions, record.tokens.astype(np.int64)]
        bits = float(p.log2().sum()) - math.log2(together)
        assert row["overstated"] == pytest.approx(bits, abs=1e-6)


def test_what_rules_go_by_is_taken_of_the_group_as_a_whole() -> None:
    trace = decoded(UNEVEN, "top_k", k=2, record=("edges", "kl"))
    first, second = costs(trace, UNEVEN)
    record = trace.steps[0]
    at = record.positions - trace.offset
    c, h = record.confidence[at], record.entropy[at]
    assert first["doubt"] == pytest.approx(float((1 - c).sum()))
    assert first["least"] == pytest.approx(float(1 - c.min()))
    assert first["budget"] == pytest.approx(float(h.min()))
    assert first["edge"] == pytest.approx(float(record.edges[at[0], at[1]]))
    assert first["edges"] == first["edge"]
    assert first["kl"] is None  # there is no step before the first
    assert second["size"] == 1
    assert second["kl"] > 0
    assert second["edge"] is None
    assert costs(decoded(UNEVEN, "top_k", k=2), UNEVEN)[0]["edge"] is None  # was not recorded


def rows_of(arm, sampler, unit, lost, least):
    return [
        {"unit": unit, "arm": arm, "run": "", "task": "t", "sampler": sampler, "right": True}
        | {"nfe": len(lost), "step": i + 1, "progress": i / len(lost), "size": 2, "open": 2}
        | {"lost": bits, "overstated": 0.0, "error": 0.0, "left_out": 0.0, "method": "enumerated"}
        | {"tv": bits / 10}
        | dict.fromkeys(PROXY)
        | {"least": doubt}
        for i, (bits, doubt) in enumerate(zip(lost, least, strict=True))
    ]


def test_tables_add_up_the_bits_of_a_run_and_correlate_groups() -> None:
    rows = rows_of("quick", "fast_dllm", "1", [3.0, 1.0], [0.3, 0.1])
    rows += rows_of("quick", "fast_dllm", "2", [2.0, 0.0], [0.2, 0.0])
    rows += rows_of("slow", "top_k", "3", [0.0], [0.1])
    made = study.tables(rows, study.Settings())
    runs = made[study.RUNS].set_index("arm")
    assert runs.loc["quick", "lost"] == 3.0
    assert (runs.loc["quick", "runs"], runs.loc["quick", "groups"]) == (2, 4)
    assert runs.loc["slow", "lost"] == 0.0
    curve = made[study.CURVE].query("arm == 'quick'").set_index("part")["lost"]
    assert curve["0 to 20 %"] == 2.5
    assert curve["40 to 60 %"] == 0.5
    assert curve.sum() == runs.loc["quick", "lost"]
    held = made[study.PROXIES].query("arm == 'quick'").set_index("proxy")
    assert held.loc[PROXY["least"], "rho"] == pytest.approx(1)
    assert held.loc[PROXY["least"], "goes by it"]
    assert pd.isna(held.loc[PROXY["jsd"], "rho"])
    assert len(made[study.GROUPS]) == 5
    assert set(study.figures(made)) >= {"Bits a run", "Over the decode"}
    assert "slow 0.00, quick 3.00" in study.verdict(made)


def test_groups_beyond_their_budget_are_counted_where_a_rule_kept_one() -> None:
    rows = rows_of("quick", "demask", "1", [3.0, 1.0, 2.0, 4.0], [0.1] * 4)  # tv .3, .1, .2, .4
    spent = (0.3, 0.2, 0.1, None)  # equality is within the budget; one step kept none
    rows = [row | {"bound": bound} for row, bound in zip(rows, spent, strict=True)]
    rows += rows_of("slow", "top_k", "2", [1.0], [0.1])
    runs = study.tables(rows, study.Settings())[study.RUNS].set_index("arm")
    assert runs.loc["quick", "above bound"] == pytest.approx(1 / 3)
    assert pd.isna(runs.loc["slow", "above bound"])
    assert runs.loc["quick", "tv"] == pytest.approx(0.25)
    assert runs["bounded"].to_dict() == {"quick": 3, "slow": 0}
    told = study.verdict(study.tables(rows, study.Settings()))
    assert told.endswith("Groups beyond the bound that their rule spent: quick 33.3 % of 3.")


def test_a_budget_that_no_group_spent_is_told() -> None:
    rows = rows_of("careful", "demask", "1", [0.0], [0.1])
    told = study.verdict(study.tables([row | {"size": 1} for row in rows], study.Settings()))
    assert told.endswith("No group of demask had two tokens, so its bound was not put to the test.")


def test_what_a_local_model_wrote_is_not_ranked_among_what_was_written_apart() -> None:
    rows = rows_of("slow", "top_k", "1", [1.0], [0.1])
    rows += [row | {"overstated": -2.5} for row in rows_of("local", "codila", "2", [4.0], [0.1])]
    made = study.tables(rows, study.Settings())
    told = study.verdict(made)
    assert "fewest first: slow 1.00. " in told
    assert "local does not write tokens apart, which would lose 4.00 bits a run; under the" in told
    assert "wrote is 2.50 bits a run more likely than by its marginals" in told
    worse = [row | {"overstated": 1.0} if row["arm"] == "local" else row for row in rows]
    told = study.verdict(study.tables(worse, study.Settings()))
    assert "1.00 bits a run less likely than by its marginals" in told
    assert [line.name for line in study.figures(made)["Bits a run"].data] == ["slow"]


@pytest.mark.usefixtures("toy_heads")
def test_both_rules_with_a_head_are_measured_where_the_model_has_one() -> None:
    law = Toy()
    for name, params in (("demask", {"tau": 1000.0}), ("codila", {"schedule": "static"})):
        spec = RunSpec(prompt="the", gen_length=8, block_length=8, sampler=name, params=params)
        trace = dlmviz.decode(law, spec)
        rows = study.measure(Unit("u", spec, arm=name), trace, law)
        assert sum(row["size"] for row in rows) == 8
        several = [row for row in rows if row["size"] > 1]
        assert several
        assert all((row["bound"] is None) == (name == "codila") for row in several)


def test_the_budget_that_a_rule_spent_is_its_largest_over_the_group() -> None:
    trace = decoded(UNEVEN, "top_k", k=2)
    record, at = trace.steps[0], trace.steps[0].positions - trace.offset
    spent = np.full(len(record.confidence), np.nan, np.float32)
    spent[at] = (0.0, 0.25)
    budgeted = dataclasses.replace(record, signals={"spent": spent})
    assert proxies(budgeted, trace.offset)["bound"] == 0.25
    assert proxies(record, trace.offset)["bound"] is None


def test_runs_without_any_group_have_tables_too() -> None:
    rows = rows_of("slow", "top_k", "1", [0.0], [0.1])
    made = study.tables([row | {"size": 1} for row in rows], study.Settings())
    assert made[study.RUNS]["lost"].tolist() == [0.0]
    assert len(made[study.PROXIES]) == 0
    study.figures(made)
    assert "no arm has groups enough" in study.verdict(made)


def test_a_study_of_groups_asks_for_the_model() -> None:
    trace = decoded(XOR, "top_k")
    with pytest.raises(InputError, match="--model"):
        study.measure(Unit("u", trace.spec), trace, None)


@pytest.mark.slow
def test_on_the_built_in_model_greedy_loses_less_than_careful_and_that_less_than_hasty() -> None:
    model = dlmviz.load("tiny")
    settings = study.Settings(
        tasks="puzzles", arms="top_k; fast_dllm tau=0.9; fast_dllm tau=0.4", n=2
    )
    bits: dict[str, float] = {}
    for unit in study.units(settings):
        spec = dataclasses.replace(unit.spec, gen_length=32)  # a grid fits, and it is quicker
        trace = dlmviz.decode(model, spec)
        lost = sum(row["lost"] for row in study.measure(unit, trace, model))
        bits[unit.arm] = bits.get(unit.arm, 0.0) + lost
    greedy, careful, hasty = bits.values()
    assert greedy == 0
    assert 0 < careful < hasty
