"""How long the demo preset of distillation takes here, from the shell to the kept adapter.

    python -m benchmarks.distill_demo

A fresh store, so that the answers are made, too. The time of each stage is read off the job.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import results_file
from benchmarks.results_file import gate
from dlmviz import jobs

LOOK = 0.1  # seconds between two looks at the job


def watched(store: str) -> tuple[float, dict[str, float], list[dict[str, Any]], dict[str, Any]]:
    """(seconds in all, seconds of each stage, rows of the held-out KL, the job's result)."""
    began = now = time.perf_counter()
    command = [sys.executable, "-m", "dlmviz.cli", "distill", "--preset", "demo", "--store", store]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    stages: dict[str, float] = {}
    while process.poll() is None:
        time.sleep(LOOK)
        found = jobs.jobs(store) if (Path(store) / "jobs").is_dir() else []
        stage = (found[0].stage if found else "") or "starting"
        now, before = time.perf_counter(), now
        stages[stage] = stages.get(stage, 0.0) + now - before
    if process.returncode:
        raise SystemExit(f"the job ended with {process.returncode}; see {store}")
    identity = jobs.jobs(store)[0].id
    rows = [row for row in jobs.curve(store, identity).rows if "held" in row]
    return now - began, stages, rows, dict(jobs.result(store, identity) or {})


def main() -> int:
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as store:
        seconds, stages, held, result = watched(store)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    first, last = held[0]["held"], held[-1]["held"]
    gates = [
        gate("60-second preset ends within 90 s on two cores, s", seconds, "<= 90", seconds <= 90),
        gate("and visibly lowers the held-out KL: share that is left", last / first, "<= 0.9",
             last <= 0.9 * first),
    ]  # fmt: skip
    data = {
        "load_before": load,  # of other work: 0 on a quiet machine
        "cpu_seconds": round(spent.ru_utime + spent.ru_stime, 1),
        "stages": {name: round(value, 1) for name, value in stages.items()},
        "held": [{"step": row["step"], "kl": row["held"]} for row in held],
        "scores": result["scores"],
    }
    results_file.write("distill_demo", gates, data)
    for row in gates:
        print("pass" if row["pass"] else "MISS", row["name"], row["value"], row["target"])
    print(data["stages"], "load before", load, "CPU seconds", data["cpu_seconds"])
    return 0 if all(row["pass"] for row in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
