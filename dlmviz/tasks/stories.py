"""Grade-school word problems in 1-6 steps with worked solutions, and short arithmetic drills.

A story is a walk: an opening gives a quantity, every move tells what happens to it and works one
or two equations, and each equation takes up the result before it (or one from further back). The
moves stand in `tables/story_moves.csv`, nouns and names in `tables/story_nouns.csv`; all sentences
are our own, in the style of worked school problems. Kinds: `steps1`..`steps6` (number of
equations) and `drill`. A prompt may ask for numbered steps: then lines begin "Step 1: ".

Worked example: "Mia buys 3 boxes with 12 eggs each. She gives 8 of them to Tim. How many eggs
are left?" -> "Mia has 3 * 12 = 36 eggs.\nShe has 36 - 8 = 28 eggs left.\n#### 28".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from dlmviz.tasks.story_drills import drill
from dlmviz.tasks.story_rules import RULES, Draw, Drawn, Line, Move, moves_by_state, nouns
from dlmviz.types import Example, Graph, Task

_KINDS = tuple(
    [1] * 6 + [2] * 10 + [3] * 10 + [4] * 8 + [5] * 5 + [6] * 5 + [0] * 6
)  # of 50; 0 is a drill
_DISTRACT = (
    "It is {x} degrees outside.",
    "The bus has the number {x}.",
    "The house of {n} has the number {x}.",
    "It is day {x} of the month.",
    "The phone of {m} rings {x} times.",
)
_FILLERS = ("Hello.", "Here is a problem.", "Solve this.", "Please help me.", "Please.")
_NUMBER = ("Number the steps.", "Give each step a number.", "Write numbered steps.")
_CLOSERS = ("Show the steps.", "Thanks in advance.", "Please work it out.", "Think in steps.")
_EQUATION = re.compile(r"= (\d+)")


class _Told(NamedTuple):
    """A problem: its prompt, the worked lines and their equations."""

    prompt: str
    answer: str
    lines: list[Line]


_MOVES = moves_by_state()
_NOUNS = nouns()
_SHE, _HE = _NOUNS["she"], _NOUNS["he"]


def _pick(draw: Draw, options: tuple[Any, ...]) -> Any:
    return options[int(draw() * len(options))]


def examples(n: int, seed: int) -> list[Example]:
    """`n` problems: steps1..steps6 12, 20, 20, 16, 10, 10 % and drills 12 %.

    All numbers are whole and from 2 to 999; the prompt tells everything the answer needs, in
    order, and in a tenth of the cases one number that it does not need. Deterministic in `seed`.
    """
    rng = Random(f"stories:{seed}")
    return [_example(rng.random) for _ in range(n)]


def _example(draw: Draw) -> Example:
    steps = _pick(draw, _KINDS)
    prompt, answer, lines = _drill(draw) if steps == 0 else _fitting_story(draw, steps)
    data = {"result": lines[-1].result, "uses": [list(line.uses) for line in lines]}
    if draw() < 0.1:
        prompt = _noise(draw, prompt)
    kind = f"steps{steps}" if steps else "drill"
    return Example("stories", kind, prompt, f"{answer}\n#### {lines[-1].result}", data)


def _drill(draw: Draw) -> _Told:
    prompt, lines = drill(draw)
    return _Told(prompt, "\n".join([line.text for line in lines]), lines)


def _fitting_story(draw: Draw, steps: int) -> _Told:
    told = None
    while told is None:
        told = _story(draw, steps)
    return told


def _cast(draw: Draw) -> dict[str, Any]:
    """The words that stay through a story. Hero and friend differ in pronoun: no ambiguity."""
    she = draw() < 0.5
    hero, friend = (_SHE, _HE) if she else (_HE, _SHE)
    ware = _pick(draw, _NOUNS["ware"])
    boxes = _NOUNS["box"]
    box = int(draw() * len(boxes))  # {c} is bought, {q} is filled: never the same word
    return {
        "n": _pick(draw, hero),
        "m": _pick(draw, friend),
        "k": "",
        "h": "she" if she else "he",
        "H": "She" if she else "He",
        "s": "her" if she else "his",
        "c": boxes[box],
        "q": boxes[(box + 1 + int(draw() * (len(boxes) - 1))) % len(boxes)],
        "g": _pick(draw, _NOUNS["gift"]),
        "d": _pick(draw, _NOUNS["dream"]),
        "w": ware,
        "o": ware,
    }


def _story(draw: Draw, steps: int) -> _Told | None:
    """One story with exactly `steps` equations; None when the walk got stuck or too long."""
    words, tells, works, lines = _cast(draw), [], [], list[Line]()
    state, left, value, saved, last = "start", steps, (0, -1), (0, -1), None
    while True:
        found = _next(draw, _MOVES.get((state, left), ()), last, value[0], saved[0])
        if found is None:
            return None
        move, drawn = found
        if move.nouns:
            _name(draw, words, move.nouns)
        words.update(drawn.words)
        tells.append(_pick(draw, move.tell).format_map(words))
        kept = value
        for texts, line in zip(move.work, drawn.lines, strict=True):
            words["e"] = line.text
            works.append(_pick(draw, texts).format_map(words))
            past = (kept[1], saved[1], len(lines) - 1)  # what the marks 0, 1, 2 of a rule mean
            uses = tuple([past[use] for use in line.uses if past[use] >= 0])
            value = (line.result, len(lines))
            lines.append(Line(line.text, line.result, uses))
        if not drawn.lines:
            value = (drawn.words["a"], -1)
        left -= move.cost
        if left == 0:
            tells.append(_pick(draw, move.ask).format_map(words))
            return _told(draw, words, tells, works, lines)
        state, last = move.end, move
        saved = saved if move.save == "same" else kept if move.save else (0, -1)
        if move.save == "shift":
            _shift(draw, words)


def _next(
    draw: Draw, options: tuple[Move, ...], last: Move | None, value: int, saved: int
) -> tuple[Move, Drawn] | None:
    """A move that is not the last one again and whose rule fits the numbers; None if stuck."""
    for _ in range(min(5, 2 * len(options))):
        move = options[int(draw() * len(options))]
        if move is not last:
            drawn = RULES[move.rule](draw, value, saved, move.low, move.high)
            if drawn is not None:
                return move, drawn
    return None


def _name(draw: Draw, words: dict[str, Any], group: str) -> None:
    """A new noun for the things counted; not the one bought on the way, which would confuse."""
    old = words["o"], words["w"]
    while words["o"] in old:
        words["o"] = _pick(draw, _NOUNS[group])


def _shift(draw: Draw, words: dict[str, Any]) -> None:
    """The friend becomes the hero (ages go from person to person) and a new friend comes."""
    seen = words["k"], words["n"], words["m"]
    words["k"], words["n"] = words["n"], words["m"]
    while words["m"] in seen:
        words["m"] = _pick(draw, _SHE if draw() < 0.5 else _HE)


def _told(
    draw: Draw, words: dict[str, Any], tells: list[str], works: list[str], lines: list[Line]
) -> _Told | None:
    """The story as prompt and worked lines; None when it is too long for the model."""
    if draw() < 0.1:
        tells.insert(1, _pick(draw, _DISTRACT).format(x=2 + int(draw() * 28), **words))
    works = [work[0].upper() + work[1:] for work in works]
    if draw() < (0.5 if len(works) > 4 else 0.05):
        tells.append(_pick(draw, _NUMBER))
        works = [f"Step {i}: {work}" for i, work in enumerate(works, 1)]
    prompt = " ".join([tell[0].upper() + tell[1:] for tell in tells if tell])
    if len(works) > 4 and (len(prompt) > 470 or _tokens(works, lines) > 109):
        return None
    return _Told(prompt, "\n".join(works), lines)


def _tokens(works: list[str], lines: list[Line]) -> int:
    """Tokens of worked lines where a word, a digit, a sign and a line end are one each."""
    extra = 1 if works[0].startswith("Step ") else 0  # the colon
    return sum([w.count(" ") + len(e.text) - 6 + extra for w, e in zip(works, lines, strict=True)])


def _noise(draw: Draw, prompt: str) -> str:
    noises: tuple[Callable[[], str], ...] = (
        prompt.lower,
        lambda: prompt.rstrip(".?"),
        lambda: f"{_pick(draw, _FILLERS)} {prompt}",
        lambda: f"{prompt} {_pick(draw, _CLOSERS)}",
    )
    return str(_pick(draw, noises)())


def score(example: Example, text: str) -> bool:
    """True when the last line is `#### N` with the right N and no earlier line begins with ####.

    Only the result is graded, not the working. Whitespace around the text is ignored; a missing
    or wrong number, leading zeros, or anything after the number makes it wrong.
    """
    *working, last = text.strip().split("\n")
    right = last.rstrip() == f"#### {example.data['result']}"
    return right and not any(line.startswith("####") for line in working)


def graph(example: Example) -> Graph:
    """The results of the equations and the final N; an edge where one is an operand of another.

    Spans are the digits after each "=", in order, and last the N after ####. Two results share
    an edge when the generator put one into the equation of the other as an operand (not when two
    numbers happen to be equal); N has an edge to the last result, which it repeats.
    """
    spans = [found.span(1) for found in _EQUATION.finditer(example.answer)]
    edges = {(use, at) for at, uses in enumerate(example.data["uses"]) for use in uses}
    start = example.answer.rindex("#### ") + 5
    edges.add((len(spans) - 1, len(spans)))
    return Graph((*spans, (start, len(example.answer))), frozenset(edges))


TASK = Task(
    name="stories",
    title="Word problems",
    help="School problems worked step by step: each line needs the result of an earlier one.",
    examples=examples,
    score=score,
    graph=graph,
    gen_length=128,
    block_length=32,
)
