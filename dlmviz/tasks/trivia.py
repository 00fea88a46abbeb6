"""Plain facts about countries and chemical elements, one question or five independent ones.

Every answer is one canonical sentence that the prompt determines, so many tokens can be committed
at once; in a bundle the five sentences do not touch each other. The facts are our own tables
(dlmviz.tasks.tables), typed from general knowledge.

    prompt  [1] What is the capital of Kenya?
            [2] Which element has the symbol Fe? ...
    answer  [1] The capital of Kenya is Nairobi.
            [2] The element with the symbol Fe is iron. ...
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from dlmviz.tasks.tables import rows
from dlmviz.tasks.tables.noise import noisy
from dlmviz.types import Example, Graph, Task

BUNDLE = 5  # questions in a bundle

# The answer to a question of each relation is PARTS[0] + subject + PARTS[1] + value + ".".
PARTS: Mapping[str, tuple[str, str]] = {
    "capital": ("The capital of ", " is "),
    "currency": ("The currency of ", " is the "),
    "continent": ("", " is in "),
    "language": ("The official language of ", " is "),
    "symbol": ("The symbol of ", " is "),
    "number": ("The atomic number of ", " is "),
    "country": ("The country with the capital ", " is "),
    "element": ("The element with the symbol ", " is "),
    "numbered": ("The element with atomic number ", " is "),
}
QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "capital": (
        "What is the capital of {}?",
        "Name the capital of {}.",
        "Which city is the capital of {}?",
        "Tell me the capital of {}.",
        "What is the capital city of {}?",
        "What is the name of the capital of {}?",
        "Which capital does {} have?",
        "The capital of {} is which city?",
    ),
    "currency": (
        "What is the currency of {}?",
        "Which currency is used in {}?",
        "Which currency does {} use?",
        "Name the currency of {}.",
        "Tell me the currency of {}.",
        "What money do people use in {}?",
        "What do people pay with in {}?",
        "With which currency do people pay in {}?",
    ),
    "continent": (
        "On which continent is {}?",
        "Which continent is {} in?",
        "Name the continent of {}.",
        "To which continent does {} belong?",
        "Tell me the continent of {}.",
        "What continent is {} part of?",
        "In which part of the world is {}?",
        "Which continent would I visit in {}?",
    ),
    "language": (
        "What is the official language of {}?",
        "Which language is official in {}?",
        "Name the official language of {}.",
        "Tell me the official language of {}.",
        "What is the main official language of {}?",
        "Which official language does {} have?",
        "Which language does the state use in {}?",
        "In {}, which language is official?",
    ),
    "symbol": (
        "What is the symbol of {}?",
        "What is the chemical symbol of {}?",
        "Which symbol stands for {}?",
        "Name the symbol of the element {}.",
        "Tell me the symbol of {}.",
        "Which symbol does {} have?",
        "Which chemical symbol does {} have?",
        "How is {} written as a symbol?",
    ),
    "number": (
        "What is the atomic number of {}?",
        "Which atomic number does {} have?",
        "Name the atomic number of {}.",
        "Tell me the atomic number of {}.",
        "How many protons does {} have?",
        "What is the atomic number of the element {}?",
        "Which number does the element {} have?",
        "How many protons are in an atom of {}?",
    ),
    "country": (
        "Which country has the capital {}?",
        "{} is the capital of which country?",
        "Of which country is {} the capital?",
        "Name the country with the capital {}.",
        "Tell me the country whose capital is {}.",
        "What country is {} the capital of?",
        "Which country has its capital in {}?",
        "The capital {} belongs to which country?",
    ),
    "element": (
        "Which element has the symbol {}?",
        "{} is the symbol of which element?",
        "What element does the symbol {} stand for?",
        "Name the element with the symbol {}.",
        "Tell me the element with the symbol {}.",
        "Which element is written {}?",
        "The symbol {} belongs to which element?",
        "What does the chemical symbol {} mean?",
    ),
    "numbered": (
        "Which element has atomic number {}?",
        "What element has the atomic number {}?",
        "Name the element with atomic number {}.",
        "Tell me the element with atomic number {}.",
        "Which element has {} protons?",
        "Which element is number {}?",
        "Atomic number {} belongs to which element?",
        "The atomic number {} is that of which element?",
    ),
}
_SOURCE = {  # relation -> table, column of the subject, column of the value
    "capital": ("countries", "country", "capital"),
    "currency": ("countries", "country", "currency"),
    "continent": ("countries", "country", "continent"),
    "language": ("countries", "country", "language"),
    "symbol": ("elements", "element", "symbol"),
    "number": ("elements", "element", "number"),
    "country": ("countries", "capital", "country"),
    "element": ("elements", "symbol", "element"),
    "numbered": ("elements", "number", "element"),
}
FACTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    relation: tuple((row[subject], row[value]) for row in rows(table) if row[value])
    for relation, (table, subject, value) in _SOURCE.items()
}
_RELATIONS = (  # as often as they are drawn; capitals are the largest tables
    *("capital", "capital", "currency", "currency", "continent", "language"),
    *("symbol", "number", "country", "country", "element", "numbered"),
)
_REVERSED = frozenset({"country", "element", "numbered"})  # here the topic is the value

Fact = tuple[str, str, str]  # relation, subject, value


def sentence(relation: str, subject: str, value: str) -> str:
    """The canonical answer to one question."""
    before, between = PARTS[relation]
    return f"{before}{subject}{between}{value}."


def examples(n: int, seed: int) -> list[Example]:
    """n examples, a quarter of them single questions; the same for the same seed."""
    rng = Random(f"trivia:{seed}")
    return [_single(rng) if rng.random() < 0.25 else _bundle(rng) for _ in range(n)]


def score(example: Example, text: str) -> bool:
    """Whether every sentence is the canonical one, in order; space around the text is ignored."""
    return text.strip() == example.answer


def graph(example: Example) -> Graph | None:
    """Subject and value of each sentence of a bundle; edges only inside a sentence.

    None for a single question, whose two spans leave nothing to tell apart.
    """
    if example.kind != "bundle":
        return None
    spans: list[tuple[int, int]] = []
    line = 0
    for number, (relation, subject, value) in enumerate(example.data["facts"], 1):
        before, between = PARTS[relation]
        start = line + len(f"[{number}] {before}")
        second = start + len(subject) + len(between)
        spans += [(start, start + len(subject)), (second, second + len(value))]
        line = second + len(value) + len(".\n")
    edges = frozenset((i, i + 1) for i in range(0, len(spans), 2))
    return Graph(tuple(spans), edges)


def _single(rng: Random) -> Example:
    fact = _fact(rng)
    prompt = noisy(_question(rng, fact), rng)
    return Example("trivia", "single", prompt, sentence(*fact), {"facts": [list(fact)]})


def _bundle(rng: Random) -> Example:
    facts: list[Fact] = []
    topics: set[str] = set()  # one question a country or element: the answers stay independent
    while len(facts) < BUNDLE:
        fact = _fact(rng)
        topic = fact[2] if fact[0] in _REVERSED else fact[1]
        if topic not in topics:
            topics.add(topic)
            facts.append(fact)
    prompt = noisy(_numbered([_question(rng, fact) for fact in facts]), rng)
    answer = _numbered([sentence(*fact) for fact in facts])
    return Example("trivia", "bundle", prompt, answer, {"facts": [list(fact) for fact in facts]})


def _numbered(lines: Sequence[str]) -> str:
    return "\n".join([f"[{number}] {line}" for number, line in enumerate(lines, 1)])


def _fact(rng: Random) -> Fact:
    relation = _RELATIONS[int(rng.random() * len(_RELATIONS))]
    facts = FACTS[relation]
    return (relation, *facts[int(rng.random() * len(facts))])


def _question(rng: Random, fact: Fact) -> str:
    forms = QUESTIONS[fact[0]]
    return forms[int(rng.random() * len(forms))].replace("{}", fact[1])


TASK = Task(
    name="trivia",
    title="Trivia",
    help="Independent facts: how many questions can be answered at the same time?",
    examples=examples,
    score=score,
    graph=graph,
    gen_length=96,
    block_length=32,
)
