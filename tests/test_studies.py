"""Studies are done unit by unit, go on where they stopped, and say what they cannot measure."""

from __future__ import annotations

import dataclasses
import html
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dlmviz import decoding, knobs, store
from dlmviz.cli import main
from dlmviz.figures.chart import chart, points
from dlmviz.samplers import make
from dlmviz.studies import STUDIES, find, journal, report, stored
from dlmviz.studies.journal import Entry
from dlmviz.studies.run import Watch, rows_of, run
from dlmviz.studies.study import Row, Study, Unit
from dlmviz.types import Denoiser, InputError, RunSpec, Trace, knob
from tests.toy import Toy


@dataclass(frozen=True)
class Settings:
    model: str = knob("toy", help="a model")
    n: int = knob(5, 1, 100, "runs")


def spec(i: int, **more: object) -> RunSpec:
    return RunSpec(prompt="the", model="toy", gen_length=8, block_length=4, seed=i, **more)


def units(settings: Settings) -> list[Unit]:
    arms = ("llada", "random")
    return [Unit(f"{a}/{i}", spec(i, sampler=a), None, a) for a in arms for i in range(settings.n)]


def measure(unit: Unit, trace: Trace, model: Denoiser | None) -> list[Row]:
    if unit.key == "random/1":
        raise InputError("this one has no signal")
    sure = [float(np.nanmax(record.confidence)) for record in trace.steps]
    return [{"nfe": trace.nfe, "sure": max(sure), "asked": model is not None}]


def tables(rows: list[Row], settings: Settings) -> dict[str, pd.DataFrame]:
    return {"All runs": pd.DataFrame(rows)}


STUDY = Study(
    name="demo",
    title="A demo",
    question="How many?",
    claim="Many (nobody).",
    settings=Settings,
    units=units,
    measure=measure,
    tables=tables,
    figures=lambda t: {
        "Forwards": chart([points("all", [1], [2], 0)], "Forwards", "run", "NFE [forwards]")
    },
    verdict=lambda t: f"{len(t['All runs'])} runs.",
)


def load(name: str, adapter: str | None) -> Toy:
    return Toy()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def done(folder: Path, **how: object) -> dict[str, bytes]:
    assert run(STUDY, Settings(), folder, load, **how)
    report.write(STUDY, Settings(), folder)
    return files(folder)


def test_the_same_settings_give_the_same_files(tmp_path: Path) -> None:
    first, second = done(tmp_path / "a", batch=3), done(tmp_path / "b", batch=3)
    assert first == second
    assert {"all_runs.csv", "forwards.json", "report.html", "report.json"} <= {*first}
    page = first["report.html"].decode()
    assert f"<p>Claim: {html.escape(STUDY.claim)}</p>" in page
    assert "<p>Found: " in page


def test_a_study_that_was_stopped_gives_the_table_of_one_that_was_not(tmp_path: Path) -> None:
    whole = done(tmp_path / "whole", batch=3)
    seen: list[int] = []
    part = tmp_path / "part"
    stopping = Watch(lambda done, total: seen.append(done), lambda: len(seen) == 2)
    assert not run(STUDY, Settings(), part, load, stopping, batch=3)
    assert len(journal.entries(part)) == 5
    assert done(part, batch=3) == whole


def test_a_batch_that_was_cut_by_a_kill_is_done_again_whole(tmp_path: Path) -> None:
    whole = done(tmp_path, batch=3)
    rows = tmp_path / journal.ROWS
    rows.write_bytes(rows.read_bytes()[:-40])  # half of the last line, of a batch of two
    assert len(journal.entries(tmp_path)) == 9
    again = done(tmp_path, batch=3)
    assert {k: v for k, v in again.items() if k != journal.ROWS} == {
        k: v for k, v in whole.items() if k != journal.ROWS
    }


def test_what_is_done_is_not_decoded_again(tmp_path: Path) -> None:
    done(tmp_path)

    def refuse(name: str, adapter: str | None) -> Toy:
        raise AssertionError("nothing is left to decode")

    assert run(STUDY, Settings(), tmp_path, refuse)


