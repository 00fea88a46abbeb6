"""The routes behind the animation, without a browser."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dlmviz import figures, store
from dlmviz.ui import animation
from dlmviz.ui.shelves import Shelves, middleware
from tests.traces import three_steps

ROOT = Path(__file__).parent.parent


@pytest.fixture
def page(tmp_path: Path) -> Iterator[TestClient]:
    """A client of a server that has nothing but these routes and one run, "three"."""
    for name in ("gallery", "spare"):
        (tmp_path / name).mkdir()
    shelves = Shelves(tmp_path / "gallery", tmp_path / "store", tmp_path / "spare")
    store.save(three_steps(), shelves.gallery / "three.npz")
    (shelves.spare / "broken.npz").write_bytes(b"PK\x03\x04 nothing")
    with TestClient(Starlette(routes=animation.routes(shelves), middleware=middleware())) as client:
        yield client


def test_the_figure_of_a_run_comes_as_json(page: TestClient) -> None:
    answer = page.get("/dlmviz/figure/order/three?width=600")
    told = answer.json()
    assert answer.status_code == 200
    assert set(told) == {"version", "config", "templates", "data", "layout", "frames"}
    assert len(told["frames"]) == 4
    assert "sliders" not in told["layout"]
    assert set(told["templates"]) == {"light", "dark"}


def test_a_figure_and_its_file_speak_the_language_that_is_asked_for(page: TestClient) -> None:
    told = page.get("/dlmviz/figure/order/three?lang=de").json()
    said = [frame["layout"]["title"]["subtitle"]["text"] for frame in told["frames"]]
    assert said[:2] == [
        "Vor dem ersten von 3 Schritten: 4 unbekannt",
        "Schritt 1 von 3: 2 geschrieben, 2 von 4 festgelegt",
    ]
    assert told["layout"]["yaxis2"]["title"]["text"] == "geschrieben in Schritt"
    text = json.dumps(told)
    assert not [
        part for part in ("written", "taken back", "position", "confidence") if part in text
    ]
    file = page.get("/dlmviz/figure/order/three.html?lang=de").text
    assert '<html lang="de">' in file
    assert "Jeder Block ist eine Position" in file
    other = page.get("/dlmviz/figure/order/three?lang=xx").text
    assert other == page.get("/dlmviz/figure/order/three").text


def test_the_file_is_a_download_that_holds_all_of_plotly(page: TestClient) -> None:
    answer = page.get("/dlmviz/figure/order/three.html?theme=dark")
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert answer.text.startswith("<!doctype html>")
    assert len(answer.text) > len(figures.bundle())
    assert "background: #181c20" in answer.text


@pytest.mark.parametrize(
    ("path", "status", "problem"),
    [
        ("order/missing", 404, "there is no such run or figure"),
        ("order/missing.html", 404, "there is no such run or figure"),
        ("nothing/three", 404, "there is no such run or figure"),
        ("order/..%2fthree", 404, ""),
        ("order/broken", 422, "damaged"),
        ("order/three?width=wide", 422, "width must be a whole number: got 'wide'; try 1200"),
        ("order/three?width=5", 422, "width must lie in 240..4000 pixels: got 5; try 1200"),
        ("order/three.html?width=99999", 422, "got 99999"),
    ],
)
def test_bad_requests_are_answered_with_a_sentence(
    page: TestClient, path: str, status: int, problem: str
) -> None:
    answer = page.get(f"/dlmviz/figure/{path}")
    assert answer.status_code == status
    assert problem in answer.text


def test_a_problem_names_no_folder_of_the_machine(page: TestClient, tmp_path: Path) -> None:
    assert str(tmp_path) not in page.get("/dlmviz/figure/order/broken").text


def test_the_script_is_kept_by_the_browser_and_compressed_if_it_likes(page: TestClient) -> None:
    plain = page.get("/dlmviz/plotly.js", headers={"accept-encoding": "identity"})
    assert plain.text == figures.bundle()
    assert "content-encoding" not in plain.headers
    assert "immutable" in plain.headers["cache-control"]
    with page.stream("GET", "/dlmviz/plotly.js", headers={"accept-encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw).decode() == plain.text
    assert len(raw) < 2_000_000


def test_the_policy_of_the_page_stays_strict(page: TestClient) -> None:
    policy = page.get("/dlmviz/figure/order/three").headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "connect-src 'self'" in policy
    assert "http" not in policy


def test_plotly_is_not_imported_when_the_app_is_built(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from dlmviz import ui; "
        "from dlmviz.ui import animation, shelves; "
        f"s = shelves.Shelves(shelves.GALLERY, Path({str(tmp_path)!r}), Path({str(tmp_path)!r})); "
        "ui.build(s); animation.routes(s); "
        "assert 'plotly.graph_objects' not in sys.modules; "
        "assert 'dlmviz.figures' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
