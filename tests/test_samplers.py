import dataclasses
import re

import pytest

from dlmviz.samplers import SAMPLERS, make
from dlmviz.samplers.fast_dllm import FastDllm
from dlmviz.samplers.llada import Llada
from dlmviz.types import InputError


@pytest.mark.parametrize("kind", SAMPLERS.values(), ids=str)
def test_every_sampler_explains_itself(kind) -> None:
    assert kind.__doc__
    assert kind.paper
    assert re.fullmatch(r"[a-z][a-z_]*", kind.name)
    for field in (field for field in dataclasses.fields(kind) if field.metadata):
        assert field.metadata["help"], f"{kind.name}.{field.name} has no help text"
        numeric = isinstance(field.default, int | float) and not isinstance(field.default, bool)
        if numeric:
            assert field.metadata["low"] <= field.default <= field.metadata["high"]


def test_knobs_given_as_text_are_converted() -> None:
    assert make("fast_dllm", {"tau": "0.7"}) == FastDllm(tau=0.7)
    assert make("llada", {"steps": "64"}) == Llada(steps=64)
    assert make("fast_dllm", {"tau": 1}) == FastDllm(tau=1.0)


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("fastdllm", {}, "unknown sampler: got 'fastdllm', known are llada, .*mean fast_dllm"),
        ("fast_dllm", {"tua": 1}, "unknown parameter of fast_dllm: got 'tua'.*did you mean tau"),
        ("fast_dllm", {"tau": 1.5}, "fast_dllm.tau must lie in 0.0 to 1.0: got 1.5"),
        ("fast_dllm", {"tau": float("nan")}, "fast_dllm.tau must lie in 0.0 to 1.0: got nan"),
        ("fast_dllm", {"tau": "high"}, "fast_dllm.tau must be a number: got 'high'"),
        ("llada", {"steps": 2.5}, "llada.steps must be a whole number: got 2.5"),
        ("llada", {"steps": True}, "llada.steps must be a whole number: got True"),
        ("llada", {"remasking": "low"}, "must be one of low_confidence, random: got 'low'"),
    ],
)
def test_unknown_or_unusable_knobs_are_named_with_what_is_allowed(name, params, message) -> None:
    with pytest.raises(InputError, match=message):
        make(name, params)
