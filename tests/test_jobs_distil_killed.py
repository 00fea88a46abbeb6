"""A distillation whose worker and process are killed ends with the curve of one that was not."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dlmviz import jobs
from dlmviz.jobs.distil import job
from dlmviz.jobs.distil.recipe import Recipe
from dlmviz.jobs.work import Work
from dlmviz.learn.distill.settings import Settings

ROOT = Path(__file__).parent.parent
RECIPE = Recipe(
    model="tiny-early",
    tasks=("pairs",),
    count=4,
    held=2,
    gen_length=32,
    batch=4,
    settings=Settings(steps=24, batch=2, lr=1e-3, rank=2, alpha=2, save=3),
    scored=0,
)


def worker(store: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dlmviz.jobs.worker", "--store", str(store)]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}  # as this process: sums in one order
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        [*command, "--devices", "cpu"], cwd=ROOT, env=one_thread, stdout=quiet, stderr=quiet
    )


def losses(rows: list[dict[str, Any]]) -> list[tuple[int, float]]:
    return [(row["step"], row["loss"]) for row in rows if "loss" in row]


@pytest.mark.slow
def test_killed_in_the_middle_it_has_the_losses_of_one_that_never_stopped(tmp_path: Path) -> None:
    store = tmp_path / "killed"
    identity = jobs.submit(store, "distil", "", RECIPE.to_json())
    serving = worker(store)
    try:
        until(lambda: len(losses(jobs.curve(store, identity).rows)) >= 7)
        serving.kill()
        log = jobs.tail(store, identity)
        os.kill(int(re.findall(r"process (\d+)", log)[-1]), signal.SIGKILL)
        serving.wait()
        seen = len(losses(jobs.curve(store, identity).rows))
        serving = worker(store)
        until(lambda: jobs.job(store, identity).state in ("done", "failed"))
    finally:
        serving.terminate()
        serving.wait()
    ended = jobs.job(store, identity)
    assert (ended.state, ended.attempts, ended.problem) == ("done", 2, "")
    assert 7 <= seen < 24  # the kill came in the middle
    (begun,) = re.findall(r"training goes on from step (\d+)", jobs.tail(store, identity))
    assert int(begun) in (seen // 3 * 3, (seen - 1) // 3 * 3)  # only the steps since were lost
    folder = tmp_path / "whole" / "jobs" / "a1"
    folder.mkdir(parents=True)
    told = job.run(Work(folder, json.loads(json.dumps(RECIPE.to_json())), "cpu"))
    whole = losses([json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()])
    found = losses(jobs.curve(store, identity).rows)
    assert [step for step, _ in found] == [step for step, _ in whole] == list(range(1, 25))
    assert [loss for _, loss in found] == pytest.approx([loss for _, loss in whole], abs=1e-6)
    result = jobs.result(store, identity)
    assert result is not None
    assert result["kl"] == pytest.approx(told["kl"], abs=1e-6)


def until(condition: Any) -> None:
    """Waits until it holds, for three minutes at most."""
    end = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < end, "it did not come to that within three minutes"
        time.sleep(0.02)