def test_a_unit_that_cannot_be_measured_leaves_the_others(tmp_path: Path) -> None:
    done(tmp_path)
    rows, problems = rows_of(tmp_path)
    assert len(rows) == 9
    assert [(one.unit, one.problem) for one in problems] == [("random/1", "this one has no signal")]
    told = json.loads((tmp_path / report.REPORT).read_text())
    assert told["measured"] == 9
    assert told["problems"] == ["random/1: this one has no signal"]


def test_of_sentences_each_stands_once_before_any_stands_again() -> None:
    problems = ("a: one", "b: other", "c: one", "d: one")
    lines = report.missing(report.Found("", {}, {}, 6, problems))
    assert lines == ["4 of 10 runs are left out.", "a: one (and 2 more like this one)", "b: other"]


def test_a_prompt_that_does_not_fit_leaves_the_others_of_its_batch(tmp_path: Path) -> None:
    long = Unit("long", dataclasses.replace(spec(0), prompt="the " * 60), None, "llada")
    short = Unit("short", spec(1), None, "llada")
    study = dataclasses.replace(STUDY, units=lambda settings: [long, short])
    assert run(study, Settings(), tmp_path, load)
    rows, problems = rows_of(tmp_path)
    assert [row["unit"] for row in rows] == ["short"]
    assert "too long" in problems[0].problem


def test_a_model_that_cannot_be_loaded_is_a_sentence_for_its_units(tmp_path: Path) -> None:
    def missing(name: str, adapter: str | None) -> Toy:
        raise InputError("there is no such model")

    assert run(STUDY, Settings(), tmp_path, missing)
    told = report.write(STUDY, Settings(), tmp_path)
    assert told.verdict == "Nothing could be measured."
    assert len(told.problems) == 10
    assert report.missing(told)[1:] == [
        "llada/0: there is no such model (and 9 more like this one)"
    ]


def test_a_folder_of_other_settings_is_refused(tmp_path: Path) -> None:
    done(tmp_path)
    with pytest.raises(InputError, match="other settings"):
        run(STUDY, Settings(n=2), tmp_path, load)


def test_a_model_that_changed_is_refused(tmp_path: Path) -> None:
    watch = Watch(stopping=lambda: (tmp_path / journal.ROWS).exists())
    run(STUDY, Settings(), tmp_path, load, watch)
    changed = Toy()
    changed.fingerprint = "another"
    with pytest.raises(InputError, match="toy has changed"):
        run(STUDY, Settings(), tmp_path, lambda name, adapter: changed)


def test_settings_that_select_nothing_are_refused(tmp_path: Path) -> None:
    study = dataclasses.replace(STUDY, units=lambda settings: [])
    with pytest.raises(InputError, match="select no run"):
        run(study, Settings(), tmp_path, load)


def test_a_number_that_is_none_in_json_is_no_row(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        journal.append(tmp_path, [Entry("a", "", "", rows=[{"x": float("nan")}])])


def test_a_damaged_line_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / journal.ROWS).write_text('{"unit": 1}\n')
    with pytest.raises(InputError, match="delete it to begin the study anew"):
        journal.entries(tmp_path)


def decoded(sampler: str = "llada", steps: int | None = None, **more: object) -> Trace:
    trace = decoding.decode(Toy(), make(sampler), spec(0, sampler=sampler, **more))
    return dataclasses.replace(trace, steps=trace.steps[:steps])


def measured(
    tmp_path: Path, traces: list[tuple[str, Trace | str]]
) -> tuple[list[Row], list[Entry]]:
    stored.over(STUDY, traces, Settings(), tmp_path, load)
    return rows_of(tmp_path)


def test_stored_runs_are_measured_like_new_ones(tmp_path: Path) -> None:
    store.save(decoded(), tmp_path / "one.npz")
    (tmp_path / "two.npz").write_bytes(b"no run")
    rows, problems = measured(tmp_path / "out", list(stored.read([tmp_path])))
    assert [(row["unit"], row["arm"], row["nfe"]) for row in rows] == [("one", "llada", 8)]
    assert not rows[0]["asked"]
    assert [one.unit for one in problems] == ["two"]
    assert "cannot open" in problems[0].problem


def test_a_run_that_never_finished_is_a_sentence(tmp_path: Path) -> None:
    rows, problems = measured(tmp_path, [("cut", decoded(steps=5)), ("whole", decoded())])
    assert [row["unit"] for row in rows] == ["whole"]
    assert problems[0].problem == "this run never finished, 3 masks are left; decode it to its end"


