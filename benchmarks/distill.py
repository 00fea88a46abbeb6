"""Does distillation help? Base models against students, at matched accuracy.

    python -m benchmarks.distill "tiny*/all/two looks*" "tiny/mrf/*" --steps 3000 --workers 24

A student is model/family/recipe (distill_students.py). Every arm decodes unique prompts that no
student learned from. Work lies in a folder: what is there is not made again, so that a run that was
cut short goes on. `--table` writes results/distill.json from it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing as mp
import pickle
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

from benchmarks import distill_work as work
from benchmarks.distill_students import Student, students
from benchmarks.distill_table import written
from dlmviz.tasks import TASKS

TAUS = (0.95, 0.9, 0.8, 0.7, 0.5, 0.3)
#: a base may choose among more thresholds than a student, so that no gap in its grid is a gain
FINE = (0.99, 0.98, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.35, 0.3)
SCORERS = ("fast_dllm", "slow_fast")
#: with a single block slow_fast is fast_dllm, forward for forward: one of them is run
ALIKE, WIDTH = ("fast_dllm", "slow_fast"), 32
COMMAND = (
    "python -m benchmarks.distill 'tiny*/all/* looks*' --steps 1000; python -m benchmarks.distill "
    "'tiny/pairs/*' 'tiny-early/mrf/four looks' --steps 3000 --batch 32 --scorers fast_dllm; "
    "python -m benchmarks.distill 'tiny-early/lists/four looks*' --steps 1000; "
    "python -m benchmarks.distill --table"
)
ROWS, TRAINED = "rows.jsonl.gz", "trained.jsonl"
Key = tuple[str, str, str, str, float, int]  # set, student or model, task, scorer, tau, n


def main() -> int:
    options = parse()
    options.work.mkdir(parents=True, exist_ok=True)
    if options.table:
        rows = [row for name in [options.work / ROWS, *options.more] for row in read(name)]
        return written(rows, lines(options.work / TRAINED), COMMAND)
    if not (options.work / work.PROMPTS).exists():
        drawn = {task: work.drawn(task, options.count, options.most) for task in TASKS}
        (options.work / work.PROMPTS).write_bytes(pickle.dumps(drawn))
    until = time.time() + options.seconds
    place = work.Place(options.work, until)
    counter = mp.get_context("spawn").Value("i", 0)
    with ProcessPoolExecutor(
        options.workers, mp.get_context("spawn"), work.begin, (counter, options.devices)
    ) as pool:
        Plan(pool, place, options).run()
    return 0


class Plan:
    """What is under way: answers first, then students; their arms as soon as they are there."""

    def __init__(self, pool: ProcessPoolExecutor, place: work.Place, options: Any) -> None:
        self.pool, self.place, self.options = pool, place, options
        self.under_way: dict[Future[Any], tuple[str, Any]] = {}
        self.waiting: deque[tuple[str, Any, Any, tuple[Any, ...]]] = deque()
        rows = read(place.folder / ROWS)
        self.done = {key(row) for row in rows}
        whole = (row for row in lines(place.folder / TRAINED) if row["whole"])
        self.trained = {(row["student"], row["steps"], row["batch"]) for row in whole}

    def run(self) -> None:
        """Ends when all is done, or time is up."""
        asked = list(students(self.options.students, self.options.steps, self.options.batch))
        models = sorted({*self.options.bases, *(student.model for student in asked)})
        began = time.time()
        if not self.options.only_arms:
            wanted = {(student.model, task) for student in asked for task in student.tasks}
            for model, task in sorted(wanted, key=lambda pair: pair[1] != "stories"):
                for part in range(parts(self.place, task)):
                    self.start("answers", task, work.answered, model, task, part)
            self.finish()
        print(f"answers {time.time() - began:.0f} s", flush=True)
        for model in models:
            self.arms(model, None)
        for student in asked:
            if (student.name, student.steps, student.batch) in self.trained:
                self.arms(student.model, student)
            elif not self.options.only_arms:
                self.start("trained", student, work.trained, student)
        self.finish()
        print(f"all {time.time() - began:.0f} s", flush=True)

    def start(self, kind: str, about: Any, call: Any, *given: Any) -> None:
        self.waiting.append((kind, about, call, given))

    def arms(self, model: str, student: Student | None) -> None:
        """Starts the arms that are not there yet of a student, or of a base."""
        options = self.options
        for task in student.tasks if student and not options.everywhere else TASKS:
            if options.tasks and task not in options.tasks:
                continue
            count = options.n if student else options.most
            examples = work.prompts(self.place.folder)[task][options.set][:count]
            for scorer in options.scorers:
                if scorer == ALIKE[1] and TASKS[task].gen_length <= WIDTH:
                    continue
                for tau in options.taus if student else options.base_taus:
                    name = student.folder if student else ""
                    told = (options.set, student.name if student else model, task, scorer, tau)
                    if (*told, len(examples)) not in self.done:
                        self.start("arm", told, work.arm, model, name, scorer, tau, examples)

    def finish(self) -> None:
        """Waits for what is under way, and for what that starts."""
        while self.under_way or self.waiting:
            while self.waiting and len(self.under_way) < self.options.workers:
                kind, about, call, given = self.waiting.popleft()
                self.under_way[self.pool.submit(call, self.place, *given)] = (kind, about)
            over, _ = wait(self.under_way, timeout=5, return_when=FIRST_COMPLETED)
            for future in over:
                self.ended(*self.under_way.pop(future), future.result())
            if time.time() > self.place.until:
                self.waiting.clear()

    def ended(self, kind: str, about: Any, result: Any) -> None:
        """Keeps a result, and starts what follows from it."""
        folder = self.place.folder
        if kind == "trained":
            with (folder / TRAINED).open("a") as file:
                file.write(json.dumps(result) + "\n")
            print(json.dumps(result), flush=True)
            later, self.waiting = self.waiting, deque()
            if result["whole"]:
                self.arms(about.model, about)
            self.waiting += later  # what is there is scored before others are trained
        elif kind == "arm" and result:
            names = ("set", "who", "task", "scorer", "tau")
            row = dict(zip(names, about, strict=True)) | {"n": len(result["right"])} | result
            with gzip.open(folder / ROWS, "at") as out:  # a member a row: whole, or not there
                out.write(json.dumps(row) + "\n")


def parts(place: work.Place, task: str) -> int:
    """How many pieces the prompts of a task make, the held ones first."""
    return 1 - (-len(work.prompts(place.folder)[task]["learned"]) // work.PIECE)


def key(row: Mapping[str, Any]) -> Key:
    return row["set"], row["who"], row["task"], row["scorer"], row["tau"], row["n"]


def read(path: Path) -> list[dict[str, Any]]:
    """The rows that are there."""
    if not path.exists():
        return []
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in whole(file)]


def whole(file: Any) -> Iterator[str]:
    """The lines before one that a kill cut."""
    try:
        yield from file
    except EOFError:
        return


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("students", nargs="*", help="model/family/recipe, with * and ?")
    parser.add_argument("--bases", nargs="*", default=[], help="models to score without a student")
    parser.add_argument("--work", type=Path, default=Path(".work/distill"))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument(
        "--count", type=int, default=work.MANY, help="prompts to learn from, a task"
    )
    parser.add_argument("--n", type=int, default=500, help="unique prompts an arm")
    parser.add_argument("--most", type=int, default=500, help="unique prompts that are drawn")
    parser.add_argument("--set", choices=work.SETS, default="first")
    parser.add_argument("--tasks", nargs="*", choices=TASKS, help="score these only")
    parser.add_argument("--everywhere", action="store_true", help="score tasks not learned, too")
    parser.add_argument("--taus", type=float, nargs="*", default=TAUS)
    parser.add_argument("--base-taus", type=float, nargs="*", default=FINE)
    parser.add_argument("--scorers", nargs="*", choices=SCORERS, default=SCORERS)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--devices", type=int, default=0, help="GPUs to spread them over")
    parser.add_argument("--seconds", type=float, default=10**9, help="when to stop")
    parser.add_argument("--only-arms", action="store_true", help="train nobody")
    parser.add_argument("--more", nargs="*", default=[], type=Path, help="further files of rows")
    parser.add_argument(
        "--table", action="store_true", help="write the result of all that is there"
    )
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
