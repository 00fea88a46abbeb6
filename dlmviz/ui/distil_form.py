"""The form of a distillation: a field for every setting of a recipe, and the recipe of what stands
in them. Fields hold text, as it was typed; a value that does not fit is refused with its field.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from dlmviz.jobs.distil.recipe import PRECISIONS, PRESETS, SCORED, Recipe, recipe_of
from dlmviz.learn.distill.prompts_file import split
from dlmviz.learn.distill.settings import Scope
from dlmviz.tasks import get
from dlmviz.types import InputError

INNER = "settings."  # before the name of a setting of the training
LONGEST = 500  # characters of a value that are shown
Value = str | bool | list[str]


class Unfit(InputError):
    """A value that is refused, and the field that holds it ("" where it is no single one)."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


@dataclass(frozen=True)
class Field:
    """One setting. What the page says of it: distil.field.* and distil.help.* of its words."""

    name: str  # in a recipe; "settings.lr" is one of the training
    group: str = "more"  # "prompts", "training", "scores": in sight at once
    choices: tuple[str, ...] = ()


FIELDS = (
    Field("model", ""),
    *(Field(name, "prompts") for name in ("tasks", "prompts", "count", "gen_length")),
    *(Field(INNER + name, "training") for name in ("steps", "lr", "rank", "tau_tr")),
    *(Field(INNER + name, "training") for name in ("looks", "best")),
    Field("settings.scope", "training", get_args(Scope)),
    Field("settings.eos", "training"),
    *(Field(name, "scores") for name in ("thresholds", "scored")),
    Field("scorer", choices=SCORED),
    *(Field(name) for name in ("held", "tau", "block_length", "batch")),
    *(Field(INNER + name) for name in ("block_length", "batch", "accumulation", "warmup")),
    *(Field(INNER + name) for name in ("cooldown", "weight_decay", "clip", "alpha", "dropout")),
    *(Field(INNER + name) for name in ("save", "chunk", "checkpointing", "compile")),
    Field("precision", choices=PRECISIONS),
    Field("settings.seed"),
)
KINDS: Mapping[str, Any] = {
    **{f.name: getattr(Recipe(), f.name) for f in dataclasses.fields(Recipe)},
    **{INNER + name: value for name, value in dataclasses.asdict(Recipe().settings).items()},
}  # a value of the type that each field has


def form() -> dict[str, Any]:
    """What the page needs to draw it."""
    fields = [
        {**dataclasses.asdict(field), "switch": isinstance(KINDS[field.name], bool)}
        for field in FIELDS
    ]
    presets = [
        {"name": name, "values": texts(recipe.to_json())} for name, recipe in PRESETS.items()
    ]
    return {"fields": fields, "presets": presets}


def texts(recipe: Mapping[str, Any]) -> dict[str, Value]:
    """field -> what stands in it; of a recipe as plain values, which anybody may have edited."""
    inner = recipe.get("settings")
    given = dict(recipe) | {
        INNER + str(name): value
        for name, value in (inner.items() if isinstance(inner, Mapping) else ())
    }
    return {
        f.name: text_of(f.name, given[f.name], KINDS[f.name]) for f in FIELDS if f.name in given
    }


def text_of(name: str, value: Any, kind: Any) -> Value:
    """What stands in a field, `kind` being a value of its type."""
    if name == "tasks":
        return [str(task)[:LONGEST] for task in value] if isinstance(value, list | tuple) else []
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))[:LONGEST]
    if isinstance(kind, bool):
        return value is True
    return str(value)[:LONGEST]


def recipe(given: Mapping[str, Any], store: Path) -> Recipe:
    """The recipe of what stands in the fields. Raises Unfit for the first value that does not fit.

    A file of prompts is read whole, so that its bad line is told at once.
    """
    unknown = sorted(given.keys() - {field.name for field in FIELDS})
    if unknown:
        raise Unfit("", f"the form has no field {unknown[0][:80]!r}; reload the page")
    values = {f.name: _value(f, given[f.name]) for f in FIELDS if f.name in given}
    if values.get("prompts"):
        values["prompts"] = str(located(store, values["prompts"]))
    inner = {name.removeprefix(INNER): value for name, value in values.items() if INNER in name}
    plain = {name: value for name, value in values.items() if INNER not in name}
    try:
        recipe_of({"settings": inner})
    except InputError as error:
        raise _unfit(error, INNER) from error
    try:
        found = recipe_of({**plain, "settings": inner})
    except InputError as error:
        raise _unfit(error) from error
    if found.prompts:
        try:
            split(Path(found.prompts), found.count, found.held)
        except InputError as error:
            raise Unfit("prompts", str(error)) from error
    return found


def _unfit(error: InputError, before: str = "") -> Unfit:
    """Sentences begin with the name of what they refuse."""
    name = before + str(error).split()[0].rstrip(":")
    return Unfit(name if name in KINDS else "", str(error))


def _value(field: Field, given: Any) -> Any:
    """What was typed, in the type of its field."""
    kind, name = KINDS[field.name], field.name.removeprefix(INNER)
    if field.name == "tasks":
        return tasks_of(given)
    if isinstance(kind, bool):
        return given is True
    text = str(given).strip()
    if field.name == "thresholds":
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return tuple(dict.fromkeys(number(field.name, name, part, 0.9) for part in parts))
    if isinstance(kind, int | float):
        return number(field.name, name, text, kind)
    if field.name == "model" and not text:
        raise Unfit("model", "the model is empty: type tiny, tiny-early, a folder or a hub id")
    return text


def tasks_of(given: Any) -> tuple[str, ...]:
    """The tasks whose boxes are ticked. Raises Unfit for one that there is not."""
    names = tuple(map(str, given)) if isinstance(given, list) else ()
    try:
        return tuple(get(name).name for name in names)
    except InputError as error:
        raise Unfit("tasks", str(error)) from error


def number(field: str, name: str, text: str, kind: int | float) -> int | float:
    """The number, of the kind of another one."""
    try:
        return type(kind)(text)
    except (ValueError, OverflowError) as error:
        what = "whole number" if isinstance(kind, int) else "number"
        sentence = f"{name} must be a {what}: got {text[:80]!r}; try {kind}"
        raise Unfit(field, sentence) from error


def located(store: Path, text: str) -> Path:
    """The file that was named: one that was dropped on the page, or one anywhere."""
    dropped = store / text
    path = dropped if text.startswith("prompts/") and dropped.is_file() else Path(text)
    return path.expanduser().absolute()
