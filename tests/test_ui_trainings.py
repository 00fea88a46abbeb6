"""What the Train tab can start: forms of heads, what they refuse, and what is said of a result."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dlmviz import jobs
from dlmviz.jobs import folder
from dlmviz.jobs.codila import recipe as codila
from dlmviz.jobs.demask import recipe as demask
from dlmviz.jobs.demask.recipe import PRESETS, recipe_of
from dlmviz.ui import distil, distil_result, words
from dlmviz.ui.distil_form import Unfit
from dlmviz.ui.shelves import Shelves
from dlmviz.ui.trainings import TRAININGS, forms
from tests.test_jobs import HOSTILE, put
from tests.test_ui_library import OURS

DEMO = TRAININGS["demask"].texts(PRESETS["demo"].to_json())
HEADS = [("demask", demask), ("codila", codila)]
SCORE = {"pairs": 4468, "mae": 0.002, "constant_mae": 0.004, "spearman": None, "trusted": 0.999}


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    return Shelves(tmp_path / "gallery", tmp_path / "store", tmp_path / "spare")


@pytest.fixture
def client(shelves: Shelves) -> TestClient:
    return TestClient(Starlette(routes=distil.routes(shelves)), headers=OURS)


def start(client: TestClient, title: str = "", **changed: Any) -> Any:
    given = {"kind": "demask", "preset": "demo", "title": title, "values": {**DEMO, **changed}}
    return client.post("/dlmviz/distil/start", json=given)


def look(client: TestClient, identity: str = "") -> dict[str, Any]:
    told: dict[str, Any] = client.get("/dlmviz/distil/jobs", params={"job": identity}).json()
    return told


def finished(client: TestClient, shelves: Shelves, result: Any) -> tuple[str, dict[str, Any]]:
    """(id, what the page hears) of a job that is done, with this result."""
    identity = start(client).json()["id"]
    put(shelves.store, identity, state="done")
    folder.write(folder.of(shelves.store, identity) / folder.RESULT, result)
    return identity, look(client, identity)["chosen"]["outcome"]


def test_every_kind_of_training_is_a_kind_of_job_with_a_name_in_the_pages_words() -> None:
    assert TRAININGS.keys() <= jobs.KINDS.keys()
    for name, one in TRAININGS.items():
        assert {f"train.kind.{name}", f"train.about.{name}"} <= words.WORDS["en"].keys()
        said = {preset: words.say(f"{name}.preset.{preset}") for preset in one.titles}
        assert said == one.titles
        assert all(f"distil.stage.{stage}" in words.WORDS["en"] for stage in one.stages)


@pytest.mark.parametrize(("name", "recipes"), HEADS)
def test_every_setting_of_a_head_has_one_field_and_a_sentence(name: str, recipes: Any) -> None:
    (form,) = (kind for kind in forms()["kinds"] if kind["name"] == name)
    names = [field["name"] for field in form["fields"]]
    recipe = recipes.Recipe()
    outer = {field.name for field in dataclasses.fields(recipe)} - {"fit"}
    assert len(names) == len(set(names))
    assert set(names) == outer | {f"fit.{field.name}" for field in dataclasses.fields(recipe.fit)}
    said = words.WORDS["en"]
    for part in ("field", "help"):
        assert all(f"{name}.{part}.{n}" in said or f"distil.{part}.{n}" in said for n in names)
    assert (form["estimate"], form["files"]) == (False, False)


@pytest.mark.parametrize(("name", "recipes"), HEADS)
def test_a_preset_of_a_head_survives_its_form(name: str, recipes: Any, tmp_path: Path) -> None:
    training = TRAININGS[name]
    for preset in recipes.PRESETS.values():
        values = json.loads(json.dumps(training.texts(preset.to_json())))
        assert training.recipe(values, tmp_path) == preset


@pytest.mark.parametrize(
    ("changed", "field", "problem"),
    [
        ({"count": "0"}, "count", "count must be a whole number from 1"),
        ({"batch": "0"}, "batch", "batch must be a whole number from 1"),
        ({"fit.batch": "0"}, "fit.batch", "batch must be at least 1"),
        ({"fit.epochs": "many"}, "fit.epochs", "epochs must be a whole number: got 'many'"),
        ({"fit.lr": "nan"}, "fit.lr", "lr must be above 0"),
        ({"fit.lr": "1,5"}, "fit.lr", "lr must be a number"),
        ({"tau": "2"}, "tau", "tau must lie in 0..1"),
        ({"tasks": ["list"]}, "tasks", "unknown task 'list'"),
        ({"tasks": []}, "", "no task is given"),
        ({"model": " "}, "model", "the model is empty"),
        ({HOSTILE: "1"}, "", "the form has no field"),
    ],
)
def test_a_value_that_does_not_fit_a_head_is_refused_with_its_field(
    client: TestClient, shelves: Shelves, changed: dict[str, Any], field: str, problem: str
) -> None:
    answer = start(client, **changed)
    assert answer.status_code == 422
    assert problem in answer.json()["problem"]
    assert answer.json()["field"] == field
    assert jobs.jobs(shelves.store) == []


def test_a_form_of_a_head_becomes_a_job_of_its_kind_in_the_same_list(
    client: TestClient, shelves: Shelves
) -> None:
    identity = start(client, count="12", **{"fit.epochs": "5"}).json()["id"]
    job = jobs.job(shelves.store, identity)
    demo = PRESETS["demo"]
    fit = dataclasses.replace(demo.fit, epochs=5)
    assert recipe_of(job.settings) == dataclasses.replace(demo, count=12, fit=fit)
    assert (job.kind, job.title) == ("demask", "Two minutes on a laptop")
    told = look(client, identity)
    assert told["jobs"][0]["kind"] == "demask"
    assert told["jobs"][0]["about"]["count"] == "12"
    assert told["chosen"]["charts"] == ["loss"]
    assert told["chosen"]["stages"][-2:] == ["fit", "keeping"]
    assert told["chosen"]["steps"] is None
    put(shelves.store, identity, state="running", stage="fit", unit="steps", total=35)
    assert look(client, identity)["chosen"]["steps"] == 35


@pytest.mark.parametrize("kind", ["study", "nothing", ["demask"], None])
def test_what_is_no_training_cannot_be_started_here(client: TestClient, kind: Any) -> None:
    given = {"kind": kind, "preset": "demo", "values": DEMO}
    answer = client.post("/dlmviz/distil/start", json=given)
    assert answer.status_code == 422
    assert "holds no form" in answer.json()["problem"]


def test_what_a_head_costs_cannot_be_measured_beforehand(client: TestClient) -> None:
    given = {"kind": "demask", "preset": "demo", "values": DEMO}
    answer = client.post("/dlmviz/distil/estimate", json=given)
    assert answer.status_code == 422
    assert "cannot be measured beforehand: start it" in answer.json()["problem"]


def test_a_result_shows_the_score_and_where_the_head_is(
    client: TestClient, shelves: Shelves
) -> None:
    result = {"score": SCORE, "states": 112, "parameters": 131073, "head": "/etc"}
    identity, told = finished(client, shelves, result)
    assert (told["score"], told["states"], told["head"]) == (SCORE, 112, None)
    place = shelves.store / "heads" / identity
    place.mkdir(parents=True)
    (place / "head.json").write_text("{}")
    told = look(client, identity)["chosen"]["outcome"]
    assert (told["head"], told["model"]) == (str(place.absolute()), "tiny")
    assert told["task"] == PRESETS["demo"].tasks[0]


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"score": 3},
        {"score": {"mae": "small"}},
        {"score": {}, "states": "many"},
        {"score": [["mae", 1]]},
    ],
)
def test_a_result_of_a_head_that_somebody_edited_is_a_sentence(
    client: TestClient, shelves: Shelves, result: Any
) -> None:
    assert finished(client, shelves, result)[1] == {"problem": distil_result.DAMAGED}


def test_settings_that_somebody_edited_are_only_text(client: TestClient, shelves: Shelves) -> None:
    edited = {"fit": [3], "tasks": {"a": 1}, "count": None, "model": HOSTILE}
    identity = jobs.submit(shelves.store, "demask", HOSTILE, edited)
    told = look(client, identity)
    assert told["jobs"][0]["title"] == HOSTILE
    assert told["chosen"]["values"]["model"] == HOSTILE
    assert told["chosen"]["values"]["tasks"] == []


def test_a_list_of_numbers_is_typed_with_commas(tmp_path: Path) -> None:
    values = TRAININGS["codila"].texts(codila.PRESETS["demo"].to_json())
    made = TRAININGS["codila"].recipe({**values, "fit.sizes": "1, 8,8 "}, tmp_path)
    assert made.fit.sizes == (1, 8, 8)
    for typed, problem in (("8, x", "sizes must be a whole number"), ("", "sizes must be numbers")):
        with pytest.raises(Unfit, match=problem) as refused:
            TRAININGS["codila"].recipe({**values, "fit.sizes": typed}, tmp_path)
        assert refused.value.field == "fit.sizes"


def test_broken_pairs_are_told_of_each_way_of_writing(client: TestClient, shelves: Shelves) -> None:
    ways = {"local": {"broken": 0.01, "nfe": 4.0}, "apart": {"broken": 0.95, "nfe": 4}}
    result = {"score": {}, "texts": 9, "broken": {"prompts": 200, "piece": 8, **ways}}
    told = finished(client, shelves, result)[1]
    assert told["broken"]["ways"][1] == {"way": "apart", "broken": 0.95, "nfe": 4}
    assert (told["broken"]["prompts"], told["texts"]) == (200, 9)
    for edited in ({"local": {}}, [3], {"prompts": "all"}):
        told = finished(client, shelves, result | {"broken": edited})[1]
        assert told == {"problem": distil_result.DAMAGED}
