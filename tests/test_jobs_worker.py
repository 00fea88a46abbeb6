"""Jobs in real processes, which are killed at the worst moment; and the command line."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dlmviz import cli, jobs
from dlmviz.jobs import attend, folder, lock, moves, table
from dlmviz.jobs.worker import Settings, Worker, run
from dlmviz.types import InputError
from tests import toy_job

ROOT = Path(__file__).parent.parent
HOLD = {"n": 14, "every": 5, "hold": 12}  # its checkpoint is at 10 when it waits at 12
Started = Callable[..., subprocess.Popen[str]]


def until(condition: Callable[[], object]) -> None:
    """Waits until it holds, for a minute at most."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it did not come to that within a minute"
        time.sleep(0.02)


def submitted(store: Path, kind: str = "count", **settings: Any) -> str:
    return jobs.submit(store, kind, "", settings or HOLD, toy_job.KINDS)


def at_twelve(store: Path, identity: str) -> None:
    until(lambda: jobs.job(store, identity).done == 12)


def go(store: Path, identity: str) -> None:
    (folder.of(store, identity) / toy_job.GO).touch()


def steps(store: Path, identity: str) -> list[int]:
    return [row["step"] for row in jobs.curve(store, identity).rows]


def state(store: Path, identity: str) -> str:
    return jobs.job(store, identity).state


def process_of(store: Path, identity: str) -> int:
    """The process of a job's last attempt, from its log."""
    lines = [line for line in jobs.tail(store, identity).splitlines() if "process" in line]
    return int(lines[-1].rpartition(" ")[2])


@pytest.fixture
def start() -> Iterator[Started]:
    """Starts workers as a shell does; what a test leaves of them is ended."""
    found: list[subprocess.Popen[str]] = []

    def begin(store: Path, *more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "dlmviz.jobs.worker", "--store", str(store), *more]
        command += ["--kinds", toy_job.TABLE, "--devices", "cpu"]
        pipe = subprocess.PIPE
        found.append(subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True))
        return found[-1]

    yield begin
    for process in found:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def here(
    store: Path, patience: float = 60, devices: tuple[str, ...] = ("cpu",)
) -> Iterator[Worker]:
    """A worker in this process, whose turns the test takes; only its jobs have their own."""
    worker = Worker(Settings(store, devices, patience=patience, kinds=toy_job.TABLE))
    try:
        yield worker
    finally:
        worker.told += 1
        worker._end()


def turns(worker: Worker, condition: Callable[[], object]) -> None:
    until(lambda: worker.turn() is None or condition())


def test_a_killed_job_goes_on_from_its_checkpoint_and_tells_no_number_twice(tmp_path: Path) -> None:
    identity = submitted(tmp_path)
    with here(tmp_path) as worker:
        worker.turn()
        at_twelve(tmp_path, identity)
        os.kill(process_of(tmp_path, identity), signal.SIGKILL)
        turns(worker, lambda: jobs.job(tmp_path, identity).attempts == 2)
        assert steps(tmp_path, identity) == list(range(1, 13))
        go(tmp_path, identity)
        turns(worker, lambda: state(tmp_path, identity) == "done")
    job = jobs.job(tmp_path, identity)
    assert (job.deaths, job.first, job.done, job.device) == (1, 10, 14, "cpu")
    assert steps(tmp_path, identity) == list(range(1, 15))
    assert jobs.result(tmp_path, identity)["counted"] == 14


def test_worker_and_job_killed_together_end_as_if_nothing_had_happened(
    tmp_path: Path, start: Started
) -> None:
    identity = submitted(tmp_path)
    first = start(tmp_path)
    at_twelve(tmp_path, identity)
    first.kill()
    os.kill(process_of(tmp_path, identity), signal.SIGKILL)
    until(lambda: not lock.held(folder.lock_of(tmp_path, identity)))
    first.wait()
    job = jobs.job(tmp_path, identity)
    assert (job.state, job.done) == ("running", 12)
    assert "no worker is running: it goes on when the app" in job.note
    go(tmp_path, identity)
    assert start(tmp_path, "--drain").wait(60) == 0
    job = jobs.job(tmp_path, identity)
    assert (job.state, job.attempts, job.deaths) == ("done", 2, 0)
    assert steps(tmp_path, identity) == list(range(1, 15))


