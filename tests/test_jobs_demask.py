"""The job that makes a predictor: real stages on the built-in model, stopped and resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import dlmviz
from dlmviz.cli import main
from dlmviz.jobs.demask.job import run
from dlmviz.jobs.demask.recipe import PRESETS, Recipe, recipe_of
from dlmviz.jobs.work import Stopped, Work
from dlmviz.learn.demask.settings import Fit
from dlmviz.types import InputError, RunSpec

SMALL = Recipe(
    tasks=("trivia",), count=3, held=2, batch=2, fit=Fit(sources=2, draws=1, key=8, epochs=2)
)


class Watched(Work):
    """A job that somebody stops in a stage."""

    until = ""

    def stage(self, name: str, *given: Any, **more: Any) -> None:
        super().stage(name, *given, **more)
        if self.until and name.startswith(self.until):
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
    assert told["states"] > 0
    assert told["score"]["pairs"] > 0
    spec = RunSpec(
        prompt="What is the capital of France?",
        gen_length=32,
        block_length=32,
        sampler="demask",
        params={"head": told["head"]},
    )
    trace = dlmviz.decode(dlmviz.load("tiny"), spec)
    assert "Paris" in trace.text
    costs = [step.signals["spent"] for step in trace.steps]
    assert all(float(spent[spent == spent].max()) <= 0.1 + 1e-6 for spent in costs)


@pytest.mark.parametrize("stage", ["decodes, learned", "influences, learned", "fit"])
def test_a_job_that_is_stopped_in_any_stage_goes_on_to_the_same_end(
    stage: str, tmp_path: Path, made: tuple[Path, dict[str, Any]]
) -> None:
    first = work(tmp_path)
    first.until = stage
    with pytest.raises(Stopped):
        run(first)
    assert run(work(tmp_path))["score"] == made[1]["score"]


def test_a_head_is_refused_by_another_model(made: tuple[Path, dict[str, Any]]) -> None:
    spec = RunSpec(prompt="x", model="tiny-early", sampler="demask")
    spec = RunSpec(**{**vars(spec), "params": {"head": made[1]["head"]}})
    with pytest.raises(InputError, match=r"trained on the model tiny .* not on tiny-early"):
        dlmviz.decode(dlmviz.load("tiny-early"), spec)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"tasks": []}, "no task is given"),
        ({"count": 0}, "count must be a whole number"),
        ({"tau": 2}, "tau must lie in 0..1"),
        ({"colour": "red"}, "no setting colour"),
        ({"fit": {"draws": 0}}, "draws must be at least 1"),
        ({"fit": {"key": "x"}}, "wrong kind"),
        ({"fit": []}, "fit must be an object"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(wrong: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        recipe_of(wrong)


def test_presets_come_back_from_their_plain_values() -> None:
    for recipe in PRESETS.values():
        assert recipe_of(recipe.to_json()) == recipe


def test_the_command_submits_what_its_flags_say(tmp_path: Path, capsys: Any) -> None:
    flags = ["--store", str(tmp_path), "--tasks", "pairs", "--set", "count=5", "--set", "lr=0.01"]
    assert main(["train", "demask", "--queue", *flags]) == 0
    assert "queued" in capsys.readouterr().out
    assert main(["train", "demask", "--queue", *flags, "--set", "colour=red"]) == 2
    assert "there is no setting 'colour'" in capsys.readouterr().err
