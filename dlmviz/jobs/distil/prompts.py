"""The prompts of a distillation: to learn from, held out, and scored; no prompt is two of these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlmviz.jobs.distil.recipe import Recipe
from dlmviz.learn.corpus import FIRST_SEED
from dlmviz.learn.distill.prompts_file import split
from dlmviz.tasks import get
from dlmviz.types import Example, InputError, Task

HELD_SEED, SCORED_SEED = 501, 101  # below 1,000: training never draws from them
SEEDS = 60  # how many seeds are asked for prompts that are not yet there


@dataclass(frozen=True)
class Asked:
    """A prompt, its lengths, and its example where a program can grade the answer."""

    prompt: str
    gen_length: int
    block_length: int
    example: Example | None = None


@dataclass(frozen=True)
class Prompts:
    """Three lists that share no prompt."""

    learned: tuple[Asked, ...]
    held: tuple[Asked, ...]
    scored: tuple[Asked, ...]


def collected(recipe: Recipe) -> Prompts:
    """The prompts of a recipe, by seeds that are always the same."""
    if recipe.prompts:
        return _from_file(recipe)
    shares = [recipe.count, recipe.held, recipe.scored * len(recipe.tasks)]
    used: set[str] = set()
    scored, held, learned = (
        tuple(drawn(recipe.tasks, amount, seed, used, recipe.gen_length, recipe.block_length))
        for amount, seed in zip(shares[::-1], (SCORED_SEED, HELD_SEED, FIRST_SEED), strict=True)
    )
    return Prompts(learned, held, scored)


def drawn(
    tasks: Sequence[str],
    amount: int,
    seed: int,
    used: set[str],
    gen_length: int = 0,
    block_length: int = 0,
) -> Iterator[Asked]:
    """`amount` new prompts, the tasks in turn; each is added to `used`. A length of 0 is each
    task's own.
    """
    sources = [(get(name), _endless(get(name), seed)) for name in tasks]
    for number in range(amount):
        task, source = sources[number % len(sources)]
        example = next((e for e in source if e.prompt not in used), None)
        if example is None:
            raise InputError(
                f"the task {task.name} has too few prompts: {number} of {amount} were found; "
                "ask for fewer, or add a task"
            )
        used.add(example.prompt)
        length, block = gen_length or task.gen_length, block_length or task.block_length
        yield Asked(example.prompt, length, min(block, length), example)


def _endless(task: Task, seed: int) -> Iterator[Example]:
    for offset in range(SEEDS):
        yield from task.examples(500, seed + offset)


def _from_file(recipe: Recipe) -> Prompts:
    """The file's first prompts to learn from, the next ones held out; none is graded."""
    path = Path(recipe.prompts).expanduser()
    parts = [
        tuple(Asked(prompt, recipe.gen_length, recipe.block_length) for prompt in part)
        for part in split(path, recipe.count, recipe.held)
    ]
    return Prompts(parts[0], parts[1], ())
