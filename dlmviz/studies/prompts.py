"""Prompts that studies ask: different ones, of kinds, from seeds that training never uses."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import count

from dlmviz import tasks
from dlmviz.tasks import FileTask
from dlmviz.types import Example, InputError, Task

SEED = 101  # below 1,000: held out from the training of the built-in model
TRIES = 60  # seeds that are tried
DRAWN = 500  # examples a seed


def examples(task: str, n: int, kinds: Sequence[str] = (), seed: int = SEED) -> list[Example]:
    """n examples with n different prompts; of these kinds, or of all. The same for the same seed.

    Names that were made up (lists) are a task of their own and left out.
    """
    found: dict[str, Example] = {}
    source = tasks.get(task)
    for at in count(seed):
        for example in source.examples(DRAWN, at):
            wanted = not kinds or example.kind in kinds
            if wanted and not example.data.get("unseen", False):
                found.setdefault(example.prompt, example)
            if len(found) >= n:
                return list(found.values())[:n]
        if at >= seed + TRIES:
            raise InputError(
                f"{task} has {len(found)} different prompts of {', '.join(kinds) or 'any kind'}: "
                f"got n {n}; take fewer"
            )
    return []


def named(name: str, n: int) -> list[Example]:
    """`examples` of a task, or of a task and a kind: "trivia/bundle".

    The first n of a user's own files for "gsm8k@FILE" or "parallel_bench/waiting_line/sort@FOLDER".
    """
    task, kind, place = _parts(name)
    if task in tasks.FILE_TASKS:
        if not place:
            raise InputError(f"{task} is read from files: say where, as {name}@FOLDER")
        return tasks.FILE_TASKS[task].read(place, kind)[:n]
    if place:
        raise InputError(f"{task} makes its own prompts: got {name!r}; leave @{place} out")
    return examples(task, n, [kind] if kind else ())


def task_of(name: str) -> Task | FileTask:
    """The task that `named` asks."""
    return tasks.find(_parts(name)[0])


def _parts(name: str) -> tuple[str, str, str]:
    """(task, kind, place) of "task/kind@place"."""
    whole, _, place = name.partition("@")
    task, _, kind = whole.partition("/")
    return task, kind, place


def identity(prompt: str) -> str:
    """Eight digits that tell prompts apart, by which arms are compared on the same ones."""
    return hashlib.sha256(prompt.encode()).hexdigest()[:8]
