"""JSD against order: as recorded or as asked, in scipy's numbers, with its sign told."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dlmviz import decoding
from dlmviz.samplers import make
from dlmviz.studies import entries as at_entries
from dlmviz.studies.jsd_order import ALL, QUANTILES, RHO, RUNS, STUDY, Settings
from dlmviz.studies.study import Row, Unit
from dlmviz.types import InputError, RunSpec, Trace
from tests.toy import Toy


def decoded(sampler: str = "llada", **more: object) -> Trace:
    given = {"prompt": "the", "model": "toy", "gen_length": 8, "block_length": 2} | more
    return decoding.decode(Toy(), make(sampler), RunSpec(sampler=sampler, **given))


def measured(trace: Trace, model: Toy | None = None) -> list[Row]:
    return STUDY.measure(Unit("a", trace.spec), trace, model)


@pytest.mark.parametrize("sampler", ["llada", "fast_dllm", "random"])
def test_what_is_asked_is_what_would_have_been_recorded(sampler: str) -> None:
    by_record = measured(decoded(sampler, record=("jsd",)))
    by_forwards = measured(decoded(sampler), Toy())
    assert [row["block"] for row in by_record] == [1, 2, 3]
    assert sum(len(row["jsd"]) for row in by_record) == 6
    for a, b in zip(by_record, by_forwards, strict=True):
        assert a["jsd"] == pytest.approx(b["jsd"], abs=1e-7)
        assert {k: a[k] for k in ("step", "eos")} == {k: b[k] for k in ("step", "eos")}
    assert max(by_record[0]["jsd"]) > 0.01


def test_steps_count_from_the_entry_of_the_block() -> None:
    trace = decoded("left_to_right", record=("jsd",))
    assert [row["step"] for row in measured(trace)] == [[0, 1]] * 3
    ends = [bool(token == trace.eos_id) for token in trace.final[trace.prompt_length + 2 :]]
    assert [one for row in measured(trace) for one in row["eos"]] == ends


def test_a_run_without_the_signal_says_which_flag_to_set() -> None:
    with pytest.raises(InputError, match="recorded no JSD; decode it again with record jsd"):
        measured(decoded())


def test_a_run_of_one_block_says_what_to_do() -> None:
    with pytest.raises(InputError, match=r"one block, and its JSD .* block_length below 8"):
        measured(decoded(block_length=8), Toy())


def row(unit: str, block: int, jsd: list[float], step: list[int], eos: list[bool]) -> Row:
    about = {"unit": unit, "arm": "one", "run": "", "block": block, "right": True}
    return about | {"jsd": jsd, "step": step, "eos": eos}


def made(sign: int) -> list[Row]:
    """Six runs of two blocks; J falls with the step if sign is 1, rises if -1; eos are constant."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(6):
        for block in (1, 2):
            steps = [0, 1, 1, 2, 3, 0, 0]
            jsd = [round(0.3 - sign * 0.05 * s + 0.02 * rng.random(), 3) for s in steps[:5]]
            rows.append(row(f"r{i}", block, [*jsd, 0.1, 0.1], steps, [False] * 5 + [True] * 2))
    return rows


def test_rho_is_scipys_on_the_tokens_of_all_runs() -> None:
    rows = made(1)
    table = STUDY.tables(rows, Settings())[RHO].set_index(["tokens", "block"])
    jsd = [j for r in rows for j, e in zip(r["jsd"], r["eos"], strict=True) if not e]
    step = [-s for r in rows for s, e in zip(r["step"], r["eos"], strict=True) if not e]
    theirs = stats.spearmanr(jsd, step)
    line = table.loc[("answer", ALL)]
    assert line["rho"] == pytest.approx(theirs.statistic, abs=1e-12)
    assert line["p"] == pytest.approx(theirs.pvalue, abs=1e-12)
    assert (line["n"], line["runs"]) == (60, 6)
    assert 0.9 < line["rho_low"] < line["rho_high"] < 1
    assert table.loc[("answer", "2"), "n"] == 30


def test_constant_tokens_have_no_rho() -> None:
    table = STUDY.tables(made(1), Settings())[RHO].set_index(["tokens", "block"])
    assert pd.isna(table.loc[("eos", ALL), "rho"])
    assert pd.isna(table.loc[("eos", ALL), "rho_low"])
    assert table.loc[("eos", ALL), "n"] == 24


@pytest.mark.parametrize(("sign", "says"), [(1, "Holds: "), (-1, "The opposite: ")])
def test_the_verdict_tells_the_sign(sign: int, says: str) -> None:
    told = STUDY.verdict(STUDY.tables(made(sign), Settings()))
    assert told.startswith(says)
    assert "eos: rho undefined [undefined, undefined], n 24 tokens of 6 runs" in told


def test_one_run_has_no_sign() -> None:
    assert STUDY.verdict(STUDY.tables(made(1)[:2], Settings())).startswith("Undefined")


def test_quantiles_hold_equal_values_together() -> None:
    """Ten values of which four are equal: those share a tenth, the others have one each."""
    jsd = [0.0, 0.0, 0.0, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    rows = [row("r", 1, jsd, [9, 9, 9, 5, 4, 3, 3, 2, 1, 0], [False] * 10)]
    table = STUDY.tables(rows, Settings())[QUANTILES]
    answer = table[(table["tokens"] == "answer") & (table["block"] == ALL)]
    assert answer["n"].tolist() == [4, 1, 1, 1, 1, 1, 1]
    assert answer["step"].tolist() == [8, 4, 3, 3, 2, 1, 0]
    assert answer["quantile"].tolist() == pytest.approx([0.25, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95])


def test_the_strip_has_a_dot_a_run_that_says_which() -> None:
    tables = STUDY.tables(made(1), Settings())
    runs = tables[RUNS]
    assert runs["unit"].tolist() == [f"r{i}" for i in range(6)]
    assert (runs["n, answer"].tolist(), runs["n, both"].tolist()) == ([10] * 6, [14] * 6)
    assert runs["rho, eos"].isna().all()
    (dots,) = STUDY.figures(tables)["Every run"].data  # eos have no rho: no dot, not one at 0
    assert [point[1] for point in dots.customdata] == [f"r{i}" for i in range(6)]
    assert list(dots.x) == runs["rho, answer"].tolist()


def test_a_sampler_that_records_jsd_itself_is_read() -> None:
    trace = decoded("slow_fast")
    assert "jsd" in trace.steps[0].signals
    assert len(measured(trace)) == 3
    entries = at_entries.block_entries(trace)
    again = at_entries.asked(Toy(), trace, entries[1:])
    known = at_entries.recorded(trace, entries[1:])
    assert known is not None
    for a, b in zip(known, again, strict=True):
        known_here = np.isfinite(a)  # its own block; asked of all masks behind it
        assert known_here.sum() == 2
        assert a[known_here] == pytest.approx(b[known_here], abs=1e-6)


def test_half_recorded_is_not_recorded() -> None:
    trace = decoded(record=("jsd",))
    blind = [dataclasses.replace(r, signals={}) if r.index == 4 else r for r in trace.steps]
    with pytest.raises(InputError, match="recorded no JSD"):
        measured(dataclasses.replace(trace, steps=tuple(blind)))
