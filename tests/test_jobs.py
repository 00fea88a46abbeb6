"""The list of jobs without any process: verbs, refusals, what survives damage, log and curve."""

from __future__ import annotations

import itertools
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dlmviz import jobs
from dlmviz.jobs import folder, lock, moves, table
from dlmviz.jobs.work import Progress
from dlmviz.types import InputError
from tests.toy_job import KINDS

ROOT = Path(__file__).parent.parent
HOSTILE = "<img src=x onerror=alert(1)>'); DROP TABLE jobs; --"
STATES = ("queued", "running", "stopping", "stopped", "done", "failed")


def submitted(store: Path, title: str = "one", **settings: Any) -> str:
    return jobs.submit(store, "count", title, {"n": 3, **settings}, KINDS)


def put(store: Path, identity: str, **values: Any) -> None:
    """Writes into the list what only processes write."""
    table.within(store, lambda db: table.change(db, identity, STATES, **values))


def served(store: Path) -> Any:
    """While this is open, the store counts as served by a worker."""
    return lock.alone(folder.worker_lock(store), False, "is here")


def test_a_submitted_job_waits_in_the_queue_with_its_settings(tmp_path: Path) -> None:
    identity = submitted(tmp_path, "  my\n job ", deep={"a": [1, None, "é"]})
    job = jobs.job(tmp_path, identity)
    assert (job.kind, job.title, job.state, job.attempts) == ("count", "my job", "queued", 0)
    assert job.settings == {"n": 3, "deep": {"a": [1, None, "é"]}}
    about = json.loads((tmp_path / "jobs" / identity / "job.json").read_text("utf-8"))
    assert (about["kind"], about["settings"]) == ("count", job.settings)


def test_a_job_without_a_title_has_that_of_its_kind(tmp_path: Path) -> None:
    assert jobs.job(tmp_path, submitted(tmp_path, " ")).title == "Counting"


def test_a_store_without_jobs_has_none_and_stays_untouched(tmp_path: Path) -> None:
    assert jobs.jobs(tmp_path / "runs") == []
    assert moves.settle(tmp_path / "runs") == []
    assert not (tmp_path / "runs").exists()


def test_an_unknown_kind_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"got 'cuont'; known are count.*did you mean count\?"):
        jobs.submit(tmp_path, "cuont", "x", {}, KINDS)
    assert jobs.jobs(tmp_path) == []


@pytest.mark.parametrize("value", [float("nan"), Path("x"), {1, 2}])
def test_settings_that_json_cannot_hold_are_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(InputError, match="settings of a job are texts, finite numbers"):
        submitted(tmp_path, value=value)


def test_a_hostile_title_is_a_title(tmp_path: Path) -> None:
    identity = submitted(tmp_path, HOSTILE, prompt=HOSTILE)
    (job,) = jobs.jobs(tmp_path)
    assert (job.id, job.title, job.settings["prompt"]) == (identity, HOSTILE, HOSTILE)


@pytest.mark.parametrize("identity", ["", "../../etc", "abcdef12", "ABCDEF12", "x" * 500])
def test_an_id_that_no_job_has_is_refused_by_every_verb(tmp_path: Path, identity: str) -> None:
    submitted(tmp_path)
    for verb in (jobs.job, jobs.stop, jobs.resume, jobs.retry, jobs.delete):
        with pytest.raises(InputError, match="there is no job"):
            verb(tmp_path, identity)


def test_a_clock_that_goes_backwards_does_not_change_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(5000, -1000)
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))
    made = [submitted(tmp_path, str(number)) for number in range(3)]
    assert [job.id for job in jobs.jobs(tmp_path)] == made[::-1]
    queue = table.within(tmp_path, lambda db: table.select(db, "state = 'queued'"))
    assert [job.id for job in queue] == made


def test_jobs_submitted_at_once_to_a_fresh_store_are_all_in_the_list(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda number: submitted(tmp_path, str(number)), range(16)))
    assert {job.id for job in jobs.jobs(tmp_path)} == made
    assert len(made) == 16
    assert {job.state for job in jobs.jobs(tmp_path)} == {"queued"}


