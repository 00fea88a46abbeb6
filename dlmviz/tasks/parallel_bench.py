"""Reader and graders for a user's own copy of ParallelBench (github.com/furiosa-ai/ParallelBench).

The benchmark states no licence, so none of its rows, prompts or code are part of this package:
point `read` at a checkout, or at a folder with `waiting_line/copy.jsonl` and
`waiting_line/task_config.yaml` in it (and so on for other tasks). The graders follow the
behaviour of the benchmark's own metrics, which forgive text around an answer unless `strict`.

Worked example, for a config that says `toy/copy: {metric: list_match_score, prompt: "Copy
{context}"}` and the row `{"input": {"context": "[\\"Ann Ray\\"]"}, "answer": "[\\"Ann Ray\\"]"}`:
the prompt is `Copy ["Ann Ray"]` and the text `["Ann Ray"]` scores True.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml  # type: ignore[import-untyped]  # comes with transformers (huggingface-hub needs it)

from dlmviz.types import Example, InputError

CHECKOUT = Path("dataset/parallel_bench/data/output/test")  # where a checkout keeps its rows
Grader = Callable[[str, Any, bool], bool]  # (text, stored answer, strict)


def read(folder: Path, task: str, examples_in_prompt: int = 0) -> list[Example]:
    """The rows of `task`, such as "waiting_line/copy", in file order.

    The prompt is the config's template filled with the row. `examples_in_prompt` of the row's
    worked examples stand before it, each followed by its answer and a blank line. Raises
    InputError for a missing folder, file or task, an unknown metric, or a bad row (with its line).
    """
    root = _root(folder)
    group, _, name = task.partition("/")
    rows_path, config_path = root / group / f"{name}.jsonl", root / group / "task_config.yaml"
    if not name or not rows_path.is_file() or not config_path.is_file():
        found = ", ".join(_tasks(root)) or "none"
        raise InputError(
            f"no task {task!r} in {root}: it needs GROUP/NAME.jsonl and GROUP/task_config.yaml; "
            f"found there: {found}"
        )
    template, metric = _settings(config_path, task)
    rows = rows_path.read_text(encoding="utf-8").splitlines()
    return [
        _example(task, template, metric, line, examples_in_prompt, f"{rows_path}, line {number}")
        for number, line in enumerate(rows, 1)
        if line.strip()
    ]


def score(example: Example, text: str, strict: bool = False) -> bool:
    """Whether the benchmark's metric would give `text` full marks.

    `strict` is the benchmark's strict form: exact brackets and quotes for lists, four lines of
    four digits for Sudoku; Latin squares have no stricter form.
    """
    return GRADERS[example.data["metric"]](text, example.data["truth"], strict)


def _root(folder: Path) -> Path:
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            f"no folder {folder}: give a ParallelBench checkout or a folder with its JSONL files"
        )
    inside = folder / CHECKOUT
    return inside if inside.is_dir() else folder


def _tasks(root: Path) -> list[str]:
    files = sorted(root.glob("*/*.jsonl"))
    return [f.relative_to(root).with_suffix("").as_posix() for f in files]


def _settings(path: Path, task: str) -> tuple[str, str]:
    """(template, metric) of the task. Raises InputError if the config does not say them."""
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML ({_one_line(error)}); get the file again") from None
    entry = config.get(task) if isinstance(config, dict) else None
    if not isinstance(entry, dict) or not isinstance(entry.get("prompt"), str):
        known = ", ".join(map(str, config)) if isinstance(config, dict) else "nothing"
        raise InputError(f"{path} has no prompt for {task!r}: it names {known}; use one of them")
    metric = entry.get("metric")
    if metric not in GRADERS:
        raise InputError(
            f"{path}: metric {metric!r} of {task} has no grader here; graded are tasks with "
            f"{', '.join(GRADERS)}"
        )
    return str(entry["prompt"]), str(metric)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _example(task: str, template: str, metric: str, line: str, worked: int, where: str) -> Example:
    """One row as an Example; anything that does not fit is an InputError that says where."""
    try:
        row = json.loads(line)
        shots = row["input"].get("icl_examples", [])
        if not 0 <= worked <= len(shots):
            raise InputError(
                f"examples_in_prompt must lie in 0..{len(shots)}: got {worked} ({where}); use fewer"
            )
        solved = [f"{_fill(template, s).rstrip()}\n{_shown(s['answer'])}" for s in shots[:worked]]
        prompt = "\n\n".join([*solved, _fill(template, row)])
        answer, truth = _shown(row["answer"]), row["answer"]
        example = Example(
            "parallel_bench",
            task,
            prompt,
            answer,
            {"metric": metric, "truth": truth, "metadata": row.get("metadata", {})},
        )
        score(example, answer)  # a stored answer without what its grader needs fails here
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{where} is no ParallelBench row ({type(error).__name__}: {_one_line(error)}); "
            'a row is JSON with "input" and "answer"; repair or remove the line'
        ) from None
    return example


def _fill(template: str, row: Mapping[str, Any]) -> str:
    return template.format(**row["input"]).replace("\\n", "\n")


def _shown(answer: Any) -> str:
    """The stored answer as text: itself, or the example of one where several are right."""
    text = answer if isinstance(answer, str) else answer["example"]
    if not isinstance(text, str):
        raise TypeError(f"the answer is {text!r}, not text")
    return text


def _list(text: str, strict: bool) -> list[str] | None:
    """The items of the last bracketed list in `text`; strict: None unless all stand in quotes."""
    if strict and not ("[" in text and "]" in text.rpartition("[")[2]):
        return None
    inner = text.rpartition("[")[2].partition("]")[0]
    if not strict:
        return [item.strip('" ') for item in inner.strip().split(",") if item.strip()]
    items = inner.split(", ")
    whole = all(re.fullmatch(r'"[^"]*"', item, re.DOTALL) for item in items)
    return [item[1:-1] for item in items] if whole else None


def _match(text: str, truth: Any, strict: bool) -> bool:
    return _list(text, strict) == _list(truth, False)


def _shuffle(text: str, truth: Any, strict: bool) -> bool:
    items, given = _list(text, strict), list(truth["input"])
    return items is not None and items != given and sorted(items) == sorted(given)


def _insert(text: str, truth: Any, strict: bool) -> bool:
    items, given, word = _list(text, strict), list(truth["input"]), truth["word"]
    if items is None or word not in items:
        return False
    items.remove(word)
    return items == given


def _remove(text: str, truth: Any, strict: bool) -> bool:
    items, given = _list(text, strict), list(truth["input"])
    if items is None or len(items) != len(given) - 1:
        return False
    gone = set(given) - set(items)
    return len(gone) == 1 and items == [item for item in given if item not in gone]


def _replace(text: str, truth: Any, strict: bool) -> bool:
    items, given, word = _list(text, strict), list(truth["input"]), truth["word"]
    if items is None or word not in items or len(items) != len(given):
        return False
    given[items.index(word)] = word
    return items == given


def _latin(text: str, truth: Any, strict: bool) -> bool:
    """Lines that hold exactly the symbols count, others are passed over; the first n are graded."""
    symbols, first = set(truth["symbols"]), truth.get("first_row")
    lines = [[cell.strip() for cell in line.split(",")] for line in text.split("\n")]
    grid = [cells for cells in lines if set(cells) == symbols][: len(symbols)]
    columns: Sequence[Sequence[str]] = list(zip(*grid, strict=False))
    right = len(grid) == len(symbols) and all(set(column) == symbols for column in columns)
    return right and first in (None, grid[0])


def _grid(text: str, strict: bool) -> list[str] | None:
    """Four lines of four digits; not strict: blanks, commas and other characters are ignored."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if strict:
        good = len(lines) == 4 and all(re.fullmatch("[0-9]{4}", line) for line in lines)
    else:
        lines = ["".join(re.findall("[0-9]", line)) for line in lines]
        lines = [line for line in lines if len(line) == 4]
        good = len(lines) == 4
    return lines if good else None


def _sudoku(text: str, truth: Any, strict: bool) -> bool:
    answer = _grid(truth, True)
    if answer is None:
        raise ValueError("the answer is not four lines of four digits")
    return _grid(text, strict) == answer


GRADERS: Mapping[str, Grader] = MappingProxyType(
    {
        "list_match_score": _match,
        "list_shuffle_score": _shuffle,
        "list_random_insert_score": _insert,
        "list_random_remove_score": _remove,
        "list_random_replace_score": _replace,
        "latin_square_score": _latin,
        "sudoku_score": _sudoku,
    }
)
