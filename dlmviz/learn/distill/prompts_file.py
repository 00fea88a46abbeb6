"""A file of prompts to learn from: JSON lines, as GSM8K's. No torch: the page reads it."""

from __future__ import annotations

import json
from pathlib import Path

from dlmviz.types import InputError

FIELDS = ("prompt", "question")  # GSM8K's files say question
LONGEST = 100_000  # prompts in a file


def read_prompts(path: Path) -> list[str]:
    """The prompts of a JSON-lines file, each once, in its order: field "prompt" or "question".

    Raises InputError, naming the line, for anything else, and for a file without a prompt.
    """
    try:
        lines = path.read_text("utf-8-sig").split("\n")  # a prompt may hold other breaks
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the prompts in {path.name} cannot be read ({error.__class__.__name__}); "
            "give a text file in UTF-8 with one JSON object a line"
        ) from error
    found: dict[str, None] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            found.setdefault(_prompt(path.name, number, line))
    if not found:
        raise InputError(
            f"{path.name} holds no prompt; give one JSON object a line with a field "
            + " or ".join(f'"{name}"' for name in FIELDS)
        )
    if len(found) > LONGEST:
        raise InputError(f"{path.name} holds {len(found)} prompts; at most {LONGEST} are allowed")
    return list(found)


def split(path: Path, count: int, held: int) -> tuple[list[str], list[str]]:
    """(the first `count` prompts of a file, the next `held`). Of a shorter file, the held ones are
    the last, and fewer are learned from. Raises InputError where none would be.
    """
    found = read_prompts(path)
    if len(found) < held + 1:
        raise InputError(
            f"{path.name} holds {len(found)} prompts, but {held} are to be held out and at least "
            "one is needed to learn from; hold out fewer"
        )
    some = found[: count + held]
    cut = len(some) - held
    return some[:cut], some[cut:]


def _prompt(name: str, number: int, line: str) -> str:
    example = '{"prompt": "What is 2 + 3?"}'
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", "it is no JSON")
        raise InputError(
            f"line {number} of {name} is not JSON ({reason}); every line must look like {example}"
        ) from error
    given = row if isinstance(row, dict) else {}
    prompt = next((given[field] for field in FIELDS if field in given), None)
    if not isinstance(prompt, str) or not prompt.strip():
        raise InputError(
            f"line {number} of {name} has no prompt; every line must look like {example}"
        )
    return prompt
