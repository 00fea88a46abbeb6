"""Sentences drawn from a table of templates, and made-up words.

A table of phrases has the columns operation, part and text; "a (b|c) d" in a text stands for
"a b d" and "a c d". Templates are drawn uniformly, then their forms.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Mapping

from dlmviz.tasks.tables import rows

Forms = tuple[str, ...]

_ONSETS = (*"bcdfghjklmnprstvwz", "br", "ch", "dr", "fl", "gr", "pr", "qu", "sh", "st", "tr")
_VOWELS = (*"aeioaeio", "u", "ai", "ea", "oo")
_ENDS = ("", "", "n", "r", "l", "s", "t", "m", "ck", "nd", "th", "x")


def expand(text: str) -> Forms:
    """Every sentence that "a (b|c) d" stands for; groups do not nest."""
    pieces = text.replace(")", "(").split("(")
    groups = [p.split("|") if i % 2 else [p] for i, p in enumerate(pieces)]
    return tuple("".join(choice) for choice in itertools.product(*groups))


@functools.cache
def phrases(table: str) -> Mapping[tuple[str, str], tuple[Forms, ...]]:
    """(operation, part) -> templates, each with all its forms."""
    found: dict[tuple[str, str], list[Forms]] = {}
    for row in rows(table):
        found.setdefault((row["operation"], row["part"]), []).append(expand(row["text"]))
    return {key: tuple(forms) for key, forms in found.items()}


def draw(rng: random.Random, templates: tuple[Forms, ...]) -> str:
    """One form of one template."""
    forms = templates[int(rng.random() * len(templates))]
    return forms[int(rng.random() * len(forms))]


def invent(rng: random.Random) -> str:
    """A pronounceable lower-case word of two syllables that (almost surely) does not exist."""
    one, two, end = rng.random(), rng.random(), rng.random()
    head = _ONSETS[int(one * 28)] + _VOWELS[int(one * 28 % 1 * 12)]
    tail = _ONSETS[int(two * 28)] + _VOWELS[int(two * 28 % 1 * 12)]
    return f"{head}{tail}{_ENDS[int(end * 12)]}"
