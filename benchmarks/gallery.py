"""Records the runs that the app opens with: assets/gallery/*.npz.

    python -m benchmarks.gallery

Each run is a real decode of the built-in model; its title and what to look at are stored with it.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dlmviz
from dlmviz.tasks import TASKS
from dlmviz.types import Example, RunSpec

GALLERY = Path(__file__).resolve().parents[1] / "assets" / "gallery"
STORY = (
    "George gets 70 dollars from his father and 18 dollars from his mother. Later George finds "
    "$96. He buys 2 balls for 17 dollars each. How many dollars are left?"
)
LINE = '["Alma Clarke", "Blake Lawson", "Kevin Moreno", "Chad Horton", "Robert Sanders"]'
CAPITAL = "Name a country in Africa and its capital."
SUDOKU = "Fill in this small Sudoku.\n4 _ _ _\n_ _ _ _\n_ _ 4 1\n1 _ _ _"
WORKED = (
    "George has 70 + 18 = 88 dollars.\nThen he has 88 + 96 = 184 dollars.\n"
    "This costs 2 * 17 = 34 dollars.\nAfter that George has 184 - 34 = 150 dollars.\n#### 150"
)
# task, kind, a right answer, what the grader needs
STORY_TRUTH = ("stories", "steps4", WORKED, {"result": 150, "uses": [[], [0], [], [1, 2]]})
CAPITAL_TRUTH = ("pairs", "capital", "The capital of Kenya is Nairobi.", {"continent": "Africa"})
PEOPLE = {"input": json.loads(LINE), "unseen": False}
SOLVED = "4 1 3 2\n2 3 1 4\n3 2 4 1\n1 4 2 3"
CLUES = {"symbols": "1234", "clues": "4_________411___", "comma": False}
SUDOKU_TRUTH = ("puzzles", "sudoku", SOLVED, CLUES)


@dataclass(frozen=True)
class Exhibit:
    """One run of the gallery."""

    name: str  # file name; the page lists them in this order
    title: str
    look: str  # one sentence on what to look at
    prompt: str
    task: str
    kind: str
    answer: str  # one right answer
    data: dict[str, Any]  # what the task's grader needs
    sampler: str = "fast_dllm"
    params: dict[str, Any] = field(default_factory=dict)
    gen_length: int = 64
    temperature: float = 0.0
    seed: int = 0
    model: str = "tiny"


EXHIBITS = (
    Exhibit(
        "1-story-careful",
        "A word problem, tokens committed when the model is 90 % sure",
        "Numbers wait until the numbers they depend on are there; words around them come early.",
        STORY,
        *STORY_TRUTH,
        params={"tau": 0.9},
    ),
    Exhibit(
        "2-story-hasty",
        "The same problem, 50 % sure is enough",
        "Fewer steps, but results are written before what they depend on, and the sum breaks.",
        STORY,
        *STORY_TRUTH,
        params={"tau": 0.5},
    ),
    Exhibit(
        "3-capital-one-by-one",
        "A country and its capital, one token a step",
        "Many answers are right; once the country is chosen, only one capital remains.",
        CAPITAL,
        *CAPITAL_TRUTH,
        sampler="llada",
        gen_length=32,
        temperature=1.0,
    ),
    Exhibit(
        "4-capital-four-a-step",
        "The same question, four tokens a step",
        "Country and capital are drawn in the same step, each alone, and do not belong together.",
        CAPITAL,
        *CAPITAL_TRUTH,
        sampler="llada",
        params={"steps": 8},
        gen_length=32,
        temperature=1.0,
    ),
    Exhibit(
        "5-copy-hasty",
        "Copying a list, 50 % sure is enough",
        "Given the prompt no token depends on another, so all at once is safe.",
        f"These people are on the list:\n{LINE}\nWrite out the line exactly.",
        *("lists", "copy", LINE, PEOPLE),
        params={"tau": 0.5},
    ),
    Exhibit(
        "6-shuffle-hasty",
        "Shuffling the same list at the same setting",
        "Every place depends on every other: names come twice or not at all.",
        f"Please shuffle the people in this line:\n{LINE}\nGive only the final list.",
        *("lists", "shuffle", json.dumps(PEOPLE["input"][::-1]), PEOPLE),
        params={"tau": 0.5},
    ),
    Exhibit(
        "7-sudoku",
        "A Sudoku, committed when the model is 80 % sure",
        "Cells that the clues force come first, wherever they stand.",
        SUDOKU,
        *SUDOKU_TRUTH,
        params={"tau": 0.8},
    ),
    Exhibit(
        "8-sudoku-early-model",
        "The same Sudoku on a model that was stopped early",
        "The same rule on confidences that promise too much: two digits of a column clash.",
        SUDOKU,
        *SUDOKU_TRUTH,
        params={"tau": 0.8},
        model="tiny-early",
    ),
)


def main() -> None:
    GALLERY.mkdir(parents=True, exist_ok=True)
    models = {name: dlmviz.load(name, device="cpu") for name in {e.model for e in EXHIBITS}}
    for exhibit in EXHIBITS:
        spec = RunSpec(
            prompt=exhibit.prompt,
            model=exhibit.model,
            gen_length=exhibit.gen_length,
            sampler=exhibit.sampler,
            params=exhibit.params,
            temperature=exhibit.temperature,
            seed=exhibit.seed,
        )
        trace = dlmviz.decode(models[exhibit.model], spec)
        example = Example(exhibit.task, exhibit.kind, exhibit.prompt, exhibit.answer, exhibit.data)
        right = TASKS[exhibit.task].score(example, trace.text)
        shown = {"task": exhibit.task, "kind": exhibit.kind, "answer": exhibit.answer}
        info = {
            **trace.info,
            **{"title": exhibit.title, "look": exhibit.look},
            "example": {**shown, "correct": right},
        }
        dataclasses.replace(trace, info=info).save(GALLERY / f"{exhibit.name}.npz")
        print(f"{exhibit.name:24} {'right' if right else 'wrong'} NFE {trace.nfe:3} {trace.text!r}")


if __name__ == "__main__":
    main()