ALLOWED = {
    "queued": {"stop": "stopped", "delete": None},
    "running": {"stop": "stopping"},
    "stopping": {},
    "stopped": {"resume": "queued", "retry": "stopped", "delete": None},
    "done": {"retry": "done", "delete": None},
    "failed": {"resume": "queued", "retry": "failed", "delete": None},
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("verb", ["stop", "resume", "retry", "delete"])
def test_every_verb_in_every_state(tmp_path: Path, state: str, verb: str) -> None:
    identity = submitted(tmp_path)
    put(tmp_path, identity, state=state, deaths=2, problem="old", note="old")
    do = {"stop": jobs.stop, "resume": jobs.resume, "delete": jobs.delete}
    do["retry"] = lambda store, one: jobs.retry(store, one, KINDS)
    with served(tmp_path):
        if verb not in ALLOWED[state]:
            with pytest.raises(InputError, match=f"is {state}: it cannot be .*; (it can|wait)"):
                do[verb](tmp_path, identity)
            assert jobs.job(tmp_path, identity).state == state
            return
        answer = do[verb](tmp_path, identity)
        left = {job.id: job for job in jobs.jobs(tmp_path)}
    after = ALLOWED[state][verb]
    assert (left[identity].state if identity in left else None) == after
    assert (tmp_path / "jobs" / identity).exists() == (after is not None)
    if verb == "retry":
        assert (left[answer].state, left[answer].settings) == ("queued", left[identity].settings)
    if verb in ("stop", "resume"):
        assert (answer.problem, answer.note) == ("", "")
        assert (answer.ended is None) == (after != "stopped")


def test_the_page_is_told_the_verbs_that_will_be_accepted() -> None:
    assert {state: set(jobs.allowed(state)) for state in STATES} == {
        state: set(verbs) for state, verbs in ALLOWED.items()
    }


def test_a_resumed_job_may_vanish_three_times_again(tmp_path: Path) -> None:
    identity = submitted(tmp_path)
    put(tmp_path, identity, state="failed", deaths=3)
    assert jobs.resume(tmp_path, identity).deaths == 0


def test_a_job_that_vanishes_a_third_time_has_failed(tmp_path: Path) -> None:
    identity = submitted(tmp_path)
    seen = []
    for attempt in (1, 2, 3):
        assert moves.claim(tmp_path, jobs.job(tmp_path, identity), "cpu")
        seen.append(moves.died(tmp_path, identity, attempt, "signal 9"))
    assert [job.state for job in seen] == ["queued", "queued", "failed"]
    assert "its process was ended (signal 9): it goes on" in seen[0].note
    assert "3 times (signal 9)" in seen[2].problem
    assert "Resume" in seen[2].problem


def test_an_end_of_an_earlier_attempt_says_nothing_of_the_next(tmp_path: Path) -> None:
    identity = submitted(tmp_path)
    put(tmp_path, identity, state="running", attempts=2)
    assert moves.died(tmp_path, identity, 1, "signal 9").state == "running"


@pytest.mark.parametrize(
    ("before", "end", "again", "after"),
    [
        ("running", "done", "", "done"),
        ("running", "stopped", "its worker was ended", "queued"),
        ("running", "stopped", "", "stopped"),
        ("stopping", "stopped", "its worker was ended", "stopped"),
        ("stopping", "done", "", "done"),
        ("running", "failed", "its worker was ended", "failed"),
    ],
)
def test_how_a_job_ends(tmp_path: Path, before: str, end: str, again: str, after: str) -> None:
    identity = submitted(tmp_path)
    put(tmp_path, identity, state=before)
    assert moves.finish(tmp_path, identity, end, "why" if end == "failed" else "", again) == after
    job = jobs.job(tmp_path, identity)
    assert (job.ended is None) == (after == "queued")
    assert job.problem == ("why" if after == "failed" else "")


@pytest.mark.parametrize(("before", "after"), [("running", "queued"), ("stopping", "stopped")])
def test_a_job_whose_worker_is_gone_is_set_right_once_its_process_is_gone_too(
    tmp_path: Path, before: str, after: str
) -> None:
    identity = submitted(tmp_path)
    put(tmp_path, identity, state=before)
    held = lock.take(folder.lock_of(tmp_path, identity))
    assert held is not None
    with lock.closing(held):
        assert [job.id for job in moves.settle(tmp_path)] == [identity]
        assert jobs.job(tmp_path, identity).state == before
        assert "its worker has ended" in jobs.job(tmp_path, identity).note
    assert "no worker is running" in jobs.job(tmp_path, identity).note
    assert moves.settle(tmp_path, own=[identity]) == []
    assert jobs.job(tmp_path, identity).state == before
    assert moves.settle(tmp_path) == []
    assert jobs.job(tmp_path, identity).state == after


def test_without_a_worker_a_dead_job_can_be_stopped_and_deleted_at_once(tmp_path: Path) -> None:
    identity = submitted(tmp_path)
    put(tmp_path, identity, state="running")
    assert jobs.stop(tmp_path, identity).state == "stopped"
    put(tmp_path, identity, state="stopping")
    assert jobs.resume(tmp_path, identity).state == "queued"
    put(tmp_path, identity, state="running")
    jobs.delete(tmp_path, identity)
    assert jobs.jobs(tmp_path) == []


def test_a_job_in_the_queue_says_when_nobody_serves_it(tmp_path: Path) -> None:
    identity = submitted(tmp_path)
    assert "no worker is running: it goes on when the app" in jobs.job(tmp_path, identity).note
    with served(tmp_path):
        assert jobs.job(tmp_path, identity).note == ""


def test_delete_leaves_nothing_of_the_job_and_all_of_the_others(tmp_path: Path) -> None:
    first, second = submitted(tmp_path), submitted(tmp_path)
    (tmp_path / "jobs" / first / "adapter").mkdir()
    (tmp_path / "jobs" / first / "adapter" / "weights").write_bytes(b"x")
    (tmp_path / "jobs" / ".gone-1").mkdir()  # an interrupted one
    jobs.delete(tmp_path, first)
    assert [job.id for job in jobs.jobs(tmp_path)] == [second]
    left = {path.name for path in (tmp_path / "jobs").iterdir() if "sqlite3" not in path.name}
    assert left == {second}


def test_a_job_whose_process_is_at_its_end_is_not_deleted_under_it(tmp_path: Path) -> None:
    identity = submitted(tmp_path)
    held = lock.take(folder.lock_of(tmp_path, identity))
    assert held is not None
    with lock.closing(held), pytest.raises(InputError, match="its process is just at its end"):
        jobs.delete(tmp_path, identity)
    jobs.delete(tmp_path, identity)


DAMAGE = {
    "it is gone": shutil.rmtree,
    "job.json is gone": lambda path: (path / "job.json").unlink(),
    "job.json cannot be read": lambda path: (path / "job.json").write_bytes(b"\xff{"),
    "job.json does not say what job this is": lambda path: (path / "job.json").write_text("{}"),
    "job.json is no longer what the list": lambda path: (path / "job.json").write_text(
        (path / "job.json").read_text().replace('"n": 3', '"n": 4')
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_folder_is_named_and_hinders_neither_list_nor_retry(
    tmp_path: Path, what: str
) -> None:
    identity = submitted(tmp_path)
    jobs.stop(tmp_path, identity)
    DAMAGE[what](tmp_path / "jobs" / identity)
    with pytest.raises(InputError, match=f"its folder was changed: {what}.*Retry"):
        jobs.resume(tmp_path, identity)
    (job,) = jobs.jobs(tmp_path)
    assert job.state == "stopped"
    assert ("its folder was changed" in job.note) == ("gone" in what)
    fresh = jobs.retry(tmp_path, identity, KINDS)
    assert jobs.job(tmp_path, fresh).settings == {"n": 3}
    jobs.delete(tmp_path, identity)
    assert [job.id for job in jobs.jobs(tmp_path)] == [fresh]


@pytest.mark.parametrize("damage", [b"no database" * 99, None])
def test_a_lost_list_is_made_again_from_the_folders(tmp_path: Path, damage: bytes | None) -> None:
    waiting, ended, live = submitted(tmp_path, "w"), submitted(tmp_path, "e"), submitted(tmp_path)
    (tmp_path / "jobs" / ended / "result.json").write_text('{"a": 1}')
    (tmp_path / "jobs" / "12345678").mkdir()  # nobody's
    path = tmp_path / "jobs" / table.FILE
    for tail in ("-wal", "-shm"):
        path.with_name(path.name + tail).unlink(missing_ok=True)
    path.write_bytes(damage) if damage else path.unlink()
    held = lock.take(folder.lock_of(tmp_path, live))
    assert held is not None
    with lock.closing(held):
        found = {job.id: job for job in jobs.jobs(tmp_path)}
    assert {i: job.state for i, job in found.items()} == {
        waiting: "stopped",
        ended: "done",
        live: "running",
    }
    assert found[waiting].note.startswith("the list of jobs was lost")
    assert (found[waiting].title, found[waiting].settings) == ("w", {"n": 3})
    assert jobs.resume(tmp_path, waiting).state == "queued"
    aside = [p for p in path.parent.glob(f"{table.FILE}.damaged-*") if p.suffix.count("-") == 1]
    assert [p.read_bytes() for p in aside] == ([damage] if damage else [])


def test_the_list_of_another_version_is_left_as_it_is(tmp_path: Path) -> None:
    submitted(tmp_path)
    path = tmp_path / "jobs" / table.FILE
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(InputError, match="has version 9 and this dlmviz knows 1; use"):
        jobs.jobs(tmp_path)
    assert not list(path.parent.glob("*.damaged-*"))


def test_a_store_that_cannot_be_written_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be read or changed.*give a --store folder"):
        submitted(tmp_path / "file")


def test_a_full_disk_leaves_neither_half_a_job_nor_a_damaged_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = submitted(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(table, "insert", full)
        with pytest.raises(InputError, match=r"disk is full.*with room left"):
            submitted(tmp_path)
    assert [job.id for job in jobs.jobs(tmp_path)] == [first]
    assert {path.name for path in folder.all_in(tmp_path)} == {first}
    assert not list((tmp_path / "jobs").glob("*.damaged-*"))


def test_settings_damaged_in_the_list_do_not_hinder_it(tmp_path: Path) -> None:
    identity = submitted(tmp_path)
    put(tmp_path, identity, settings="{no json")
    assert jobs.jobs(tmp_path)[0].settings == {}
    jobs.stop(tmp_path, identity)
    with pytest.raises(InputError, match="its folder was changed"):
        jobs.resume(tmp_path, identity)


def test_an_id_damaged_in_the_list_never_becomes_a_path(tmp_path: Path) -> None:
    identity = submitted(tmp_path)
    put(tmp_path, identity, id="../../evil")
    assert jobs.jobs(tmp_path) == []


def test_what_is_left_follows_from_the_pace_since_the_stage_began(tmp_path: Path) -> None:
    identity = submitted(tmp_path)
    put(tmp_path, identity, state="running")
    moves.tell(tmp_path, identity, Progress("training", "steps", 50, 100, 40, 1000.0, 1020.0))
    job = jobs.job(tmp_path, identity)
    assert (job.stage, job.unit, job.done, job.total) == ("training", "steps", 50, 100)
    assert jobs.eta(job) == 100.0  # 10 steps took 20 s, 50 are left
    for unknown in ({"updated": 1000.0}, {"updated": 900.0}, {"done": 40}, {"total": 0}):
        put(tmp_path, identity, **{"updated": 1020.0, "done": 50, "total": 100} | unknown)
        assert jobs.eta(jobs.job(tmp_path, identity)) is None
    put(tmp_path, identity, updated=1020.0, done=100, total=100, state="done")
    assert jobs.eta(jobs.job(tmp_path, identity)) is None


def test_progress_of_a_job_that_has_ended_changes_nothing(tmp_path: Path) -> None:
    identity = submitted(tmp_path)
    put(tmp_path, identity, state="stopped", done=7)
    assert moves.tell(tmp_path, identity, Progress(done=9)) == "stopped"
    assert jobs.job(tmp_path, identity).done == 7


def test_the_curve_is_read_in_whole_lines_from_a_cursor(tmp_path: Path) -> None:
    identity = submitted(tmp_path)
    assert jobs.curve(tmp_path, identity) == ([], "", False)
    path = tmp_path / "jobs" / identity / "curve.jsonl"
    path.write_bytes(b'{"step": 1}\n{"step": 2}\n{"st')
    rows, cursor, anew = jobs.curve(tmp_path, identity)
    assert (rows, anew) == ([{"step": 1}, {"step": 2}], False)
    assert jobs.curve(tmp_path, identity, cursor) == ([], cursor, False)
    with open(path, "ab") as file:
        file.write(b'ep": 3}\n')
    rows, cursor, anew = jobs.curve(tmp_path, identity, cursor)
    assert (rows, anew) == ([{"step": 3}], False)


def test_a_curve_that_was_cut_and_grew_again_is_read_from_its_beginning(tmp_path: Path) -> None:
    identity = submitted(tmp_path)
    path = tmp_path / "jobs" / identity / "curve.jsonl"
    path.write_bytes(b'{"step": 1}\n{"step": 2}\n')
    cursor = jobs.curve(tmp_path, identity).cursor
    path.write_bytes(b'{"step": 1}\n')
    assert jobs.curve(tmp_path, identity, cursor)[::2] == ([{"step": 1}], True)
    path.write_bytes(b'{"step": 1}\n{"loss": 2}\n{"step": 3}\n')
    rows, _, anew = jobs.curve(tmp_path, identity, cursor)
    assert (rows, anew) == ([{"step": 1}, {"loss": 2}, {"step": 3}], True)
    path.unlink()
    assert jobs.curve(tmp_path, identity, cursor) == ([], "", True)


def test_steps_done_again_with_the_same_numbers_are_not_shown_twice(tmp_path: Path) -> None:
    identity = submitted(tmp_path)
    path = tmp_path / "jobs" / identity / "curve.jsonl"
    path.write_bytes(b'{"step": 1}\n{"step": 2}\n')
    cursor = jobs.curve(tmp_path, identity).cursor
    path.write_bytes(b'{"step": 1}\n')
    path.write_bytes(b'{"step": 1}\n{"step": 2}\n{"step": 3}\n')
    assert jobs.curve(tmp_path, identity, cursor)[::2] == ([{"step": 3}], False)


@pytest.mark.parametrize("cursor", ["x", "-", "99999999999999999999-0", "٣-0", "24-00000000"])
def test_a_cursor_that_we_did_not_give_reads_all(tmp_path: Path, cursor: str) -> None:
    identity = submitted(tmp_path)
    (tmp_path / "jobs" / identity / "curve.jsonl").write_bytes(b'{"step": 1}\n{"step": 2}\n')
    assert jobs.curve(tmp_path, identity, cursor)[::2] == ([{"step": 1}, {"step": 2}], True)


def test_lines_of_a_curve_that_are_no_rows_are_left_out(tmp_path: Path) -> None:
    identity = submitted(tmp_path)
    lines = [b'{"a": NaN}', b"[1]", b"\xff\xfe", b"", b"[" * 100_000, b'{"a": 2}']
    (tmp_path / "jobs" / identity / "curve.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    assert jobs.curve(tmp_path, identity).rows == [{"a": None}, {"a": 2}]


def test_the_log_is_read_from_its_end(tmp_path: Path) -> None:
    identity = submitted(tmp_path)
    assert jobs.tail(tmp_path, identity) == ""
    path = tmp_path / "jobs" / identity / "log.txt"
    path.write_bytes(b"one\n 10%|#\r 20%|##\rtwo \xff\r\nthree")
    assert jobs.tail(tmp_path, identity) == "one\ntwo �\nthree"
    assert jobs.tail(tmp_path, identity, 1) == "three"
    path.write_bytes(b"".join(b"line %d\n" % number for number in range(20_000)))
    assert jobs.tail(tmp_path, identity, 2) == "line 19998\nline 19999"
    assert set(jobs.tail(tmp_path, identity, 10**6).split("\n")[0]) <= set("line 0123456789")


def test_nothing_of_it_imports_torch_or_the_page() -> None:
    code = (
        "import sys; import dlmviz.jobs, dlmviz.jobs.child, dlmviz.jobs.commands; "
        "bad = {'torch', 'gradio', 'plotly', 'transformers', 'pandas'} & {*sys.modules}; "
        "assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