def test_a_job_whose_worker_is_killed_writes_a_checkpoint_and_waits_for_the_next(
    tmp_path: Path, start: Started
) -> None:
    identity = submitted(tmp_path)
    first = start(tmp_path)
    at_twelve(tmp_path, identity)
    second = start(tmp_path)
    assert second.wait(60) == 2
    assert second.stderr is not None
    sentence = second.stderr.read().strip()
    assert sentence.startswith(f"process {first.pid} serves the jobs of {tmp_path} already: ")
    assert len(sentence.splitlines()) == 1
    first.kill()
    first.wait()
    until(lambda: state(tmp_path, identity) == "queued")
    assert (
        json.loads((folder.of(tmp_path, identity) / "checkpoint.json").read_text())["number"] == 12
    )
    go(tmp_path, identity)
    with here(tmp_path) as worker:
        turns(worker, lambda: state(tmp_path, identity) == "done")
    assert jobs.job(tmp_path, identity).first == 12
    assert steps(tmp_path, identity) == list(range(1, 15))


def test_stop_finishes_the_step_and_resume_goes_on_there(tmp_path: Path) -> None:
    identity = submitted(tmp_path)
    with here(tmp_path) as worker, lock.alone(folder.worker_lock(tmp_path), False, ""):
        worker.turn()
        at_twelve(tmp_path, identity)
        assert jobs.stop(tmp_path, identity).state == "stopping"
        with pytest.raises(InputError, match="is stopping: it cannot be deleted; wait"):
            jobs.delete(tmp_path, identity)
        turns(worker, lambda: state(tmp_path, identity) == "stopped")
        assert steps(tmp_path, identity) == list(range(1, 13))
        go(tmp_path, identity)
        jobs.resume(tmp_path, identity)
        turns(worker, lambda: state(tmp_path, identity) == "done")
    assert jobs.job(tmp_path, identity).first == 12
    assert steps(tmp_path, identity) == list(range(1, 15))


def test_a_job_that_does_not_end_is_ended_and_its_log_says_where_it_was(tmp_path: Path) -> None:
    identity = submitted(tmp_path, deaf=True, **HOLD)
    with here(tmp_path, patience=0.3) as worker:
        worker.turn()
        at_twelve(tmp_path, identity)
    assert state(tmp_path, identity) == "queued"
    assert "no worker" in jobs.job(tmp_path, identity).note
    assert "Timeout" in jobs.tail(tmp_path, identity)
    assert "toy_job.py" in jobs.tail(tmp_path, identity)


def test_a_folder_that_is_removed_under_a_running_job_fails_it_and_the_next_one_runs(
    tmp_path: Path,
) -> None:
    victim, gone, last = submitted(tmp_path), submitted(tmp_path), submitted(tmp_path, n=3)
    with here(tmp_path) as worker:
        worker.turn()
        at_twelve(tmp_path, victim)
        for identity in (victim, gone):
            folder.of(tmp_path, identity).rename(tmp_path / identity)
        turns(worker, lambda: state(tmp_path, last) == "done")
    for identity in (victim, gone):
        job = jobs.job(tmp_path, identity)
        assert job.state == "failed"
        assert job.problem.startswith("its folder was changed: ")


class Busy:
    """A process that never ends."""

    pid = 0
    done = False

    def poll(self) -> None: ...


def test_one_job_a_device_the_oldest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "_started", lambda *_: Busy())
    first, second, third = (submitted(tmp_path) for _ in range(3))
    worker = Worker(Settings(tmp_path, ("cuda:0", "cuda:1")))
    assert not worker.turn()
    assert {device: each.job for device, each in worker.children.items()} == {
        "cuda:0": first,
        "cuda:1": second,
    }
    assert jobs.job(tmp_path, second).device == "cuda:1"
    worker.turn()
    assert state(tmp_path, third) == "queued"


def test_a_worker_waits_for_the_processes_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Worker, "_started", lambda *_: Busy())
    orphan, waiting = submitted(tmp_path), submitted(tmp_path)
    assert moves.claim(tmp_path, jobs.job(tmp_path, orphan), "cpu")
    worker = Worker(Settings(tmp_path, ("cpu",)))
    held = lock.take(folder.lock_of(tmp_path, orphan))
    assert held is not None
    with lock.closing(held):
        assert not worker.turn()
        assert (worker.children, state(tmp_path, waiting)) == ({}, "queued")
    worker.turn()
    assert [each.job for each in worker.children.values()] == [orphan]


def test_a_process_that_cannot_start_fails_its_job_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = submitted(tmp_path), submitted(tmp_path)
    answers: list[Any] = [OSError(12, "Cannot allocate memory"), Busy()]

    def started(*_: Any) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(Worker, "_started", started)
    Worker(Settings(tmp_path, ("cpu",))).turn()
    assert "its process cannot start: [Errno 12]" in jobs.job(tmp_path, first).problem
    assert (state(tmp_path, first), state(tmp_path, second)) == ("failed", "running")


def test_a_list_in_trouble_is_tried_again_and_complained_about_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    submitted(tmp_path)
    worker = Worker(Settings(tmp_path, drain=True))

    def full(*_: object) -> None:
        raise table.sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Worker, "_open", full)
        assert [worker._safely(), worker._safely()] == [False, False]
    assert capsys.readouterr().out.count("trouble: database or disk is full") == 1


