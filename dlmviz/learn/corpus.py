"""Training text: tasks in fixed shares, laid out as prompt, answer and EOS to a bucket's length.

Row = <|user|> prompt <|assistant|> answer <|eos|>... ; nothing is padding, so a batch is one
bucket and needs no attention mask. Letters: N rows, T bucket length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from tokenizers import Tokenizer

from dlmviz.learn.tokenizer import ASSISTANT, EOS, USER, ids
from dlmviz.types import Example, InputError, Task

MIXTURE: Mapping[str, float] = MappingProxyType(
    {
        "stories": 0.44,
        "trivia": 0.10,
        "lists": 0.22,
        "puzzles": 0.06,
        "words": 0.05,
        "pairs": 0.07,
        "mrf": 0.06,
    }
)
FIRST_SEED = 1_000_000  # training seeds start here; evaluation uses seeds below 1000
CHUNK = re.compile(r"\n| ?[^ \n]+| ")
ODD = re.compile(r"  |[^\S \n]|<\|")  # white space that joins its neighbours; special tokens
MOST_SKIPPED = 0.001  # share of samples that may fit no bucket


@dataclass(frozen=True)
class Buckets:
    """Row lengths, and how likely each is among those a sample fits."""

    lengths: tuple[int, ...] = (64, 96, 128, 192, 256)
    shares: tuple[float, ...] = (0.36, 0.30, 0.22, 0.08, 0.04)


@dataclass(frozen=True, eq=False)
class Rows:
    """Samples of one bucket."""

    tokens: np.ndarray  # uint16 [N T]
    start: np.ndarray  # uint16 [N], where the answer begins

    def __len__(self) -> int:
        return len(self.tokens)

    def take(self, which: np.ndarray | slice) -> Rows:
        """Those rows, as a copy for an index array and as a view for a slice."""
        return Rows(self.tokens[which], self.start[which])


@dataclass(frozen=True, eq=False)
class Packed:
    """What a draw of samples became."""

    rows: Mapping[int, Rows]  # bucket length -> rows
    skipped: int  # fitted no bucket

    def __len__(self) -> int:
        return sum(len(rows) for rows in self.rows.values())


def mixture(
    tasks: Mapping[str, Task],
    weights: Mapping[str, float] = MIXTURE,
    only: Sequence[str] = (),
) -> dict[str, float]:
    """task -> share, summing to 1, over `only` (all if empty). Unknown names raise InputError."""
    unknown = sorted({*weights, *only} - set(tasks))
    if unknown:
        raise InputError(f"no task is called {', '.join(unknown)}; tasks are {', '.join(tasks)}")
    kept = {name: weights.get(name, 0.0) for name in only or weights}
    if only and not any(kept.values()):
        kept = dict.fromkeys(kept, 1.0)
    total = sum(kept.values())
    if not total > 0 or min(kept.values()) < 0:
        raise InputError(f"weights must be >= 0 with one above: got {kept}; leave --weights out")
    return {name: weight / total for name, weight in kept.items() if weight > 0}


def draw(
    tasks: Mapping[str, Task], shares: Mapping[str, float], count: int, seed: int
) -> list[Example]:
    """`count` examples in random order, tasks in their shares on average; a pure function."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(count, list(shares.values()))
    examples = [
        example
        for name, n in zip(shares, counts, strict=True)
        if n
        for example in tasks[name].examples(int(n), seed)
    ]
    return [examples[i] for i in rng.permutation(len(examples))]


class Encoder:
    """text -> ids, as the tokenizer gives them but many times faster: words are looked up.

    No token straddles a space or a newline, so a text is the sum of its chunks; texts with other
    or doubled white space go to the tokenizer whole.
    """

    def __init__(self, tokenizer: Tokenizer, most: int = 200_000) -> None:
        self.tokenizer, self.most = tokenizer, most
        self.known: dict[str, list[int]] = {}

    def __call__(self, text: str) -> list[int]:
        if ODD.search(text):
            return self._ask(text)
        out: list[int] = []
        for chunk in CHUNK.findall(text):
            found = self.known.get(chunk)
            if found is None:
                if len(self.known) >= self.most:
                    self.known.clear()
                found = self.known[chunk] = self._ask(chunk)
            out += found
        return out

    def _ask(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)


def encode(encoder: Encoder, examples: Sequence[Example]) -> list[tuple[list[int], list[int]]]:
    """(prompt ids with their role marks, answer ids) of each example, no EOS."""
    special = ids(encoder.tokenizer)
    user, assistant = special[USER], special[ASSISTANT]
    return [([user, *encoder(e.prompt), assistant], encoder(e.answer)) for e in examples]


