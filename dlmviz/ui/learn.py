"""The Learn page: seven steps on recorded runs, each ended by an action on the real controls.

A page of its own, without gradio: it mounts the same run view as the main page and talks to no
server but for the runs. Its words stand in one table a language, checked by the tests.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from dlmviz.ui import bundle
from dlmviz.ui.learn_english import ENGLISH
from dlmviz.ui.learn_german import GERMAN
from dlmviz.ui.shelves import Shelves
from dlmviz.ui.words import CHOOSE

WORDS: dict[str, dict[str, Any]] = {"en": ENGLISH, "de": GERMAN}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>dlmviz</title>
{head}
</head>
<body class="dv-learn">
<script type="application/json" id="dv-lesson">{lesson}</script>
<main>
<div id="dv-lead"></div>
<div id="dv-stage"><div class="dv-root" data-samplers="">…</div></div>
</main>
<script type="module" src="{script}"></script>
</body>
</html>
"""


@dataclass(frozen=True)
class Lesson:
    """One step of the tour: what it shows, and what is to be done. Its words are in WORDS."""

    name: str  # of its words
    runs: tuple[str, ...]  # bundled runs; the first one opens
    asks: tuple[str, ...]  # names of the actions, see tour.js
    paper: str  # address
    start: int = 0  # step of the run that is on screen at first
    panels: str = "card"  # what stands beside the tokens, see learn.css
    metric: str = "confidence"  # of the map


LESSONS = (
    Lesson("mask", ("01-story-careful",), ("play",), "https://arxiv.org/abs/2502.09992", 0, ""),
    Lesson(
        "order", ("01-story-careful",), ("point", "order"), "https://arxiv.org/abs/2505.22618", 2
    ),
    Lesson(
        "parallel",
        ("04-capital-four-a-step", "03-capital-one-by-one"),
        ("end:0", "end:1"),
        "https://arxiv.org/abs/2510.04767",
        panels="card answer",
    ),
    Lesson(
        "slow_fast",
        ("17-slow-fast",),
        ("entry", "slow"),
        "https://openreview.net/forum?id=0ZSLZWAmWo",
        panels="card map",
        metric="jsd",
    ),
    Lesson(
        "graph",
        ("19-dapd-capital",),
        ("conflict", "release"),
        "https://arxiv.org/abs/2603.12996",
        1,
        "card depend",
    ),
    Lesson(
        "learned",
        ("26-demask-capital", "28-codila-capital"),
        ("over", "end:0", "end:1"),
        "https://arxiv.org/abs/2604.02560",
        1,
        "card depend",
    ),
    Lesson(
        "training",
        ("25-sudoku-early-model", "24-sudoku"),
        ("end:0", "end:1"),
        "https://arxiv.org/abs/2502.09992",
        panels="card answer",
    ),
)


def lesson() -> dict[str, Any]:
    """What the page's script reads: the steps, and the words of every language."""
    return {"steps": [asdict(step) for step in LESSONS], "words": WORDS}


def page() -> str:
    """The whole page as HTML. `<` is escaped in the JSON, so no word can end its element."""
    sheets = (bundle.address("page.css"), "dlmviz/web/learn.css")
    links = [f'<link rel="stylesheet" href="{place}">' for place in sheets]
    text = json.dumps(lesson(), ensure_ascii=False).replace("<", "\\u003c")
    head = "\n".join([CHOOSE, *links])
    return PAGE.format(head=head, lesson=text, script=bundle.address("tour.js"))


def routes(shelves: Shelves) -> list[Route]:
    """The route of the page. The bundled runs come from the route of all runs."""

    def show(request: Request) -> HTMLResponse:
        return HTMLResponse(page())

    return [Route("/learn", show)]
