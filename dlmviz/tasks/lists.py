"""Ten operations on a list of people who wait in a line.

copy, reverse, sort, shuffle, and insert, remove and replace, each at a given position (`_index`)
or at a random one (`_random`). The list stands in the prompt as JSON, the answer is the JSON list
after the operation. Positions count from 0; sort compares whole names as strings, first name
first. The wording is ours, put together from `tables/list_phrases.csv`; the names are typed from
general knowledge of what is common in the USA, mixed with some made-up ones. Free to use like the
rest of the package. No name occurs twice in one list.

Example (insert_index): "You look after the queue at a bank.\\n"Ann Ray" joins the line at position
1:\\n["Roy Diaz", "Joan Bell"]\\nPlease insert the new person as specified." -> the answer
`["Roy Diaz", "Ann Ray", "Joan Bell"]`.
"""

from __future__ import annotations

import itertools
import json
import random

from dlmviz.tasks.tables.people import names as names_of_people
from dlmviz.tasks.tables.people import unseen
from dlmviz.tasks.tables.phrases import draw, invent, phrases
from dlmviz.types import Example, Graph, Task

OPERATIONS = (
    *("copy", "reverse", "sort", "shuffle", "insert_index", "insert_random"),
    *("remove_index", "remove_random", "replace_index", "replace_random"),
)
FREE = frozenset({"shuffle", "insert_random", "remove_random", "replace_random"})
LENGTHS = (*(3, 4, 5, 6) * 4, 7, 8)
DRAWS = (*OPERATIONS, "sort", "sort")  # sorting is the hardest to learn

_OPENERS = (
    *(("Please {}.",) * 6 + ("{}.",) * 4),
    *("Now {}.", "Now please {}.", "Your task: {}.", "Then {}.", "Kindly {}.", "Could you {}?"),
    *("I ask you to {}.", "You should {}.", "It is your turn to {}.", "{}, please."),
    *("Please {}!", "As a result, {}.", "Can you please {}?", "For this, please {}."),
)


def _phrase(rng: random.Random, operation: str, part: str) -> str:
    return draw(rng, phrases("list_phrases")[operation, part])


def _shuffled(rng: random.Random, names: list[str]) -> list[str]:
    """A permutation other than the given one, all others equally likely."""
    result = names
    while result == names:
        result = rng.sample(names, len(names))
    return result


def _edited(operation: str, names: list[str], word: str, index: int) -> list[str]:
    """`names` with `word` inserted or replacing at `index`, or without the name there."""
    before, after = names[:index], names[index:] if operation[0] == "i" else names[index + 1 :]
    return before + after if operation.startswith("remove") else [*before, word, *after]


def _apply(
    rng: random.Random, operation: str, names: list[str], word: str, index: int
) -> list[str]:
    """The list after the operation; the random edits use the drawn index."""
    if operation in ("copy", "reverse", "sort"):
        return {"copy": names, "reverse": names[::-1], "sort": sorted(names)}[operation]
    if operation == "shuffle":
        return _shuffled(rng, names)
    return _edited(operation, names, word, index)


def _dump(names: list[str]) -> str:
    """json.dumps of plain ASCII names without quotes or backslashes, faster."""
    return '["' + '", "'.join(names) + '"]'


def _ask(rng: random.Random, text: str) -> str:
    """The text as a sentence that asks for it."""
    sentence = _OPENERS[int(rng.random() * len(_OPENERS))].format(text)
    return sentence[0].upper() + sentence[1:]


def _request(rng: random.Random, operation: str, part: str) -> list[str]:
    """The final request as sentences: what to do, mostly with "and nothing but the list"."""
    text = _phrase(rng, operation, part)
    choice = rng.random()
    if choice < 0.5:
        text += " " + _phrase(rng, "any", "conj")
    sentences = [_ask(rng, text)]
    if 0.5 <= choice < 0.85:
        sentences.append(_phrase(rng, "any", "only") + ".")
    if operation == "shuffle" and rng.random() < 0.6:
        sentences.append(_phrase(rng, "shuffle", "extra") + ".")
    elif operation.endswith("index") and rng.random() < 0.15:
        sentences.append(_phrase(rng, "index", "extra") + ".")
    return sentences


def _plan(rng: random.Random, operation: str) -> tuple[str, str]:
    """An introduction, and the part for the request: together they say all that is needed."""
    choice = rng.random()
    # Where there is a "full" request, the bare one leaves the name or the position open.
    full = "full" if (operation, "full") in phrases("list_phrases") else "request"
    if choice < 0.45:
        return _phrase(rng, operation, "intro"), "request"
    if choice < 0.65:
        return _phrase(rng, "any", "neutral"), full
    if choice < 0.75:
        return _ask(rng, _phrase(rng, operation, full))[:-1], "request"
    part = "word" if operation == "replace_index" and choice < 0.9 else full
    return _phrase(rng, operation, "intro"), part


