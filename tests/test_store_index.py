"""The list of runs beside the files: what it says, what it survives; files stay the truth."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from dlmviz import store
from dlmviz.store import index, table
from dlmviz.types import InputError, Trace
from tests.traces import three_steps

ROOT = Path(__file__).parent.parent
HOSTILE = "<img src=x onerror=alert(1)>'); DROP TABLE runs; --"


def with_seed(seed: int, **info: object) -> Trace:
    trace = three_steps()
    spec = dataclasses.replace(trace.spec, seed=seed)
    return dataclasses.replace(trace, spec=spec, info={**trace.info, **info})


def filled(folder: Path, count: int) -> list[str]:
    """Ids of runs that were put there, the newest last."""
    found = []
    for seed in range(count):
        identity = store.put(folder, with_seed(seed))
        os.utime(folder / f"{identity}.npz", (1000 + seed, 1000 + seed))
        found.append(identity)
    return found


def ids(folder: Path, query: str = "", deleted: bool = False) -> list[str]:
    return [row.id for row in index.listed(folder, query, deleted)]


def test_a_row_says_what_the_file_says(tmp_path: Path) -> None:
    identity = store.put(tmp_path, three_steps())
    (row,) = index.listed(tmp_path)
    assert (row.id, row.name, row.pinned, row.deleted, row.parent) == (
        identity,
        "",
        False,
        None,
        None,
    )
    assert (row.prompt, row.model, row.sampler, row.gen_length) == ("Q:", "hand", "fast_dllm", 4)
    assert (row.nfe, row.steps, row.text, row.problem) == (3, 3, "the cat sat", "")
    assert row.tpf == pytest.approx(4 / 3)  # four positions decided, three forwards
    assert row.created == pytest.approx((tmp_path / f"{identity}.npz").stat().st_mtime)


def test_long_texts_are_cut_for_the_list(tmp_path: Path) -> None:
    trace = three_steps()
    spec = dataclasses.replace(trace.spec, prompt="p" * 500)
    store.put(tmp_path, dataclasses.replace(trace, spec=spec, text="t" * 9000))
    (row,) = index.listed(tmp_path)
    assert row.prompt == "p" * 200
    assert row.text == "t" * 2000


def test_the_newest_comes_first_and_pinned_ones_before_all(tmp_path: Path) -> None:
    first, second, third = filled(tmp_path, 3)
    assert ids(tmp_path) == [third, second, first]
    index.pin(tmp_path, first)
    assert ids(tmp_path) == [first, third, second]
    index.pin(tmp_path, first, False)
    assert ids(tmp_path) == [third, second, first]


def test_every_word_of_a_search_must_be_found_somewhere(tmp_path: Path) -> None:
    first, second = filled(tmp_path, 2)
    index.rename(tmp_path, first, "Größe 100%_done")
    assert ids(tmp_path, "größe nothing") == []
    assert ids(tmp_path, "GRÖSSE") == [first] == ids(tmp_path, "100%_")
    assert ids(tmp_path, "größe CAT") == [first]
    assert ids(tmp_path, "fast_dllm") == [second, first]
    assert ids(tmp_path, second[:8]) == [second]
    assert ids(tmp_path, "%") == [first]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  two\n words\t", "two words"),
        ("nul\x00 and \x1b[31mred", "nul and [31mred"),
        (HOSTILE, HOSTILE),
        ("half \ud800 a pair", "half a pair"),
        ("", ""),
        ("a" * 120, "a" * 120),
    ],
)
def test_a_name_is_only_text_on_one_line(given: str, kept: str, tmp_path: Path) -> None:
    (identity,) = filled(tmp_path, 1)
    assert index.rename(tmp_path, identity, given) == kept
    assert index.listed(tmp_path)[0].name == kept


def test_a_name_that_is_too_long_changes_nothing(tmp_path: Path) -> None:
    (identity,) = filled(tmp_path, 1)
    index.rename(tmp_path, identity, "before")
    with pytest.raises(InputError, match="at most 120 characters: got 121; shorten"):
        index.rename(tmp_path, identity, "a" * 121)
    assert index.listed(tmp_path)[0].name == "before"


def test_title_and_parent_of_a_file_are_its_first_name_and_its_parent(tmp_path: Path) -> None:
    store.put(tmp_path, with_seed(1, title="A\nstory", parent="abc", step=12))
    (row,) = index.listed(tmp_path)
    assert (row.name, row.parent, row.step) == ("A story", "abc", 12)


@pytest.mark.parametrize(
    "info", [{"title": 5, "parent": ["x"], "step": 1}, {"parent": "x", "step": "1"}, {"step": 3}]
)
def test_a_file_that_says_nonsense_of_its_parent_has_none(info: dict, tmp_path: Path) -> None:
    store.put(tmp_path, with_seed(1, **info))
    (row,) = index.listed(tmp_path)
    assert (row.name, row.parent, row.step) == ("", None, None)


def test_a_child_keeps_its_parent_when_the_parent_is_deleted(tmp_path: Path) -> None:
    parent, child = filled(tmp_path, 2)
    index.adopt(tmp_path, child, parent, 2)
    index.delete(tmp_path, parent)
    (row,) = index.listed(tmp_path)
    assert (row.parent, row.step) == (parent, 2)
    with pytest.raises(InputError, match="step >= 0: got"):
        index.adopt(tmp_path, child, parent, -1)


def test_delete_can_be_undone_until_the_purge(tmp_path: Path) -> None:
    first, second = filled(tmp_path, 2)
    index.rename(tmp_path, first, "kept")
    index.delete(tmp_path, first)
    assert ids(tmp_path) == [second]
    assert ids(tmp_path, deleted=True) == [first]
    assert index.purge(tmp_path) == []  # 30 seconds have not passed
    assert (tmp_path / f"{first}.npz").is_file()
    index.undelete(tmp_path, first)
    assert index.listed(tmp_path, "kept")[0].id == first
    index.delete(tmp_path, first)
    time.sleep(0.01)
    assert index.purge(tmp_path, older=0) == [first]
    assert not (tmp_path / f"{first}.npz").exists()
    assert ids(tmp_path) == [second]
    with pytest.raises(InputError, match="there is no run"):
        index.undelete(tmp_path, first)


@pytest.mark.parametrize(
    "identity", ["", "../x", "0123456789abcdef", "0123456789ABCDEF", "x" * 999]
)
def test_an_unknown_run_cannot_be_changed(identity: str, tmp_path: Path) -> None:
    (known,) = filled(tmp_path, 1)
    for action in (index.delete, index.undelete, index.pin):
        with pytest.raises(InputError, match="there is no run"):
            action(tmp_path, identity)
    assert ids(tmp_path) == [known]


def test_rows_of_files_that_are_gone_are_marked_and_come_back_with_the_file(tmp_path: Path) -> None:
    (identity,) = filled(tmp_path, 1)
    index.rename(tmp_path, identity, "mine")
    path = tmp_path / f"{identity}.npz"
    path.rename(tmp_path / "elsewhere")
    assert ids(tmp_path) == []
    with pytest.raises(InputError, match="there is no run"):
        index.pin(tmp_path, identity)
    (tmp_path / "elsewhere").rename(path)
    assert index.listed(tmp_path)[0].name == "mine"


def test_a_damaged_file_says_its_problem_until_it_is_replaced(tmp_path: Path) -> None:
    (identity,) = filled(tmp_path, 1)
    path = tmp_path / f"{identity}.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    (row,) = index.listed(tmp_path)
    assert "cut short or damaged" in row.problem
    assert str(tmp_path) not in row.problem
    assert row.prompt is None
    path.write_bytes(whole)
    (row,) = index.listed(tmp_path)
    assert (row.problem, row.prompt) == ("", "Q:")


def test_only_runs_are_listed_and_no_file_but_the_index_is_made(tmp_path: Path) -> None:
    (identity,) = filled(tmp_path, 1)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "other.npz").write_bytes(b"")
    before = (tmp_path / f"{identity}.npz").stat().st_mtime_ns
    assert ids(tmp_path) == [identity]
    names = {path.name for path in tmp_path.iterdir()} - {"notes.txt", "other.npz"}
    assert names <= {f"{identity}.npz", table.FILE, f"{table.FILE}-wal", f"{table.FILE}-shm"}
    assert (tmp_path / f"{identity}.npz").stat().st_mtime_ns == before


def test_a_folder_that_is_not_there_is_an_empty_list_and_is_not_made(tmp_path: Path) -> None:
    assert ids(tmp_path / "none") == []
    index.sync(tmp_path / "none")
    assert index.purge(tmp_path / "none") == []
    assert not (tmp_path / "none").exists()


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE pets (name TEXT)")


def newer(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {table.VERSION + 1}")


def torn(path: Path) -> None:
    blob = bytearray(path.read_bytes())
    blob[100:] = b"\xff" * (len(blob) - 100)
    path.write_bytes(blob)


@pytest.mark.parametrize(
    "spoil", [lambda path: path.write_bytes(b"no database" * 99), foreign, newer]
)
def test_an_index_that_is_none_is_moved_aside_and_made_anew(spoil, tmp_path: Path) -> None:
    (identity,) = filled(tmp_path, 1)
    spoil(tmp_path / table.FILE)
    assert index.rename(tmp_path, identity, "new") == "new"
    assert index.listed(tmp_path)[0].name == "new"
    assert len(list(tmp_path.glob(f"{table.FILE}.damaged-*"))) == 1


def test_an_index_that_is_torn_is_moved_aside_and_made_anew(tmp_path: Path) -> None:
    first, second = filled(tmp_path, 2)
    index.sync(tmp_path)
    torn(tmp_path / table.FILE)
    assert ids(tmp_path) == [second, first]
    assert ids(tmp_path) == [second, first]
    aside = [p for p in tmp_path.glob(f"{table.FILE}.damaged-*") if p.suffix.count("-") == 1]
    assert len(aside) == 1


def test_a_healthy_index_is_never_moved_aside(tmp_path: Path, monkeypatch) -> None:
    (identity,) = filled(tmp_path, 1)
    index.rename(tmp_path, identity, "mine")

    def busy(*_: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(table, "_update", busy)
    assert index.listed(tmp_path)[0].name == "mine"  # from what can still be read
    with pytest.raises(InputError, match="cannot be changed: database is locked; give a --store"):
        index.pin(tmp_path, identity)
    assert not list(tmp_path.glob("*damaged*"))


@pytest.mark.slow
def test_a_store_that_cannot_be_written_is_listed_from_its_files() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first, second = filled(folder, 2)
        index.rename(folder, first, "mine")
        with sqlite3.connect(folder / table.FILE) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        third = store.put(folder, with_seed(9))  # the index does not know it yet
        for path in folder.iterdir():
            path.chmod(0o444)
        folder.chmod(0o555)  # not enough for root
        code = (
            "import os, sys; from pathlib import Path; from dlmviz.store import index\n"
            "from dlmviz.types import InputError\n"
            "from dlmviz.store import open_trace\n"
            "folder = Path(sys.argv[1])\n"
            "open_trace(folder / f'{sys.argv[2]}.npz')  # what it imports may be root's alone\n"
            "if os.geteuid() == 0: os.setuid(65534)\n"
            "print(sorted((r.id, r.name) for r in index.listed(folder)))\n"
            "try: index.pin(folder, sys.argv[2])\n"
            "except InputError as error: print(error)\n"
        )
        command = [sys.executable, "-c", code, name, first]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    rows, problem = done.stdout.splitlines()
    assert rows == str(sorted([(first, "mine"), (second, ""), (third, "")]))
    assert "cannot be changed" in problem


def work(folder: Path, number: int) -> int:
    """What one of several processes does at once: saves, lists, names, deletes."""
    for turn in range(5):
        identity = store.put(folder, with_seed(100 * number + turn))
        index.sync(folder)
        index.rename(folder, identity, f"{number}-{turn}")
        if turn == 0:
            index.delete(folder, identity)
    return len(index.listed(folder))


@pytest.mark.slow
def test_processes_that_work_at_once_lose_nothing(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        list(pool.map(work, [tmp_path] * 4, range(4)))
    rows = index.listed(tmp_path)
    assert {row.name for row in rows} == {f"{n}-{t}" for n in range(4) for t in range(1, 5)}
    assert len(index.listed(tmp_path, deleted=True)) == 4
    assert not list(tmp_path.glob("*damaged*"))


def look(folder: Path) -> int:
    return len(index.listed(folder))


@pytest.mark.slow
def test_processes_that_find_a_damaged_index_at_once_rebuild_it_once(tmp_path: Path) -> None:
    filled(tmp_path, 6)
    (tmp_path / table.FILE).write_bytes(b"no database" * 99)
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(look, [tmp_path] * 8)) == [6] * 8
    assert ids(tmp_path) == ids(tmp_path)
