"""The job that makes a local model: real stages on the built-in model, stopped and resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import dlmviz
from dlmviz.cli import main
from dlmviz.jobs.codila.job import run
from dlmviz.jobs.codila.pairs import COUNTED
from dlmviz.jobs.codila.recipe import PRESETS, Recipe, recipe_of
from dlmviz.jobs.folder import CURVE
from dlmviz.jobs.kinds import KINDS, entry
from dlmviz.jobs.work import Stopped, Work
from dlmviz.learn.codila.settings import Fit
from dlmviz.models.heads import read_note
from dlmviz.types import InputError, RunSpec

FIT = Fit(sizes=(8,), width=16, inner=16, layers=1, heads=2, steps=4, batch=2, every=2)
SMALL = Recipe(tasks=("trivia",), count=4, held=2, pairs=2, fit=FIT)


class Watched(Work):
    """A job that somebody stops at a step of its training, or at the begin of a stage."""

    until: str | int = ""

    def stage(self, name: str, *given: Any, **more: Any) -> None:
        super().stage(name, *given, **more)
        if name == self.until:
            self.ask("person")

    def progress(self, done: int) -> None:
        super().progress(done)
        if self.told.stage == "training" and done == self.until:
            self.ask("person")


def work(store: Path) -> Watched:
    folder = store / "jobs" / "0badcafe"
    folder.mkdir(parents=True, exist_ok=True)
    return Watched(folder, SMALL.to_json(), "cpu")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    store = tmp_path_factory.mktemp("store")
    return store, run(work(store))


def test_a_job_leaves_a_head_that_decodes(made: tuple[Path, dict[str, Any]]) -> None:
    store, told = made
    assert Path(told["head"]) == store / "heads" / "0badcafe"
    assert told["score"]["tokens"] > 0
    assert {*told["broken"]} == {"prompts", "piece", *COUNTED}
    assert all(0 <= told["broken"][name]["broken"] <= 1 for name in ("local", "apart"))
    params = {"head": told["head"], "schedule": "static"}
    spec = RunSpec(prompt="x", gen_length=16, block_length=16, sampler="codila", params=params)
    trace = dlmviz.decode(dlmviz.load("tiny"), spec)
    assert [len(step.positions) for step in trace.steps] == [8, 8]


@pytest.mark.parametrize("when", [3, "pairs, local"])
def test_a_job_that_is_stopped_goes_on_to_the_same_end(
    when: str | int, tmp_path: Path, made: tuple[Path, dict[str, Any]]
) -> None:
    first = work(tmp_path)
    first.until = when
    with pytest.raises(Stopped):
        run(first)
    again = run(work(tmp_path))
    assert {**again, "head": ""} == {**made[1], "head": ""}
    curves = [(s / "jobs" / "0badcafe" / CURVE).read_text() for s in (tmp_path, made[0])]
    assert curves[0] == curves[1]


def test_the_head_is_usable_before_it_is_scored(tmp_path: Path) -> None:
    job = work(tmp_path)
    job.until = "keeping"
    with pytest.raises(Stopped):
        run(job)
    place = tmp_path / "heads" / "0badcafe"
    assert "score" not in read_note(place)["card"]
    params = {"head": str(place), "schedule": "static"}
    spec = RunSpec(prompt="x", gen_length=8, block_length=8, sampler="codila", params=params)
    assert dlmviz.decode(dlmviz.load("tiny"), spec).nfe == 1


def test_the_card_of_a_scored_head_has_its_numbers(made: tuple[Path, dict[str, Any]]) -> None:
    card = read_note(Path(made[1]["head"]))["card"]
    assert card["score"] == made[1]["score"]
    assert card["broken"] == made[1]["broken"]


def test_a_head_is_refused_by_another_model(made: tuple[Path, dict[str, Any]]) -> None:
    params = {"head": made[1]["head"]}
    spec = RunSpec(prompt="x", model="tiny-early", sampler="codila", params=params)
    with pytest.raises(InputError, match=r"trained on the model tiny .* not on tiny-early"):
        dlmviz.decode(dlmviz.load("tiny-early"), spec)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"tasks": []}, "no task is given"),
        ({"count": 0}, "count must be a whole number from 1"),
        ({"pairs": -1}, "pairs must be a whole number from 0"),
        ({"piece": 5}, "piece must be 1, 2, 4, 8, 16 or 32"),
        ({"colour": "red"}, "a local model's training has no setting colour"),
        ({"fit": {"steps": 0}}, "steps must be at least 1"),
        ({"fit": {"width": "x"}}, "wrong kind"),
        ({"fit": []}, "fit must be an object"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(wrong: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        recipe_of(wrong)


def test_presets_come_back_from_their_plain_values_and_the_kind_has_an_entry() -> None:
    for recipe in PRESETS.values():
        assert recipe_of(recipe.to_json()) == recipe
    assert entry(KINDS["codila"]) is run


def test_the_command_submits_what_its_flags_say(tmp_path: Path, capsys: Any) -> None:
    flags = ["--store", str(tmp_path), "--tasks", "pairs", "--set", "count=5", "--set", "lr=0.01"]
    assert main(["train", "codila", "--queue", *flags]) == 0
    assert "queued" in capsys.readouterr().out
    assert main(["train", "codila", "--queue", *flags, "--set", "draws=2"]) == 2
    assert "there is no setting 'draws'" in capsys.readouterr().err
