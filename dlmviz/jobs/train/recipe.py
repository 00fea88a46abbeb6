"""What every training of a sampler's part is asked, as plain values: no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from dlmviz.types import InputError

MOST = 100_000  # prompts
TASKS = ("stories", "trivia", "lists", "puzzles", "words", "pairs", "mrf")
R = TypeVar("R")


def check(tasks: Sequence[str], counts: Mapping[str, tuple[Any, int]]) -> None:
    """Raises InputError without a task, and for a count (name -> value, lowest) out of bounds."""
    if not tasks:
        raise InputError("no task is given: a part learns from their prompts; give one")
    for name, (value, low) in counts.items():
        if type(value) is not int or not low <= value <= MOST:
            raise InputError(f"{name} must be a whole number from {low} to {MOST}: got {value!r}")


def made(recipe: type[R], fit: type[Any], given: Mapping[str, Any], what: str) -> R:
    """The recipe, its `fit` inside, that plain values describe. Raises InputError for others."""
    known, inner = ({f.name for f in dataclasses.fields(c)} for c in (recipe, fit))  # type: ignore[arg-type]
    inside = given.get("fit", {})
    if not isinstance(inside, Mapping):
        raise InputError(f"fit must be an object: got {inside!r}")
    if unknown := sorted((given.keys() - known) | (inside.keys() - inner)):
        raise InputError(
            f"{what} has no setting {', '.join(unknown)}; "
            f"it has {', '.join(sorted((known | inner) - {'fit'}))}"
        )
    try:
        return recipe(**{**given, "fit": fit(**inside)})
    except TypeError as error:
        raise InputError(f"a setting has a value of the wrong kind: {error}") from error
