"""What a job's entry is given, and the thread beside it; all in this process."""

from __future__ import annotations

import builtins
import errno
import json
import os
import re
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlmviz import jobs
from dlmviz.jobs import child, folder, kinds, moves, table
from dlmviz.jobs.work import Stopped, Work
from dlmviz.types import InputError
from tests import toy_job


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """A job that counts to 12, running as far as the list knows."""
    settings = {"n": 12}
    identity = jobs.submit(tmp_path, "count", "one", settings, toy_job.KINDS)
    assert moves.claim(tmp_path, jobs.job(tmp_path, identity), "cpu")
    return Work(folder.of(tmp_path, identity), settings, "cpu")


def row(work: Work) -> jobs.Job:
    return jobs.job(work.folder.parent.parent, work.folder.name)


def curve(work: Work) -> list[dict[str, Any]]:
    return jobs.curve(work.folder.parent.parent, work.folder.name).rows


def watch(work: Work) -> child.Watch:
    return child.Watch(work, os.getppid(), patience=3600)


def no_room(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_metric_is_a_line_of_numbers(work: Work) -> None:
    work.metric(step=np.int64(1), loss=np.float32(0.5), kl=None, on=True)
    work.metric(step=2)
    assert (work.folder / "curve.jsonl").read_text() == (
        '{"step": 1, "loss": 0.5, "kl": null, "on": 1}\n{"step": 2}\n'
    )


def test_numbers_that_json_does_not_know_are_null_and_said(
    work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    work.metric(loss=float("nan"), kl=float("-inf"))
    assert curve(work) == [{"loss": None, "kl": None}]
    assert (
        capsys.readouterr().out == "loss is nan; null in the curve\nkl is -inf; null in the curve\n"
    )


@pytest.mark.parametrize("value", ["0.5", [1], 1j])
def test_a_metric_that_is_no_number_is_refused(work: Work, value: Any) -> None:
    with pytest.raises(TypeError, match="a metric is a number: loss is a"):
        work.metric(loss=value)
    assert curve(work) == []


def test_half_a_line_of_a_killed_process_is_cut_off(work: Work) -> None:
    path = work.folder / "curve.jsonl"
    path.write_bytes(b'{"step": 1}\n{"step": 2, "lo' + b"x" * 100_000)
    Work(work.folder, {}).metric(step=2)
    assert path.read_bytes() == b'{"step": 1}\n{"step": 2}\n'
    path.write_bytes(b"half")
    Work(work.folder, {})
    assert path.read_bytes() == b""


def test_rewinding_takes_back_what_was_told_since_the_mark(
    work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    assert work.mark() == 0
    work.metric(step=1)
    mark = work.mark()
    work.metric(step=2)
    work.rewind(mark)
    assert curve(work) == [{"step": 1}]
    assert capsys.readouterr().out == ""
    work.rewind(10_000)
    assert curve(work) == [{"step": 1}]
    assert "rows of the curve are missing" in capsys.readouterr().out


def test_a_full_disk_costs_rows_of_the_curve_and_nothing_else(
    work: Work, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    work.metric(step=1)
    original = builtins.open

    def half(path: Any, mode: str = "r", **more: Any) -> Any:
        if mode == "ab":
            with original(path, mode) as file:
                file.write(b'{"st')
            no_room()
        return original(path, mode, **more)

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "open", half)
        work.metric(step=2)
        work.metric(step=3)
    work.metric(step=4)
    assert curve(work) == [{"step": 1}, {"step": 4}]
    assert capsys.readouterr().out.count("rows of the curve are missing") == 1


@pytest.mark.parametrize("error", [sqlite3.OperationalError("disk is full"), OSError(28, "full")])
def test_a_list_that_cannot_be_written_does_not_hinder_the_job(
    work: Work, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    beside = watch(work)
    work.stage("counting", 12, "numbers")
    beside.look()

    def fails(*_: object) -> str:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(moves, "tell", fails)
        work.progress(5)
        beside.look()
    assert (row(work).done, work.stopping()) == (0, False)
    beside.look()
    assert row(work).done == 5


def test_the_list_survives_a_disk_that_is_full_in_the_middle_of_a_change(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own limit on pages stands for the disk."""
    opened = table._opened

    def small(store: Any) -> sqlite3.Connection:
        db = opened(store)
        db.execute("PRAGMA max_page_count = 1")
        return db

    beside = watch(work)
    with monkeypatch.context() as patch:
        patch.setattr(table, "_opened", small)
        work.stage("s" * 100_000, 12)
        beside.look()
        assert row(work).stage == ""
    beside.look()
    assert row(work).stage == "s" * 100_000
    assert not list(work.folder.parent.glob("*.damaged-*"))


def test_progress_is_told_with_what_the_pace_needs(work: Work) -> None:
    work.stage("counting", 12, "numbers", done=4)
    work.progress(7)
    watch(work).look()
    job = row(work)
    assert (job.stage, job.unit, job.first, job.done, job.total) == (
        "counting",
        "numbers",
        4,
        7,
        12,
    )
    assert job.began is not None
    assert job.updated is not None
    assert job.began <= job.updated


def test_a_persons_stop_reaches_the_entry(work: Work) -> None:
    beside = watch(work)
    beside.look()
    assert not work.stopping()
    jobs.stop(work.folder.parent.parent, work.folder.name)  # no worker is here: it is stopped
    table.within(
        work.folder.parent.parent,
        lambda db: table.change(db, work.folder.name, ("stopped",), state="stopping"),
    )
    beside.look()
    assert (work.stopping(), work.asked) == (True, "person")
    beside.over.set()
    child.faulthandler.cancel_dump_traceback_later()


def test_the_end_of_the_worker_reaches_the_entry_and_counts_before_a_persons_stop(
    work: Work,
) -> None:
    beside = child.Watch(work, os.getppid() + 1, patience=3600)
    beside.look()
    child.faulthandler.cancel_dump_traceback_later()
    assert (work.stopping(), work.asked) == (True, "worker")
    work.ask("person")
    assert work.asked == "worker"


def test_a_folder_that_is_changed_while_the_job_runs_ends_it(work: Work) -> None:
    beside = watch(work)
    (work.folder / "job.json").write_text("{}")
    beside.look()
    for call in (work.stopping, lambda: work.progress(1), lambda: work.metric(step=1)):
        with pytest.raises(InputError, match="its folder was changed: somebody touched it"):
            call()


def test_a_job_that_is_in_the_list_no_more_ends(work: Work) -> None:
    store = work.folder.parent.parent
    table.within(store, lambda db: db.execute("DELETE FROM jobs"))
    watch(work).look()
    with pytest.raises(InputError, match="there is no job"):
        work.stopping()
    assert child.written(work, "done", "") == 0


def test_what_the_entry_answers_is_the_result(work: Work) -> None:
    assert child.perform(work, toy_job.TABLE) == ("done", "")
    store, identity = work.folder.parent.parent, work.folder.name
    assert jobs.result(store, identity) == {"counted": 12, "nothing": None}
    assert [r["step"] for r in curve(work)] == list(range(1, 13))


def test_an_entry_that_is_asked_to_stop_before_it_begins_is_not_called(work: Work) -> None:
    work.ask("person")
    assert child.perform(work, toy_job.TABLE) == ("stopped", "")
    assert curve(work) == []


@pytest.mark.parametrize(
    ("way", "problem"),
    [
        ("input", "n must be a number: got x; try 3"),
        ("disk", "the disk is full: free some room for {folder}, then press Resume; it goes on"),
        ("wrapped", "the disk is full: free some room for {folder}"),
        ("exit", "SystemExit: 3; see the log"),
        ("other", "ValueError: first line; see the log"),
    ],
)
def test_what_goes_wrong_is_one_sentence(
    work: Work, way: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    about = {**folder.read(work.folder), "kind": "break", "settings": {"way": way}}
    folder.write(work.folder / "job.json", about)
    state, said = child.perform(work, toy_job.TABLE)
    assert state == "failed"
    assert said.startswith(problem.format(folder=work.folder))
    assert ("Traceback" in capsys.readouterr().err) == (way != "input")


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("lost", "ModuleNotFoundError: .*no_such_module.*see the log"),
        ("new", "unknown kind of job"),
    ],
)
def test_a_kind_that_cannot_be_found_fails_the_job(work: Work, kind: str, problem: str) -> None:
    folder.write(work.folder / "job.json", {**folder.read(work.folder), "kind": kind})
    state, said = child.perform(work, toy_job.TABLE)
    assert state == "failed"
    assert re.match(problem, said)


def test_a_result_that_finds_no_room_fails_the_job(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", no_room)
    state, said = child.perform(work, toy_job.TABLE)
    assert (state, said.partition(":")[0]) == ("failed", "the disk is full")
    assert not list(work.folder.glob("*result*"))


def test_an_end_that_cannot_be_written_is_tried_again(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child.time, "sleep", lambda seconds: None)
    finish, left = moves.finish, [sqlite3.OperationalError("database or disk is full")] * 3

    def sometimes(*given: Any) -> str:
        if left:
            raise left.pop()
        return finish(*given)

    monkeypatch.setattr(moves, "finish", sometimes)
    assert child.written(work, "done", "") == 0
    assert row(work).state == "done"
    left += [sqlite3.OperationalError("database or disk is full")] * child.TRIES
    assert child.written(work, "done", "") == 1


def test_an_entry_can_be_tried_without_list_and_worker(tmp_path: Path) -> None:
    work = Work(tmp_path, {"n": 7, "every": 3, "hold": 5})
    work.ask("person")
    with pytest.raises(Stopped):
        toy_job.count(work)
    (tmp_path / "go").touch()
    assert toy_job.count(Work(tmp_path, {"n": 7, "hold": 5}))["counted"] == 7
    lines = (tmp_path / "curve.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, 8))


def test_the_kinds_of_the_app_are_found_by_their_names() -> None:
    assert kinds.table(kinds.TABLE) is kinds.KINDS
    assert all(name == kind.name and ":" in kind.entry for name, kind in kinds.KINDS.items())
