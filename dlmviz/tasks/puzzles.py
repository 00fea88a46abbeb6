"""4x4 Latin squares and 4x4 Sudoku, with clues or from a list of symbols.

Kinds: `latin` (2-12 clues), `sudoku` (4-12 clues), `latin_free` (four named symbols, mostly with
a first row that must be kept). A puzzle may have several solutions; the grader accepts all.
The grids are enumerated here, nothing is taken from elsewhere.

Worked example: "Solve this 4x4 Sudoku.\n1 _ _ 4\n_ _ 1 _\n_ 1 _ _\n4 _ _ 1" ->
"1 2 3 4\n3 4 1 2\n2 1 4 3\n4 3 2 1".
"""

from __future__ import annotations

from itertools import permutations
from random import Random

from dlmviz.types import Example, Graph, Task

_KINDS = ("latin", "latin", "sudoku", "sudoku", "sudoku", "latin_free", "latin_free")
_ASK = {
    "latin": (
        "Complete this 4x4 Latin square.",
        "Fill in the 4x4 Latin square.",
        "Fill the blanks so that no row and no column repeats a symbol.",
        "Finish the Latin square of size 4.",
        "Each symbol comes once in every row and column. Fill the grid.",
        "Latin square, size 4. Replace every blank.",
        "Solve this Latin square.",
        "Here is a Latin square with holes. Write it out in full.",
    ),
    "sudoku": (
        "Solve this 4x4 Sudoku.",
        "Complete the 4x4 Sudoku.",
        "Fill in this small Sudoku.",
        "Fill the blanks so that no row, column or 2x2 box repeats a symbol.",
        "Finish the Sudoku of size 4.",
        "Each symbol comes once in every row, column and 2x2 box. Fill the grid.",
        "Sudoku, size 4. Replace every blank.",
        "Here is a 4x4 Sudoku with holes. Write it out in full.",
    ),
    "latin_free": (
        "Make a 4x4 Latin square with the symbols {s}.",
        "Write a Latin square of size 4 that uses {s}.",
        "Use the symbols {s} to build a Latin square of size 4.",
        "I need a 4x4 Latin square made of {s}.",
        "Symbols: {s}. Build a 4x4 Latin square from them.",
        "Create a size 4 Latin square from {s}.",
        "Place {s} in a 4x4 grid so that no row and no column repeats a symbol.",
        "Give me any Latin square of size 4 with these four symbols: {s}.",
    ),
}
_FIRST = (
    "The first row is {r}.",
    "Start with the row {r}.",
    "Its first row must be {r}.",
    "First row: {r}",
)
_COMMAS = ("Write the rows as CSV.", "Put commas between the symbols.", "Answer in CSV form.")
_PLAIN = ("", "", "", "Write one row a line.", "Put spaces between the symbols.")
_FILLERS = ("Hello.", "Please help me.", "I like puzzles.", "Thanks in advance.", "Please.")
_POOL = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LINES = [[(r, c) for c in range(4)] for r in range(4)] + [
    [(r, c) for r in range(4)] for c in range(4)
]
_BOXES = [[(r + i, c + j) for i in (0, 1) for j in (0, 1)] for r in (0, 2) for c in (0, 2)]
_Grid = tuple[int, ...]


def _units(boxes: bool) -> list[list[int]]:
    """The groups of four cells (0..15, row by row) that hold every symbol once."""
    return [[4 * r + c for r, c in unit] for unit in (_LINES + _BOXES if boxes else _LINES)]


def _latin_grids(rows: tuple[_Grid, ...] = ()) -> list[_Grid]:
    """All 4x4 Latin squares over 0..3 that begin with `rows`, each as 16 numbers row by row."""
    if len(rows) == 4:
        return [sum(rows, ())]
    fits = (
        row
        for row in permutations(range(4))
        if all(a != b for above in rows for a, b in zip(row, above, strict=True))
    )
    return [grid for row in fits for grid in _latin_grids((*rows, row))]


def _valid(cells: list[str] | _Grid, boxes: bool) -> bool:
    return all(len({cells[i] for i in unit}) == 4 for unit in _units(boxes))


_LATIN = tuple(_latin_grids())
_SUDOKU = tuple(grid for grid in _LATIN if _valid(grid, True))


def examples(n: int, seed: int) -> list[Example]:
    """`n` puzzles of the three kinds (latin 2/7, sudoku 3/7, latin_free 2/7).

    The grid is drawn uniformly from the 576 Latin squares or 288 Sudokus and then hidden, so a
    solution always exists. Deterministic in `seed`.
    """
    rng = Random(f"puzzles:{seed}")
    return [_example(rng) for _ in range(n)]


