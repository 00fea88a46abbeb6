"""Questions with several right answers whose parts must agree: a country and its capital.

Each part alone is open, both together are not, so committing them at the same step mixes two
answers ("The capital of Kenya is Oslo."). All the rest of the sentence follows from the prompt.
The facts are our own tables (dlmviz.tasks.tables), typed from general knowledge.

    prompt  Name a country in Africa and its capital.
    answer  The capital of Kenya is Nairobi.

The other kinds ask for one word several times, or for two digits with a given sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from random import Random
from string import ascii_uppercase
from typing import Any, NamedTuple

from dlmviz.tasks.tables import column, rows
from dlmviz.tasks.tables.noise import noisy
from dlmviz.tasks.tables.pair_forms import (
    COIN_FORMS,
    DIGIT_FORMS,
    FACT_FORMS,
    LETTERED,
    NAME_FORMS,
    NAMED,
)
from dlmviz.types import Example, Graph, Task

FEWEST = 12  # right answers a constraint must leave: two drawn apart agree in 1 of 12 at most
KINDS = ("capital", "currency", "language", "element", "same_name", "digits", "coin")
_DRAWN = (*KINDS, "capital", "element", "same_name", "digits", "digits")  # as often as drawn

# A sentence is PARTS[0] + first + PARTS[1] + second + "."
PARTS: Mapping[str, tuple[str, str]] = {
    "capital": ("The capital of ", " is "),
    "currency": ("The currency of ", " is the "),
    "language": ("The official language of ", " is "),
    "element": ("The symbol of ", " is "),
}
_WHAT = {"language": "official language", "element": "symbol"}  # the kind itself where absent
COUNTS = {2: "two", 3: "three", 4: "four", 8: "eight"}
_WORD_COUNTS = {"same_name": (2, 3, 4), "coin": (4, 8)}
SIDES = ("heads", "tails")
SUMS = range(7, 12)  # with eight to ten answers each

Fact = tuple[str, str]  # the two parts


class Question(NamedTuple):
    """What a prompt may ask about facts: its noun phrases, its constraint, the right answers."""

    phrases: tuple[str, ...]
    constraint: dict[str, str]
    answers: tuple[Fact, ...]


def facts(kind: str, constraint: Mapping[str, str]) -> tuple[Fact, ...]:
    """All true pairs of a kind under a constraint, those of several words included.

    The constraint may hold "continent", "first" and "second" (opening letter of that part).
    """
    table, first = ("elements", "element") if kind == "element" else ("countries", "country")
    second = "symbol" if kind == "element" else kind
    return tuple(
        (row[first], row[second])
        for row in rows(table)
        if row[second]
        and row.get("continent") == constraint.get("continent", row.get("continent"))
        and row[first].upper().startswith(constraint.get("first", ""))
        and row[second].upper().startswith(constraint.get("second", ""))
    )


def sentence(kind: str, fact: Fact) -> str:
    """The canonical answer that states a fact."""
    before, between = PARTS[kind]
    return f"{before}{fact[0]}{between}{fact[1]}."


def examples(n: int, seed: int) -> list[Example]:
    """n examples with a uniformly random right answer; the same for the same seed."""
    rng = Random(f"pairs:{seed}")
    return [_example(rng) for _ in range(n)]


def score(example: Example, text: str) -> bool:
    """Whether the parts agree, meet the constraint and stand in the canonical sentence."""
    text, data = text.strip(), example.data
    if example.kind in PARTS:
        return text in {sentence(example.kind, f) for f in facts(example.kind, data)}
    if example.kind == "digits":
        total = data["sum"]
        return text in {f"{a} + {total - a} = {total}" for a in _digits(total)}
    words = SIDES if example.kind == "coin" else _names(data["first"])
    return text in {" ".join([word] * data["count"]) for word in words}


def graph(example: Example) -> Graph:
    """The open parts of the answer, each pair of them an edge."""
    answer, data = example.answer, example.data
    if example.kind in PARTS:
        before, between = PARTS[example.kind]
        second = answer.rindex(between) + len(between)
        spans = [(len(before), second - len(between)), (second, len(answer) - 1)]
    elif example.kind == "digits":
        spans = [(0, 1), (4, 5)]
    else:
        length = len(answer.split(" ")[0])
        spans = [(i * (length + 1), i * (length + 1) + length) for i in range(data["count"])]
    return Graph(tuple(spans), frozenset(combinations(range(len(spans)), 2)))


def _example(rng: Random) -> Example:
    kind = _pick(rng, _DRAWN)
    if kind in PARTS:
        prompt, answer, data = _fact(rng, kind)
    elif kind == "digits":
        prompt, answer, data = _sum(rng)
    else:
        prompt, answer, data = _repeated(rng, kind)
    return Example("pairs", kind, noisy(prompt, rng), answer, data)


def _fact(rng: Random, kind: str) -> tuple[str, str, dict[str, Any]]:
    question = _pick(rng, QUESTIONS[kind])
    prompt = _pick(rng, FACT_FORMS).format(_pick(rng, question.phrases), _WHAT.get(kind, kind))
    return prompt, sentence(kind, _pick(rng, question.answers)), question.constraint


def _sum(rng: Random) -> tuple[str, str, dict[str, Any]]:
    total = _pick(rng, SUMS)
    first = _pick(rng, _digits(total))
    prompt = _pick(rng, DIGIT_FORMS).format(total)
    return prompt, f"{first} + {total - first} = {total}", {"sum": total}


def _repeated(rng: Random, kind: str) -> tuple[str, str, dict[str, Any]]:
    count = _pick(rng, _WORD_COUNTS[kind])
    data: dict[str, Any] = {"count": count}
    if kind == "coin":
        word = _pick(rng, SIDES)
        prompt = _pick(rng, COIN_FORMS).format(COUNTS[count])
    else:
        letter = _pick(rng, LETTERS) if rng.random() < 0.6 else ""
        data["first"] = letter
        word = _pick(rng, NAMES[letter])
        what = _pick(rng, NAMED) + (f" {_pick(rng, LETTERED)} {letter}" if letter else "")
        prompt = _pick(rng, NAME_FORMS).format(what, COUNTS[count])
    return prompt, " ".join([word] * count), data


def _digits(total: int) -> range:
    """The first digits that leave a second one."""
    return range(max(0, total - 9), min(9, total) + 1)


def _names(letter: str) -> tuple[str, ...]:
    return tuple(name for name in column("first_names", "name") if name.startswith(letter))


def _constraints(kind: str) -> Iterator[tuple[tuple[str, ...], dict[str, str]]]:
    """Noun phrases and the constraint they state, whether or not enough answers meet it."""
    thing, part = ("element", "symbol") if kind == "element" else ("country", _WHAT.get(kind, kind))
    an = "a chemical" if kind == "element" else "a"
    plain = tuple(f"{a} {thing}" for a in (an, "one", "any", "some"))
    yield plain, {}
    for letter in ascii_uppercase:
        yield tuple(f"{an} {thing} {how} {letter}" for how in LETTERED), {"first": letter}
        second = tuple(f"{one} whose {part} starts with {letter}" for one in plain[:2])
        yield second, {"second": letter}
    if kind == "element":
        return
    for place in dict.fromkeys(column("countries", "continent")):
        inside = tuple(f"{one} {how} {place}" for one in plain for how in ("in", "from"))
        yield inside, {"continent": place}
        for letter in ascii_uppercase:
            both = tuple(f"a country in {place} {how} {letter}" for how in LETTERED[:3])
            yield both, {"continent": place, "first": letter}


def _questions(kind: str) -> tuple[Question, ...]:
    """The constraints that leave enough answers, kept to one-word parts.

    One-word parts keep the length of the sentence known. A currency or language of several
    countries is left out too: two of its answers could mix unseen.
    """
    found, seconds = [], [second for _, second in facts(kind, {})]
    for phrases, constraint in _constraints(kind):
        able = (fact for fact in facts(kind, constraint) if "".join(fact).isalpha())
        simple = tuple(fact for fact in able if seconds.count(fact[1]) == 1)
        if len(simple) >= FEWEST:
            found.append(Question(phrases, constraint, simple))
    return tuple(found)


def _pick(rng: Random, items: Any) -> Any:
    return items[int(rng.random() * len(items))]


QUESTIONS = {kind: _questions(kind) for kind in PARTS}
_SHORT = {  # of at most five letters, so that five of them surely fit into gen_length tokens
    letter: tuple(n for n in _names(letter) if len(n) <= 5) for letter in ("", *ascii_uppercase)
}
NAMES = {letter: names for letter, names in _SHORT.items() if len(names) >= FEWEST}
LETTERS = tuple(NAMES)[1:]
TASK = Task(
    name="pairs",
    title="Pairs",
    help="Several right answers: do two parts that must agree still agree?",
    examples=examples,
    score=score,
    graph=graph,
    gen_length=32,
    block_length=32,
)
