"""Short arithmetic drills: one operation, chains, and bundles whose results are added.

Their operands cover those of the word problems (see `story_rules`): sums and differences below
1000, products of 2-10 or 12 with at most 60, exact divisions by 2-10 or 12, simple shares.
Nothing here is taken from elsewhere.

Worked example: "Compute 12 + 30, then multiply by 3." -> "12 + 30 = 42", "42 * 3 = 126".
"""

from __future__ import annotations

from collections.abc import Callable

from dlmviz.tasks.story_rules import Draw, Line, make_line, span

_Term = tuple[int, str, int, int]  # left, sign, right, result
_ONE = (
    "What is {q}?",
    "Compute {q}.",
    "Work out {q}.",
    "{q} = ?",
    "How much is {q}?",
    "Find {q}.",
    "{q}",
    "Calculate {q}.",
)
_BUNDLE = (
    "Compute {q}. Add the results.",
    "Find {q}, and then the sum of all results.",
    "Work out {q}. What is the total?",
    "What is the sum of {q}?",
    "Calculate {q} and add them up.",
)
_CHAIN = ("Compute {q}.", "Start with {q}.", "Take {q}.", "Work out {q}.", "Calculate {q}.")
_JOINS = (", then ", ", then ", " and then ", ", and ")
_SHARES = (
    ("half", 2),
    ("a third", 3),
    ("a quarter", 4),
    ("a fifth", 5),
    ("50 percent", 2),
    ("25 percent", 4),
    ("20 percent", 5),
    ("10 percent", 10),
)


def drill(draw: Draw) -> tuple[str, list[Line]]:
    """A drill's prompt and its equations: 50 % one, 8 % a share, 24 % chains, 18 % bundles."""
    which = draw()
    if which < 0.5:
        a, sign, b, result = _term(draw)
        return _ask(draw, _ONE, f"{a} {sign} {b}"), [make_line(a, sign, b, result)]
    if which < 0.58:
        return _share(draw)
    return _chain(draw) if which < 0.82 else _bundle(draw)


def _ask(draw: Draw, options: tuple[str, ...], q: str) -> str:
    return options[int(draw() * len(options))].format(q=q)


def _size(draw: Draw, top: int) -> int:
    """A number from 2 to `top`, in two of three cases below 200."""
    return span(draw, 2, top if draw() < 0.35 else min(top, 199))


def _plus(draw: Draw) -> _Term:
    a = _size(draw, 990)
    b = _size(draw, 999 - a)
    return (a, "+", b, a + b) if draw() < 0.5 else (b, "+", a, a + b)


def _minus(draw: Draw) -> _Term:
    a, _, b, result = _plus(draw)
    return result, "-", b, a


def _factor(draw: Draw) -> int:
    k = span(draw, 2, 11)
    return 12 if k == 11 else k


def _times(draw: Draw) -> _Term:
    k, b = _factor(draw), span(draw, 2, 60)
    return (k, "*", b, k * b) if draw() < 0.5 else (b, "*", k, k * b)


def _over(draw: Draw) -> _Term:
    k = _factor(draw)
    b = span(draw, 2, min(999 // k, 60 if draw() < 0.6 else 499))
    return k * b, "/", k, b


_TERMS: tuple[Callable[[Draw], _Term], ...] = (
    _plus,
    _plus,
    _plus,
    _minus,
    _minus,
    _minus,
    _minus,
    _times,
    _times,
    _times,
    _over,
    _over,
)


def _term(draw: Draw) -> _Term:
    return _TERMS[int(draw() * len(_TERMS))](draw)


def _share(draw: Draw) -> tuple[str, list[Line]]:
    word, k = _SHARES[int(draw() * len(_SHARES))]
    b = span(draw, 2, 999 // k if draw() < 0.3 else min(60, 999 // k))
    return _ask(draw, _ONE, f"{word} of {k * b}"), [make_line(k * b, "/", k, b)]


def _bundle(draw: Draw) -> tuple[str, list[Line]]:
    """Two or three terms whose results are added, one after the other; the sum is below 1000."""
    terms = [_term(draw) for _ in range(2 if draw() < 0.6 else 3)]
    while sum(term[3] for term in terms) > 999:
        terms = [_term(draw) for _ in terms]
    shown = [f"{a} {sign} {b}" for a, sign, b, _ in terms]
    q = f"{', '.join(shown[:-1])} and {shown[-1]}"
    lines = [make_line(*term) for term in terms]
    total, at = terms[0][3], 0
    for i, term in enumerate(terms[1:], 1):
        uses = (at, i)
        lines.append(make_line(total, "+", term[3], total + term[3], *uses))
        total, at = total + term[3], len(lines) - 1
    return _ask(draw, _BUNDLE, q), lines


def _then(draw: Draw, value: int) -> tuple[str, str, int, int]:
    """One more operation on `value`: its words, sign, operand and result (2-999)."""
    which = int(draw() * 5)
    if which == 0 and value <= 60:
        k = _factor(draw)
        return f"multiply by {k}", "*", k, value * k
    fits = [k for k in (2, 3, 4, 5, 6, 7, 8, 9, 10) if value % k == 0 and value >= 2 * k]
    if which <= 1 and fits:
        k = fits[int(draw() * len(fits))]
        return "halve it" if k == 2 else f"divide by {k}", "/", k, value // k
    if (which <= 3 and value > 4) or value > 900:
        b = span(draw, 2, min(value - 2, 150))
        return f"subtract {b}", "-", b, value - b
    b = span(draw, 2, min(999 - value, 150))
    return f"add {b}", "+", b, value + b


def _chain(draw: Draw) -> tuple[str, list[Line]]:
    """A term and one to three operations on its result."""
    a, sign, b, value = _term(draw)
    q, lines = f"{a} {sign} {b}", [make_line(a, sign, b, value)]
    for _ in range(1 + int(draw() * 3)):
        words, sign, k, result = _then(draw, value)
        q += f"{_JOINS[int(draw() * 4)]}{words}"
        lines.append(make_line(value, sign, k, result, len(lines) - 1))
        value = result
    return _ask(draw, _CHAIN, q), lines
