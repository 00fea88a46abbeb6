"""Names of people: known ones from the tables, and now and then made-up ones."""

from __future__ import annotations

import random
from functools import cache

from dlmviz.tasks.tables import column
from dlmviz.tasks.tables.phrases import invent

UNSEEN = 0.06  # share of lists with made-up names, so that copying does not need known ones
SAME_FIRST = 0.02  # share of names that take the first name of another, so that ties occur


def _name(rng: random.Random, invented: bool) -> str:
    """ "First Last"; an invented name keeps a known first or last part half of the time."""
    firsts, lasts = column("first_names", "name"), column("last_names", "name")
    first = firsts[int(rng.random() * len(firsts))]
    last = lasts[int(rng.random() * len(lasts))]
    if invented:
        kind = rng.random()
        last = invent(rng).capitalize() if kind < 0.75 else last
        first = invent(rng).capitalize() if kind > 0.5 else first
    return f"{first} {last}"


def names(rng: random.Random, count: int) -> list[str]:
    """`count` different people; at most two are invented, because the answer must fit."""
    people: list[str] = []
    strange = rng.random() < UNSEEN
    left = 2 * strange
    while len(people) < count:
        invented = left > 0 and rng.random() < 0.5
        name = _name(rng, invented)
        if people and not strange and rng.random() < SAME_FIRST:
            name = f"{people[0].split()[0]} {name.split()[1]}"
        if name not in people:
            people.append(name)
            left -= invented
    return people


def unseen(people: list[str]) -> bool:
    """Whether a part of any name is made up, so that copying it needs its letters."""
    known = _known()
    return not all(part in known for name in people for part in name.split())


@cache
def _known() -> frozenset[str]:
    return frozenset((*column("first_names", "name"), *column("last_names", "name")))
