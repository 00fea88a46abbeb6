"""A job that makes a local model for CoDiLA: texts, training, a head, its score, broken pairs.

The training goes on from its checkpoint; all else is short, and done again. The head is kept
before it is scored, so that a kill while scoring loses numbers only.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from dlmviz.batch import decode_many
from dlmviz.jobs.codila import pairs
from dlmviz.jobs.codila.recipe import Recipe, recipe_of
from dlmviz.jobs.distil.prompts import HELD_SEED
from dlmviz.jobs.train.parts import heed, keep
from dlmviz.jobs.work import Stopped, Work
from dlmviz.learn.codila.data import Text, text_of
from dlmviz.learn.codila.fit import fit, scored
from dlmviz.learn.corpus import FIRST_SEED, draw
from dlmviz.learn.distill.saving import steps_done
from dlmviz.models import load
from dlmviz.samplers import make
from dlmviz.tasks import get
from dlmviz.types import Denoiser

KIND = "codila"


def run(work: Work) -> dict[str, Any]:
    """What the page shows of a finished job. Raises Stopped after it was asked to stop."""
    recipe = recipe_of(work.settings)
    work.stage("loading")
    model = load(recipe.model, device=work.device)
    learned = _texts(work, recipe, model, "learned", recipe.count, FIRST_SEED)
    held = _texts(work, recipe, model, "held", recipe.held, HELD_SEED)
    steps = recipe.fit.steps
    work.stage("training", steps, "steps", steps_done(work.folder))
    head, done = fit(model, learned, recipe.fit, work.folder, work)
    if done < steps:
        raise Stopped
    head = head.half().float()  # as it is kept
    told: dict[str, Any] = {"texts": len(learned), "recipe": recipe.to_json()}
    place = keep(work, KIND, head, model, told)["head"]  # now: what follows adds to its card only
    heed(work)
    work.stage("score")
    told["score"] = scored(head, model, held, recipe.fit).told()
    keep(work, KIND, head, model, told)
    told["broken"] = _broken(work, recipe, model, place)
    kept: dict[str, Any] = keep(work, KIND, head, model, told)
    return kept


def _texts(
    work: Work, recipe: Recipe, model: Denoiser, name: str, count: int, seed: int
) -> list[Text]:
    """Prompts with their right answers, as the tasks draw them; what does not fit is left out.

    A prompt may come again, with another of its answers: the local model learns how likely each is.
    """
    work.stage(f"texts, {name}", count, "texts")
    shares = {task: many / len(recipe.tasks) for task, many in Counter(recipe.tasks).items()}
    found = []
    for number, one in enumerate(draw({t: get(t) for t in shares}, shares, count, seed), start=1):
        text = text_of(model, one, get(one.task).gen_length)
        found += [] if text is None else [text]
        if number % 100 == 0:
            work.progress(number)
            heed(work)
    work.say(f"{name}: {len(found)} texts; {count - len(found)} were too long")
    return found


def _broken(work: Work, recipe: Recipe, model: Denoiser, head: str) -> dict[str, Any] | None:
    """Shares of pairs whose parts do not agree, with the forwards that a run took on average."""
    if not recipe.pairs:
        return None
    examples = pairs.examples(recipe.pairs)
    told: dict[str, Any] = {"prompts": len(examples), "piece": recipe.piece}
    for name in pairs.COUNTED:
        way = pairs.ways(recipe.piece, head)[name]
        work.stage(f"pairs, {name}", len(examples), "runs")
        specs = [
            pairs.spec(way, example, number, recipe.model, recipe.piece)
            for number, example in enumerate(examples)
        ]
        rule = make(way.sampler, way.params)
        wrong, forwards = 0, 0
        for done, (number, trace) in enumerate(decode_many(model, rule, specs)):
            wrong += pairs.broken(examples[number], trace.text)
            forwards += trace.nfe
            work.progress(done + 1)
            heed(work)
        told[name] = {"broken": wrong / len(examples), "nfe": forwards / len(examples)}
    return told