def pack(
    samples: Sequence[tuple[Sequence[int], Sequence[int]]],
    eos_id: int,
    buckets: Buckets,
    rng: np.random.Generator | None = None,
) -> Packed:
    """Each sample with one EOS or more in a random bucket that it fits, the shortest if no rng."""
    lengths, shares = np.array(buckets.lengths), np.array(buckets.shares)
    need = np.array([len(p) + len(a) + 1 for p, a in samples], dtype=np.int64)
    chances = np.where(need[:, None] <= lengths, shares, 0.0).cumsum(1)
    fits = chances[:, -1] > 0
    point = chances[:, -1] * (rng.random(len(samples)) if rng else 0.0)
    where = (chances <= point[:, None]).sum(1)
    rows = {}
    for b, length in enumerate(buckets.lengths):
        chosen = np.flatnonzero(fits & (where == b))
        tokens = np.full((len(chosen), length), eos_id, dtype=np.uint16)
        for row, i in enumerate(chosen.tolist()):
            prompt, answer = samples[i]
            tokens[row, : len(prompt) + len(answer)] = (*prompt, *answer)
        start = np.array([len(samples[i][0]) for i in chosen.tolist()], dtype=np.uint16)
        rows[length] = Rows(tokens, start)
    return Packed(rows, int((~fits).sum()))


@dataclass(frozen=True, eq=False)
class Source:
    """Everything that makes rows out of a count and a seed."""

    tasks: Mapping[str, Task]
    shares: Mapping[str, float]
    tokenizer: Tokenizer
    buckets: Buckets = Buckets()

    @cached_property
    def encoder(self) -> Encoder:
        """The tokenizer with a memory; it changes no result."""
        return Encoder(self.tokenizer)

    def make(self, count: int, seed: int) -> Packed:
        """Rows of `count` examples; the same seed gives the same rows."""
        examples = draw(self.tasks, self.shares, count, seed)
        rng = np.random.default_rng([seed, 1])
        return pack(encode(self.encoder, examples), ids(self.tokenizer)[EOS], self.buckets, rng)


def check_skipped(skipped: int, total: int) -> None:
    """Nothing; raises InputError if more than MOST_SKIPPED of the samples fitted no bucket."""
    if skipped > max(1, MOST_SKIPPED * total):
        raise InputError(
            f"{skipped} of {total} samples fit no bucket, at most {MOST_SKIPPED:.1%} may: "
            "shorten the task's texts or add a longer bucket"
        )


def texts(tasks: Mapping[str, Task], shares: Mapping[str, float], count: int) -> Iterator[str]:
    """Prompts and answers of `count` samples, for training a tokenizer."""
    for example in draw(tasks, shares, count, FIRST_SEED - 1):
        yield example.prompt
        yield example.answer


def entities(repeats: int = 400) -> Iterator[str]:
    """Every name, fact and content word, with and without a space before it, `repeats` times.

    A tokenizer that has seen them gives each a token of its own: then a name is one decision, and
    a step that commits many tokens does not have to guess how many pieces it takes.
    """
    from dlmviz.tasks import tables
    from dlmviz.tasks.words import vocabulary as content_words

    known = [
        *(("first_names", "name"), ("last_names", "name")),
        *(("countries", field) for field in ("country", "capital", "currency", "language")),
        *(("elements", field) for field in ("element", "symbol")),
    ]
    words = {word for table, field in known for word in tables.column(table, field) if word}
    words |= {"heads", "tails"}  # the first word of an answer has no space before it
    words |= content_words()
    for word in sorted(words):
        for _ in range(repeats):
            yield f"{word} {word} {word}"


def held_out(source: Source, name: str, count: int, seed: int = 7) -> Packed:
    """Rows of one task from an evaluation seed, each in the shortest bucket that it fits."""
    assert seed < FIRST_SEED, "evaluation seeds are never training seeds"
    samples = encode(source.encoder, source.tasks[name].examples(count, seed))
    return pack(samples, ids(source.tokenizer)[EOS], source.buckets)


def vocabulary(tokenizer: Tokenizer) -> int:
    """Rows of the embedding: entries rounded up to a multiple of 64, at most 65 535."""
    size = -(-tokenizer.get_vocab_size() // 64) * 64
    assert size < 2**16, "rows hold uint16 ids"
    return size