def _layout(rng: random.Random, before: list[str], intro: str, after: list[str]) -> str:
    """One text with `{context}` where the list goes: on a line of its own, inline, first, last."""
    choice = rng.random()
    inner = "\n" if rng.random() < 0.6 else " "
    if choice < 0.08:
        return "{context}\n" + inner.join([*before, intro + ".", *after])
    if choice < 0.16:
        return inner.join([*before, intro + ".", *after]) + "\n{context}"
    gap = "\n" if choice < 0.7 else "\n\n" if choice < 0.88 else " "
    inner = " " if gap == " " else inner
    head = inner.join([*before, intro + (":" if rng.random() < 0.85 else ".")])
    return gap.join([head, "{context}", inner.join(after)])


def _noise(rng: random.Random, text: str) -> str:
    """The text, at times in lower case, without its last stop, or with a final line break."""
    choice = rng.random()
    if choice < 0.06:
        return text.lower()
    if choice < 0.12:
        return text.rstrip(".")
    return text + "\n" if choice > 0.75 else text


def _template(rng: random.Random, operation: str, length: int) -> str:
    """The prompt with its names, position, rare word and digit still open."""
    intro, part = _plan(rng, operation)
    before, after = [], _request(rng, operation, part)
    if rng.random() < 0.85:
        before.append(_phrase(rng, "any", "scene") + ".")
    if length < 7 and rng.random() < 0.3:
        place = rng.choice((before, after))
        place.insert(rng.randint(0, len(place)), _phrase(rng, "any", "filler") + ".")
    return _noise(rng, _layout(rng, before, intro, after))


def _example(rng: random.Random) -> Example:
    operation = DRAWS[int(rng.random() * len(DRAWS))]
    inserts = operation.startswith("insert")
    length = min(LENGTHS[int(rng.random() * len(LENGTHS))], 7 if inserts else 8)
    *names, word = names_of_people(rng, length + 1)
    index = int(rng.random() * (length + inserts))
    text = _template(rng, operation, length)
    quote = rng.choice(('"', '"', '"', '"', '"', "", "", "'"))
    prompt = text.format(
        context=_dump(names),
        word=f"{quote}{word}{quote}",
        index=index,
        rare=invent(rng) if "{rare}" in text else "",
        digit=int(rng.random() * 9) + 1,
    )
    data: dict[str, object] = {"input": names, "unseen": unseen([*names, word])}
    data |= {"word": word} if inserts or operation.startswith("replace") else {}
    data |= {"index": index} if operation.endswith("index") else {}
    answer = _dump(_apply(rng, operation, names, word, index))
    return Example("lists", operation, prompt, answer, data)


def examples(n: int, seed: int) -> list[Example]:
    """`n` examples, operations drawn evenly but for sort, three times as often."""
    rng = random.Random(f"lists:{seed}")
    return [_example(rng) for _ in range(n)]


def parse(text: str) -> list[str] | None:
    """The list that `text` is, or None if it is not exactly one JSON list of strings."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    good = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return value if good else None


def score(example: Example, text: str) -> bool:
    """Whether `text` is a right result: the determined list, or any that a random one allows."""
    result = parse(text)
    if result is None:
        return False
    names, word = example.data["input"], example.data.get("word", "")
    if example.kind == "shuffle":
        return bool(result != names and sorted(result) == sorted(names))
    if example.kind in FREE:
        places = range(len(names) + (example.kind == "insert_random"))
        return any(result == _edited(example.kind, names, word, i) for i in places)
    return bool(result == json.loads(example.answer))


def graph(example: Example) -> Graph:
    """One span a name. Given the prompt, names are determined or, in FREE kinds, all tied."""
    spans, end = [], 0
    for name in json.loads(example.answer):
        start = example.answer.index(f'"{name}"', end) + 1
        end = start + len(name)
        spans.append((start, end))
    free = example.kind in FREE
    pairs = itertools.combinations(range(len(spans)), 2) if free else ()
    return Graph(tuple(spans), frozenset(pairs))


TASK = Task(
    name="lists",
    title="Waiting line",
    help="Ten list operations: some fix every name, in others the names depend on each other.",
    examples=examples,
    score=score,
    graph=graph,
    gen_length=64,
    block_length=32,
)
