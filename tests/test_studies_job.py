"""A study as a job: it stops between batches, goes on, and leaves its files in the job's folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dlmviz import store
from dlmviz.jobs.kinds import KINDS, entry
from dlmviz.jobs.work import Stopped, Work
from dlmviz.studies import job
from dlmviz.types import InputError
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
