"""Lanes that share their forwards do what each of them does alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from dlmviz import decoding
from dlmviz.lanes import Lane, race
from dlmviz.opening import begin
from dlmviz.record import finish
from dlmviz.samplers import SAMPLERS, make
from dlmviz.types import DecodeError, RunSpec, Trace
from tests.toy import Toy

pytestmark = pytest.mark.usefixtures("toy_heads")
ARRAYS = ("confidence", "entropy", "score", "top_probs")


def spec(sampler: str = "fast_dllm", **given) -> RunSpec:
    fields = {"prompt": "the", "gen_length": 16, "block_length": 8, "sampler": sampler}
    return RunSpec(**fields | given)


def lane(model: Toy, spec: RunSpec) -> Lane:
    return Lane(model, make(spec.sampler, spec.params), begin(model, spec))


def raced(model: Toy, specs: Sequence[RunSpec]) -> list[Trace]:
    """The traces of a race in which every lane is the same model."""
    lanes = [lane(model, spec) for spec in specs]
    records: list[list] = [[] for _ in lanes]
    for told in race(lanes, lambda who, *given: model.forward(*given)):
        for index, record in told.items():
            records[index].append(record)
    return [
        finish(model, one.sampler, one.start, found)
        for one, found in zip(lanes, records, strict=True)
    ]


def same(a: Trace, b: Trace) -> None:
    """Fails unless two runs are the same: tokens and counts exactly, numbers but for rounding."""
    assert a.text == b.text
    for x, y in zip(a.steps, b.steps, strict=True):
        for name in ("positions", "tokens", "remasked"):
            assert getattr(x, name).tolist() == getattr(y, name).tolist()
        for name in ("index", "block", "nfe", "sequence_forwards", "probes", "why"):
            assert getattr(x, name) == getattr(y, name), name
        assert x.signals.keys() == y.signals.keys()
        pairs = [(getattr(x, name), getattr(y, name)) for name in ARRAYS]
        pairs += [(x.signals[name], y.signals[name]) for name in x.signals]
        pairs += [(x.links.matrix(16), y.links.matrix(16))] if x.links and y.links else []
        assert (x.links is None) == (y.links is None)
        for left, right in pairs:
            np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("partner", ["llada", "dapd"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_does_beside_another_what_it_does_alone(name: str, partner: str) -> None:
    model = Toy()
    specs = [spec(name, temperature=0.7, seed=3), spec(partner, seed=1), spec(name, seed=2)]
    for one, trace in zip(specs, raced(model, specs), strict=True):
        same(trace, decoding.decode(model, make(name=one.sampler), one))


def test_guided_lanes_and_what_is_recorded_on_request_share_too() -> None:
    model = Toy()
    specs = [
        spec(cfg_scale=1.5),
        spec(record=("kl", "jsd", "edges", "margin")),
        spec("klass", temperature=1.0, seed=9),
        spec("fast_dllm", gen_length=8, prompt="the cat"),  # shorter: padded in the batch
    ]
    for one, trace in zip(specs, raced(model, specs), strict=True):
        same(trace, decoding.decode(model, make(one.sampler, one.params), one))


def test_lanes_share_one_forward_a_round_and_those_that_end_leave_it() -> None:
    model = Toy()
    specs = [spec("top_k", params={"k": k}) for k in (1, 4, 8)]
    model.calls.clear()
    traces = raced(model, specs)
    assert [len(trace.steps) for trace in traces] == [16, 4, 2]
    assert model.calls == [3] * 2 + [2] * 2 + [1] * 12
    assert [trace.nfe for trace in traces] == [16, 4, 2]  # as if each were alone


def test_a_guided_lane_adds_one_row_and_counts_two_sequences() -> None:
    model = Toy()
    traces = raced(model, [spec("top_k", params={"k": 8}, cfg_scale=w) for w in (0.0, 1.0)])
    assert model.calls == [3, 3]
    counted = [[record.sequence_forwards for record in trace.steps] for trace in traces]
    assert counted == [[1, 1], [2, 2]]


def test_lanes_without_attention_join_a_forward_that_watches_it() -> None:
    model = Toy()
    wide = spec("dapd", params={"layer_ratio": 1.0})
    traces = raced(model, [spec("dapd"), spec("llada"), spec(record=("edges",)), wide])
    assert model.calls[:2] == [3, 1]  # the last one asks for another share of the layers
    assert [trace.steps[0].links is None for trace in traces] == [False, True, False, False]


def test_a_lane_sees_no_attention_that_it_did_not_ask_for() -> None:
    model, seen = Toy(), []

    class Looks(type(make("llada"))):
        def select(self, step, memory):
            seen.append(step.prediction.attention)
            return super().select(step, memory)

    looks = Lane(model, Looks(), begin(model, spec("llada")))
    next(race([lane(model, spec("dapd")), looks], lambda who, *given: model.forward(*given)))
    assert seen == [None]


def test_a_lane_that_breaks_a_rule_leaves_with_its_error_and_the_others_go_on() -> None:
    class Stray(type(make("llada"))):
        name = "stray"

        def select(self, step, memory):
            choice = super().select(step, memory)
            return dataclasses.replace(choice, transfer=choice.transfer & False)

    model = Toy()
    stray = Lane(model, Stray(), begin(model, spec("llada")))
    lanes = [lane(model, spec("top_k", params={"k": 8})), stray]
    told = list(race(lanes, lambda who, *given: model.forward(*given)))
    assert isinstance(told[0][1], DecodeError)
    assert "stray" in str(told[0][1])
    assert [sorted(turn) for turn in told] == [[0, 1], [0]]
