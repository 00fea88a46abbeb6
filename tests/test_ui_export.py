"""Runs to take away: what each file holds, and that nothing in a run can act in it."""

from __future__ import annotations

import ast
import csv
import dataclasses
import io
import json
import re
import sys
import types
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dlmviz import store
from dlmviz.types import StepRecord, Trace
from dlmviz.ui import bundle, export, payload
from dlmviz.ui.shelves import Shelves
from tests.traces import CAT, MASK, SAT, THE, three_steps

HOSTILE = "</script><script>window.hit=1</script><!--<img src=x onerror=window.hit=1>&amp;\u2028"


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    for name in ("gallery", "spare"):
        (tmp_path / name).mkdir()
    return Shelves(tmp_path / "gallery", tmp_path / "store", tmp_path / "spare")


@pytest.fixture
def client(shelves: Shelves) -> TestClient:
    return TestClient(Starlette(routes=export.routes(shelves)))


def hostile() -> Trace:
    trace = three_steps()
    last = dataclasses.replace(trace.steps[-1], why={4: HOSTILE})
    return dataclasses.replace(
        trace,
        spec=dataclasses.replace(trace.spec, prompt=HOSTILE),
        steps=(*trace.steps[:-1], last),
        text=HOSTILE,
        pieces={**trace.pieces, SAT: HOSTILE, CAT: "=1+cmd|' /C calc'!A0"},
        info={"title": HOSTILE, "look": HOSTILE},
    )


def taken_back(trace: Trace) -> Trace:
    """The same with a step more, which writes position 3 anew and masks position 2 again."""
    last = trace.steps[-1]
    sure = np.full(4, np.nan, np.float32)
    step: StepRecord = dataclasses.replace(
        last,
        index=3,
        positions=np.array([3], np.int32),
        tokens=np.array([THE], np.int32),
        remasked=np.array([2], np.int32),
        confidence=sure,
        entropy=sure,
        why={},
    )
    return dataclasses.replace(trace, steps=(*trace.steps, step))


def test_the_table_says_who_wrote_what_when_and_how_sure() -> None:
    rows = export.table(three_steps())
    seen = [
        tuple(row[n] for n in ("position", "piece", "step", "confidence", "why")) for row in rows
    ]
    assert seen == [
        (2, "the", 2, 0.96875, "above tau"),
        (3, " cat", 1, 0.9375, "above tau"),
        (4, " sat", 3, 0.8125, "fallback: best of block"),
        (5, "<eos>", 1, 0.9375, "above tau"),
    ]
    # H(0.8125) = -(0.8125 ln 0.8125 + 0.1875 ln 0.1875)
    assert rows[2]["entropy"] == pytest.approx(0.48257, abs=1e-5)


def test_what_was_taken_back_or_never_asked_is_empty_and_not_a_number_of_before() -> None:
    rows = export.table(taken_back(three_steps()))
    assert rows[0] == {
        "position": 2,
        "token": MASK,
        "piece": "[mask]",
        "step": None,
        "confidence": None,
        "entropy": None,
        "why": None,
    }
    assert (rows[1]["piece"], rows[1]["step"], rows[1]["confidence"]) == ("the", 4, None)


def test_a_part_of_the_answer_that_was_given_has_a_row_without_a_step() -> None:
    trace = three_steps()
    initial = trace.initial.copy()
    initial[2] = THE
    first, _, last = trace.steps
    first, last = (
        dataclasses.replace(
            r,
            index=i,
            **{n: getattr(r, n)[1:] for n in ("confidence", "entropy", "score", "top_ids")},
        )
        for i, r in enumerate((first, last))
    )
    rows = export.table(dataclasses.replace(trace, initial=initial, steps=(first, last)))
    assert [(row["position"], row["step"], row["confidence"]) for row in rows] == [
        (2, None, None),
        (3, 1, 0.9375),
        (4, 2, 0.8125),
        (5, 1, 0.9375),
    ]


def test_csv_keeps_every_text_and_disarms_formulas() -> None:
    rows = list(csv.DictReader(io.StringIO(export.as_csv(hostile()), newline="")))
    assert [row["position"] for row in rows] == ["2", "3", "4", "5"]
    assert rows[1]["piece"] == "'=1+cmd|' /C calc'!A0"
    assert rows[2]["piece"] == rows[2]["why"] == HOSTILE
    frame = pd.read_csv(io.StringIO(export.as_csv(three_steps())))
    assert frame["step"].tolist() == [2, 1, 3, 1]
    assert frame["piece"].tolist() == ["the", " cat", " sat", "<eos>"]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_every_sign_that_starts_a_formula_is_disarmed(sign: str) -> None:
    trace = three_steps()
    trace = dataclasses.replace(trace, pieces={**trace.pieces, CAT: f"{sign}x"})
    rows = list(csv.DictReader(io.StringIO(export.as_csv(trace), newline="")))
    assert rows[1]["piece"] == f"'{sign}x"


