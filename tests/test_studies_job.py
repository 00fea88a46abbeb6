"""A study as a job: it stops between batches, goes on, and leaves its files in the job's folder."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dlmviz import decoding, store
from dlmviz.jobs.kinds import KINDS, entry
from dlmviz.jobs.work import Stopped, Work
from dlmviz.samplers import make
from dlmviz.studies import job
from dlmviz.types import InputError, RunSpec
from tests.toy import Toy

CHOSEN = {"tasks": "words", "arms": "llada", "n": 3}


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    """A job on a model that is quick: whatever it is asked, it says one of three sentences."""

    class Deaf(Toy):
        def encode(self, prompt: str, chat: bool = True) -> list[int]:
            return [0]

    monkeypatch.setattr(job, "loader", lambda device: lambda name, adapter: Deaf())
    folder = tmp_path / "store" / "jobs" / "0123abcd"
    folder.mkdir(parents=True)
    return Work(folder, {"study": "order", "settings": CHOSEN, "batch": 1, "keep": True})


def test_the_kind_is_in_the_list_of_jobs() -> None:
    assert entry(KINDS["study"]) is job.entry


def test_a_study_is_done_as_a_job_and_its_runs_are_in_the_store(work: Work) -> None:
    told = job.entry(work)
    assert (told["measured"], told["problems"]) == (3, 0)
    assert work.told.stage == "figures"
    assert json.loads((work.folder / "study" / "report.json").read_text())["study"] == "order"
    kept = store.runs(work.folder.parent.parent)
    assert {row["problem"] for row in kept} == {""}
    assert kept


def test_a_study_that_is_stopped_goes_on(work: Work) -> None:
    progress = work.progress

    def stop(done: int) -> None:
        progress(done)
        work.ask("person")

    work.progress = stop  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        job.entry(work)
    rows = work.folder / "study" / "rows.jsonl"
    assert len(rows.read_text().splitlines()) == 1
    again = Work(work.folder, work.settings)
    assert job.entry(again)["measured"] == 3
    assert len(rows.read_text().splitlines()) == 3


def recorded(folder: Path, *seeds: int, **more: Any) -> list[str]:
    """Ids of runs that are put into the store."""
    made = []
    for seed in seeds:
        spec = RunSpec(prompt="the", model="toy", gen_length=8, block_length=2, seed=seed, **more)
        trace = decoding.decode(Toy(), make("random"), spec)
        made.append(store.put(folder, trace))
    return made


def existing(work: Work, study: str, runs: list[str]) -> Work:
    given = {"study": study, "settings": {}, "runs": runs, "refused": [["b.npz", "no run at all"]]}
    return Work(work.folder, given)


def test_runs_that_exist_are_measured_and_what_cannot_be_has_a_sentence(work: Work) -> None:
    """Whole ones, one without the signal, one with other words, one that is gone, a bad file."""
    shelf = work.folder.parent.parent
    good = recorded(shelf, 0, 1, sampler="random", record=("jsd",))
    (mute,) = recorded(shelf, 2, sampler="random")
    trace = store.get(shelf, good[0])
    other = store.put(shelf, dataclasses.replace(trace, pieces={**trace.pieces, 0: "THE"}))
    told = job.entry(existing(work, "jsd_order", [good[0], mute, other, "f" * 16, good[1]]))
    assert (told["measured"], told["problems"]) == (2, 4)
    report = json.loads((work.folder / "study" / "report.json").read_text())
    why = dict(problem.split(": ", 1) for problem in report["problems"])
    assert why["b.npz"] == "no run at all"
    assert "record jsd (--record jsd on the command line" in why[mute]
    assert "another tokenizer than the first one" in why[other]
    assert "f" * 16 in why
    table = pd.read_csv(work.folder / "study" / "runs.csv")
    assert table["run"].tolist() == good  # by which the page opens them


def test_runs_that_exist_are_measured_once_though_the_job_was_stopped(work: Work) -> None:
    again = existing(work, "order", recorded(work.folder.parent.parent, 0, 1, 2, sampler="random"))
    again.progress = lambda done: again.ask("person") if done else None  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        job.entry(again)
    rows = work.folder / "study" / "rows.jsonl"
    before = rows.read_text()
    assert 1 < len(before.splitlines()) < 4
    assert job.entry(Work(work.folder, again.settings))["measured"] == 3
    assert rows.read_text().startswith(before)
    assert len(rows.read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"study": "ordre"}, "did you mean order"),
        ({"study": "order", "settings": {"n": 0}}, r"order\.n must lie in 1 to 5000: got 0"),
        ({"study": "order", "settings": [1]}, "settings by name"),
        ({"study": "order", "batch": "8"}, "a batch of 1 to 4096"),
    ],
)
def test_settings_that_make_no_sense_are_a_sentence(
    given: dict[str, object], says: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=says):
        job.entry(Work(tmp_path, given))
