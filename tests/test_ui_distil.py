"""The routes of the Train tab, what a form may hold, and what is said of a result; no training."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dlmviz import jobs
from dlmviz.jobs import folder
from dlmviz.jobs.distil.estimate import Estimate
from dlmviz.jobs.distil.recipe import PRESETS, TITLES, Recipe, recipe_of
from dlmviz.learn.distill.settings import Settings
from dlmviz.store.adapters import put_adapter
from dlmviz.types import InputError
from dlmviz.ui import distil, distil_form, distil_result, words
from dlmviz.ui.shelves import Shelves
from tests.test_jobs import HOSTILE, STATES, put, served
from tests.test_store_adapters import FIELDS, adapter
from tests.test_ui_library import OURS

DEMO = distil_form.texts(PRESETS["demo"].to_json())
GAIN = {"task": "lists", "student": 0.9, "base": 0.9}
RIGHT = {"accuracy_student": 0.9375, "accuracy_base": 0.9375}


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    return Shelves(tmp_path / "gallery", tmp_path / "store", tmp_path / "spare")


@pytest.fixture
def client(shelves: Shelves) -> TestClient:
    return TestClient(Starlette(routes=distil.routes(shelves)), headers=OURS)


def start(client: TestClient, title: str = "", **changed: Any) -> Any:
    given = {"preset": "demo", "title": title, "values": DEMO | changed}
    return client.post("/dlmviz/distil/start", json=given)


def look(client: TestClient, job: str = "", cursor: str = "") -> dict[str, Any]:
    found: dict[str, Any] = client.get(
        "/dlmviz/distil/jobs", params={"job": job, "cursor": cursor}
    ).json()
    return found


def finished(client: TestClient, shelves: Shelves, result: Any) -> dict[str, Any]:
    """What the page hears of a job that is done, with this result."""
    identity = start(client).json()["id"]
    put(shelves.store, identity, state="done")
    folder.write(folder.of(shelves.store, identity) / folder.RESULT, result)
    outcome: dict[str, Any] = look(client, identity)["chosen"]["outcome"]
    return outcome


def arm(model: str, threshold: float, accuracy: float, nfe: float) -> dict[str, Any]:
    numbers = {"n": 16, "accuracy": accuracy, "nfe": nfe, "tpf": 64 / nfe}
    return {"task": "lists", "model": model, "threshold": threshold, **numbers}


def test_every_setting_of_a_recipe_has_one_field_and_a_sentence() -> None:
    names = [field.name for field in distil_form.FIELDS]
    outer = {field.name for field in dataclasses.fields(Recipe)} - {"settings"}
    inner = {f"settings.{field.name}" for field in dataclasses.fields(Settings)}
    assert len(names) == len(set(names))
    assert set(names) == outer | inner
    said = words.WORDS["en"]
    assert all({f"distil.field.{name}", f"distil.help.{name}"} <= said.keys() for name in names)
    groups = {field.group for field in distil_form.FIELDS} - {"", "more"}
    assert all(f"distil.group.{group}" in said for group in groups)


def test_presets_are_called_on_the_page_what_they_are_called_in_a_shell() -> None:
    said = {name: words.say(f"distil.preset.{name}") for name in PRESETS}
    assert said == TITLES


@pytest.mark.parametrize("name", ["demo", "built-in"])
def test_a_preset_survives_its_form(name: str, tmp_path: Path) -> None:
    values = json.loads(json.dumps(distil_form.texts(PRESETS[name].to_json())))
    assert distil_form.recipe(values, tmp_path) == PRESETS[name]


def test_the_form_of_the_page_needs_neither_torch_nor_transformers() -> None:
    code = (
        "import sys; from dlmviz.ui import distil, distil_form; distil_form.form(); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'peft')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("changed", "field", "problem"),
    [
        ({"count": "0"}, "count", "count must be a whole number from 1 to 100000: got 0"),
        ({"count": "ten"}, "count", "count must be a whole number: got 'ten'; try 2000"),
        ({"count": ""}, "count", "count must be a whole number: got ''"),
        ({"settings.steps": "4.5"}, "settings.steps", "steps must be a whole number: got '4.5'"),
        ({"settings.steps": "0"}, "settings.steps", "steps must be at least 1"),
        ({"settings.batch": "0"}, "settings.batch", "batch must be at least 1"),
        ({"batch": "0"}, "batch", "batch must be a whole number from 1"),
        ({"settings.lr": "1,5"}, "settings.lr", "lr must be a number: got '1,5'"),
        ({"settings.lr": "nan"}, "settings.lr", "lr must be above 0: got nan"),
        ({"settings.scope": "all"}, "settings.scope", "scope must be masks or block"),
        ({"thresholds": "0.9, high"}, "thresholds", "thresholds must be a number: got 'high'"),
        ({"thresholds": "0.9, 9"}, "thresholds", "a threshold lies in 0..1: got 9.0"),
        ({"tau": "2"}, "tau", "a threshold lies in 0..1: got 2.0"),
        ({"tasks": ["list"]}, "tasks", "unknown task 'list'"),
        ({"tasks": []}, "prompts", "prompts come from tasks or from a file"),
        ({"model": " "}, "model", "the model is empty"),
        ({"scorer": "psd"}, "scorer", "scorer must be one of"),
        ({"tasks": [], "prompts": "a.jsonl"}, "gen_length", "gen_length must be given"),
        (
            {"tasks": [], "prompts": "no/where.jsonl", "gen_length": "64"},
            "prompts",
            "the prompts in where.jsonl cannot be read",
        ),
        ({HOSTILE: "1"}, "", "the form has no field"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_field_and_starts_nothing(
    client: TestClient, shelves: Shelves, changed: dict[str, Any], field: str, problem: str
) -> None:
    answer = start(client, **changed)
    assert answer.status_code == 422
    assert problem in answer.json()["problem"]
    assert answer.json()["field"] == field
    assert jobs.jobs(shelves.store) == []


@pytest.mark.parametrize(
    "body", [{}, {"preset": "best", "values": DEMO}, {"preset": "demo", "values": 3}]
)
def test_a_request_without_a_form_is_refused(client: TestClient, body: Any) -> None:
    for route in ("start", "estimate"):
        answer = client.post(f"/dlmviz/distil/{route}", json=body)
        assert (answer.status_code, answer.json()["field"]) == (422, "")
        assert "holds no form" in answer.json()["problem"]


def test_a_form_becomes_a_job_with_exactly_its_recipe(client: TestClient, shelves: Shelves) -> None:
    identity = start(client, "mine", count="12", thresholds="0.9, 0.5, 0.9").json()["id"]
    job = jobs.job(shelves.store, identity)
    demo = PRESETS["demo"]
    assert recipe_of(job.settings) == dataclasses.replace(demo, count=12, thresholds=(0.9, 0.5))
    assert (job.kind, job.title, job.state) == ("distil", "mine", "queued")
    assert jobs.job(shelves.store, start(client).json()["id"]).title == "A minute on a laptop"


def test_a_look_tells_all_jobs_and_goes_on_from_the_cursor(
    client: TestClient, shelves: Shelves
) -> None:
    empty = look(client)
    assert (empty["jobs"], empty["open"], empty["chosen"]) == ([], False, None)
    assert not shelves.store.exists()
    first, second = (start(client, name).json()["id"] for name in ("one", "two"))
    curve = folder.of(shelves.store, first) / folder.CURVE
    curve.write_text('{"step": 1, "loss": 2.5}\n{"step": 2, "loss": NaN}\n{"step": 3')
    told = look(client, first)
    assert [row["id"] for row in told["jobs"]] == [second, first]
    demo = PRESETS["demo"]
    about = {"model": demo.model, "source": demo.tasks[0], "steps": str(demo.settings.steps)}
    about["count"] = str(demo.count)
    assert told["jobs"][1]["about"] == about
    assert told["open"]
    assert told["chosen"]["rows"] == [{"step": 1, "loss": 2.5}, {"step": 2, "loss": None}]
    cursor = told["chosen"]["cursor"]
    assert look(client, first, cursor)["chosen"]["rows"] == []
    with curve.open("a") as file:
        file.write(', "loss": 1}\n')
    assert look(client, first, cursor)["chosen"]["rows"] == [{"step": 3, "loss": 1}]
    curve.write_text('{"step": 1, "loss": 9}\n')
    chosen = look(client, first, cursor)["chosen"]
    assert (chosen["anew"], chosen["rows"]) == (True, [{"step": 1, "loss": 9}])
    for unknown in ("", "abcdef12", "../../etc"):
        assert look(client, unknown)["chosen"] is None


def test_progress_time_left_and_reasons_reach_the_page_without_folders(
    client: TestClient, shelves: Shelves
) -> None:
    identity = start(client).json()["id"]
    assert look(client)["jobs"][0]["note"] == distil.STARTING
    put(shelves.store, identity, state="running", stage="training", unit="steps", done=10)
    put(shelves.store, identity, total=30, began=100.0, updated=120.0)
    with served(shelves.store):
        row = look(client)["jobs"][0]
    assert (row["eta"], row["note"], row["allowed"]) == (40.0, "", ["stop"])
    put(shelves.store, identity, state="failed", problem="no room for /home/me/store/x; free some")
    row = look(client)["jobs"][0]
    assert row["problem"] == "no room for x; free some"
    assert not look(client)["open"]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("verb", ["stop", "resume", "retry", "delete", "explode"])
def test_a_verb_does_what_its_state_allows_or_says_why_not(
    client: TestClient, shelves: Shelves, state: str, verb: str
) -> None:
    identity = start(client).json()["id"]
    with served(shelves.store):
        put(shelves.store, identity, state=state)
        answer = client.post(f"/dlmviz/distil/{identity}/{verb}")
        left = {job.id: job.state for job in jobs.jobs(shelves.store)}
    if verb not in jobs.allowed(state):
        assert answer.status_code == 422
        assert "cannot" in answer.json()["problem"]
        assert left == {identity: state}
    elif verb == "retry":
        assert left == {identity: state, answer.json()["id"]: "queued"}
    else:
        after = {"stop": "stopping" if state == "running" else "stopped", "resume": "queued"}
        assert left == ({} if verb == "delete" else {identity: after[verb]})


def test_a_job_whose_process_is_just_ending_is_deleted_once_it_has(
    client: TestClient, shelves: Shelves
) -> None:
    identity = start(client).json()["id"]
    put(shelves.store, identity, state="failed")
    holder = folder.lock_of(shelves.store, identity)
    code = (
        "import sys; from pathlib import Path; from dlmviz.jobs import lock; "
        f"kept = lock.take(Path({str(holder)!r})); print(1, flush=True); sys.stdin.readline()"
    )
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        threading.Timer(0.2, lambda: process.communicate("\n")).start()
        assert client.post(f"/dlmviz/distil/{identity}/delete").status_code == 200
    assert jobs.jobs(shelves.store) == []


def test_hostile_titles_and_settings_are_only_text(client: TestClient, shelves: Shelves) -> None:
    identity = start(client, HOSTILE, model=HOSTILE).json()["id"]
    told = look(client, identity)
    assert told["jobs"][0]["title"] == HOSTILE
    assert told["chosen"]["values"]["model"] == HOSTILE
    edited = {"settings": [3], "tasks": {"a": 1}, "count": None, "model": ["x"] * 900}
    other = jobs.submit(shelves.store, "distil", "edited", edited)
    assert look(client, other)["chosen"]["values"]["tasks"] == []
    assert len(look(client, other)["chosen"]["values"]["model"]) <= distil_form.LONGEST


def test_other_pages_start_and_steer_nothing(shelves: Shelves) -> None:
    client = TestClient(
        Starlette(routes=distil.routes(shelves)), headers={"Origin": "http://evil.example"}
    )
    assert start(client).status_code == 403
    for path in ("estimate", "prompts?name=a.jsonl", "abcdef12/stop"):
        assert client.post(f"/dlmviz/distil/{path}").status_code == 403
    assert not shelves.store.exists()
    assert client.get("/dlmviz/distil/start").status_code == 405


def test_an_estimate_is_told_with_its_parts_and_one_is_made_at_a_time(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"preset": "demo", "values": DEMO}
    inner: list[Any] = []

    def made(recipe: Recipe, over: threading.Event) -> Estimate:
        assert recipe == PRESETS["demo"]
        if not inner:
            inner.append(client.post("/dlmviz/distil/estimate", json=body))
        return Estimate(1.0, 20.0, 3.0, 2**30, "cpu")

    monkeypatch.setattr(distil, "estimated", made)
    told = client.post("/dlmviz/distil/estimate", json=body).json()
    assert (told["seconds"], told["memory"], told["busy"]) == (24.0, 2**30, False)
    assert "another estimate is being made" in inner[0].json()["problem"]
    start(client)
    assert client.post("/dlmviz/distil/estimate", json=body).json()["busy"]


def test_an_estimate_that_fails_says_why_and_lets_the_next_one_begin(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(recipe: Recipe, over: threading.Event) -> Estimate:
        raise InputError("the model /home/me/models/x cannot be distilled; take tiny")

    monkeypatch.setattr(distil, "estimated", refused)
    for _ in range(2):
        answer = client.post("/dlmviz/distil/estimate", json={"preset": "demo", "values": DEMO})
        assert answer.json()["problem"] == "the model x cannot be distilled; take tiny"


def test_a_dropped_file_is_read_at_once_and_can_be_learned_from(
    client: TestClient, shelves: Shelves
) -> None:
    text = "".join(json.dumps({"prompt": f"q{i}"}) + "\n" for i in range(30))
    name = "../../my file\n.jsonl"
    told = client.post("/dlmviz/distil/prompts", params={"name": name}, content=text).json()
    assert told["count"] == 30
    assert (shelves.store / told["path"]).read_text() == text
    assert told["path"].startswith("prompts/")
    assert told["path"].endswith("/my-file-.jsonl")
    values = {"tasks": [], "prompts": told["path"], "gen_length": "64", "held": "4"}
    identity = start(client, **values).json()["id"]
    where = jobs.job(shelves.store, identity).settings["prompts"]
    assert Path(where) == (shelves.store / told["path"]).absolute()
    answer = start(client, **{**values, "held": "30"})
    assert answer.json()["field"] == "prompts"
    assert "holds 30 prompts, but 30 are to be held out" in answer.json()["problem"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"prompt": "a"}\n{"prompt" 1}', "line 2 of p.jsonl is not JSON"),
        (b"", "p.jsonl holds no prompt"),
        (b"\xff\xfe\x00", "p.jsonl cannot be read"),
        (b"x" * 101, "over 0 MB"),
    ],
)
def test_a_dropped_file_that_cannot_be_used_is_refused_and_not_kept(
    client: TestClient, shelves: Shelves, monkeypatch: Any, body: bytes, problem: str
) -> None:
    monkeypatch.setattr(distil, "LARGEST", 100)
    answer = client.post("/dlmviz/distil/prompts", params={"name": "p.jsonl"}, content=body)
    assert answer.status_code == 422
    assert problem in answer.json()["problem"]
    assert not (shelves.store / "prompts").exists()


@pytest.mark.parametrize(
    ("ratio", "low", "high", "verdict", "way", "numbers"),
    [
        (1.04, 0.98, 1.1, "same", "fewer", [1.04, 0.98, 1.1]),
        (1.3, 1.2, 1.4, "faster", "fewer", [1.3, 1.2, 1.4]),
        (1.3, 1.0, 1.4, "same", "fewer", [1.3, 1.0, 1.4]),
        (0.8, 0.5, 0.8, "slower", "more", [1.25, 1.25, 2.0]),
        (0.8, 0.5, 1.0, "same", "more", [1.25, 1.0, 2.0]),
        (1.0, 1.0, 1.0, "same", "as", [1.0, 1.0, 1.0]),
    ],
)
def test_a_gain_is_one_only_if_its_interval_leaves_one_out(
    ratio: float, low: float, high: float, verdict: str, way: str, numbers: list[float]
) -> None:
    told = distil_result.judged({**GAIN, **RIGHT, "ratio": ratio, "low": low, "high": high}, 16)
    assert (told["verdict"], told["way"], told["n"], told["at"]) == (verdict, way, 16, 0.9)
    assert [told[name] for name in ("ratio", "low", "high")] == pytest.approx(numbers)
    assert (told["right"], told["base"]) == (93.75, 93.75)
    assert {f"distil.gain.{verdict}", f"distil.gain.{way}"} <= words.WORDS["en"].keys()


def test_a_speed_without_right_answers_is_no_gain() -> None:
    gain = {**GAIN, "accuracy_student": 0, "accuracy_base": 0, "ratio": 2, "low": 2, "high": 2}
    assert distil_result.judged(gain, 2) == {"verdict": "none", "n": 2}


def test_a_result_shows_base_against_student_gains_and_the_adapter(
    client: TestClient, shelves: Shelves, tmp_path: Path
) -> None:
    card = put_adapter(shelves.store, adapter(tmp_path / "made"), FIELDS)
    arms = [arm("base", 0.9, 0.9, 8), arm("student", 0.9, 0.9, 4)]
    arms += [arm("base", 0.5, 0.2, 4), arm("student", 0.5, 0.95, 4)]
    gain = {**GAIN, **RIGHT, "ratio": 2.0, "low": 1.5, "high": 2.5}
    sample = {"prompt": HOSTILE, "gen_length": 64, "block_length": 32}
    result = {"kl": 0.1, "scores": arms, "gains": [gain], "adapter": card.id, "sample": sample}
    told = finished(client, shelves, result)
    numbers = [
        (row["threshold"], row["base"]["nfe"], row["student"]["nfe"]) for row in told["scores"]
    ]
    assert numbers == [(0.9, 8, 4), (0.5, 4, 4)]
    assert told["scores"][0]["base"] == {"n": 16, "accuracy": 0.9, "nfe": 8, "tpf": 8}
    assert [gain["verdict"] for gain in told["gains"]] == ["faster", "better"]
    assert told["adapter"]["id"] == card.id
    assert told["folder"] == str(shelves.store / "adapters" / card.id)
    assert told["sample"] == sample


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"kl": 1, "scores": [], "gains": []},
        {"kl": 1, "scores": [3], "gains": [], "adapter": None},
        {"kl": 1, "scores": [arm("base", 0.9, 1, 1) | {"nfe": "x"}], "gains": [], "adapter": None},
        {"kl": 1, "scores": 7, "gains": [], "adapter": "a"},
    ],
)
def test_a_result_that_somebody_edited_is_a_sentence(
    client: TestClient, shelves: Shelves, result: Any
) -> None:
    assert finished(client, shelves, result) == {"problem": distil_result.DAMAGED}


def test_a_job_without_an_adapter_says_where_its_model_is_and_a_lost_adapter_nothing(
    client: TestClient, shelves: Shelves
) -> None:
    plain: dict[str, Any] = {"kl": None, "scores": [], "gains": [], "adapter": None}
    told = finished(client, shelves, plain)
    assert (told["adapter"], Path(told["folder"]).name) == (None, "model")
    told = finished(client, shelves, plain | {"adapter": "0123456789abcdef"})
    assert (told["adapter"], told["folder"]) == (None, None)
