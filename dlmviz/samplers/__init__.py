"""The samplers, in menu order. To add one: its file, its line here, its test."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

from dlmviz.samplers.dapd import Dapd
from dlmviz.samplers.dream import Dream
from dlmviz.samplers.edit import Edit
from dlmviz.samplers.entropy_bound import EntropyBound
from dlmviz.samplers.fast_dllm import FastDllm
from dlmviz.samplers.klass import Klass
from dlmviz.samplers.llada import Llada
from dlmviz.samplers.order import LeftToRight, Random, TopK
from dlmviz.samplers.psd import Psd
from dlmviz.samplers.slow_fast import SlowFast
from dlmviz.types import InputError, Sampler

SAMPLERS: dict[str, type[Sampler]] = {
    sampler.name: sampler
    for sampler in (
        *(Llada, Dream, FastDllm, EntropyBound, Klass, SlowFast, Dapd, Psd, Edit),
        *(Random, LeftToRight, TopK),
    )
}
BASE = "base."  # "base.tau" is the tau of the sampler that another one works on


def make(name: str, params: Mapping[str, Any] | None = None) -> Sampler:
    """The sampler called `name` with its knobs set; values given as text are converted.

    A sampler on top of another has a knob `base`, the other's name, and takes the other's knobs as
    "base.KNOB". Raises InputError for an unknown name or knob (with the known ones and the
    nearest), and for a value of the wrong kind or outside its range.
    """
    if name not in SAMPLERS:
        raise InputError(_unknown("sampler", name, SAMPLERS))
    kind: Any = SAMPLERS[name]
    fields = {f.name: f for f in dataclasses.fields(kind) if f.metadata}
    values, of_base = {}, {}
    for key, value in (params or {}).items():
        if "base" in fields and key.startswith(BASE):
            of_base[key.removeprefix(BASE)] = value
        elif key not in fields:
            raise InputError(_unknown(f"parameter of {name}", key, fields))
        else:
            values[key] = _checked(f"{name}.{key}", value, fields[key])
    if "base" in fields:
        base = values.get("base", fields["base"].default)
        if base == name:
            raise InputError(f"{name}.base must be another sampler: got {base!r}; try fast_dllm")
        values["draft"] = make(base, of_base)
    sampler: Sampler = kind(**values)
    return sampler


def plain(params: Mapping[str, Any], sampler: Any) -> dict[str, Any]:
    """The given parameters with their values as the sampler holds them: numbers, not text."""
    return {
        key: getattr(sampler.draft, key.removeprefix(BASE))
        if key.startswith(BASE)
        else getattr(sampler, key)
        for key in params
    }


def _unknown(what: str, given: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(given, known, n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"unknown {what}: got {given!r}, known are {', '.join(known) or 'none'}{hint}"


def _checked(label: str, value: Any, field: dataclasses.Field[Any]) -> Any:
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
