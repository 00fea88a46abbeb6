"""Chains of nine symbols with four triangle constraints, after DAPD (arXiv 2603.12996, 3.2).

The paper's toy has nine symbols x1..x9 in four triangles that share their odd corners; its exact
constraint was lost in print, so this one is ours: the odd places are uniform over 0..K-1 and
every even place is (left + right) mod K. K is 3, 4 or 5. Nothing here is taken from elsewhere.

Worked example: "Chain mod 4: _ _ 3 _ _ _ 1 _ _" -> "2 1 3 3 0 1 1 3 2", as 2+3=1, 3+0=3, 0+1=1
and 1+2=3 (mod 4), with x3 = 3 and x7 = 1 as given.
"""

from __future__ import annotations

from itertools import pairwise
from random import Random

from dlmviz.types import Example, Graph, Task

_MODULI = (3, 4, 4, 4, 4, 4, 4, 4, 5, 5)
_RULES = (
    "Chain mod {k}: {c}",
    "Complete the chain mod {k}: {c}",
    "Fill the chain of nine digits mod {k}: {c}",
    "Every even place is the sum of its two neighbors mod {k}. Fill in: {c}",
    "Nine digits from 0 to {t}; places 2, 4, 6 and 8 are left plus right mod {k}. Chain: {c}",
    "Fill the blanks so that each even place is left plus right mod {k}: {c}",
    "Find a chain of nine digits mod {k} that keeps these: {c}",
    "Modulus {k}, chain {c}",
    "Write out the whole chain mod {k}: {c}",
    "{c} is a chain mod {k} with blanks. Fill them in.",
    "Solve the triangle chain {c} with sums mod {k}.",
    "Here is a chain: {c} Its even places are sums of their neighbors mod {k}. Complete it.",
)
_GIVEN = (0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4)  # odd places shown
_FILLERS = ("Hello.", "I have a small puzzle.", "Thanks in advance.", "Please answer.")
_SPANS = tuple((2 * i, 2 * i + 1) for i in range(9))
_EDGES = frozenset(
    pair
    for left in (0, 2, 4, 6)
    for pair in ((left, left + 1), (left + 1, left + 2), (left, left + 2))
)


def examples(n: int, seed: int) -> list[Example]:
    """`n` chains with 0-4 odd places given, and in a quarter of them one even place as well.

    A full chain is drawn first and then hidden, so every prompt has a solution; the answer is
    that chain, one of often many right ones. Deterministic in `seed`.
    """
    rng = Random(f"mrf:{seed}")
    return [_example(rng) for _ in range(n)]


def _example(rng: Random) -> Example:
    draw = rng.random
    k = _MODULI[int(draw() * 10)]
    odd = [int(draw() * k) for _ in range(5)]
    chain = [odd[0]]
    for left, right in pairwise(odd):
        chain += ((left + right) % k, right)
    clues = ["_"] * 9
    for place in rng.sample((0, 2, 4, 6, 8), _GIVEN[int(draw() * 16)]):
        clues[place] = str(chain[place])
    if draw() < 0.25:
        place = 2 * int(draw() * 4) + 1
        clues[place] = str(chain[place])
    rule = _RULES[int(draw() * len(_RULES))]
    prompt = rule.format(k=k, t=k - 1, c=" ".join(clues))
    answer = " ".join(map(str, chain))
    if draw() < 0.1:
        prompt = _noise(rng, prompt)
    return Example("mrf", "chain", prompt, answer, {"mod": k, "clues": "".join(clues)})


def _noise(rng: Random, prompt: str) -> str:
    which = int(rng.random() * 3)
    if which == 0:
        return prompt.lower()
    filler = _FILLERS[int(rng.random() * len(_FILLERS))]
    return f"{filler} {prompt}" if which == 1 else prompt.removesuffix(".")


def score(example: Example, text: str) -> bool:
    """True when the text is nine digits below K, one space apart, with clues and sums kept.

    Whitespace around the text is ignored; everything else makes it wrong.
    """
    mod, clues = int(example.data["mod"]), str(example.data["clues"])
    parts = text.strip().split(" ")
    digits = tuple(map(str, range(mod)))
    if len(parts) != 9 or any(part not in digits for part in parts):
        return False
    if any(clue not in ("_", part) for clue, part in zip(clues, parts, strict=True)):
        return False
    x = [int(part) for part in parts]
    return all(x[i] == (x[i - 1] + x[i + 1]) % mod for i in (1, 3, 5, 7))


def graph(example: Example) -> Graph:
    """The nine digits and the 12 of 36 pairs that share a triangle (left, even, right).

    It is the graph of the constraints, the same for every example: clues are not removed.
    """
    return Graph(_SPANS, _EDGES)


TASK = Task(
    name="mrf",
    title="Triangle chains",
    help="Nine digits in four triangles: which pairs depend on each other is known exactly.",
    examples=examples,
    score=score,
    graph=graph,
    gen_length=32,
    block_length=32,
)
