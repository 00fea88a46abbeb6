"""A job that makes a predictor for DEMASK: decodes, measured influences, fit, score, a head.

Every stage but the short fit leaves files in the job's folder and goes on from them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dlmviz.batch import decode_many
from dlmviz.jobs.demask.recipe import Recipe, recipe_of
from dlmviz.jobs.distil.prompts import HELD_SEED, Asked, drawn
from dlmviz.jobs.train.parts import heed, keep
from dlmviz.jobs.work import Work
from dlmviz.learn.corpus import FIRST_SEED
from dlmviz.learn.demask.predictor import fit, scored
from dlmviz.learn.demask.states import State, canvases, measured
from dlmviz.models import load
from dlmviz.samplers import make
from dlmviz.types import Denoiser, InputError, RunSpec

KIND = "demask"
Parts = Mapping[str, Sequence[Tensor]]  # "learned" and "held" -> canvases


def run(work: Work) -> dict[str, Any]:
    """What the page shows of a finished job. Raises Stopped after it was asked to stop."""
    recipe = recipe_of(work.settings)
    work.stage("loading")
    model = load(recipe.model, device=work.device)
    asked = _prompts(recipe)
    parts = {name: _canvases(work, recipe, model, name, some) for name, some in asked.items()}
    states = {name: _measured(work, recipe, model, name, parts[name]) for name in parts}
    work.stage("fit", unit="steps")
    head = fit(states["learned"], recipe.fit, model.device, _told(work))
    score = scored(head, states["held"], states["learned"])
    told = {"score": dataclasses.asdict(score), "states": len(states["learned"])}
    kept: dict[str, Any] = keep(work, KIND, head, model, {**told, "recipe": recipe.to_json()})
    return kept


def _prompts(recipe: Recipe) -> dict[str, list[Asked]]:
    """Prompts to learn from and held-out ones; no prompt is both."""
    used: set[str] = set()
    held = list(drawn(recipe.tasks, recipe.held, HELD_SEED, used))
    return {"held": held, "learned": list(drawn(recipe.tasks, recipe.count, FIRST_SEED, used))}


def _canvases(
    work: Work, recipe: Recipe, model: Denoiser, name: str, asked: Sequence[Asked]
) -> list[Tensor]:
    """The canvases of the prompts' decodes, made once."""
    path = work.folder / f"canvases-{name}.safetensors"
    if not path.is_file():
        work.stage(f"decodes, {name}", len(asked), "runs")
        specs = [_spec(recipe, one) for one in asked]
        traces = {}
        rule = make("fast_dllm", {"tau": recipe.tau})
        for number, trace in decode_many(model, rule, specs, 32):
            traces[number] = trace
            work.progress(len(traces))
            heed(work)
        found = list(canvases([traces[n] for n in range(len(asked))], recipe.fit.seed))
        _write(path, {f"{number:06d}": canvas for number, canvas in enumerate(found)})
    kept = load_file(path)
    return [kept[key] for key in sorted(kept)]


def _spec(recipe: Recipe, one: Asked) -> RunSpec:
    return RunSpec(
        prompt=one.prompt,
        model=recipe.model,
        gen_length=one.gen_length,
        block_length=one.block_length,
        sampler="fast_dllm",
        params={"tau": recipe.tau},
        stop="eos",
    )


def _measured(
    work: Work, recipe: Recipe, model: Denoiser, name: str, found: Sequence[Tensor]
) -> list[State]:
    """The influences in these canvases; a file each few, so that a stop loses little."""
    folder = work.folder / f"states-{name}"
    folder.mkdir(exist_ok=True)
    work.stage(f"influences, {name}", len(found), "states")
    states: list[State] = []
    for begin in range(0, len(found), recipe.batch):
        path = folder / f"{begin:06d}.safetensors"
        if not path.is_file():
            heed(work)
            rng = torch.Generator().manual_seed(recipe.fit.seed * 1_000_003 + begin)
            made = measured(model, found[begin : begin + recipe.batch], recipe.fit, rng)
            _write(path, dict(_flat(made)))
        states += _states(load_file(path))
        work.progress(len(states))
    return states


def _flat(states: Sequence[State]) -> Iterator[tuple[str, Tensor]]:
    for number, state in enumerate(states):
        for name, tensor in vars(state).items():
            yield f"{number}.{name}", tensor.contiguous()


def _states(kept: Mapping[str, Tensor]) -> list[State]:
    names = [field.name for field in dataclasses.fields(State)]
    count = len(kept) // len(names)
    return [State(**{name: kept[f"{n}.{name}"] for name in names}) for n in range(count)]


def _write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes the file whole or not at all. Raises InputError on a full disk."""
    spare = path.with_suffix(".part")
    try:
        save_file(dict(tensors), spare)
        spare.replace(path)
    except OSError as error:
        spare.unlink(missing_ok=True)
        raise InputError(f"cannot write {path.name}: {error.strerror or error}") from error


def _told(work: Work) -> Any:
    def told(step: int, steps: int, loss: float) -> None:
        if step == 1:
            work.stage("fit", steps, "steps")
        work.metric(step=step, loss=loss)
        work.progress(step)
        heed(work)

    return told