def test_masks_behind_the_eos_that_ends_a_run_are_no_want(tmp_path: Path) -> None:
    whole = decoded("left_to_right", stop="eos")
    assert len(whole.steps) == 6
    rows, problems = measured(tmp_path, [("eos", whole)])
    assert len(rows) == 1
    assert problems == []


def test_runs_of_another_tokenizer_are_a_sentence(tmp_path: Path) -> None:
    other = dataclasses.replace(decoded(), pieces={0: "THE", 1: "cat"})
    rows, problems = measured(tmp_path, [("a", decoded()), ("b", other), ("c", decoded())])
    assert [row["unit"] for row in rows] == ["a", "c"]
    assert "another tokenizer than the first one" in problems[0].problem


def test_a_stored_run_is_not_asked_of_another_version_of_its_model(tmp_path: Path) -> None:
    study = dataclasses.replace(STUDY, forwards=True)
    strange = dataclasses.replace(decoded(), info={"fingerprint": "older"})
    stored.over(study, [("a", decoded()), ("b", strange)], Settings(), tmp_path, load)
    rows, problems = rows_of(tmp_path)
    assert [row["asked"] for row in rows] == [True]
    assert "made by another version of toy" in problems[0].problem


def test_no_runs_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there are no runs in"):
        list(stored.read([tmp_path]))


def test_runs_can_be_kept_with_their_study(tmp_path: Path) -> None:
    assert run(STUDY, Settings(n=1), tmp_path / "study", load, runs=tmp_path / "store")
    rows, _ = rows_of(tmp_path / "study")
    assert store.get(tmp_path / "store", rows[0]["run"]).nfe == rows[0]["nfe"]


def test_settings_are_knobs() -> None:
    assert knobs.chosen(Settings, {"n": "7"}, "demo") == Settings(n=7)
    with pytest.raises(InputError, match=r"demo\.n must lie in 1 to 100: got '0'"):
        knobs.chosen(Settings, {"n": "0"}, "demo")
    with pytest.raises(InputError, match="unknown setting of demo: got 'm'"):
        knobs.chosen(Settings, {"m": "0"}, "demo")


def test_an_unknown_study_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean order"):
        find("ordre")


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_says_what_it_is(name: str) -> None:
    study = find(name)
    assert study.name == name
    assert study.question.endswith("?")
    assert "model" in knobs.fields(study.settings)
    assert knobs.chosen(study.settings, {}, name) == study.settings()


def test_the_command_lists_the_studies(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study"]) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.startswith("order: ")]
    assert main(["study", "ordre"]) == 2
    assert "did you mean order" in capsys.readouterr().err


def test_a_study_is_done_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the built-in model, twice: the second time nothing is left to decode."""
    asked = ["study", "order", "--set", "tasks=words", "--set", "arms=fast_dllm tau=0.5"]
    asked += ["--set", "n=2", "--out", str(tmp_path / "out"), "--keep", str(tmp_path / "store")]
    assert main(asked) == 0
    first = capsys.readouterr()
    assert "2 of 2 runs" in first.err
    assert first.out.startswith("Does not hold clearly: under fast_dllm, tau 0.5, afp is defined")
    before = files(tmp_path / "out")
    assert main(asked) == 0
    assert files(tmp_path / "out") == before
    kept = store.runs(tmp_path / "store")
    assert {row["problem"] for row in kept} == {""}
    again = ["study", "order", "--traces", str(tmp_path / "store"), "--out", str(tmp_path / "two")]
    assert main(again) == 0
    new, old = (pd.read_csv(tmp_path / out / "order_by_task.csv") for out in ("two", "out"))
    pd.testing.assert_frame_equal(new, old)


def test_recorded_runs_are_measured_or_refused_one_by_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gallery = str(Path(__file__).parents[1] / "assets" / "gallery")
    assert main(["study", "jsd_order", "--traces", gallery, "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "runs are left out" in out
    assert "recorded no JSD; decode it again with record jsd" in out
    assert "this run has one block" in out
    assert json.loads((tmp_path / "report.json").read_text())["measured"] >= 2
