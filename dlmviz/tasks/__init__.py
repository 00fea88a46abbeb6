"""Sources of examples whose answers a program can check: one module a task, in menu order."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dlmviz.tasks import gsm8k, parallel_bench
from dlmviz.tasks.lists import TASK as LISTS
from dlmviz.tasks.mrf import TASK as MRF
from dlmviz.tasks.pairs import TASK as PAIRS
from dlmviz.tasks.puzzles import TASK as PUZZLES
from dlmviz.tasks.stories import TASK as STORIES
from dlmviz.tasks.trivia import TASK as TRIVIA
from dlmviz.tasks.words import TASK as WORDS
from dlmviz.types import Example, InputError, Task

TASKS: Mapping[str, Task] = MappingProxyType(
    {task.name: task for task in (STORIES, TRIVIA, LISTS, PUZZLES, WORDS, PAIRS, MRF)}
)


@dataclass(frozen=True)
class FileTask:
    """A task whose examples lie in files of the user's own."""

    read: Callable[[str, str], list[Example]]  # (place, kind or "") -> examples, in their order
    score: Callable[[Example, str], bool]
    gen_length: int
    block_length: int


FILE_TASKS: Mapping[str, FileTask] = MappingProxyType(
    {
        "gsm8k": FileTask(
            lambda place, kind: gsm8k.read(place, kind or "test"),
            gsm8k.score,
            gsm8k.GEN_LENGTH,
            gsm8k.BLOCK_LENGTH,
        ),
        "parallel_bench": FileTask(
            lambda place, kind: parallel_bench.read(Path(place), kind), parallel_bench.score, 64, 32
        ),
    }
)
LONGEST, GREATEST = 2000, 1000  # what the data of any example stay below: JSON, and numbers in it


def get(name: str) -> Task:
    """The task of that name. Raises InputError, naming the nearest, if there is none."""
    if name in TASKS:
        return TASKS[name]
    nearest = difflib.get_close_matches(name.lower(), TASKS, n=1, cutoff=0.0)
    raise InputError(
        f"unknown task {name!r}: the tasks are {', '.join(TASKS)}; did you mean {nearest[0]!r}?"
    )


def find(name: str) -> Task | FileTask:
    """The task of that name, with examples of its own or from files. Raises InputError."""
    return FILE_TASKS[name] if name in FILE_TASKS else get(name)


def known(example: Example) -> bool:
    """Whether there is a grader for the example."""
    return example.task in TASKS or example.task in FILE_TASKS


def verdict(example: Example, text: str) -> dict[str, Any]:
    """What a run keeps of its example, enough to grade another answer, and whether `text` is
    right.
    """
    kept = {name: getattr(example, name) for name in ("task", "kind", "answer", "data")}
    return {**kept, "correct": bool(find(example.task).score(example, text))}


def regraded(kept: Any, prompt: str, text: str) -> dict[str, Any] | None:
    """The verdict on another answer to the same prompt, from what a run kept of its example.

    None where that cannot be graded: older runs kept no data, and a file of a stranger holds
    anything. Data beyond those of any example are not tried, since graders count up to them.
    """
    if not (isinstance(kept, Mapping) and isinstance(kept.get("data"), Mapping)):
        return None
    try:
        numbers = [abs(number) for number in _numbers(kept["data"])]
        if len(json.dumps(kept["data"])) > LONGEST or max(numbers, default=0) > GREATEST:
            return None
        named = {name: kept[name] for name in ("task", "kind", "answer", "data")}
        return verdict(Example(prompt=prompt, **named), text)
    except Exception:  # whatever a grader raises at data that are not its own
        return None


def _numbers(value: Any) -> Iterator[int | float]:
    """All numbers in a JSON value."""
    if isinstance(value, int | float):
        yield value
    for inner in value.values() if isinstance(value, Mapping) else ():
        yield from _numbers(inner)
    for inner in value if isinstance(value, list | tuple) else ():
        yield from _numbers(inner)
