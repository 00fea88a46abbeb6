"""Reader and grader for GSM8K (github.com/openai/grade-school-math, MIT): word problems in words.

None of its problems are part of this package: give `read` the official JSON-lines file, a folder
with train.jsonl or test.jsonl in it, or "hub" for the copy on the Hugging Face hub (openai/gsm8k;
downloaded once, needs pyarrow).

Worked example, for the line {"question": "What is 2 dozen and 1?", "answer": "2*12 = 24\\n####
25"}: the prompt is the question and an instruction, and any text that says "#### 25", or whose last
number is 25 where none is marked so, scores True.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dlmviz.types import Example, InputError

HUB = "hub"
SPLITS = ("train", "test")
ASK = "Think step by step. End with #### and the number."
GEN_LENGTH, BLOCK_LENGTH = 256, 32
MARKED = re.compile(r"####\s*\$?\s*(-?[\d.,]*\d)")
NUMBER = re.compile(r"-?\$?\d[\d,]*(?:\.\d+)?")


def read(source: str | Path, split: str = "test") -> list[Example]:
    """The problems in file order. Raises InputError for a missing file or a bad line (named)."""
    if split not in SPLITS:
        raise InputError(f"gsm8k has the splits {' and '.join(SPLITS)}: got {split!r}")
    if str(source) == HUB:
        return [_example(row, f"row {i}") for i, row in enumerate(_from_hub(split), 1)]
    path = Path(source)
    path = path / f"{split}.jsonl" if path.is_dir() else path
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"cannot read {path}: give the official {split}.jsonl of GSM8K, its folder, or "
            f'"{HUB}"; {error.__class__.__name__}'
        ) from error
    rows = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    return [_example(_row(line), f"{path}, line {number}") for number, line in rows]


def score(example: Example, text: str) -> bool:
    """Whether the number that the text gives is the answer's: 1,000 and 1000.0 are one number."""
    given = answer_in(text)
    return given is not None and given == number_of(str(example.data["number"]))


def answer_in(text: str) -> float | None:
    """The number behind the last "####"; without one the last number of the text; None of none."""
    marked = MARKED.findall(text)
    found = marked or NUMBER.findall(text)
    return number_of(found[-1]) if found else None


def number_of(text: str) -> float | None:
    """The number that is written there, separators and a dollar sign left out."""
    try:
        return float(text.replace(",", "").replace("$", "").rstrip("."))
    except ValueError:
        return None


def _row(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _example(row: Any, where: str) -> Example:
    question = row.get("question") if isinstance(row, Mapping) else None
    answer = row.get("answer") if isinstance(row, Mapping) else None
    marked = MARKED.findall(answer) if isinstance(answer, str) else []
    if not isinstance(question, str) or not question.strip() or not marked:
        raise InputError(
            f'{where} is no problem of GSM8K: it needs a "question", and an "answer" that ends '
            "in #### and a number"
        )
    data = {"number": marked[-1]}
    return Example("gsm8k", "problem", f"{question.strip()}\n{ASK}", str(answer), data)


def _from_hub(split: str) -> Iterable[Mapping[str, Any]]:
    import pandas as pd
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    name = f"main/{split}-00000-of-00001.parquet"
    try:
        frame = pd.read_parquet(hf_hub_download("openai/gsm8k", name, repo_type="dataset"))
    except ImportError as error:
        raise InputError(
            "the hub's copy of GSM8K is a Parquet file: install pyarrow, or give the official "
            f"{split}.jsonl"
        ) from error
    except (OSError, HfHubHTTPError) as error:
        raise InputError(
            f"the hub's copy of GSM8K cannot be had ({error.__class__.__name__}); give the "
            f"official {split}.jsonl"
        ) from error
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
