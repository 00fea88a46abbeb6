"""A distillation job: the teacher answers, the student learns, both are compared, a card is kept.

Each stage leaves files in the job's folder and goes on from them.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlmviz.jobs.distil.prompts import Asked, Prompts, collected
from dlmviz.jobs.distil.recipe import Recipe, recipe_of
from dlmviz.jobs.distil.scoring import compared, gains
from dlmviz.jobs.work import Stopped, Work
from dlmviz.learn.distill import answers
from dlmviz.learn.distill.loop import Trained, train
from dlmviz.learn.distill.saving import steps_done
from dlmviz.learn.distill.settings import Pair
from dlmviz.models import load
from dlmviz.models.adapters import adapt
from dlmviz.models.transformer import TransformerDenoiser
from dlmviz.samplers import make
from dlmviz.store.adapters import put_adapter
from dlmviz.types import Denoiser, InputError, RunSpec

ADAPTER, FULL = "adapter", "model"
LONG = ("right", "forwards", "tokens")  # of a score: one number a prompt, not for a card


def run(work: Work) -> dict[str, Any]:
    """What the page shows of a finished job. Raises Stopped after it was asked to stop."""
    recipe = recipe_of(work.settings)
    work.stage("loading")
    model = opened(recipe, work.device)
    prompts = collected(recipe)
    pairs, held = _answered(work, recipe, model, prompts)
    trained = _trained(work, recipe, model, pairs, held)
    model = opened(recipe, work.device)  # the one before has become the student
    student = student_of(model, work.folder)
    table = compared(work, recipe, model, student, prompts.scored)
    return {**_kept(work, recipe, model, trained, table), "sample": _sample(prompts)}


def _sample(prompts: Prompts) -> dict[str, Any] | None:
    """A prompt that the student did not learn from, and its lengths, to try it with; its example,
    too, where a program can grade the answer.
    """
    for one in (*prompts.scored, *prompts.held):
        told = {"prompt": one.prompt, "gen_length": one.gen_length}
        example = dataclasses.asdict(one.example) if one.example else None
        return {**told, "block_length": one.block_length, "example": example}
    return None


def opened(recipe: Recipe, device: str | None) -> TransformerDenoiser:
    """The model of a recipe. Raises InputError where it cannot be adapted."""
    model = load(recipe.model, device=device)
    if not isinstance(model, TransformerDenoiser) or not hasattr(model.network, "lm_head"):
        raise InputError(
            f"the model {recipe.model} cannot be distilled: it has no layers that LoRA adapts; "
            "take tiny, tiny-early, or a model in LLaDA's or Dream's format"
        )
    if model.special.eos is None:
        raise InputError(f"{recipe.model} has no end of sequence: its answers would never end")
    return model


def _answered(
    work: Work, recipe: Recipe, model: TransformerDenoiser, prompts: Prompts
) -> tuple[list[Pair], list[Pair]]:
    """(pairs to learn from, held-out pairs): what the model itself answers, made once."""
    eos = model.special.eos
    assert eos is not None, "checked when it was opened"
    found = []
    for name, asked in (("answers", prompts.learned), ("held-out answers", prompts.held)):
        specs = answer_specs(recipe, asked)
        path = answers.place(work.folder.parent.parent / "answers", model.fingerprint, specs)
        work.stage(name, len(specs), "answers")
        sampler = make("fast_dllm", {"tau": recipe.tau})
        for done in answers.generate(model, sampler, specs, path, recipe.batch):
            work.progress(done)
            if work.stopping():
                raise Stopped
        pairs, counts = answers.kept(path, eos, model.context_length)
        work.say(
            f"{name}: {counts.kept} of {counts.answers} kept, {counts.unfinished} without an end, "
            f"{counts.long} too long"
        )
        found.append(pairs)
    return found[0], found[1]


def answer_specs(recipe: Recipe, asked: Sequence[Asked]) -> list[RunSpec]:
    """How the teacher answers each prompt."""
    rule: dict[str, Any] = {"sampler": "fast_dllm", "params": {"tau": recipe.tau}}
    return [recipe.spec(a.prompt, a.gen_length, a.block_length, **rule) for a in asked]


def _trained(
    work: Work,
    recipe: Recipe,
    model: TransformerDenoiser,
    pairs: Sequence[Pair],
    held: Sequence[Pair],
) -> Trained:
    steps = recipe.settings.steps
    done = steps_done(work.folder)
    if done:
        work.say(f"training goes on from step {done}")
    work.stage("training", steps, "steps", done)
    gpu = model.device.type == "cuda"
    bf16 = recipe.precision == "bf16" or (recipe.precision == "auto" and gpu)
    trained = train(
        model, pairs, held, recipe.settings, work.folder, work, "bf16" if bf16 else "no"
    )
    work.say(f"trained {trained.step} of {steps} steps; held-out KL {trained.kl}")
    if not trained.whole:
        raise Stopped
    return trained


def student_of(model: TransformerDenoiser, folder: Path) -> Denoiser:
    """The student that a training left in a folder: the model with its adapter, or all weights."""
    if (folder / ADAPTER).is_dir():
        return adapt(model, str(folder / ADAPTER))
    network = type(model.network).from_pretrained(folder / FULL).to(model.device).eval()
    return dataclasses.replace(model, network=network)


def _kept(
    work: Work,
    recipe: Recipe,
    model: Denoiser,
    trained: Trained,
    rows: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Puts the adapter into the store, with its card."""
    scores = [{k: v for k, v in row.items() if k not in LONG} for row in rows]
    told = {"kl": trained.kl, "scores": scores, "gains": gains(rows), "adapter": None}
    folder = work.folder / ADAPTER
    if not folder.is_dir():  # all weights were trained: there is no adapter
        return told
    work.stage("keeping")
    card = put_adapter(
        work.folder.parent.parent,
        folder,
        {
            "title": f"{recipe.model}, {', '.join(recipe.tasks) or Path(recipe.prompts).name}",
            "base_model": recipe.model,
            "base_fingerprint": model.fingerprint,
            "job": recipe.to_json(),
            "created": time.time(),
            "final_kl": trained.kl,
            "scores": scores,
        },
    )
    return {**told, "adapter": card.id}
