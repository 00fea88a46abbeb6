"""Traces as the page gets them: nothing lost, nothing that could run."""

from __future__ import annotations

import base64
import dataclasses
import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlmviz.types import Links, Trace
from dlmviz.ui import payload
from tests.traces import SAT, three_steps

WEB = Path(__file__).parent.parent / "dlmviz" / "ui" / "web"


def replay(run: dict[str, Any], count: int) -> np.ndarray:
    tokens = np.array(run["initial"])
    for entry in run["steps"][:count]:
        tokens[entry["positions"]] = entry["tokens"]
        tokens[entry["remasked"]] = run["mask_id"]
    return tokens


def unpacked(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.dtype(kind))


def with_remasking(trace: Trace) -> Trace:
    last = trace.steps[-1]
    back = dataclasses.replace(
        last,
        index=3,
        positions=np.array([], np.int32),
        tokens=np.array([], np.int32),
        remasked=np.array([3], np.int32),
    )
    return dataclasses.replace(trace, steps=(*trace.steps, back))


def test_replaying_the_payload_gives_the_canvas_of_every_step() -> None:
    trace = with_remasking(three_steps())
    run = json.loads(payload.dumps(payload.run(trace)))
    for count in range(len(trace.steps) + 1):
        assert np.array_equal(replay(run, count), trace.canvas_at(count))


def test_the_payload_carries_the_arrays_of_asked_positions_to_the_last_bit() -> None:
    trace = three_steps()
    for record in trace.steps:
        entry = payload.step(record, trace.offset)
        at = unpacked(entry["at"], "<i4")
        assert np.array_equal(at, trace.offset + np.flatnonzero(~np.isnan(record.confidence)))
        rows = at - trace.offset
        assert np.array_equal(unpacked(entry["confidence"], "<f4"), record.confidence[rows])
        assert np.array_equal(unpacked(entry["entropy"], "<f4"), record.entropy[rows])
        ids = unpacked(entry["top_ids"], "<i4").reshape(-1, entry["k"])
        assert np.array_equal(ids, record.top_ids[rows])
        probs = unpacked(entry["top_probs"], "<f2").reshape(-1, entry["k"])
        assert np.array_equal(probs, record.top_probs[rows])


def test_the_score_travels_only_where_it_is_not_the_confidence() -> None:
    record = three_steps().steps[0]
    assert "score" not in payload.step(record, 2)
    other = dataclasses.replace(record, score=record.score * 2)
    assert np.array_equal(unpacked(payload.step(other, 2)["score"], "<f4"), other.score)


def test_reasons_travel_once_a_step_with_all_their_positions() -> None:
    trace = three_steps()
    entries = json.loads(payload.dumps(payload.run(trace)))["steps"]
    assert entries[0]["why"] == {"below tau": [2, 4], "above tau": [3, 5]}
    assert entries[2]["why"] == {"fallback: best of block": [4]}
    for entry, record in zip(entries, trace.steps, strict=True):
        told = {i: reason for reason, positions in entry["why"].items() for i in positions}
        assert told == record.why
    assert "why" not in payload.step(dataclasses.replace(trace.steps[0], why={}), 2)


def test_a_number_that_is_not_finite_never_reaches_the_page() -> None:
    trace = dataclasses.replace(three_steps(), steps=())
    numbers = json.loads(payload.dumps(payload.run(trace)))["numbers"]
    assert numbers["tpf"] is None
    with pytest.raises(ValueError, match="JSON compliant"):
        payload.dumps({"x": float("nan")})


def test_hostile_text_stays_text() -> None:
    bad = "<img src=x onerror=alert(1)></script>\u2028"
    trace = three_steps()
    step = dataclasses.replace(trace.steps[0], why={2: bad, 3: "__proto__"})
    pieces = {**trace.pieces, SAT: bad}
    trace = dataclasses.replace(trace, text=bad, pieces=pieces, steps=(step,))
    run = json.loads(payload.dumps(payload.run(trace)))
    assert (run["text"], run["pieces"][str(SAT)]) == (bad, bad)
    assert run["steps"][0]["why"] == {bad: [2], "__proto__": [3]}
    for path in WEB.glob("*.js"):
        source = path.read_text(encoding="utf-8")
        for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert sink not in source, f"{path.name} uses {sink}"


