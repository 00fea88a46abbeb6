"""Runs beside each other: on one clock, position by position, in numbers. NumPy only.

Positions are compared by their place i in the answer (canvas position less the prompt's length), so
that runs of unlike prompts can be, too. Compared are the places that a run decided, up to the
later of the two first ends of sequence: padding behind both answers would flatter any agreement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

import numpy as np

from dlmviz import metrics
from dlmviz.types import Trace

Clock = Literal["step", "fraction", "nfe"]
CLOCKS: tuple[Clock, ...] = ("step", "fraction", "nfe")
NEVER = -1


@dataclass(frozen=True, eq=False)
class Answer:
    """What became of a run's answer. Letters: M places of the answer."""

    final: np.ndarray  # int32 [M], tokens at the end
    since: np.ndarray  # int32 [M], step that last changed a place; -1 where none did
    asked: np.ndarray  # bool [M], masked when the run began
    mask: int
    end: int  # places up to and including the first end of sequence that was written


def answer(trace: Trace) -> Answer:
    """The answer of a run."""
    start = trace.prompt_length
    final, asked = trace.final[start:], trace.initial[start:] == trace.mask_id
    since = trace.finalized_at[start:]
    eos = NEVER if trace.eos_id is None else trace.eos_id
    ends = np.flatnonzero((final == eos) & asked)
    end = int(ends[0]) + 1 if len(ends) else len(final)
    return Answer(final, since, asked, trace.mask_id, end)


def ticks(trace: Trace, clock: Clock) -> np.ndarray:
    """float64 [S + 1]: what the clock shows after each step, entry 0 before the first.

    `fraction` is the share of the asked positions that are filled, and never goes back: a token
    that is taken back was revealed all the same.
    """
    if clock == "step":
        return np.arange(len(trace.steps) + 1, dtype=np.float64)
    if clock == "nfe":
        return np.cumsum([0, *(record.nfe for record in trace.steps)], dtype=np.float64)
    asked = trace.initial == trace.mask_id
    tokens, filled = trace.initial.copy(), [0]
    for record in trace.steps:
        tokens[record.positions] = record.tokens
        tokens[record.remasked] = trace.mask_id
        filled.append(int(np.count_nonzero(tokens[asked] != trace.mask_id)))
    shares = np.maximum.accumulate(np.array(filled) / max(1, int(asked.sum())))
    return np.asarray(shares, np.float64)


def step_at(shown: np.ndarray, at: float) -> int:
    """The last step whose tick is `at` or less: a clock never shows what is not there yet."""
    return int(np.searchsorted(shown, at + 1e-9, side="right")) - 1


def one_vocabulary(a: Trace, b: Trace) -> bool:
    """Whether two runs name tokens by the same numbers, as far as both show."""
    common = a.pieces.keys() & b.pieces.keys()
    return (a.mask_id, a.eos_id) == (b.mask_id, b.eos_id) and all(
        a.pieces[token] == b.pieces[token] for token in common
    )


def compared(a: Answer, b: Answer) -> np.ndarray:
    """bool [max M]: the places that count."""
    length = max(len(a.final), len(b.final))
    asked = _longer(a.asked, length, False) | _longer(b.asked, length, False)
    return np.asarray(asked & (np.arange(length) < max(a.end, b.end)))


def agreement(a: Trace, b: Trace) -> float | None:
    """Share of the compared places that hold the same token at the end; symmetric.

    None between vocabularies, and where there is no place. A mask, or a place that one run does
    not have, agrees with nothing.
    """
    if not one_vocabulary(a, b):
        return None
    one, other = answer(a), answer(b)
    places = compared(one, other)
    same = _same(one, one.final, other, other.final, len(places))
    return float((same & places).sum() / places.sum()) if places.any() else None


def divergence(a: Trace, b: Trace) -> tuple[int | None, int | None]:
    """(first step, from 1, after which the answers so far differ, first step of `b` that writes
    what `a` does not end with); None where that never happens, both between vocabularies.

    A run that has ended stays as it is.
    """
    if not one_vocabulary(a, b):
        return None, None
    final = a.final[a.prompt_length :]
    parted = stray = None
    both = zip_longest(_canvases(a), _canvases(b))
    left, right = next(both)
    for step, (one, other) in enumerate(both, 1):
        left, right = (left if one is None else one), (right if other is None else other)
        if not np.array_equal(left, right):
            parted = step
            break
    for number, record in enumerate(b.steps, 1):
        places = record.positions - b.prompt_length
        known = (places >= 0) & (places < len(final))
        if (final[places[known]] != record.tokens[known]).any():
            stray = number
            break
    return parted, stray


