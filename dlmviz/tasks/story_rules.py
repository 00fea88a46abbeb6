"""The moves of word problems, how their numbers are drawn, and their equations.

A rule takes (draw, value, saved, low, high) and gives a `Drawn`, or None when the numbers at hand
do not fit: all results are whole and from 2 to 999, products have one factor from 2-10 or 12 and
the other of at most 60, divisors are 2-10. No facts and no third-party sentences.

Worked example: rule "uses" at value 40 -> "3 * 8 = 24", "40 - 24 = 16".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from dlmviz.tasks.tables import rows

Draw = Callable[[], float]  # uniform in [0, 1)


class Line(NamedTuple):
    """One equation. Out of a rule `uses` says 0 value, 1 saved, 2 the line before."""

    text: str
    result: int
    uses: tuple[int, ...] = ()


class Drawn(NamedTuple):
    """What a rule drew: words for the templates, and its equations in order."""

    words: dict[str, Any]
    lines: tuple[Line, ...] = ()


Rule = Callable[[Draw, int, int, int, int], Drawn | None]
TWO_LINES = ("part", "percent", "packs", "uses")
_PARTS = {3: "a third", 4: "a quarter", 5: "a fifth"}
_PERCENT = {50: 2, 25: 4, 20: 5, 10: 10}
_SHARES = tuple(_PERCENT)


def span(draw: Draw, low: int, high: int) -> int:
    return low + int(draw() * (high - low + 1))


def _factor(draw: Draw, low: int, high: int) -> int:
    drawn = span(draw, low, high)
    return 10 if drawn == 11 else drawn


def make_line(a: int, op: str, b: int, result: int, *uses: int) -> Line:
    return Line(f"{a} {op} {b} = {result}", result, uses)


def _given(draw: Draw, value: int, saved: int, low: int, high: int) -> Drawn:
    return Drawn({"a": span(draw, low, high)})


def _product(draw: Draw, value: int, saved: int, low: int, high: int) -> Drawn:
    a, b = _factor(draw, low, high), span(draw, 3, 60 if draw() < 0.4 else 24)
    return Drawn({"a": a, "b": b}, (make_line(a, "*", b, a * b),))


def _dozen(draw: Draw, value: int, saved: int, low: int, high: int) -> Drawn:
    a = _factor(draw, low, high)
    return Drawn({"a": a}, (make_line(a, "*", 12, a * 12),))


def _sum(draw: Draw, value: int, saved: int, low: int, high: int) -> Drawn:
    a, b = span(draw, low, high), span(draw, low, high)
    return Drawn({"a": a, "b": b}, (make_line(a, "+", b, a + b),))


def _add(draw: Draw, value: int, saved: int, low: int, high: int) -> Drawn | None:
    top = min(high, 999 - value)
    if top < low:
        return None
    a = span(draw, low, top)
    return Drawn({"a": a}, (make_line(value, "+", a, value + a, 0),))


def _sub(draw: Draw, value: int, saved: int, low: int, high: int) -> Drawn | None:
    top = min(high, value - 2)
    if top < low:
        return None
    a = span(draw, low, top)
    return Drawn({"a": a}, (make_line(value, "-", a, value - a, 0),))


def _rest(draw: Draw, value: int, saved: int, low: int, high: int) -> Drawn | None:
    a = value + span(draw, low, high)
    return Drawn({"a": a}, (make_line(a, "-", value, a - value, 0),)) if a < 1000 else None


def _mul(draw: Draw, value: int, saved: int, low: int, high: int) -> Drawn | None:
    if value > 60:
        return None
    k = _factor(draw, low, high)
    times = "twice" if k == 2 else f"{k} times"
    return Drawn({"a": k, "t": times}, (make_line(value, "*", k, value * k, 0),))


def _divide(value: int, k: int) -> Line | None:
    if value % k or value < 2 * k:
        return None
    return make_line(value, "/", k, value // k, 0)


def _div(draw: Draw, value: int, saved: int, low: int, high: int) -> Drawn | None:
    fits = [k for k in range(low, high + 1) if value % k == 0 and value >= 2 * k]
    if not fits:
        return None
    k = fits[int(draw() * len(fits))]
    return Drawn({"a": k}, (make_line(value, "/", k, value // k, 0),))


def _half(draw: Draw, value: int, saved: int, low: int, high: int) -> Drawn | None:
    line = _divide(value, 2)
    return Drawn({}, (line,)) if line else None


def _off(value: int, k: int, word: Any) -> Drawn | None:
    """A share 1/k taken off: the share, then what stays."""
    line = _divide(value, k)
    if line is None:
        return None
    return Drawn({"f": word}, (line, make_line(value, "-", line.result, value - line.result, 0, 2)))


def _part(draw: Draw, value: int, saved: int, low: int, high: int) -> Drawn | None:
    k = span(draw, low, high)
    return _off(value, k, _PARTS[k])


def _percent(draw: Draw, value: int, saved: int, low: int, high: int) -> Drawn | None:
    share = _SHARES[int(draw() * 4)]
    return _off(value, _PERCENT[share], share)


def _packs(draw: Draw, value: int, saved: int, low: int, high: int) -> Drawn | None:
    a, b = _factor(draw, low, high), span(draw, 2, 30)
    total = value + a * b
    if total > 999:
        return None
    return Drawn(
        {"a": a, "b": b}, (make_line(a, "*", b, a * b), make_line(value, "+", a * b, total, 0, 2))
    )


def _uses(draw: Draw, value: int, saved: int, low: int, high: int) -> Drawn | None:
    a = _factor(draw, low, high)
    top = min(60, (value - 2) // a)
    if top < 2:
        return None
    b = span(draw, 2, top)
    left = value - a * b
    return Drawn(
        {"a": a, "b": b}, (make_line(a, "*", b, a * b), make_line(value, "-", a * b, left, 0, 2))
    )


def _join(draw: Draw, value: int, saved: int, low: int, high: int) -> Drawn | None:
    total = saved + value
    return Drawn({}, (make_line(saved, "+", value, total, 0, 1),)) if total < 1000 else None


def _diff(draw: Draw, value: int, saved: int, low: int, high: int) -> Drawn | None:
    rest = value - saved
    return Drawn({}, (make_line(value, "-", saved, rest, 0, 1),)) if rest > 1 else None


RULES: dict[str, Rule] = {
    "given": _given,
    "product": _product,
    "dozen": _dozen,
    "sum": _sum,
    "add": _add,
    "sub": _sub,
    "rest": _rest,
    "mul": _mul,
    "price": _mul,
    "div": _div,
    "half": _half,
    "part": _part,
    "percent": _percent,
    "packs": _packs,
    "uses": _uses,
    "join": _join,
    "diff": _diff,
}


class Move(NamedTuple):
    """One row of the table: what may happen in a state, and how it is told and worked."""

    end: str
    nouns: str
    rule: str
    low: int
    high: int
    save: str
    cost: int  # equations
    tell: tuple[str, ...]
    work: tuple[tuple[str, ...], ...]
    ask: tuple[str, ...]


def _move(row: dict[str, str]) -> Move:
    end, _, nouns = row["next"].partition(":")
    rule = row["rule"]
    work = (
        tuple(tuple(line.split("|")) for line in row["work"].split(" // ")) if row["work"] else ()
    )
    cost = 2 if rule in TWO_LINES else 0 if rule == "given" else 1
    assert cost == len(work), row
    tell, ask = tuple(row["tell"].split("|")), tuple(row["ask"].split("|"))
    low, high = int(row["low"]), int(row["high"])
    return Move(end, nouns, rule, low, high, row["save"], cost, tell, work, ask)


def moves_by_state() -> dict[tuple[str, int], tuple[Move, ...]]:
    """(state, equations still to come) -> the moves that may follow; END only as the last."""
    table: dict[tuple[str, int], tuple[Move, ...]] = {}
    for row in rows("story_moves"):
        move = _move(row)
        for left in range(1, 7):
            if move.cost <= left and (move.end != "END" or move.cost == left):
                key = (row["state"], left)
                table[key] = (*table.get(key, ()), move)
    return table


def nouns() -> dict[str, tuple[str, ...]]:
    """Group (things, food, ..., she, he) -> its words in file order."""
    groups: dict[str, tuple[str, ...]] = {}
    for row in rows("story_nouns"):
        groups[row["group"]] = (*groups.get(row["group"], ()), row["word"])
    return groups