def _example(rng: Random) -> Example:
    kind = _KINDS[int(rng.random() * 7)]
    return _free(rng) if kind == "latin_free" else _clued(rng, kind)


def _clued(rng: Random, kind: str) -> Example:
    draw = rng.random
    grids, low = (_SUDOKU, 4) if kind == "sudoku" else (_LATIN, 2)
    symbols = "ABCD" if draw() < 0.2 else "1234"
    cells = [symbols[i] for i in grids[int(draw() * len(grids))]]
    clues = ["_"] * 16
    for place in rng.sample(range(16), low + int(draw() * (13 - low))):
        clues[place] = cells[place]
    asks = _ASK[kind]
    ask = asks[int(draw() * len(asks))]
    if symbols == "ABCD" or draw() < 0.3:
        ask += f" Use {', '.join(symbols)}."
    if draw() < 0.1:
        ask = _noise(rng, ask)
    prompt = f"{ask}\n{_rows(clues, ' ')}"
    data = {"symbols": symbols, "clues": "".join(clues), "comma": False}
    return Example("puzzles", kind, prompt, _rows(cells, " "), data)


def _free(rng: Random) -> Example:
    draw = rng.random
    named = draw()
    symbols = "1234" if named < 0.15 else "ABCD" if named < 0.25 else "".join(rng.sample(_POOL, 4))
    cells = [symbols[i] for i in _LATIN[int(draw() * 576)]]
    comma = draw() < 0.3
    glue = (", " if draw() < 0.5 else ",") if comma else " "
    parts = [_pick(rng, _ASK["latin_free"]).format(s=", ".join(symbols))]
    if comma:
        parts.append(_pick(rng, _COMMAS))
    elif ask := _pick(rng, _PLAIN):
        parts.append(ask)
    if draw() < 0.1:
        parts.insert(0, _pick(rng, _FILLERS))
    clues = ["_"] * 16
    if draw() < 0.7:
        clues[:4] = cells[:4]
        parts.append(_pick(rng, _FIRST).format(r=(glue if comma else " ").join(cells[:4])))
    data = {"symbols": symbols, "clues": "".join(clues), "comma": comma}
    answer = _rows(cells, ", " if comma else " ")
    return Example("puzzles", "latin_free", " ".join(parts), answer, data)


def _pick(rng: Random, options: tuple[str, ...]) -> str:
    return options[int(rng.random() * len(options))]


def _rows(cells: list[str], glue: str) -> str:
    return "\n".join(glue.join(cells[i : i + 4]) for i in (0, 4, 8, 12))


def _noise(rng: Random, ask: str) -> str:
    """The instruction without its full stop, lower-cased up to the symbols, or with a filler."""
    which = int(rng.random() * 3)
    if which == 0:
        return ask[0].lower() + ask[1:]
    return ask.removesuffix(".") if which == 1 else f"{_pick(rng, _FILLERS)} {ask}"


def score(example: Example, text: str) -> bool:
    """True when the text is a full grid that keeps the clues and repeats nothing.

    Four lines of four symbols, one space apart; with commas (and optional spaces) between them
    where the prompt asked for that. Whitespace around the text is ignored. Every solution
    counts, whichever the generator drew.
    """
    data = example.data
    lines = text.strip().split("\n")
    if len(lines) != 4:
        return False
    cells = [cell for line in lines for cell in _split(line.strip(" "), bool(data["comma"]))]
    rows_fit = all(len(_split(line.strip(" "), bool(data["comma"]))) == 4 for line in lines)
    if not rows_fit or any(len(c) != 1 or c not in data["symbols"] for c in cells):
        return False
    kept = all(clue in ("_", cell) for clue, cell in zip(data["clues"], cells, strict=True))
    return kept and _valid(cells, example.kind == "sudoku")


def _split(line: str, comma: bool) -> list[str]:
    return line.replace(", ", ",").split(",") if comma else line.split(" ")


def graph(example: Example) -> Graph:
    """The 16 cells, and the pairs that share a row or column (48), in Sudoku also a box (56).

    It is the graph of the constraints: clues, and what follows from them, are not removed.
    """
    stride = 3 if example.data["comma"] else 2
    starts = [r * (3 * stride + 2) + c * stride for r in range(4) for c in range(4)]
    edges = {
        (a, b) for unit in _units(example.kind == "sudoku") for a in unit for b in unit if a < b
    }
    return Graph(tuple((s, s + 1) for s in starts), frozenset(edges))


TASK = Task(
    name="puzzles",
    title="Latin squares and Sudoku",
    help="4x4 grids in which every cell depends on its row, its column and, in Sudoku, its box.",
    examples=examples,
    score=score,
    graph=graph,
    gen_length=64,
    block_length=32,
)
