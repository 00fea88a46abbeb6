"""Sources of examples whose answers a program can check: one module a task, in menu order."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from dlmviz.tasks.lists import TASK as LISTS
from dlmviz.tasks.mrf import TASK as MRF
from dlmviz.tasks.pairs import TASK as PAIRS
from dlmviz.tasks.puzzles import TASK as PUZZLES
from dlmviz.tasks.stories import TASK as STORIES
from dlmviz.tasks.trivia import TASK as TRIVIA
from dlmviz.tasks.words import TASK as WORDS
from dlmviz.types import InputError, Task

TASKS: Mapping[str, Task] = MappingProxyType(
    {task.name: task for task in (STORIES, TRIVIA, LISTS, PUZZLES, WORDS, PAIRS, MRF)}
)


def get(name: str) -> Task:
    """The task of that name. Raises InputError, naming the nearest, if there is none."""
    if name in TASKS:
        return TASKS[name]
    nearest = difflib.get_close_matches(name.lower(), TASKS, n=1, cutoff=0.0)
    raise InputError(
        f"unknown task {name!r}: the tasks are {', '.join(TASKS)}; did you mean {nearest[0]!r}?"
    )
