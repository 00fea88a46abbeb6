"""Values that a person gave for the knobs of a dataclass: checked, and in the type of the field."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from dlmviz.types import InputError


def fields(kind: Any) -> dict[str, dataclasses.Field[Any]]:
    """The knobs of a dataclass by name, in order: its fields that `knob` made."""
    return {field.name: field for field in dataclasses.fields(kind) if field.metadata}


def chosen(kind: Any, given: Mapping[str, Any], of: str) -> Any:
    """The dataclass with its knobs set; values given as text are converted.

    Raises InputError for an unknown knob (with the known ones and the nearest), and for a value of
    the wrong kind or outside its range. `of` is what the knobs belong to, in words.
    """
    known = fields(kind)
    for name in given:
        if name not in known:
            raise InputError(unknown(f"setting of {of}", name, known))
    return kind(**{name: checked(f"{of}.{name}", given[name], known[name]) for name in given})


def unknown(what: str, given: str, known: Iterable[str]) -> str:
    """The sentence for a name that is not known: the known ones, and the nearest."""
    near = difflib.get_close_matches(given, list(known), n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"unknown {what}: got {given!r}, known are {', '.join(known) or 'none'}{hint}"


def checked(label: str, value: Any, field: dataclasses.Field[Any]) -> Any:
    """`value` as the type of the field's default, inside its range or among its choices."""
    kind = type(field.default)
    low, high = field.metadata.get("low"), field.metadata.get("high")
    choices = field.metadata.get("choices", ())
    converted = _converted(label, value, kind)
    if choices and converted not in choices:
        raise InputError(f"{label} must be one of {', '.join(choices)}: got {value!r}")
    if kind in (int, float) and not low <= converted <= high:
        raise InputError(f"{label} must lie in {low} to {high}: got {value!r}")
    return converted


def _converted(label: str, value: Any, kind: type) -> Any:
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    text = str(value).strip().lower()
    try:
        if kind is bool and text in ("true", "false", "1", "0", "yes", "no"):
            return text in ("true", "1", "yes")
        if kind is int and not isinstance(value, bool) and float(text) == int(float(text)):
            return int(float(text))
        if kind is float and not isinstance(value, bool):
            return float(text)
    except (ValueError, OverflowError):
        pass
    raise InputError(f"{label} must be {words[kind]}: got {value!r}")
