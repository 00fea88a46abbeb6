"""The routes of the Analyse tab: what a form may hold, what is shown of a study; no decoding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dlmviz import jobs
from dlmviz.figures.chart import chart, points
from dlmviz.jobs import folder
from dlmviz.studies import STUDIES
from dlmviz.studies.journal import Entry, append, begin
from dlmviz.studies.report import write
from dlmviz.ui import analyse
from dlmviz.ui.shelves import Shelves
from tests.test_jobs import put
from tests.test_studies import STUDY, Settings
from tests.test_ui_library import OURS


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    return Shelves(tmp_path / "gallery", tmp_path / "store", tmp_path / "spare")


@pytest.fixture
def client(shelves: Shelves) -> TestClient:
    return TestClient(Starlette(routes=analyse.routes(shelves)), headers=OURS)


def start(client: TestClient, study: str = "order", **values: Any) -> Any:
    given = {"study": study, "values": {"tasks": "words", "n": "2", **values}}
    return client.post("/dlmviz/analyse/start", json=given)


def look(client: TestClient, job: str = "") -> dict[str, Any]:
    found: dict[str, Any] = client.get("/dlmviz/analyse/jobs", params={"job": job}).json()
    return found


@pytest.fixture
def finished(client: TestClient, shelves: Shelves) -> tuple[str, Path]:
    """(id, folder) of a study that is done, with 300 rows of which one has no number."""
    identity = start(client).json()["id"]
    place = folder.of(shelves.store, identity) / analyse.FOLDER
    begin(place, {})
    rows = [{"nfe": i, "rho": None if i == 1 else i / 7} for i in range(300)]
    append(place, [Entry("a", "llada", "", rows), Entry("b", "llada", "", problem="no signal")])
    write(STUDY, Settings(), place)
    put(shelves.store, identity, state="done")
    return identity, place


def test_the_form_has_every_study_with_its_settings(client: TestClient) -> None:
    told = client.get("/dlmviz/analyse/form").json()["studies"]
    assert [study["name"] for study in told] == list(STUDIES)
    order = next(study for study in told if study["name"] == "order")
    assert order["question"].endswith("?")
    n = next(field for field in order["fields"] if field["name"] == "n")
    assert (n["value"], n["number"], n["low"], n["high"]) == ("100", True, 1, 5000)
    blocks = next(s for s in told if s["name"] == "segments")["fields"]
    assert next(field for field in blocks if field["name"] == "one_block")["value"] is True


def test_a_study_is_submitted_as_a_job_with_settings_of_their_types(
    client: TestClient, shelves: Shelves
) -> None:
    identity = start(client).json()["id"]
    job = jobs.job(shelves.store, identity)
    assert (job.kind, job.settings["study"], job.settings["keep"]) == ("study", "order", True)
    assert (job.settings["settings"]["n"], job.settings["settings"]["tasks"]) == (2, "words")
    row = look(client, identity)["jobs"][0]
    assert row["about"] == {"study": "order", "model": "tiny", "n": "2", "runs": None}
    assert "report" not in look(client, identity)["chosen"]


def test_a_large_study_does_not_bury_the_library(client: TestClient, shelves: Shelves) -> None:
    for n, kept in (("125", True), ("126", False)):  # two arms
        identity = start(client, n=n, tasks="trivia").json()["id"]
        assert jobs.job(shelves.store, identity).settings["keep"] is kept


@pytest.mark.parametrize(
    ("study", "values", "says"),
    [
        ("ordre", {}, "did you mean order"),
        ("order", {"n": "0"}, "order.n must lie in 1 to 5000: got '0'"),
        ("order", {"tasks": "wrods"}, "did you mean 'words'"),
        ("order", {"arms": "lada"}, "unknown sampler: got 'lada'"),
        ("order", {"m": "1"}, "unknown setting of order"),
    ],
)
def test_what_does_not_fit_is_refused_before_it_is_a_job(
    client: TestClient, study: str, values: dict[str, str], says: str
) -> None:
    told = start(client, study, **values)
    assert told.status_code == 422
    assert says in told.json()["problem"]
    assert look(client)["jobs"] == []


def test_runs_that_exist_are_a_job_that_decodes_nothing(
    client: TestClient, shelves: Shelves
) -> None:
    runs = [f"{i:016x}" for i in range(500)]
    given = {
        "study": "order",
        "values": {},
        "runs": [*runs, runs[0]],
        "refused": [{"name": "b.npz", "problem": "cut"}, {"name": "b.npz", "problem": "no run"}],
    }
    identity = client.post("/dlmviz/analyse/start", json=given).json()["id"]
    settings = jobs.job(shelves.store, identity).settings
    assert (settings["runs"], settings["refused"]) == (runs, [["b.npz", "no run"]])
    assert "keep" not in settings
    told = look(client, identity)
    assert told["jobs"][0]["about"]["runs"] == 500
    assert told["chosen"]["values"] == {}


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        ([], "no runs are chosen; choose some of the Library, or add files"),
        ("0123456789abcdef", "no runs are chosen"),
        (["0123456789abcdef", "../x"], "the Library has no run '../x'; reload the page"),
    ],
)
def test_runs_that_are_none_are_refused(client: TestClient, runs: Any, says: str) -> None:
    given = {"study": "order", "values": {}, "runs": runs}
    told = client.post("/dlmviz/analyse/start", json=given)
    assert (told.status_code, told.json()["problem"][: len(says)]) == (422, says)
    assert look(client)["jobs"] == []


def test_other_pages_and_other_requests_start_nothing(client: TestClient) -> None:
    given = {"study": "order", "values": {}}
    foreign = client.post("/dlmviz/analyse/start", json=given, headers={"origin": "http://evil"})
    assert foreign.status_code == 403
    assert client.post("/dlmviz/analyse/start", json={"study": "order"}).status_code == 422


def test_what_was_found_is_told_with_the_first_rows(
    client: TestClient, finished: tuple[str, Path]
) -> None:
    report = look(client, finished[0])["chosen"]["report"]
    assert report["verdict"] == "300 runs."
    assert report["problems"] == ["b: no signal"]
    assert report["figures"] == [{"title": "Forwards", "file": "forwards.json"}]
    (table,) = report["tables"]
    assert (table["count"], len(table["rows"])) == (300, 200)
    assert table["rows"][1][table["columns"].index("rho")] == ""  # undefined, not 0


def test_a_table_comes_whole_as_csv(client: TestClient, finished: tuple[str, Path]) -> None:
    told = client.get(f"/dlmviz/analyse/{finished[0]}/all_runs.csv")
    assert told.headers["content-type"].startswith("text/csv")
    assert len(told.text.splitlines()) == 301
    assert "attachment" in told.headers["content-disposition"]


def test_a_figure_comes_with_the_looks_of_the_page(
    client: TestClient, finished: tuple[str, Path]
) -> None:
    told = client.get(f"/dlmviz/analyse/{finished[0]}/forwards.json").json()
    assert told["data"][0]["y"] == [2]
    assert told["layout"]["template"] is None
    assert {*told["templates"]} == {"light", "dark"}
    assert told["config"]["showSendToCloud"] is False


@pytest.mark.parametrize(
    "name", ["report.html", "settings.json.part", "..%2Fjob.json", "none.csv", "none.json", "A.csv"]
)
def test_nothing_else_of_the_folder_is_given(
    client: TestClient, finished: tuple[str, Path], name: str
) -> None:
    assert client.get(f"/dlmviz/analyse/{finished[0]}/{name}").status_code == 404
    assert client.get(f"/dlmviz/analyse/ffffffff/{name}").status_code == 404


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"question": 1}', "{}", None, '{"tables": {"a": "../../x.csv"}}', "[" * 5000],
)
def test_a_report_that_somebody_edited_is_a_sentence(
    client: TestClient, finished: tuple[str, Path], text: str | None
) -> None:
    path = finished[1] / "report.json"
    path.unlink() if text is None else path.write_text(text)
    chosen = look(client, finished[0])["chosen"]
    assert "report" not in chosen
    assert "somebody edited it" in chosen["problem"]


def test_a_name_that_leads_out_of_the_folder_is_refused(
    client: TestClient, finished: tuple[str, Path]
) -> None:
    path = finished[1] / "report.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | {"tables": {"a": "../../job.json"}}))
    assert "somebody edited it" in look(client, finished[0])["chosen"]["problem"]


def test_other_kinds_of_jobs_are_not_listed(client: TestClient, shelves: Shelves) -> None:
    jobs.submit(shelves.store, "distil", "x", {})
    assert look(client)["jobs"] == []


def test_text_of_figures_and_tables_is_plain() -> None:
    made = chart([points("<b>x</b>", [1], [2], 0)], "<i>y</i>", "a", "b")
    assert made.data[0].name == "&lt;b&gt;x&lt;/b&gt;"
    assert made.layout.title.text == "&lt;i&gt;y&lt;/i&gt;"
