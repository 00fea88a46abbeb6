"""True influence against predicted: pairs of a state, worked scores, bins, what cannot be asked."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

import dlmviz
from dlmviz.learn.demask.predictor import scored
from dlmviz.learn.demask.settings import Fit
from dlmviz.learn.demask.states import measured
from dlmviz.models.exact import exact_model
from dlmviz.models.heads import PairHead, save_head
from dlmviz.studies import predicted
from dlmviz.studies.predicted import ALL, CALIBRATION, STUDY, TASKS, Settings
from dlmviz.studies.study import Row, Unit
from dlmviz.types import InputError, RunSpec

COPY = exact_model({"a a a": 1, "b b b": 1, "c c c": 1, "d d d": 1})


@pytest.fixture
def head(tmp_path: Path) -> str:
    torch.manual_seed(0)
    save_head(tmp_path / "head", "demask", PairHead(COPY.vocab_size, 3), COPY, {})
    return str(tmp_path / "head")


def decoded(**more: object) -> dlmviz.Trace:
    return dlmviz.decode(COPY, RunSpec(gen_length=3, block_length=3, sampler="random", **more))


def test_a_state_gives_each_pair_its_measured_and_its_predicted_influence(head: str) -> None:
    """In a copy of four symbols each place moves each other one by 1 - 1/4, until one is written;
    then nothing moves anything.
    """
    found = set()
    for seed in range(8):
        trace = decoded(seed=seed)
        (row,) = STUDY.measure(Unit("u", trace.spec, head=head), trace, COPY)
        assert len(row["true"]) == len(row["predicted"]) == row["masks"] * (row["masks"] - 1)
        assert row["true"] == pytest.approx([0.75 if row["step"] == 1 else 0] * len(row["true"]))
        assert all(0 < value < 1 for value in row["predicted"])
        assert STUDY.measure(Unit("u", trace.spec, head=head), trace, COPY) == [row]
        found.add(row["step"])
    assert found == {1, 2}


def test_scores_are_those_that_a_training_tells(head: str) -> None:
    law = exact_model({"a a b": 5, "a b a": 2, "b a a": 2, "b b b": 1, "a a a": 3})
    torch.manual_seed(1)
    net = PairHead(law.vocab_size, 3)
    canvases = [torch.full((3,), law.special.mask), torch.tensor([0, *[law.special.mask] * 2])]
    states = measured(law, canvases, Fit(sources=3, draws=9), torch.Generator().manual_seed(0))
    rows: list[Row] = []
    for number, state in enumerate(states):
        true, said = predicted.pairs(net, state, torch.device("cpu"))
        row = {"unit": str(number), "arm": "random", "run": "", "task": "t"}
        rows.append({**row, "true": true.tolist(), "predicted": said.tolist()})
    line = STUDY.tables(rows, Settings())[TASKS].to_dict("records")[0]
    told = scored(net, states, states)
    for name in ("pairs", "mae", "mean_mae", "spearman"):
        assert line[name] == pytest.approx(getattr(told, name), abs=1e-9), name


def made(true: list[float], said: list[float], task: str = "t", unit: str = "0") -> Row:
    about = {"unit": unit, "arm": "random", "run": "", "task": task, "step": 1, "masks": 3}
    return {**about, "true": true, "predicted": said}


def test_the_worked_scores() -> None:
    """Errors 0, .01, .1 and .09; the median of the truth is .055, its mean .1025."""
    rows = [made([0.0, 0.01], [0.0, 0.0]), made([0.1, 0.3], [0.2, 0.39], unit="1")]
    table = STUDY.tables(rows, Settings())
    line = table[TASKS].to_dict("records")[0]
    assert (line["task"], line["arm"], line["states"], line["pairs"]) == (ALL, ALL, 2, 4)
    assert line["mae"] == pytest.approx(0.05)
    assert line["constant_mae"] == pytest.approx((0.055 + 0.045 + 0.045 + 0.245) / 4)
    assert line["mean_mae"] == pytest.approx((0.1025 + 0.0925 + 0.0025 + 0.1975) / 4)
    assert line["spearman"] == pytest.approx(0.9486833)  # ranks 1 2 3 4 and 1.5 1.5 3 4
    assert line["trusted"] == 1.0
    assert line["below"] == 0.5
    bins = table[CALIBRATION].set_index("predicted from")
    assert bins.loc[0.0, "pairs"] == 2
    assert bins.loc[0.0, "true"] == pytest.approx(0.005)
    assert bins.loc[0.2, "pairs"] == 2  # its lower end is in
    assert bins.loc[0.2, "true"] == pytest.approx(0.2)
    assert bins.loc[0.05, "pairs"] == 0
    assert bins["pairs"].sum() == 4
    assert "Holds in part: Spearman's rho of predicted and measured influence is 0.95" in (
        STUDY.verdict(table)
    )
    assert set(STUDY.figures(table)) == {"Calibration", "Mean error", "Rank correlation"}


def test_a_low_prediction_that_is_wrong_is_not_trusted() -> None:
    rows = [made([0.5, 0.0, 0.01, 0.03], [0.01, 0.001, 0.019, 0.5]), made([0.0, 1.0], [0.3, 1.0])]
    line = STUDY.tables(rows, Settings())[TASKS].to_dict("records")[0]
    assert line["trusted"] == pytest.approx(2 / 3)
    assert STUDY.tables(rows, Settings())[CALIBRATION].iloc[-1]["pairs"] == 2  # 1.0 is in the last


def test_one_influence_everywhere_has_no_rank_and_no_prediction_below_nothing_to_trust() -> None:
    table = STUDY.tables([made([0.0, 0.0, 0.0], [0.1, 0.2, 0.3])], Settings())
    line = table[TASKS].to_dict("records")[0]
    assert line["spearman"] is None
    assert line["trusted"] is None
    assert STUDY.verdict(table).startswith("Undefined on what was measured")
    assert "Rank correlation" not in STUDY.figures(table)


def test_units_ask_every_arm_for_the_same_prompts_and_name_the_head() -> None:
    found = STUDY.units(Settings(tasks="words, trivia/bundle", head="there", n=2))
    assert len({unit.key for unit in found}) == len(found) == 2 * 2 * 2
    assert {unit.head for unit in found} == {"there"}
    assert {unit.arm for unit in found} == {"random, k 4", "demask"}


def test_what_cannot_be_asked_is_a_sentence(head: str) -> None:
    trace = decoded()
    unit = Unit("u", trace.spec, head=head)
    with pytest.raises(InputError, match="is needed to ask"):
        STUDY.measure(unit, trace, None)
    with pytest.raises(InputError, match="dlmviz train demask"):
        STUDY.measure(Unit("u", trace.spec), trace, COPY)
    guided = dataclasses.replace(trace, spec=dataclasses.replace(trace.spec, cfg_scale=1.5))
    with pytest.raises(InputError, match=r"was guided \(cfg_scale 1.5\)"):
        STUDY.measure(unit, guided, COPY)
    whole = dlmviz.decode(COPY, RunSpec(gen_length=1, block_length=1, sampler="random"))
    with pytest.raises(InputError, match="no step of this run finds two masks"):
        STUDY.measure(unit, whole, COPY)
