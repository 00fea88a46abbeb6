"""Accuracy and forwards of a built-in model on its tasks: the model card's scores.

    python -m benchmarks.evaluate [--model tiny] [--n 500] [--parallel-bench FOLDER] [--device cuda]

Every arm decodes n unique prompts from seeds that training never uses, and is graded by program.
NFE is the mean number of forwards; every arm ends a run when everything before the first committed
end-of-sequence token is committed (RunSpec.stop "eos"), so all arms are counted alike.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing as mp

import dlmviz
from benchmarks import gates, results_file
from dlmviz.batch import decode_many
from dlmviz.samplers import make
from dlmviz.tasks import TASKS, parallel_bench
from dlmviz.types import Example, RunSpec

SEED = 101  # below 1,000: held out
CHUNK = 50
LIST_OPERATIONS = (
    *("copy", "reverse", "sort", "shuffle", "insert_index", "insert_random"),
    *("remove_index", "remove_random", "replace_index", "replace_random"),
)


@dataclass(frozen=True)
class Arm:
    """One row of the table: which examples, decoded how."""

    name: str  # group/setting, e.g. "stories/greedy"
    group: str
    sampler: str = "llada"
    params: Mapping[str, Any] = field(default_factory=dict)
    temperature: float = 0.0


#: group -> (task, kinds or None for all, gen_length, block_length)
GROUPS: dict[str, tuple[str, tuple[str, ...] | None, int, int]] = {
    "trivia single": ("trivia", ("single",), 32, 32),
    "trivia bundle": ("trivia", ("bundle",), 96, 32),
    "lists": ("lists", None, 64, 32),
    "lists, unseen names": ("lists", None, 64, 32),
    "puzzles": ("puzzles", ("latin", "sudoku"), 64, 32),
    "puzzles free": ("puzzles", ("latin_free",), 64, 32),
    "words": ("words", None, 32, 32),
    "pairs": ("pairs", None, 32, 32),
    "stories": ("stories", None, 128, 32),
    "mrf": ("mrf", None, 32, 32),
}
UNSEEN = "lists, unseen names"  # made-up names are a group of their own
WAITING_LINE = "ParallelBench waiting_line"


def arms(groups: Sequence[str]) -> Iterator[Arm]:
    """Every arm, cheapest first inside a group."""
    for group in groups:
        if group == "pairs":
            # one prompt has many right answers: ask for draws, not for the argmax
            for tau in (0.9, 0.5):
                yield Arm(f"pairs/tau {tau}", group, "fast_dllm", {"tau": tau}, 1.0)
            yield Arm("pairs/four a step", group, "llada", {"steps": 8}, 1.0)
            yield Arm("pairs/greedy", group, temperature=1.0)
            continue
        for tau in (0.9, 0.7, 0.5):
            yield Arm(f"{group}/tau {tau}", group, "fast_dllm", {"tau": tau})
        yield Arm(f"{group}/greedy", group)


def unique_examples(group: str, n: int, folder: Path | None) -> list[Example]:
    """n examples with n different prompts; all rows of all ten operations for ParallelBench."""
    if group == WAITING_LINE:
        assert folder is not None
        operations = [f"waiting_line/{name}" for name in LIST_OPERATIONS]
        return [row for name in operations for row in parallel_bench.read(folder, name)]
    task, kinds, _, _ = GROUPS[group]
    if task == "lists":  # the same number of each operation
        share = -(-n // len(LIST_OPERATIONS))
        unseen = group == UNSEEN
        return [e for kind in LIST_OPERATIONS for e in _draw(task, (kind,), share, unseen)]
    return _draw(task, kinds, n)


def _draw(task: str, kinds: Sequence[str] | None, n: int, unseen: bool = False) -> list[Example]:
    found: dict[str, Example] = {}
    for seed in count(SEED):
        for example in TASKS[task].examples(2000, seed):
            wanted = kinds is None or example.kind in kinds
            if wanted and example.data.get("unseen", False) == unseen:
                found.setdefault(example.prompt, example)
            if len(found) == n:
                return list(found.values())
        if seed > SEED + 60:
            raise SystemExit(f"{task} {kinds}: only {len(found)} unique prompts, need {n}")
    return []


def spec_of(arm: Arm, example: Example, seed: int) -> RunSpec:
    group = "lists" if arm.group == WAITING_LINE else arm.group
    _, _, gen_length, block_length = GROUPS[group]
    return RunSpec(
        prompt=example.prompt,
        gen_length=gen_length,
        block_length=block_length,
        sampler=arm.sampler,
        params=arm.params,
        temperature=arm.temperature,
        stop="eos",
        seed=seed,
    )


def grade(example: Example, text: str) -> bool:
    if example.task == "parallel_bench":
        return parallel_bench.score(example, text)
    return TASKS[example.task].score(example, text)


def work(job: tuple[int, Arm, int, list[Example], str, str]) -> tuple[int, list[dict[str, Any]]]:
    """(arm number, one outcome per example) of one chunk; runs in a worker process."""
    number, arm, first, examples, name, device = job
    model = _model(name, device)
    specs = [spec_of(arm, example, first + i) for i, example in enumerate(examples)]
    outcomes: list[dict[str, Any]] = [{}] * len(examples)
    for i, trace in decode_many(model, make(arm.sampler, arm.params), specs, batch=CHUNK):
        right = grade(examples[i], trace.text)
        outcomes[i] = {"kind": examples[i].kind, "right": right, "nfe": trace.nfe}
        if not right:
            outcomes[i] |= {"prompt": examples[i].prompt, "text": trace.text}
    return number, outcomes


_MODELS: dict[tuple[str, str], Any] = {}


def _model(name: str, device: str) -> Any:
    """This process's model; a worker on a machine with several GPUs takes the one of its number."""
    if device == "cuda":
        identity = mp.current_process()._identity
        device = f"cuda:{(identity[0] if identity else 0) % torch.cuda.device_count()}"
    key = (name, device)
    if key not in _MODELS:
        _MODELS[key] = dlmviz.load(name, device=device)
    return _MODELS[key]