def test_json_is_what_the_page_draws(client: TestClient, shelves: Shelves) -> None:
    identity = store.put(shelves.store, three_steps())
    answer = client.get(f"/dlmviz/export/{identity}.json")
    assert answer.json() == {
        **json.loads(payload.dumps(payload.run(three_steps()))),
        "id": identity,
    }


@pytest.mark.parametrize("kind", export.kinds())
def test_every_kind_comes_as_a_file_and_is_never_run_at_our_address(
    kind: str, client: TestClient, shelves: Shelves
) -> None:
    identity = store.put(shelves.store, hostile())
    answer = client.get(f"/dlmviz/export/{identity}.{kind}")
    assert answer.status_code == 200
    name = f"dlmviz-{identity}.{'py' if kind == 'cell' else kind}"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    if kind == "npz":
        assert answer.content == (shelves.store / f"{identity}.npz").read_bytes()


@pytest.mark.parametrize("path", ["0123456789abcdef.json", "..%2Fsecret.npz", "x.exe", "x.parquet"])
def test_what_is_not_there_or_not_made_is_one_sentence(path: str, client: TestClient) -> None:
    answer = client.get(f"/dlmviz/export/{path}")
    assert answer.status_code == 404
    if "%2F" not in path:
        assert "it can be had as npz, html, json, csv" in answer.json()["problem"]


def test_a_damaged_file_is_one_sentence(client: TestClient, shelves: Shelves) -> None:
    (shelves.spare / "bad.npz").write_bytes(b"PK\x03\x04")
    answer = client.get("/dlmviz/export/bad.html")
    assert answer.status_code == 422
    assert "cannot open" in answer.json()["problem"]
    assert str(shelves.spare) not in answer.json()["problem"]


def test_parquet_is_offered_only_where_it_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None)
    assert "parquet" not in export.kinds()
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: object())
    assert "parquet" in export.kinds()


def test_parquet_without_its_package_says_what_to_install(
    client: TestClient, shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = store.put(shelves.store, three_steps())
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None)
    answer = client.get(f"/dlmviz/export/{identity}.parquet")
    assert answer.status_code == 404
    assert "pip install pyarrow" in answer.json()["problem"]


def test_parquet_holds_the_table_and_the_settings() -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow, an extra, is not installed")
    trace = taken_back(hostile())
    media, body = export.made(trace, "x", "parquet")
    made = parquet.read_table(io.BytesIO(body))
    assert media == "application/vnd.apache.parquet"
    assert made.to_pylist() == export.table(trace)
    assert [str(kind) for kind in made.schema.types] == [
        *("int32", "int32", "string", "int32", "float", "float", "string")
    ]
    told = json.loads(made.schema.metadata[b"dlmviz"])
    assert told["spec"]["prompt"] == told["text"] == HOSTILE


def test_the_notebook_cell_opens_the_trace_and_says_nothing_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = export.cell("0123456789abcdef")
    ast.parse(code)
    store.save(three_steps(), tmp_path / "dlmviz-0123456789abcdef.npz")
    monkeypatch.chdir(tmp_path)
    shown: list[object] = []
    module = types.SimpleNamespace(display=shown.append)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(display=module))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    exec(code, {})
    assert capsys.readouterr().out.splitlines() == [
        "   0  '░░░░'",
        "   1  '░ cat░<eos>'",
        "   2  'the cat░<eos>'",
        "   3  'the cat sat<eos>'",
    ]
    assert len(shown) == 1


class Elements(HTMLParser):
    """Tags of a page, its scripts' texts, and what it links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.texts: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.links += [v or "" for k, v in attrs if k in ("src", "href", "action", "data")]
        self.last = given.get("type") or given.get("id") or tag

    def handle_data(self, data: str) -> None:
        if self.tags and data.strip():
            self.texts[self.last] = data


def test_nothing_in_a_run_becomes_markup_of_its_page() -> None:
    tame, wild = (Elements(export.standalone(t, "x")) for t in (three_steps(), hostile()))
    assert wild.tags == tame.tags
    assert wild.links == []
    run = json.loads(wild.texts["application/json"])
    assert run == {**json.loads(payload.dumps(payload.run(hostile()))), "id": "x"}
    assert wild.texts["title"] == " ".join(HOSTILE.split())


def test_the_page_holds_every_module_it_needs_and_asks_nobody() -> None:
    page = Elements(export.standalone(three_steps(), "x"))
    names = bundle.modules(export.START)
    assert {"main.js", "run.js", "store.js", "tokens.js", "dom.js"} <= {*names}
    assert not {"library.js", "shelf.js", "tabs.js"} & {*names}
    script = page.texts["module"]
    assert script == bundle.script(export.START, ("en",))
    assert "import(" not in script
    style = page.texts["style"]
    assert "@import" not in style
    assert {*re.findall(r"url\(\s*[\"']?(.{5})", style)} <= {"data:"}
