"""Runs are found by the name of their file and by what is in them."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dlmviz import store
from dlmviz.ui import shelves as module
from dlmviz.ui.shelves import Shelves, content_hash, routes, shown
from tests.traces import three_steps


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    for name in ("gallery", "store", "spare"):
        (tmp_path / name).mkdir()
    return Shelves(tmp_path / "gallery", tmp_path / "store", tmp_path / "spare")


@pytest.fixture
def client(shelves: Shelves) -> TestClient:
    return TestClient(Starlette(routes=routes(shelves)))


HASH = store.run_id(three_steps())


@pytest.mark.parametrize("folder", ["gallery", "store", "spare"])
def test_a_run_is_found_by_its_name_and_by_its_content_hash(
    folder: str, shelves: Shelves, tmp_path: Path
) -> None:
    path = store.save(three_steps(), tmp_path / folder / "a-name.npz")
    assert shelves.find("a-name") == path
    assert shelves.find(HASH) == path
    assert shelves.find(HASH[:-1] + "g") is None
    assert shelves.find(HASH.upper()) is None
    assert shelves.find("0" * 16) is None


def test_a_stored_run_is_found_without_reading_any_file(
    shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(three_steps(), shelves.gallery / "other.npz")
    path = shelves.store / f"{store.put(shelves.store, three_steps())}.npz"
    monkeypatch.setattr(module, "open_trace", None)
    assert shelves.find(HASH) == path


def test_a_file_is_read_once_and_again_after_it_changed(
    shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store.save(three_steps(), shelves.gallery / "a-name.npz")
    read: list[Path] = []

    def counted(path: Path) -> object:
        read.append(path)
        return store.open_trace(path)

    monkeypatch.setattr(module, "open_trace", counted)
    assert [shelves.find(HASH), shelves.find(HASH), shelves.find("0" * 16)] == [path, path, None]
    assert read == [path]
    changed = dataclasses.replace(three_steps(), info={"title": "another, longer title"})
    store.save(changed, path)
    assert shelves.find(HASH) is None
    assert shelves.find(store.run_id(changed)) == path
    assert read == [path, path]


def test_a_damaged_file_has_no_hash_and_hides_no_other(shelves: Shelves) -> None:
    broken = shelves.gallery / "1-broken.npz"
    broken.write_bytes(b"PK\x03\x04 nothing")
    path = store.save(three_steps(), shelves.gallery / "2-whole.npz")
    assert content_hash(broken) is None
    assert content_hash(shelves.gallery / "absent.npz") is None
    assert shelves.find(HASH) == path


def test_the_page_is_told_the_hash_and_whether_the_run_is_kept(shelves: Shelves) -> None:
    kept = store.save(three_steps(), shelves.gallery / "a-name.npz")
    lent = store.save(three_steps(), shelves.spare / "a-name.npz")
    assert shown(shelves, kept)["info"] == {"device": "cpu", "hash": HASH, "kept": True}
    assert shown(shelves, lent)["info"] == {"device": "cpu", "hash": HASH, "kept": False}


def test_a_run_and_its_file_are_served_under_both_names(
    shelves: Shelves, client: TestClient
) -> None:
    path = store.save(three_steps(), shelves.gallery / "a-name.npz")
    for name in ("a-name", HASH):
        assert client.get(f"/dlmviz/runs/{name}").json()["info"]["hash"] == HASH
        assert client.get(f"/dlmviz/runs/{name}.npz").content == path.read_bytes()


def test_a_link_that_leads_nowhere_is_an_empty_answer_and_no_error(
    shelves: Shelves, client: TestClient
) -> None:
    (shelves.store / f"{HASH}.npz").write_bytes(b"PK\x03\x04 nothing")
    for name, status in (("0" * 16, 404), (HASH, 422)):
        assert client.get(f"/dlmviz/runs/{name}").status_code == status
        answer = client.get(f"/dlmviz/runs/{name}?link")
        assert (answer.status_code, answer.content) == (204, b"")


def test_finding_a_run_by_its_hash_imports_no_torch(shelves: Shelves) -> None:
    store.save(three_steps(), shelves.gallery / "a-name.npz")
    code = (
        "import sys; from pathlib import Path; from dlmviz.ui.shelves import Shelves; "
        "g = Path(sys.argv[1]); assert Shelves(g, g, g).find(sys.argv[2]); "
        "assert 'torch' not in sys.modules"
    )
    command = [sys.executable, "-c", code, str(shelves.gallery), HASH]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_answer_tells_where_the_files_lie(shelves: Shelves, client: TestClient) -> None:
    for folder in (shelves.gallery, shelves.store, shelves.spare):
        (folder / f"broken-{folder.name}.npz").write_bytes(b"PK\x03\x04 nothing")
        answer = client.get(f"/dlmviz/runs/broken-{folder.name}")
        assert answer.status_code == 422
        told = answer.json()["problem"]
        assert told.startswith(f"cannot open broken-{folder.name}.npz as a trace: ")
    answer = client.get("/dlmviz/runs/gone")
    assert (answer.status_code, answer.json()["problem"]) == (404, module.GONE)


def test_a_stored_run_keeps_its_name_when_the_way_to_count_changes(shelves: Shelves) -> None:
    """An older version stored the run, and another hash was its name then."""
    old = "0123456789abcdef"
    path = store.save(three_steps(), shelves.store / f"{old}.npz")
    assert shown(shelves, path)["info"]["hash"] == old
    assert shelves.find(old) == path
