"""What a distillation will cost, from two real steps: `python -m dlmviz.jobs.distil.estimate JSON`.

It runs in a process of its own, so that its memory can be told and is given back.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlmviz.jobs.distil.recipe import Recipe, recipe_of
from dlmviz.types import InputError

LIMIT = 600  # seconds that an estimate may take
LOOK = 0.2  # seconds between two looks whether it is still wanted
STEPS = 2
FEW = 2  # times `batch` answers at most are really made
PROBLEM = "problem"


@dataclass(frozen=True)
class Estimate:
    """Seconds of each stage, and the peak memory of the steps [bytes]."""

    answers: float
    training: float
    evaluation: float
    memory: int
    device: str

    @property
    def seconds(self) -> float:
        return self.answers + self.training + self.evaluation


def estimated(recipe: Recipe, over: threading.Event | None = None) -> Estimate:
    """The cost of a recipe here, measured in a fresh process. Raises InputError.

    `over`: set it when nobody wants the answer any more.
    """
    out, problem = _ended([sys.executable, "-m", __name__, json.dumps(recipe.to_json())], over)
    try:
        told: dict[str, Any] = json.loads(out.splitlines()[-1])
    except (ValueError, IndexError) as error:
        last = (problem.strip().splitlines() or ["it ended without a word"])[-1]
        raise InputError(f"two steps cannot be run here: {last[:300]}") from error
    if PROBLEM in told:
        raise InputError(told[PROBLEM])
    return Estimate(**told)


def _ended(command: list[str], over: threading.Event | None) -> tuple[str, str]:
    """What a process printed, on both ways. Raises InputError where it takes too long."""
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
    )
    try:
        while time.monotonic() - began < LIMIT:
            if over is not None and over.is_set():
                raise InputError("the estimate was cancelled; ask again when you like")
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.communicate(timeout=LOOK)
    finally:
        process.kill()  # one that has ended stays as it is
        process.communicate()
    raise InputError(
        f"two steps took more than {LIMIT} s here: the job would be too slow; "
        "take a smaller model, shorter answers or a GPU"
    )


def measured(recipe: Recipe) -> Estimate:
    """The cost of a recipe, by making a few answers and two steps in this process."""
    from dlmviz.jobs.distil.job import answer_specs, opened
    from dlmviz.jobs.distil.prompts import collected
    from dlmviz.jobs.work import Work
    from dlmviz.learn.distill import answers
    from dlmviz.learn.distill.loop import train
    from dlmviz.samplers import make

    model = opened(recipe, None)
    few = min(recipe.count, FEW * recipe.batch)
    some = dataclasses.replace(recipe, count=few, held=0, scored=min(recipe.scored, 1))
    specs = answer_specs(some, collected(some).learned)
    sampler = make("fast_dllm", {"tau": recipe.tau})
    settings = dataclasses.replace(recipe.settings, steps=STEPS, save=STEPS)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "answers.jsonl"
        making = timed(lambda: list(answers.generate(model, sampler, specs, path, recipe.batch)))
        assert model.special.eos is not None, "checked by opened"
        pairs, _ = answers.kept(path, model.special.eos, model.context_length)
        work, gpu = Work(Path(place), {}), model.device.type == "cuda"
        bf16 = recipe.precision == "bf16" or (recipe.precision == "auto" and gpu)
        where = str(model.device)
        stepping = timed(
            lambda: train(model, pairs, [], settings, work.folder, work, "bf16" if bf16 else "no")
        )
    each = making / len(specs)
    runs = 2 * recipe.scored * len(recipe.tasks) * len(recipe.thresholds)
    return Estimate(
        answers=each * (recipe.count + recipe.held),
        training=stepping / STEPS * recipe.settings.steps,
        evaluation=each * runs,
        memory=peak(gpu),
        device=where,
    )


def timed(work: Callable[[], Any]) -> float:
    """Seconds that the work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def peak(gpu: bool) -> int:
    """The most memory that this process has had so far [bytes]: of the GPU, or of itself."""
    if gpu:
        import torch

        return torch.cuda.max_memory_allocated()
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024  # kilobytes elsewhere


def main(text: str) -> Mapping[str, Any]:
    """The estimate, or the problem, as plain values."""
    try:
        return dataclasses.asdict(measured(recipe_of(json.loads(text))))
    except InputError as error:
        return {PROBLEM: str(error)}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