@pytest.mark.parametrize("devices", ["", "gpu", "cpu,cpu", "cuda:x", "cpu;ls"])
def test_devices_that_do_not_exist_are_refused(tmp_path: Path, devices: str) -> None:
    with pytest.raises(InputError, match="devices are auto, cpu, mps, cuda or cuda:N, each once"):
        run(cli.parser().parse_args(["jobs", "worker", "--devices", devices]))


def test_a_worker_that_waits_takes_the_place_of_the_other(tmp_path: Path) -> None:
    path = tmp_path / "jobs" / "worker.lock"

    def second() -> bool:
        with lock.alone(path, True, "is here"):
            return first.done

    first = Busy()
    with ThreadPoolExecutor(1) as pool:
        with lock.alone(path, False, "is here"):
            waiting = pool.submit(second)
            with pytest.raises(InputError, match=f"process {os.getpid()} is here"):
                lock.alone(path, False, "is here").__enter__()
            assert not waiting.done()
            first.done = True
        assert waiting.result(60)


def test_a_worker_notices_that_its_store_was_removed(tmp_path: Path) -> None:
    path = tmp_path / "jobs" / "worker.lock"
    with lock.alone(path, False, "is here") as handle:
        assert lock.held(path)
        assert lock.ours(path, handle)
        path.unlink()  # somebody removes the whole store
        assert not lock.ours(path, handle)
        path.touch()
        assert not lock.ours(path, handle)
    assert not lock.held(path)


APP = """
import sys
from dlmviz import jobs
with jobs.attended(sys.argv[1], "cpu", "tests.toy_job:KINDS"):
    sys.stdin.read()
"""


def test_the_app_has_its_jobs_done_and_takes_its_worker_with_it(tmp_path: Path) -> None:
    identity = submitted(tmp_path)
    command = [sys.executable, "-c", APP, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE) as app:
        at_twelve(tmp_path, identity)
        app.kill()
    until(lambda: not lock.held(folder.worker_lock(tmp_path)))
    assert state(tmp_path, identity) == "queued"
    with jobs.attended(tmp_path, "cpu", toy_job.TABLE):
        until(lambda: jobs.job(tmp_path, identity).first == 12)
        assert not attend.needed(tmp_path)
    assert not lock.held(folder.worker_lock(tmp_path))
    job = jobs.job(tmp_path, identity)
    assert (job.state, job.deaths, job.first) == ("queued", 0, 12)


def test_an_app_without_jobs_starts_no_worker_and_makes_no_folder(tmp_path: Path) -> None:
    with jobs.attended(tmp_path / "runs"):
        assert not attend.needed(tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    status = cli.main(["jobs", *words])
    captured = capsys.readouterr()
    return status, (captured.out + captured.err).strip()


def test_the_command_line_lists_shows_and_steers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ("--store", str(tmp_path))
    assert said(capsys, "list", *store) == (0, f"no jobs in {tmp_path}")
    identity = jobs.submit(tmp_path, "count", "evil \x1b[2J", {"n": 3}, toy_job.KINDS)
    assert said(capsys, "stop", identity, *store) == (0, f"{identity}  stopped  count: evil [2J")
    (folder.of(tmp_path, identity) / "log.txt").write_text("one\n\x1b[2Jtwo\n")
    assert said(capsys, "show", identity, *store)[1].splitlines()[1:] == [
        "n 3",
        "",
        "one",
        "\\x1b[2Jtwo",
    ]
    shown = json.loads(said(capsys, "show", identity, "--json", *store)[1])
    assert (shown["id"], shown["state"], shown["result"]) == (identity, "stopped", None)
    assert said(capsys, "resume", identity, *store)[1].startswith(f"{identity}  queued")
    status, sentence = said(capsys, "resume", identity, *store)
    assert status == 2
    assert sentence == (
        f"dlmviz: job {identity} is queued: it cannot be resumed; it can be stopped or be deleted"
    )
    assert len(json.loads(said(capsys, "list", "--json", *store)[1])) == 1
    assert said(capsys, "delete", identity, *store) == (0, f"{identity}  deleted")
    assert said(capsys, "show", identity, *store)[0] == 2


def test_the_command_line_tells_how_far_a_job_is(tmp_path: Path) -> None:
    from dlmviz.jobs.commands import line

    values = {"stage": "training", "unit": "steps", "done": 60, "total": 100, "first": 50}
    job = jobs.Job("0123abcd", "count", "one", "running", 0.0, began=0.0, updated=1000.0, **values)
    assert line(job) == "0123abcd  running  training 60/100 steps, 1 h 6 min left  count: one"