def summary(arm: Arm, outcomes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Accuracy in per cent with its standard error, overall and by kind, mean NFE, mistakes."""

    def score(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        p = sum(row["right"] for row in rows) / len(rows)
        error = (p * (1 - p) / len(rows)) ** 0.5
        nfe = sum(row["nfe"] for row in rows) / len(rows)
        return {
            "n": len(rows),
            "accuracy": round(100 * p, 2),
            "standard_error": round(100 * error, 2),
            "nfe": round(nfe, 2),
        }

    kinds = sorted({row["kind"] for row in outcomes})
    by_kind = {kind: score([row for row in outcomes if row["kind"] == kind]) for kind in kinds}
    mistakes = [row for row in outcomes if not row["right"]][:3]
    shown = [{"prompt": row["prompt"], "text": row["text"]} for row in mistakes]
    return asdict(arm) | score(outcomes) | {"kinds": by_kind, "mistakes": shown}


def main() -> int:
    options = parse()
    groups = [g for g in GROUPS if not options.only or g in options.only]
    folder = options.parallel_bench
    if folder and (not options.only or WAITING_LINE in options.only):
        groups.append(WAITING_LINE)
    model = dlmviz.load(options.model, device="cpu")
    before = results_file.earlier(options.out, model.fingerprint)
    table = before.get("arms", {})
    data = {
        "model": options.model,
        "fingerprint": model.fingerprint,
        "machines": before.get("machines", {}) | {options.device: results_file.machine()},
        "arms": table,
    }
    todo = [arm for arm in arms(groups) if not (options.missing and arm.name in table)]
    examples = {group: unique_examples(group, options.n, folder) for group in groups}
    for row in measure(todo, examples, options.model, options.device, options.workers):
        table[row["name"]] = row
        print(line(row), flush=True)
        results_file.write(
            options.out, judged(options.model, table), data, command(), options.commit
        )
    checked = judged(options.model, table)
    results_file.write(options.out, checked, data, command(), options.commit)
    for row in checked:
        verdict = "pass" if row["pass"] else "MISS"
        print(f"{verdict}  {row['name']}: {row['value']} ({row['target']})")
    return 0 if all(row["pass"] for row in checked) else 1


def measure(
    todo: Sequence[Arm],
    examples: Mapping[str, Sequence[Example]],
    model: str,
    device: str,
    workers: int,
) -> Iterator[dict[str, Any]]:
    """The summary of each arm as it ends; `examples` by group, decoded in worker processes."""
    jobs = [
        (number, arm, first, list(examples[arm.group][first : first + CHUNK]), model, device)
        for number, arm in enumerate(todo)
        for first in range(0, len(examples[arm.group]), CHUNK)
    ]
    jobs.sort(key=lambda job: "greedy" not in job[1].name)  # the long ones first
    done: list[list[dict[str, Any]]] = [[] for _ in todo]
    missing = [sum(job[0] == number for job in jobs) for number in range(len(todo))]
    with mp.get_context("spawn").Pool(workers, _one_thread) as pool:
        for number, outcomes in pool.imap_unordered(work, jobs):
            done[number] += outcomes
            missing[number] -= 1
            if not missing[number]:
                yield summary(todo[number], done[number]) | {"device": device}


def line(row: Mapping[str, Any]) -> str:
    """One row of the table as text."""
    return (
        f"{row['name']:40} {row['accuracy']:6.1f} +- {row['standard_error']:3.1f} %"
        f"  n {row['n']}  NFE {row['nfe']}"
    )


def judged(model: str, table: gates.Table) -> list[dict[str, Any]]:
    """The gates of a table; none for tiny-early, whose point is to miss them."""
    return [] if model == "tiny-early" else gates.of(table)


def command() -> str:
    """The command line, without what only says where the files came from."""
    words = sys.argv[1:]
    if "--commit" in words:
        at = words.index("--commit")
        words = words[:at] + words[at + 2 :]
    return " ".join(["python -m benchmarks.evaluate", *words])


def _one_thread() -> None:
    torch.set_num_threads(1)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--n", type=int, default=500, help="unique prompts a group")
    parser.add_argument("--only", action="append", help="a group; may be repeated")
    parser.add_argument("--parallel-bench", type=Path, help="a ParallelBench folder")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--missing", action="store_true", help="only arms the result lacks")
    parser.add_argument("--commit", default="", help="what the files are, where git is not there")
    parser.add_argument("--out", default="model_card", help="results/OUT.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
