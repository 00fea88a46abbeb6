"""A distillation job: recipe, prompts, stages, and what it leaves."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from dlmviz import cli
from dlmviz.jobs.distil import command, estimate, job
from dlmviz.jobs.distil.estimate import estimated
from dlmviz.jobs.distil.prompts import collected
from dlmviz.jobs.distil.recipe import PRESETS, Recipe, recipe_of
from dlmviz.jobs.distil.scoring import gains, knobs
from dlmviz.jobs.work import Stopped, Work
from dlmviz.learn.distill.settings import Settings
from dlmviz.models import load
from dlmviz.store.adapters import cards
from dlmviz.types import InputError

SMALL = Recipe(
    model="tiny-early",
    tasks=("pairs", "lists"),
    count=6,
    held=2,
    gen_length=32,
    batch=8,
    settings=Settings(steps=4, batch=2, lr=1e-3, rank=2, alpha=2, save=2),
    scored=2,
    thresholds=(0.9, 0.5),
)


def work_in(store: Path, recipe: Recipe = SMALL) -> Work:
    folder = store / "jobs" / "a1"
    folder.mkdir(parents=True, exist_ok=True)
    return Work(folder, json.loads(json.dumps(recipe.to_json())), "cpu")


def rows(work: Work) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (work.folder / "curve.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Work, dict[str, Any]]:
    store = tmp_path_factory.mktemp("store")
    work = work_in(store)
    return store, work, job.run(work)


@pytest.mark.slow
def test_a_job_leaves_curves_scores_an_adapter_and_its_card(
    done: tuple[Path, Work, dict[str, Any]],
) -> None:
    store, work, told = done
    assert [row["step"] for row in rows(work) if "loss" in row] == [1, 2, 3, 4]
    assert [row["step"] for row in rows(work) if "held" in row] == [0, 2, 4]
    ((folder, card),) = cards(store / "adapters")
    assert card.id == told["adapter"]
    assert card.final_kl == told["kl"] == rows(work)[-1]["held"]
    assert recipe_of(card.job) == SMALL
    assert card.base_fingerprint == load("tiny-early").fingerprint
    arms = {(row["task"], row["model"], row["threshold"]) for row in card.scores}
    assert len(arms) == 2 * 2 * 2
    assert all(row["n"] == 2 and row["nfe"] > 0 for row in card.scores)
    assert load("tiny-early", str(folder)).fingerprint != card.base_fingerprint
    first = collected(SMALL).scored[0]
    sample = {"prompt": first.prompt, "gen_length": 32, "block_length": 32}
    assert first.example is not None
    assert told["sample"] == sample | {"example": dataclasses.asdict(first.example)}


@pytest.mark.slow
def test_a_second_run_makes_no_answer_and_no_score_again(
    done: tuple[Path, Work, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _, told = done

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("nothing is decoded twice")
        yield

    monkeypatch.setattr("dlmviz.learn.distill.answers.decode_many", never)
    monkeypatch.setattr("dlmviz.learn.assess.decode_many", never)
    assert job.run(work_in(store))["scores"] == told["scores"]


@pytest.mark.slow
@pytest.mark.parametrize("after", ["answers", "training", "evaluation"])
def test_a_job_that_is_stopped_in_any_stage_goes_on_to_the_same_end(
    tmp_path: Path, done: tuple[Path, Work, dict[str, Any]], after: str
) -> None:
    recipe = dataclasses.replace(SMALL, thresholds=(0.9,))  # the training is the same
    work = work_in(tmp_path, recipe)
    progress = work.progress

    def stop(count: int) -> None:
        progress(count)
        if work.told.stage == after and count >= 1:
            work.ask("person")

    work.progress = stop  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        job.run(work)
    again = job.run(work_in(tmp_path, recipe))
    assert again["kl"] == pytest.approx(done[2]["kl"], rel=1e-5)
    assert [row["step"] for row in rows(work) if "loss" in row] == [1, 2, 3, 4]


def test_no_prompt_is_learned_from_and_scored_or_held_out() -> None:
    found = collected(dataclasses.replace(SMALL, count=200, held=50, scored=40))
    lists = [[one.prompt for one in part] for part in (found.learned, found.held, found.scored)]
    assert [len(part) for part in lists] == [200, 50, 80]
    assert len(set().union(*lists)) == 330
    tasks = [one.example.task for one in found.scored if one.example]
    assert tasks.count("pairs") == tasks.count("lists") == 40


def test_prompts_of_a_file_are_split_and_none_is_scored(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps({"question": f"q{i}"}) + "\n" for i in range(10)))
    recipe = Recipe(tasks=(), prompts=str(path), count=6, held=2, gen_length=32)
    found = collected(recipe)
    assert [one.prompt for one in found.learned] == [f"q{i}" for i in range(6)]
    assert [one.prompt for one in found.held] == ["q6", "q7"]
    assert found.scored == ()
    with pytest.raises(InputError, match="holds 10 prompts, but 10 are to be held out"):
        collected(dataclasses.replace(recipe, held=10))


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"tasks": []}, "from tasks or from a file"),
        ({"prompts": "a.jsonl"}, "from tasks or from a file"),
        ({"tasks": [], "prompts": "a.jsonl"}, "gen_length must be given"),
        ({"count": 0}, "count must be"),
        ({"count": "many"}, "count must be"),
        ({"gen_length": -1}, "gen_length must be"),
        ({"block_length": 0}, "block_length must be"),
        ({"batch": 0}, "batch must be"),
        ({"scorer": "psd"}, "scorer must be one of"),
        ({"thresholds": [2]}, "a threshold lies in"),
        ({"precision": "fp8"}, "precision must be"),
        ({"speed": 3}, "has no setting speed"),
        ({"settings": {"rank": -1}}, "rank must be"),
        ({"settings": {"depth": 1}}, "has no setting depth"),
        ({"settings": 3}, "settings must be an object"),
        ({"settings": {"steps": "ten"}}, "wrong kind"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(wrong: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        recipe_of(wrong)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(name: str) -> None:
    preset = PRESETS[name]
    assert recipe_of(json.loads(json.dumps(preset.to_json()))) == preset


@pytest.mark.parametrize("model", ["exact", "nowhere"])
def test_a_model_that_cannot_be_adapted_fails_with_a_sentence(tmp_path: Path, model: str) -> None:
    with pytest.raises(InputError, match=r"cannot be distilled|no model or folder"):
        job.run(work_in(tmp_path, dataclasses.replace(SMALL, model=model)))


def test_a_task_with_too_few_prompts_says_so() -> None:
    with pytest.raises(InputError, match="the task mrf has too few prompts"):
        collected(dataclasses.replace(SMALL, tasks=("mrf",), count=90_000))


def test_slow_fast_keeps_the_ratio_of_its_published_thresholds() -> None:
    assert knobs("slow_fast", 0.7) == {"tau_low": 0.7, "tau_high": pytest.approx(0.9)}
    assert knobs("fast_dllm", 0.7) == {"tau": 0.7}


def test_gains_are_worked_out_task_by_task() -> None:
    def row(task: str, model: str, nfe: int) -> dict[str, Any]:
        told = {"right": [1, 0], "forwards": [nfe, nfe], "tokens": [5, 5]}
        return {"task": task, "model": model, "threshold": 0.9, **told}

    found = gains([row("a", "base", 8), row("a", "student", 4), row("b", "base", 3)])
    assert [(gain["task"], gain["ratio"]) for gain in found] == [("a", 2.0)]


def recipe_by(*flags: str) -> Recipe:
    return command.chosen(cli.parser().parse_args(["distill", *flags]))


def test_flags_change_what_the_preset_says_in_the_types_it_has() -> None:
    assert recipe_by() == PRESETS["demo"]
    changed = recipe_by("--model", "tiny", "--tasks", "pairs,mrf", "--set", "lr=1e-3")
    assert (changed.model, changed.tasks, changed.settings.lr) == ("tiny", ("pairs", "mrf"), 1e-3)
    more = recipe_by("--set", "thresholds=0.9,0.6", "--set", "eos=true", "--set", "count=7")
    assert (more.thresholds, more.settings.eos, more.count) == ((0.9, 0.6), True, 7)
    assert recipe_by("--prompts", "p.jsonl").gen_length == 128


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--set", "speed=3"], "there is no setting 'speed'"),
        (["--set", "tasks=lists"], "there is no setting 'tasks'"),
        (["--set", "steps"], "must be NAME=VALUE"),
        (["--set", "steps=ten"], "steps cannot be 'ten': it is a int"),
        (["--set", "eos=maybe"], "eos cannot be 'maybe'"),
        (["--tasks", "list"], "unknown task 'list'.*did you mean 'lists'"),
        (["--preset", "best"], "invalid choice"),
    ],
)
def test_flags_that_make_no_sense_are_refused(flags: list[str], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        collected(recipe_by(*flags))


@pytest.mark.slow
def test_an_estimate_comes_from_real_steps_in_another_process() -> None:
    told = estimated(SMALL)
    assert told.device.startswith(("cpu", "cuda"))
    assert told.training > 0
    assert told.answers > 0
    assert told.evaluation > 0
    assert 2**27 < told.memory < 2**36


def test_the_problem_of_an_estimate_is_raised_where_it_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def here(command: list[str], _: Any) -> tuple[str, str]:
        return json.dumps(estimate.main(command[-1])), ""  # as in the other process

    monkeypatch.setattr(estimate, "_ended", here)
    with pytest.raises(InputError, match="cannot be distilled"):
        estimated(dataclasses.replace(SMALL, model="exact"))


def test_an_estimate_that_nobody_wants_any_more_ends_with_its_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[subprocess.Popen[str]] = []
    original = subprocess.Popen

    def kept(*args: Any, **words: Any) -> Any:
        started.append(original(*args, **words))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", kept)
    over = threading.Event()
    over.set()
    with pytest.raises(InputError, match="was cancelled"):
        estimated(SMALL, over)
    assert [process.returncode for process in started] == [-signal.SIGKILL]


@pytest.mark.slow
def test_the_command_follows_a_job_to_its_end(tmp_path: Path, capsys: Any) -> None:
    small = ["count=4", "held=2", "steps=2", "scored=1", "thresholds=0.9", "save=1", "rank=2"]
    flags = [flag for pair in small for flag in ("--set", pair)]
    store = str(tmp_path / "runs")
    assert cli.main(["distill", *flags, "--store", store]) == 0
    told = capsys.readouterr().out
    assert "training" in told
    assert "held" in told
    assert "accuracy" in told
    ((_, card),) = cards(tmp_path / "runs" / "adapters")
    assert card.base_model == "tiny-early"
    assert cli.main(["distill", "--model", "exact", "--store", store]) == 2
    assert "cannot be distilled" in capsys.readouterr().err