def test_signals_run_over_the_asked_positions_and_edges_keep_the_strongest_of_each() -> None:
    record = three_steps().steps[0]
    rows = np.flatnonzero(~np.isnan(record.confidence))
    count = len(record.confidence)
    edges = np.zeros((count, count), np.float16)
    edges[0, 1] = edges[1, 0] = 0.5
    edges[1, 2] = edges[2, 1] = 0.25
    kl = np.arange(count, dtype=np.float32)
    links = Links.of(edges)
    entry = payload.step(dataclasses.replace(record, signals={"kl": kl}, links=links), 10)
    assert unpacked(entry["signals"]["kl"], "<f4").tolist() == kl[rows].tolist()
    assert unpacked(entry["edges"]["pairs"], "<i4").tolist() == [10, 11, 11, 12]
    assert unpacked(entry["edges"]["scores"], "<f4").tolist() == [0.5, 0.25]
    assert "signals" not in payload.step(record, 10)
    assert "edges" not in payload.step(record, 10)


def test_a_signal_of_tokens_that_stand_travels_without_a_confidence() -> None:
    record = three_steps().steps[1]  # asked at rows 0 and 2 of 4
    noted = np.array([np.nan, 0.25, 0.5, np.nan], np.float32)
    entry = payload.step(dataclasses.replace(record, signals={"consistency": noted}), 2)
    assert unpacked(entry["at"], "<i4").tolist() == [2, 3, 4]
    sure = unpacked(entry["confidence"], "<f4")
    assert np.isnan(sure).tolist() == [False, True, False]
    assert unpacked(entry["signals"]["consistency"], "<f4").tolist()[1:] == [0.25, 0.5]
    assert unpacked(entry["top_ids"], "<i4").reshape(-1, 2).tolist()[1] == [-1, -1]
    assert "score" not in entry


def test_of_many_edges_each_position_keeps_six() -> None:
    record = three_steps().steps[0]
    score = np.random.default_rng(0).random((40, 40))
    edges = np.triu(score, 1).astype(np.float16)
    edges += edges.T
    packed = payload.step(dataclasses.replace(record, links=Links.of(edges)), 0)["edges"]
    pairs = {tuple(pair) for pair in unpacked(packed["pairs"], "<i4").reshape(-1, 2).tolist()}
    for i in range(40):
        for j in np.argsort(-edges[i].astype(float), kind="stable")[:6].tolist():
            assert (min(i, j), max(i, j)) in pairs
    assert len(pairs) <= 240


def test_the_edge_to_the_one_that_stopped_a_position_is_kept_however_weak() -> None:
    """Positions 2 and 9 have eight stronger partners each."""
    edges = np.full((10, 10), 0.5, np.float16)
    edges[0, 7] = edges[7, 0] = 0.125
    np.fill_diagonal(edges, 0)
    record = dataclasses.replace(three_steps().steps[0], links=Links.of(edges), signals={})
    told = []
    for why in ({}, {2: "conflicts with 9"}, {2: "conflicts with 99", 99: "conflicts with 2"}):
        packed = payload.step(dataclasses.replace(record, why=why), 2)["edges"]
        told.append([2, 9] in unpacked(packed["pairs"], "<i4").reshape(-1, 2).tolist())
    assert told == [False, True, False]


def test_two_linked_positions_of_a_long_canvas_cost_no_matrix() -> None:
    span = 60_000  # a matrix of float16 would take 7.2 GB
    nothing = np.full(span, np.nan, np.float32)
    links = Links(np.array([5, 59_999], np.int32), np.array([0.5], np.float16))
    record = dataclasses.replace(three_steps().steps[0], confidence=nothing, links=links)
    for name in ("entropy", "score"):
        record = dataclasses.replace(record, **{name: nothing})
    tracemalloc.start()
    packed = payload.step(record, 10)["edges"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert unpacked(packed["pairs"], "<i4").tolist() == [15, 60_009]
    assert peak < 4_000_000


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("cannot open /srv/store/a b/run.npz as a trace", "cannot open a b/run.npz as a trace"),
        ("the weights in /root/.cache/hub/x do not fit", "the weights in x do not fit"),
        ("got '/etc/passwd' (/srv/a/c.json); give", "got 'passwd' (c.json); give"),
        (
            "1 / 2, and/or dlmviz/ui, https://x.org/a/b",
            "1 / 2, and/or dlmviz/ui, https://x.org/a/b",
        ),
    ],
)
def test_what_is_wrong_is_told_without_the_folders_of_the_machine(given: str, told: str) -> None:
    assert payload.refusal(given) == told
    assert payload.refusal("no /a/b or /a/c/d", "", "/a/b") == "no /a/b or d"
