"""The samplers, in menu order. To add one: its file, its line here, its test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dlmviz.knobs import checked, fields, unknown
from dlmviz.samplers.codila import Codila
from dlmviz.samplers.dapd import Dapd
from dlmviz.samplers.demask import Demask
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
        *(Llada, Dream, FastDllm, EntropyBound, Klass, SlowFast, Dapd, Demask, Codila, Psd, Edit),
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
        raise InputError(unknown("sampler", name, SAMPLERS))
    kind: Any = SAMPLERS[name]
    known = fields(kind)
    values, of_base = {}, {}
    for key, value in (params or {}).items():
        if "base" in known and key.startswith(BASE):
            of_base[key.removeprefix(BASE)] = value
        elif key not in known:
            raise InputError(unknown(f"parameter of {name}", key, known))
        else:
            values[key] = checked(f"{name}.{key}", value, known[key])
    if "base" in known:
        base = values.get("base", known["base"].default)
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
