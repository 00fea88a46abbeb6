"""What an exhibit of the gallery is, and the prompts: held-out examples (seeds below 1000)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from dlmviz.types import Example


@dataclass(frozen=True)
class Exhibit:
    """One run of the gallery."""

    name: str  # file name; the page lists them in this order
    title: str
    look: str  # one sentence on what to look at
    example: Example
    right: bool  # whether the grader accepts the answer
    sampler: str = "fast_dllm"
    params: dict[str, Any] = field(default_factory=dict)
    gen_length: int = 64
    block_length: int = 32
    temperature: float = 0.0
    seed: int = 0
    model: str = "tiny"
    record: tuple[str, ...] = ()  # signals recorded though the sampler does not use them


STORY = Example(
    "stories",
    "steps4",
    "George gets 70 dollars from his father and 18 dollars from his mother. Later George finds "
    "$96. He buys 2 balls for 17 dollars each. How many dollars are left?",
    "George has 70 + 18 = 88 dollars.\nThen he has 88 + 96 = 184 dollars.\n"
    "This costs 2 * 17 = 34 dollars.\nAfter that George has 184 - 34 = 150 dollars.\n#### 150",
    {"result": 150, "uses": [[], [0], [], [1, 2]]},
)
TOMATOES = Example(
    "stories",
    "steps2",
    "Michael picks 13 tomatoes from one tree and 88 tomatoes from another. Later he finds 6 more "
    "tomatoes. How many tomatoes is that?",
    "Michael picks 13 + 88 = 101 tomatoes.\nThen he has 101 + 6 = 107 tomatoes.\n#### 107",
    {"result": 107, "uses": [[], [0]]},
)
ONIONS = Example(
    "stories",
    "steps2",
    "Jane grows 15 onions in the garden. John has 3 times as many onions as Jane has now. How "
    "many more onions does John have than Jane?",
    "John has 15 * 3 = 45 onions.\nJohn has 45 - 15 = 30 onions more.\n#### 30",
    {"result": 30, "uses": [[], [0]]},
)
BALLOONS = Example(
    "stories",
    "steps3",
    "In each of 8 weeks Julia gets 39 balloons. Then Julia loses 16 balloons. Steve has 7 fewer "
    "balloons than Julia has now. How many balloons does Steve have?",
    "Julia collects 8 * 39 = 312 balloons.\nSo Julia keeps 312 - 16 = 296 balloons.\n"
    "So Steve owns 296 - 7 = 289 balloons.\n#### 289",
    {"result": 289, "uses": [[], [0], [1]]},
)
CAPITAL = Example(
    "pairs",
    "capital",
    "Name a country in Africa and its capital.",
    "The capital of Kenya is Nairobi.",
    {"continent": "Africa"},
)
LINE = ["Alma Clarke", "Blake Lawson", "Kevin Moreno", "Chad Horton", "Robert Sanders"]
COPY = Example(
    "lists",
    "copy",
    f"These people are on the list:\n{json.dumps(LINE)}\nWrite out the line exactly.",
    json.dumps(LINE),
    {"input": LINE, "unseen": False},
)
SHUFFLE = Example(
    "lists",
    "shuffle",
    f"Please shuffle the people in this line:\n{json.dumps(LINE)}\nGive only the final list.",
    json.dumps(LINE[::-1]),
    {"input": LINE, "unseen": False},
)
THREE = Example(
    "lists",
    "shuffle",
    "There is a line at the service office.\nEach person must have a fair chance, so the order is "
    'shuffled:\n["Joe Elliott", "Bradley York", "Scott Scott"]\nIt is your turn to mix the line '
    "randomly and show the final line and nothing else.\nThe shuffled list must differ from the "
    "given sequence",
    '["Bradley York", "Scott Scott", "Joe Elliott"]',
    {"input": ["Joe Elliott", "Bradley York", "Scott Scott"], "unseen": False},
)
QUEUE = Example(
    "lists",
    "remove_random",
    'A staff member keeps the queue in the hall.\nTake this list:\n["Ray Vekeam", "Chad Cailoot", '
    '"Monica Ford", "Jeffrey Page"]\nPlease take any person out of the line and print just the '
    "list.\n",
    '["Ray Vekeam", "Chad Cailoot", "Jeffrey Page"]',
    {"input": ["Ray Vekeam", "Chad Cailoot", "Monica Ford", "Jeffrey Page"], "unseen": True},
)
SUDOKU = Example(
    "puzzles",
    "sudoku",
    "Fill in this small Sudoku.\n4 _ _ _\n_ _ _ _\n_ _ 4 1\n1 _ _ _",
    "4 1 3 2\n2 3 1 4\n3 2 4 1\n1 4 2 3",
    {"symbols": "1234", "clues": "4_________411___", "comma": False},
)
LATIN = Example(
    "puzzles",
    "latin",
    "Finish the Latin square of size 4.\n_ _ _ 2\n_ _ _ _\n_ 4 _ _\n_ _ 4 _",
    "4 3 1 2\n2 1 3 4\n1 4 2 3\n3 2 4 1",
    {"symbols": "1234", "clues": "___2_____4____4_", "comma": False},
)
