"""Why a position was committed, or was not: a few words a position, for a reader."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Words = str | Callable[[int], str]


def reasons(asked: Tensor, *rules: tuple[Tensor, Words]) -> dict[int, str]:
    """position -> words of the first rule that holds there, for every asked position.

    bool [T], then pairs of a bool [T] and words, which may be a function of the position.
    """
    plain = [(holds.tolist(), words) for holds, words in rules]  # one copy, not one a position
    found: dict[int, str] = {}
    for position in asked.nonzero()[:, 0].tolist():
        words = next((words for holds, words in plain if holds[position]), None)
        assert words is not None, f"no rule explains position {position}"
        found[position] = words if isinstance(words, str) else words(position)
    return found
