"""The routes of the Library: who may call them, what they refuse, and what is left behind."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dlmviz import store
from dlmviz.store import index
from dlmviz.store.schema import MAX_BYTES
from dlmviz.ui import library
from dlmviz.ui.shelves import Shelves
from tests.test_store import Trap, bomb, rewrite
from tests.test_store_index import HOSTILE, with_seed
from tests.traces import three_steps

OURS = {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    for name in ("gallery", "spare"):
        (tmp_path / name).mkdir()
    return Shelves(tmp_path / "gallery", tmp_path / "store", tmp_path / "spare")


@pytest.fixture
def client(shelves: Shelves) -> TestClient:
    return TestClient(Starlette(routes=library.routes(shelves)), headers=OURS)


def listed(client: TestClient, query: str = "") -> list[dict[str, Any]]:
    return client.get("/dlmviz/library", params={"query": query}).json()["runs"]


def saved(tmp_path: Path) -> bytes:
    return store.save(three_steps(), tmp_path / "given.npz").read_bytes()


def send(client: TestClient, body: bytes, name: str = "mine.npz") -> Any:
    return client.post("/dlmviz/library/import", params={"name": name}, content=body)


def test_an_empty_store_is_an_empty_list_and_is_not_made(
    client: TestClient, shelves: Shelves
) -> None:
    answer = client.get("/dlmviz/library").json()
    assert (answer["runs"], answer["found"], answer["all"]) == ([], 0, 0)
    assert not shelves.store.exists()


def test_the_list_is_searched_and_says_how_many_there_are(
    client: TestClient, shelves: Shelves
) -> None:
    first, _ = (store.put(shelves.store, with_seed(seed)) for seed in range(2))
    index.rename(shelves.store, first, "mine")
    answer = client.get("/dlmviz/library?query=MINE").json()
    assert [row["id"] for row in answer["runs"]] == [first]
    assert (answer["found"], answer["all"]) == (1, 2)


def test_a_long_list_is_cut_and_says_so(
    client: TestClient, shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(4):
        store.put(shelves.store, with_seed(seed))
    monkeypatch.setattr(library, "MOST", 3)
    answer = client.get("/dlmviz/library").json()
    assert (len(answer["runs"]), answer["found"]) == (3, 4)


def test_a_parent_is_named_wherever_it_lies(client: TestClient, shelves: Shelves) -> None:
    bundled = dataclasses.replace(with_seed(1), info={"title": "A bundled run"})
    store.save(bundled, shelves.gallery / "1-bundled.npz")
    parent = store.put(shelves.store, with_seed(2))
    index.rename(shelves.store, parent, "The first")
    children = [store.put(shelves.store, with_seed(seed)) for seed in range(3, 7)]
    given = [parent, store.run_id(bundled), "1-bundled", "0123456789abcdef"]
    for child, name in zip(children, given, strict=True):
        index.adopt(shelves.store, child, name, 2)
    names = {row["id"]: row["parent_name"] for row in listed(client)}
    assert [names[c] for c in children] == ["The first", "A bundled run", "A bundled run", None]


def test_a_run_is_renamed_pinned_deleted_and_brought_back(
    client: TestClient, shelves: Shelves
) -> None:
    identity = store.put(shelves.store, three_steps())
    post = f"/dlmviz/library/{identity}"
    assert client.post(f"{post}/rename", json={"name": f" {HOSTILE} "}).json() == {"name": HOSTILE}
    assert client.post(f"{post}/pin", json={"pinned": True}).json() == {"pinned": True}
    assert (listed(client)[0]["name"], listed(client)[0]["pinned"]) == (HOSTILE, True)
    assert client.post(f"{post}/delete").json() == {"undo": index.UNDO}
    assert listed(client) == []
    assert client.post(f"{post}/undelete").json() == {}
    assert listed(client)[0]["name"] == HOSTILE


@pytest.mark.parametrize(
    ("action", "body", "says"),
    [
        ("rename", b'{"name": 5}', "cannot 'rename'"),
        ("rename", b"{}", "cannot 'rename'"),
        ("pin", b'{"pinned": "yes"}', "cannot 'pin'"),
        ("explode", b"", "cannot 'explode'"),
        ("rename", b"{not json", "no JSON object"),
        ("rename", b"[" * 5000, "no JSON object"),
        ("rename", b'["name"]', "no JSON object"),
        ("rename", b'{"name": "' + b"a" * 20_000 + b'"}', "over 10000 bytes"),
        ("rename", b'{"name": "' + b"a" * 121 + b'"}', "at most 120 characters"),
    ],
)
def test_a_request_that_makes_no_sense_changes_nothing(
    action: str, body: bytes, says: str, client: TestClient, shelves: Shelves
) -> None:
    identity = store.put(shelves.store, three_steps())
    answer = client.post(f"/dlmviz/library/{identity}/{action}", content=body)
    assert answer.status_code == 422
    assert says in answer.json()["problem"]
    assert (listed(client)[0]["name"], listed(client)[0]["pinned"]) == ("", False)


@pytest.mark.parametrize("identity", ["0123456789abcdef", "..", "%2e%2e%2fx", "1-story"])
def test_a_run_that_is_not_listed_cannot_be_deleted(identity: str, client: TestClient) -> None:
    answer = client.post(f"/dlmviz/library/{identity}/delete")
    assert answer.status_code in (404, 422)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver.evil.example"},
        {"Origin": "http://testserver:81"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://testserver", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_other_pages_change_nothing(
    headers: dict[str, str], shelves: Shelves, tmp_path: Path
) -> None:
    identity = store.put(shelves.store, three_steps())
    client = TestClient(Starlette(routes=library.routes(shelves)), headers=headers)
    for action in ("delete", "rename", "pin", "undelete"):
        answer = client.post(f"/dlmviz/library/{identity}/{action}", json={"name": "x"})
        assert answer.status_code == 403
    body = store.save(with_seed(5), tmp_path / "other.npz").read_bytes()
    assert send(client, body).status_code == 403
    assert [row.id for row in index.listed(shelves.store)] == [identity]


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://testserver"}, {"Sec-Fetch-Site": "same-origin"}, OURS]
)
def test_our_own_page_may(headers: dict[str, str], shelves: Shelves) -> None:
    identity = store.put(shelves.store, three_steps())
    client = TestClient(Starlette(routes=library.routes(shelves)), headers=headers)
    assert client.post(f"/dlmviz/library/{identity}/delete").status_code == 200


def test_changes_are_not_made_by_following_a_link(client: TestClient, shelves: Shelves) -> None:
    identity = store.put(shelves.store, three_steps())
    assert client.get(f"/dlmviz/library/{identity}/delete").status_code == 405
    assert client.get("/dlmviz/library/import").status_code == 405


def test_an_imported_run_is_in_the_list_under_the_name_of_its_file(
    client: TestClient, shelves: Shelves, tmp_path: Path
) -> None:
    answer = send(client, saved(tmp_path), "my experiment.npz").json()
    assert answer == {"id": store.run_id(three_steps())}
    (row,) = listed(client)
    assert (row["id"], row["name"]) == (answer["id"], "my experiment")


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("dlmviz-0123456789abcdef.npz", ""),
        ("dlmviz-0123456789abcdef (1).npz", ""),
        ("0123456789abcdef.npz", ""),
        ("../../etc/passwd.npz", "passwd"),
        ("C:\\temp\\run.npz", "run"),
        (f"{HOSTILE.replace('/', '')}.npz", HOSTILE.replace("/", "")),
        ("a\nb.npz", "a b"),
        ("", "the file"),
        ("x" * 300 + ".npz", "x" * 120),
    ],
)
def test_the_name_of_a_file_is_only_text(
    name: str, kept: str, client: TestClient, tmp_path: Path
) -> None:
    assert send(client, saved(tmp_path), name).status_code == 200
    assert listed(client)[0]["name"] == kept


def test_importing_a_deleted_run_brings_it_back(
    client: TestClient, shelves: Shelves, tmp_path: Path
) -> None:
    body = saved(tmp_path)
    identity = send(client, body, "first.npz").json()["id"]
    client.post(f"/dlmviz/library/{identity}/delete")
    assert send(client, body, "second.npz").json() == {"id": identity}
    assert listed(client)[0]["name"] == "first"
    assert index.purge(shelves.store, older=0) == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "is no .npz file"),
        (b"not a zip", "is no .npz file"),
        (b"PK\x03\x04" + b"\0" * 100, "damaged"),
        (b"\x80\x04K\x01.", "is no .npz file"),
    ],
)
def test_a_file_that_is_no_trace_is_one_sentence_and_leaves_nothing(
    body: bytes, says: str, client: TestClient, shelves: Shelves
) -> None:
    answer = send(client, body, "<b>bad.npz")
    assert answer.status_code == 422
    problem = answer.json()["problem"]
    assert says in problem
    assert "<b>bad.npz" in problem
    assert "/tmp" not in problem
    assert not shelves.store.exists()


def test_a_trace_that_was_tampered_with_leaves_the_store_as_it_was(
    client: TestClient, shelves: Shelves, tmp_path: Path
) -> None:
    store.put(shelves.store, with_seed(1))
    listed(client)
    before = {path.name: path.stat().st_mtime_ns for path in shelves.store.iterdir()}
    whole, bad = saved(tmp_path), tmp_path / "bad.npz"
    bodies = [(whole[:cut], "cut short") for cut in (10, len(whole) // 2, len(whole) - 1)]
    rewrite(bad, {"schema": 9}, {})
    bodies.append((bad.read_bytes(), "its schema is 9, this version of dlmviz reads"))
    rewrite(bad, {}, {"score": np.array([Trap()], dtype=object)})
    bodies.append((bad.read_bytes(), "holds pickled objects, which are never read"))
    bomb(bad, "score", "<f4", (MAX_BYTES // 4,), MAX_BYTES)
    bodies.append((bad.read_bytes(), "it unpacks to "))
    for body, sentence in bodies:
        answer = send(client, body)
        assert answer.status_code == 422
        assert sentence in answer.json()["problem"]
        assert str(tmp_path) not in answer.json()["problem"]
    assert {p.name: p.stat().st_mtime_ns for p in shelves.store.iterdir()} == before
    assert not Trap.sprung


def test_a_file_that_is_too_large_is_refused(
    client: TestClient, shelves: Shelves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "LARGEST", 1000)
    body = saved(tmp_path)
    assert len(body) > 1000
    known = send(client, body)
    parts = iter([body[:900], body[900:]])  # says no length
    streamed = client.post("/dlmviz/library/import?name=big.npz", content=parts)
    for answer in (known, streamed):
        assert answer.status_code == 422
        assert "the most that can be imported" in answer.json()["problem"]
    assert not shelves.store.exists()


def test_what_was_deleted_before_is_purged_at_the_next_start(shelves: Shelves) -> None:
    old, new = (store.put(shelves.store, with_seed(seed)) for seed in range(2))
    index.delete(shelves.store, old)
    library.tidy(shelves.store)
    assert (shelves.store / f"{old}.npz").exists()  # another app may be about to undo it
    index._change(shelves.store, old, deleted=time.time() - index.UNDO - 1)
    library.tidy(shelves.store)
    assert not (shelves.store / f"{old}.npz").exists()
    assert (shelves.store / f"{new}.npz").exists()
