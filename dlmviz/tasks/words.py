"""Write a sentence that holds one to six given words (kinds w1 to w6).

The sentences come from a small grammar of our own. Two parts must fit each other: a noun only goes
with the verbs of its group, and a place or time only with its own preposition. Words that are
committed at the same step without looking at each other break these couplings.

    prompt  Write a sentence with the words: market, old, dog.
    answer  The old dog sleeps quietly at the market in the morning.

    sentence = The ADJECTIVE NOUN VERB ADVERB PREPOSITION the PLACE TIME.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import NamedTuple

from dlmviz.tasks.tables.noise import noisy
from dlmviz.types import Example, Graph, Task

GROUPS: Mapping[tuple[str, ...], tuple[str, ...]] = {  # nouns -> the verbs that fit them
    ("farmer", "teacher", "baker", "sailor", "doctor", "painter", "driver", "student"): (
        *("works", "sings", "laughs", "reads", "waits", "walks"),
    ),
    ("dog", "cat", "puppy", "kitten"): ("plays", "sleeps", "runs", "jumps", "waits"),
    ("horse", "cow", "goat", "sheep", "donkey"): ("walks", "eats", "grazes", "stands", "runs"),
    ("eagle", "owl", "crow", "swan", "parrot"): ("flies", "lands", "sings", "nests", "rests"),
    ("fish", "frog", "turtle", "dolphin", "whale"): ("swims", "dives", "floats", "eats", "rests"),
    ("fox", "wolf", "bear", "tiger", "lion"): ("hunts", "howls", "hides", "sleeps", "roams"),
    ("mouse", "rabbit", "squirrel", "hedgehog"): ("digs", "climbs", "hides", "jumps", "nests"),
}
PLACES: Mapping[str, tuple[str, ...]] = {  # preposition -> the places that take it
    "in": ("garden", "forest", "kitchen", "park", "village", "valley", "field"),
    "at": ("market", "station", "school", "harbor"),
    "on": ("hill", "beach", "bridge", "island", "roof"),
    "near": ("river", "lake", "church", "tower"),
    "under": ("tree", "table"),
    "behind": ("barn", "house", "wall"),
    "beside": ("road", "fence", "well"),
}
PHRASES: Mapping[str, tuple[str, ...]] = {  # opening of the phrase -> the times that take it
    "in the": ("morning", "afternoon", "evening", "summer", "winter"),
    "at": ("night", "noon", "dawn", "midnight"),
    "on": ("Monday", "Friday", "Saturday", "Sunday"),
}
ADJECTIVES = (
    *("old", "young", "big", "small", "tired", "happy", "sad", "brave", "shy", "clever"),
    *("lazy", "hungry", "gentle", "proud", "calm", "angry", "kind", "strange", "wise", "polite"),
)
ADVERBS = (
    *("quietly", "slowly", "quickly", "often", "alone", "again", "safely", "gladly", "bravely"),
    *("calmly", "softly", "nearby", "carefully", "proudly", "gently", "patiently"),
)
FORMS = (
    "Write a sentence with the words: {}.",
    "Write a sentence with these words: {}.",
    "Make a sentence with: {}.",
    "Make one sentence that uses: {}.",
    "Write one sentence that contains: {}.",
    "Use these words in a sentence: {}.",
    "Use all of these words in one sentence: {}.",
    "Write a short sentence with: {}.",
    "Give me a sentence with: {}.",
    "Build a sentence from: {}.",
    "Put these words into a sentence: {}.",
    "I need a sentence with: {}.",
    "Can you write a sentence with: {}?",
    "Words: {}. Write a sentence with all of them.",
    "Form a sentence. It must contain: {}.",
    "Given words: {}. Use them in a sentence.",
)
MOST = 6  # given words at most: all that a sentence has

_VERBS = {noun: verbs for nouns, verbs in GROUPS.items() for noun in nouns}
_PREPOSITION = {place: word for word, places in PLACES.items() for place in places}
_TIMES = {f"{opening} {time}": time for opening, times in PHRASES.items() for time in times}
_NOUN_LIST, _PLACE_LIST, _TIME_LIST = tuple(_VERBS), tuple(_PREPOSITION), tuple(_TIMES.items())
_KINDS = ("w1", "w2", "w3", "w4", "w5", "w6")


class Content(NamedTuple):
    """The six words of a sentence that can be given."""

    adjective: str
    noun: str
    verb: str
    adverb: str
    place: str
    time: str


def parse(text: str) -> Content | None:
    """The content words of a sentence of the grammar, couplings included; None for other text."""
    words = text.strip().split(" ")
    if len(words) < 10 or (words[0], words[6]) != ("The", "the") or not words[-1].endswith("."):
        return None
    _, adjective, noun, verb, adverb, preposition, _, place, *rest = words
    time = _TIMES.get(" ".join(rest)[:-1])
    known = adjective in ADJECTIVES and adverb in ADVERBS and time is not None
    fits = verb in _VERBS.get(noun, ()) and _PREPOSITION.get(place) == preposition
    return Content(adjective, noun, verb, adverb, place, time or "") if known and fits else None


def vocabulary() -> frozenset[str]:
    """Every word that can be given."""
    verbs = {verb for group in GROUPS.values() for verb in group}
    times = {time for group in PHRASES.values() for time in group}
    return frozenset({*ADJECTIVES, *_NOUN_LIST, *verbs, *ADVERBS, *_PLACE_LIST, *times})


def examples(n: int, seed: int) -> list[Example]:
    """n examples with one to six given words, equally often; the same for the same seed."""
    rng = Random(f"words:{seed}")
    return [_example(rng) for _ in range(n)]


def score(example: Example, text: str) -> bool:
    """Whether the text is one sentence of the grammar that contains every given word."""
    content = parse(text)
    return content is not None and all(word in content for word in example.data["words"])


def graph(example: Example) -> Graph | None:
    """A span a word; edges noun-verb, preposition-place and inside the time phrase."""
    words = example.answer[:-1].split(" ")
    starts = [0]
    for word in words:
        starts.append(starts[-1] + len(word) + 1)
    spans = tuple((start, start + len(word)) for start, word in zip(starts, words, strict=False))
    time = range(8, len(words))
    edges = {(2, 3), (5, 7)} | {(a, b) for a in time for b in time if a < b}
    return Graph(spans, frozenset(edges))


def _example(rng: Random) -> Example:
    noun = _pick(rng, _NOUN_LIST)
    place = _pick(rng, _PLACE_LIST)
    phrase, time = _TIME_LIST[int(rng.random() * len(_TIME_LIST))]
    adjective, adverb = _pick(rng, ADJECTIVES), _pick(rng, ADVERBS)
    content = [adjective, noun, _pick(rng, _VERBS[noun]), adverb, place, time]
    answer = (
        f"The {adjective} {noun} {content[2]} {adverb} {_PREPOSITION[place]} the {place} {phrase}."
    )
    count = 1 + int(rng.random() * MOST)
    rng.shuffle(content)
    given = content[:count]
    prompt = noisy(_pick(rng, FORMS).replace("{}", ", ".join(given)), rng)
    return Example("words", _KINDS[count - 1], prompt, answer, {"words": given})


def _pick(rng: Random, words: tuple[str, ...]) -> str:
    return words[int(rng.random() * len(words))]


TASK = Task(
    name="words",
    title="Words in a sentence",
    help="Free writing with given words: do words that must fit each other fit?",
    examples=examples,
    score=score,
    graph=graph,
    gen_length=32,
    block_length=32,
)
