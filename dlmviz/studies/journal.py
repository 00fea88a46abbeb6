"""Rows of a study on disk: a line a unit, appended as units end, whole after any interruption."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dlmviz.types import InputError

SETTINGS, ROWS = "settings.json", "rows.jsonl"


@dataclass(frozen=True)
class Entry:
    """What became of one unit."""

    unit: str
    arm: str
    fingerprint: str  # of the model that answered
    rows: Sequence[Mapping[str, Any]] = ()
    problem: str = ""  # why there are no rows, in a sentence
    run: str = ""  # id of the run, where it was kept


def begin(folder: Path, settings: Mapping[str, Any]) -> None:
    """Makes the folder a study's, or finds that it is this study's already. Raises InputError."""
    path = folder / SETTINGS
    text = json.dumps(settings, indent=1, allow_nan=False) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            draft = path.with_suffix(".part")
            draft.write_text(text, "utf-8")
            draft.replace(path)
        elif path.read_text("utf-8") != text:
            raise InputError(
                f"{folder} holds a study with other settings; give another folder, or these "
                f"settings again: {path.read_text('utf-8')[:500]}"
            )
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror}; give another folder") from error


def entries(folder: Path) -> dict[str, Entry]:
    """unit -> its entry, the last one of each; half a line, left by a kill, is cut off the file."""
    path = folder / ROWS
    if not path.exists():
        return {}
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if len(whole) < len(text):
        with open(path, "rb+") as file:
            file.truncate(len(whole))
    try:
        found = [Entry(**json.loads(line)) for line in whole.decode().splitlines()]
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{path} is damaged: {str(error)[:200]}; delete it to begin the study anew"
        ) from error
    return {entry.unit: entry for entry in found}


def append(folder: Path, made: Iterable[Entry]) -> None:
    """Adds entries. A value that is no number in JSON (NaN, infinity) is refused: ValueError."""
    with open(folder / ROWS, "a", encoding="utf-8") as file:
        file.write(_text(made))


def write(folder: Path, every: Iterable[Entry]) -> None:
    """Puts these entries in the place of all that are there, whole or not at all."""
    draft = folder / f"{ROWS}.part"
    draft.write_text(_text(every), "utf-8")
    draft.replace(folder / ROWS)


def _text(made: Iterable[Entry]) -> str:
    return "".join(json.dumps(asdict(entry), allow_nan=False) + "\n" for entry in made)