def kinds(a: Trace, b: Trace, step_a: int | None = None, step_b: int | None = None) -> list[str]:
    """What each place of the answers is, after so many steps of each run (default: all):

    past (behind the end of both), lone (one run has no such place), given, neither, only_a, only_b
    (which of them has written it), token (they hold unlike tokens), order (the same token, which
    they finalised at another time), same. Times are equal where some order of single tokens, in
    which each group of a step may be sorted freely, puts the place where both runs do: greedy
    and parallel decoding of one order differ in nothing.
    """
    one, other = answer(a), answer(b)
    places = compared(one, other)
    size = len(places)
    now = [_canvas(trace, step) for trace, step in ((a, step_a), (b, step_b))]
    shown = [
        _longer(tokens != run.mask, size, False)
        for tokens, run in zip(now, (one, other), strict=True)
    ]
    same = _same(one, now[0], other, now[1], size)
    order = _meet(_turns(one, places), _turns(other, places), size)
    lengths = min(len(one.final), len(other.final))
    asked = _longer(one.asked, size, False) | _longer(other.asked, size, False)

    def kind(i: int) -> str:
        if i >= max(one.end, other.end):
            return "past"
        if i >= lengths:
            return "lone"
        if not asked[i]:
            return "given"
        if not (shown[0][i] and shown[1][i]):
            return "only_a" if shown[0][i] else "only_b" if shown[1][i] else "neither"
        return ("same" if order[i] else "order") if same[i] else "token"

    return [kind(i) for i in range(size)]


def row(trace: Trace, first: Trace) -> dict[str, Any]:
    """The numbers of a run beside the first lane's; None where one is undefined."""
    verdict = trace.info.get("example")
    correct = verdict.get("correct") if isinstance(verdict, dict) else None
    parted, stray = divergence(first, trace)
    numbers = metrics.row(trace)
    names = ("text", "nfe", "steps", "tokens", "masks_left", "tpf", "afp", "kendall_tau_b")
    return {
        **{name: numbers[name] for name in (*names, "segments_max", "segments_mean")},
        "correct": correct if isinstance(correct, bool) else None,
        "agreement": agreement(first, trace),
        "parts_at": parted,
        "other_token_at": stray,
    }


def _canvas(trace: Trace, step: int | None) -> np.ndarray:
    """int32 [M]: the answer after a step; after its end, the end."""
    count = len(trace.steps) if step is None else min(step, len(trace.steps))
    return trace.canvas_at(count)[trace.prompt_length :]


def _canvases(trace: Trace) -> Iterator[np.ndarray]:
    """Yields the answer before the first step, then after each."""
    tokens = trace.initial.copy()
    yield tokens[trace.prompt_length :].copy()
    for record in trace.steps:
        tokens[record.positions] = record.tokens
        tokens[record.remasked] = trace.mask_id
        yield tokens[trace.prompt_length :].copy()


def _same(
    a: Answer, tokens_a: np.ndarray, b: Answer, tokens_b: np.ndarray, size: int
) -> np.ndarray:
    """bool [size]: both have written the place, and the same."""
    left, right = _longer(tokens_a, size, a.mask), _longer(tokens_b, size, b.mask)
    return np.asarray((left == right) & (left != a.mask) & (right != b.mask))


def _turns(run: Answer, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int [M] each: how many compared places were final before a place's step, and after it."""
    final = (run.since != NEVER) & (run.final != run.mask) & places[: len(run.final)]
    steps = np.sort(run.since[final])
    before = np.searchsorted(steps, run.since, side="left")
    return before, np.searchsorted(steps, run.since, side="right")


def _meet(a: tuple[np.ndarray, ...], b: tuple[np.ndarray, ...], size: int) -> np.ndarray:
    """bool [size]: the turns of a place overlap."""
    (low_a, high_a), (low_b, high_b) = ([_longer(x, size, 0) for x in pair] for pair in (a, b))
    return np.asarray(np.maximum(low_a, low_b) < np.minimum(high_a, high_b))


def _longer(values: np.ndarray, size: int, empty: Any) -> np.ndarray:
    """[size], filled up at the end."""
    out = np.full(size, empty, values.dtype)
    out[: len(values)] = values
    return out
