"""Traces at rest: exact, atomic, and safe to open whatever the file holds."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pickle
import resource
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlmviz import store
from dlmviz.store.packing import pack
from dlmviz.store.schema import (
    MAX_BYTES,
    MAX_CANVAS,
    MAX_HEADER,
    MAX_STEPS,
    MAX_WHY,
    PER_STEP,
    RAGGED,
    SINCE_2,
    SINCE_3,
)
from dlmviz.types import RECORDABLE, InputError, Links, RunSpec, StepRecord, Trace
from tests.traces import three_steps


def same(a: Any, b: Any) -> bool:
    """Equality to the last bit: type, dtype, shape, NaN payloads."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if dataclasses.is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def noise(rng: np.random.Generator, dtype: str, *shape: int) -> np.ndarray:
    """Any bit pattern: NaN, infinities, denormals."""
    size = int(np.dtype(dtype).itemsize * np.prod(shape, dtype=int))
    return np.frombuffer(rng.bytes(size), dtype).reshape(shape)


def links(rng: np.random.Generator, span: int) -> Links:
    """Any scores between some of the rows."""
    nodes = np.flatnonzero(rng.random(span) < 0.7).astype(np.int32)
    return Links(nodes, noise(rng, "<f2", len(nodes) * (len(nodes) - 1) // 2))


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    prompt, width, blocks, closing = draw(st.tuples(*[st.integers(a, 3) for a in (0, 1, 0, 0)]))
    initial = np.r_[rng.integers(0, 3, prompt), [0] * width * blocks, [4] * closing]
    initial = initial.astype(np.int32)
    offset = next((i for i, token in enumerate(initial) if token == 0), len(initial))
    kept = draw(st.integers(0, 3))
    span = len(initial) - offset if kept else 0
    free = np.arange(offset, len(initial))

    def record(index: int) -> StepRecord:
        positions, remasked = (np.sort(rng.permutation(free)[: rng.integers(3)]) for _ in range(2))
        explained = rng.permutation(free)[: rng.integers(4)]
        return StepRecord(
            index=index,
            block=(prompt, len(initial)),
            positions=positions.astype(np.int32),
            tokens=rng.integers(0, 5, len(positions)).astype(np.int32),
            remasked=remasked.astype(np.int32),
            confidence=noise(rng, "<f4", span),
            entropy=noise(rng, "<f4", span),
            score=noise(rng, "<f4", span),
            top_ids=rng.integers(-1, 5, (span, kept)).astype(np.int32),
            top_probs=noise(rng, "<f2", span, kept),
            nfe=int(rng.integers(3)),
            sequence_forwards=int(rng.integers(6)),
            seconds=float(rng.random()),
            signals={
                name: noise(rng, "<f4", span) for name in ("jsd", "μ/x") if rng.random() < 0.5
            },
            links=links(rng, span) if rng.random() < 0.5 else None,
            why={int(i): reasons[rng.integers(len(reasons))] for i in explained},
            probes=int(rng.integers(3)),
        )

    reasons = draw(st.lists(st.text(), min_size=1, max_size=4))
    knobs = st.dictionaries(st.text(), st.integers() | st.booleans() | st.text() | st.none())
    return Trace(
        spec=RunSpec(
            prompt=draw(st.text()),
            adapter=draw(st.none() | st.text()),
            gen_length=width * blocks,
            block_length=width,
            params=draw(knobs),
            temperature=draw(st.floats(0, 2) | st.integers(0, 2)),
            draw=draw(st.sampled_from(["official", "gumbel", "categorical"])),
            top_p=draw(st.floats(0, 1, exclude_min=True) | st.just(1)),
            top_k=draw(st.integers(0, 9)),
            record=tuple(draw(st.lists(st.sampled_from(RECORDABLE)))),
        ),
        initial=initial,
        prompt_length=draw(st.integers(0, prompt)),
        mask_id=0,
        eos_id=draw(st.none() | st.just(1)),
        steps=tuple(record(index) for index in range(draw(st.integers(0, 4)))),
        text=draw(st.text()),
        pieces={token: draw(st.text(max_size=4)) for token in range(5)},
        info=draw(st.dictionaries(st.text(), st.floats(allow_nan=False) | st.lists(st.text()))),
    )


@settings(max_examples=25, deadline=None)
@given(trace=traces())
def test_a_saved_trace_opens_equal_to_the_last_bit(
    trace: Trace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("store") / "run.npz"
    store.save(trace, path)
    opened = store.open_trace(path)
    assert same(opened, trace)
    assert store.run_id(opened) == store.run_id(trace)


def test_the_id_knows_nothing_of_the_archive_around_a_trace(tmp_path: Path) -> None:
    store.save(three_steps(), tmp_path / "a.npz")
    with (
        zipfile.ZipFile(tmp_path / "a.npz") as old,
        zipfile.ZipFile(tmp_path / "b.npz", "w") as new,
    ):
        for name in reversed(old.namelist()):  # another order, time and compression
            new.writestr(zipfile.ZipInfo(name, (1999, 1, 1, 0, 0, 0)), old.read(name))
    ids = {store.run_id(store.open_trace(tmp_path / name)) for name in ("a.npz", "b.npz")}
    assert ids == {store.run_id(three_steps())}


def test_the_id_changes_with_whatever_changes() -> None:
    trace = three_steps()
    first, *rest = trace.steps
    nudged = first.score.copy()
    nudged[0] = np.nextafter(nudged[0], 1, dtype=np.float32)
    changed = [
        trace,
        dataclasses.replace(trace, spec=dataclasses.replace(trace.spec, seed=1)),
        dataclasses.replace(trace, eos_id=None),
        dataclasses.replace(trace, text="the cat"),
        dataclasses.replace(trace, steps=trace.steps[:2]),
        dataclasses.replace(trace, steps=(dataclasses.replace(first, seconds=0.5), *rest)),
        dataclasses.replace(trace, steps=(dataclasses.replace(first, score=nudged), *rest)),
        dataclasses.replace(trace, steps=(dataclasses.replace(first, probes=1), *rest)),
        dataclasses.replace(trace, steps=(dataclasses.replace(first, why={}), *rest)),
        dataclasses.replace(trace, steps=(dataclasses.replace(first, why={2: "luck"}), *rest)),
        dataclasses.replace(trace, steps=(dataclasses.replace(first, why={3: "luck"}), *rest)),
    ]
    ids = [store.run_id(each) for each in changed]
    assert len(set(ids)) == len(ids)
    assert all(len(each) == 16 and int(each, 16) >= 0 for each in ids)


def test_reasons_come_back_by_position_whatever_their_order(tmp_path: Path) -> None:
    trace = three_steps()
    opened = store.open_trace(store.save(trace, tmp_path / "run.npz"))
    assert [record.why for record in opened.steps] == [record.why for record in trace.steps]
    first, *rest = trace.steps
    turned = dataclasses.replace(first, why=dict(reversed(first.why.items())))
    again = dataclasses.replace(trace, steps=(turned, *rest))
    assert store.run_id(again) == store.run_id(trace)


def test_a_reason_that_many_positions_share_is_stored_once(tmp_path: Path) -> None:
    blob, arrays = pack(three_steps())
    assert blob.count(b"below tau") == 1
    assert json.loads(blob)["reasons"] == ["above tau", "below tau", "fallback: best of block"]
    assert arrays["why"].tolist() == [2, 3, 4, 5, 2, 4, 4]
    assert arrays["why_reason"].tolist() == [1, 0, 1, 0, 0, 1, 2]
    assert arrays["why_offsets"].tolist() == [0, 4, 6, 7]


NO_LINKS: dict[str, Any] = {**dict.fromkeys(SINCE_3), "edges": np.zeros((0, 4, 4), np.float16)}


def test_a_file_of_schema_1_opens_and_is_saved_as_schema_3(tmp_path: Path) -> None:
    trace = three_steps()
    header = {"schema": 1, "reasons": None, "spec": OLD_SPEC}
    rewrite(tmp_path / "old.npz", header, {**dict.fromkeys(SINCE_2), **NO_LINKS})
    opened = store.open_trace(tmp_path / "old.npz")
    steps = tuple(dataclasses.replace(record, why={}) for record in trace.steps)
    assert same(opened, dataclasses.replace(trace, steps=steps))
    again = store.save(opened, tmp_path / "new.npz")
    with np.load(again) as file:
        assert json.loads(file["header"].tobytes())["schema"] == 3
        assert {*SINCE_2, *SINCE_3} < set(file)
    assert same(store.open_trace(again), opened)


def test_edges_that_schema_2_kept_as_matrices_open_to_the_last_bit(tmp_path: Path) -> None:
    edges = np.zeros((2, 4, 4), np.float16)
    edges[0, 1, 3] = edges[0, 3, 1] = 0.25
    edges[1] = 1 - np.eye(4)
    arrays = {**NO_LINKS, "edges_at": np.array([0, 2], i4), "edges": edges}
    rewrite(tmp_path / "old.npz", {"schema": 2}, arrays)
    first, second, last = store.open_trace(tmp_path / "old.npz").steps
    assert same(first.edges, edges[0])
    assert second.edges is None
    assert same(last.edges, edges[1])
    assert first.links is not None
    assert (first.links.nodes.tolist(), first.links.scores.tolist()) == ([1, 3], [0.25])
    edges[0, 1, 3] = 0.5
    rewrite(tmp_path / "old.npz", {"schema": 2}, arrays)
    with pytest.raises(InputError, match="edge scores must be symmetric"):
        store.open_trace(tmp_path / "old.npz")


def test_edges_of_512_tokens_written_one_at_a_time_fit_the_store() -> None:
    """Matrices would take 512 * 512 * 512 * 2 = 268 MB; pairs take sum_m m (m - 1) / 2 * 2."""
    whole = one_at_a_time(512)
    _, arrays = pack(whole)
    pairs = sum(m * (m - 1) // 2 for m in range(2, 513))
    assert arrays["edges_scores"].nbytes == 2 * pairs == 44_739_072
    assert sum(array.nbytes for array in arrays.values()) < 60_000_000
    kept = sum(r.links.nodes.nbytes + r.links.scores.nbytes for r in whole.steps if r.links)
    assert kept < 46_000_000


def one_at_a_time(length: int) -> Trace:
    """A run without a prompt that writes a token a step, from left to right, every pair linked."""
    steps = []
    for index in range(length):
        nodes = np.arange(index, length, dtype=np.int32)
        pairs = len(nodes) * (len(nodes) - 1) // 2
        seen = np.where(np.arange(length) >= index, 0.5, np.nan).astype(np.float32)
        steps.append(
            dataclasses.replace(
                three_steps().steps[0],
                index=index,
                block=(0, length),
                positions=np.array([index], np.int32),
                tokens=np.array([2], np.int32),
                confidence=seen,
                entropy=seen,
                score=seen,
                top_ids=np.full((length, 5), 2, np.int32),
                top_probs=np.full((length, 5), 0.2, np.float16),
                links=Links(nodes, np.full(pairs, 0.5, np.float16)),
                why={},
            )
        )
    spec = RunSpec(gen_length=length, block_length=length, record=("edges",))
    initial = np.zeros(length, np.int32)
    return dataclasses.replace(
        three_steps(), spec=spec, initial=initial, prompt_length=0, steps=tuple(steps)
    )


@pytest.mark.parametrize("entry", [*SINCE_2, *SINCE_3])
def test_a_file_must_have_what_older_schemas_lack(entry: str, tmp_path: Path) -> None:
    rewrite(tmp_path / "bad.npz", {}, {entry: None})
    with pytest.raises(InputError, match=f"lacks the arrays {entry}"):
        store.open_trace(tmp_path / "bad.npz")
    rewrite(tmp_path / "bad.npz", {"schema": 1, "reasons": None}, NO_LINKS)
    with pytest.raises(InputError, match="unknown arrays: probes, why, why_offsets, why_reason"):
        store.open_trace(tmp_path / "bad.npz")


def test_a_generated_part_longer_than_gen_length_opens(tmp_path: Path) -> None:
    trace = three_steps()
    spec = dataclasses.replace(trace.spec, gen_length=0, record=("kl", "edges"))
    infilled = dataclasses.replace(trace, spec=spec, prompt_length=1)
    opened = store.open_trace(store.save(infilled, tmp_path / "run.npz"))
    assert same(opened, infilled)
    assert opened.spec.record == ("kl", "edges")


def rewrite(path: Path, entries: dict[str, Any], arrays: dict[str, Any]) -> None:
    """The three-step file with other header entries or arrays; None leaves one out."""
    store.save(three_steps(), path)
    with np.load(path) as file:
        content: dict[str, Any] = dict(file)
    header = json.loads(content["header"].tobytes()) | entries
    if header["reasons"] is None:
        del header["reasons"]
    content["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    content |= arrays
    np.savez(path, **{name: array for name, array in content.items() if array is not None})


i4 = np.int32
OFFSETS = ("positions_offsets", "remasked_offsets", "why_offsets")
SPEC = json.loads(json.dumps(dataclasses.asdict(three_steps().spec)))
NEW = ("draw", "top_p", "top_k", "cache_revision", "record")
OLD_SPEC = {name: value for name, value in SPEC.items() if name not in NEW}


def edged(offsets: list[int], nodes: list[int], scores: list[float], at: int = 0) -> dict[str, Any]:
    """The arrays of one step's edges."""
    return {
        "edges_at": np.array([at], i4),
        "edges_offsets": np.array(offsets, np.int64),
        "edges_nodes": np.array(nodes, i4),
        "edges_scores": np.array(scores, np.float16),
    }


BAD_HEADERS = [
    ({"schema": 4}, "schema is 4, this version of dlmviz reads 1, 2, 3"),
    ({"schema": 2}, "it lacks the arrays edges"),
    ({"schema": 1}, "missing, unknown or wrongly typed"),  # knew no reasons
    ({"schema": True, "reasons": None}, "wrongly typed"),
    ({"reasons": None}, "missing, unknown or wrongly typed"),
    ({"reasons": {}}, "wrongly typed"),
    ({"reasons": ["a", 1, "b"]}, "reasons must be different texts"),
    ({"reasons": [["a"], "b", "c"]}, "reasons must be different texts"),
    ({"reasons": ["a", "b", "b"]}, "reasons must be different texts"),
    ({"reasons": ["a", "b"]}, "reasons must be of the header's list"),
    ({"reasons": ["a", "b", "\ud800"]}, "not JSON"),
    ({"reasons": ["a", "b", "c" * MAX_HEADER]}, "with a header of"),
    ({"schema": None}, "schema is None"),
    ({"extra": 1}, "missing, unknown or wrongly typed"),
    ({"text": 3}, "wrongly typed"),
    ({"mask_id": True}, "wrongly typed"),
    ({"text": "\ud800"}, "not JSON"),
    ({"mask_id": 2**40}, "every token|first mask|32-bit"),
    ({"eos_id": -1}, "32-bit"),
    ({"prompt_length": 3}, "fit in the canvas"),
    ({"prompt_length": -1}, "fit in the canvas"),
    ({"pieces": {"one": "x"}}, "pieces must map"),
    ({"pieces": {"1": 1}}, "pieces must map"),
    ({"pieces": {"1": "x"}}, "every token must have a piece"),
    ({"signals": ["jsd"]}, "lacks the arrays signal0, signal0_at"),
    ({"signals": [["a"]]}, "signals must be"),
    ({"signals": ["a", "a"]}, "signals must be different"),
    ({"signals": [str(i) for i in range(65)]}, "65 signals, at most 64"),
    ({"spec": SPEC | {"knob": 1}}, "unknown names: knob"),
    ({"spec": SPEC | {"prompt": 1}}, "prompt has the wrong type: int"),
    ({"spec": SPEC | {"params": []}}, "params has the wrong type: list"),
    ({"spec": SPEC | {"record": "kl"}}, "record has the wrong type: str"),
    ({"spec": SPEC | {"record": ["kl", "love"]}}, "record must be one of"),
    ({"spec": SPEC | {"record": [["kl"]]}}, "record must be one of"),
    ({"spec": SPEC | {"top_p": float("nan")}}, "top_p must lie in"),
    ({"spec": SPEC | {"top_k": 1.5}}, "top_k has the wrong type: float"),
    ({"spec": SPEC | {"block_length": 3}}, "block_length must divide gen_length: got 3 and 4"),
    ({"spec": SPEC | {"gen_length": 10**12}}, f"gen_length is over {MAX_CANVAS}"),
]
BAD_ARRAYS = [
    ({"score": None}, "lacks the arrays score"),
    ({"virus": np.zeros(1)}, "unknown arrays: virus"),
    ({"header": None}, "it has no header"),
    ({"header": np.zeros(3)}, "header is not text"),
    ({"header": np.frombuffer(b"{", np.uint8)}, "header is not JSON"),
    ({"header": np.frombuffer(b"[" * 100_000, np.uint8)}, "header is not JSON"),
    ({"header": np.frombuffer(b"[]", np.uint8)}, "schema is None"),
    ({"score": np.zeros((3, 4))}, r"score is <f8 \(3, 4\), not <f4 \(S, N\)"),
    ({"score": np.zeros(12, np.float32)}, r"not <f4 \(S, N\)"),
    ({"score": np.zeros((3, 5), np.float32)}, "score has N = 5, not 4"),
    ({"nfe": np.zeros(2, i4)}, "nfe has S = 2, not 3"),
    ({"top_probs": np.zeros((3, 4, 3), np.float16)}, "top_probs has K = 3, not 2"),
    ({"tokens": np.zeros(3, i4)}, "tokens has n = 3, not 4"),
    ({"positions_offsets": np.array([0, 2, 4], np.int64)}, r"has S\+1 = 4, not 3"),
    (
        {name: np.zeros(3, np.int64) for name in OFFSETS},
        "offsets do not fit its steps",
    ),
    ({"positions_offsets": np.array([0, 2, 3, 9], np.int64)}, "offsets must divide"),
    ({"positions_offsets": np.array([0, 3, 2, 4], np.int64)}, "offsets must divide"),
    ({"positions": np.array([3, 5, 2, 6], i4)}, "positions must lie in the canvas"),
    ({"positions": np.array([3, 5, 2, -1], i4)}, "positions must lie in the canvas"),
    ({"positions": np.array([3, 5, 1, 4], i4)}, "from its first mask on"),
    ({"tokens": np.array([3, 1, 2, -4], i4)}, "every token must have a piece"),
    ({"tokens": np.array([3, 1, 2, 8], i4)}, "every token must have a piece"),
    ({"index": np.array([0, 1, 3], i4)}, "steps must be numbered from 0"),
    ({"block": np.array([[2, 6], [2, 6], [2, 7]], i4)}, "blocks must lie in the canvas"),
    ({"block": np.array([[2, 6], [2, 6], [6, 2]], i4)}, "blocks must lie in the canvas"),
    ({"nfe": np.array([1, 1, -1], i4)}, "must be finite and >= 0"),
    ({"seconds": np.array([1, 1, np.nan])}, "must be finite and >= 0"),
    ({"probes": np.array([0, 0, -1], i4)}, "must be finite and >= 0"),
    ({"why": np.array([2, 3, 4, 6, 2, 4, 4], i4)}, "positions must lie in the canvas"),
    ({"why": np.array([1, 3, 4, 5, 2, 4, 4], i4)}, "from its first mask on"),
    ({"why": np.array([2, 4, 3, 5, 2, 4, 4], i4)}, "at most one a position, in order"),
    ({"why": np.array([2, 3, 3, 5, 2, 4, 4], i4)}, "at most one a position, in order"),
    ({"why": np.zeros(6, i4)}, "why has w = 6|why_reason has w = 7"),
    ({"why_reason": np.array([1, 0, 1, 0, 0, 1, 3], i4)}, "reasons must be of the header's list"),
    ({"why_reason": np.array([1, 0, 1, 0, 0, 1, -1], i4)}, "reasons must be of the header's list"),
    ({"why_reason": np.zeros(7)}, r"why_reason is <f8 \(7,\), not <i4 \(w\)"),
    ({"why_offsets": np.array([0, 5, 4, 7], np.int64)}, "offsets must divide"),
    ({"why_offsets": np.array([0, 4, 6, 8], np.int64)}, "offsets must divide"),
    ({"edges_at": np.zeros(1, i4)}, "offsets do not fit its steps"),
    (edged([0, 2], [1, 3], [0.5], at=3), "signals and edges must name steps"),
    (edged([0, 2], [1, 3], [0.5, 0.5]), "the nodes and scores that they state"),
    (edged([0, 3], [1, 3], [0.5]), "the nodes and scores that they state"),
    (edged([0, 2], [3, 1], [0.5]), "the nodes and scores that they state"),
    (edged([0, 2], [1, 1], [0.5]), "the nodes and scores that they state"),
    (edged([0, 2], [1, 4], [0.5]), "the nodes and scores that they state"),
    (edged([0, 2], [-1, 3], [0.5]), "the nodes and scores that they state"),
]


@pytest.mark.parametrize(("header", "reason"), BAD_HEADERS)
def test_a_wrong_header_is_refused(header: dict[str, Any], reason: str, tmp_path: Path) -> None:
    rewrite(tmp_path / "bad.npz", header, {})
    with pytest.raises(InputError, match=reason):
        store.open_trace(tmp_path / "bad.npz")


@pytest.mark.parametrize(("arrays", "reason"), BAD_ARRAYS)
def test_wrong_arrays_are_refused(arrays: dict[str, Any], reason: str, tmp_path: Path) -> None:
    rewrite(tmp_path / "bad.npz", {}, arrays)
    with pytest.raises(InputError, match=reason):
        store.open_trace(tmp_path / "bad.npz")


def test_an_unchanged_rewrite_opens(tmp_path: Path) -> None:
    rewrite(tmp_path / "good.npz", {}, {})
    assert same(store.open_trace(tmp_path / "good.npz"), three_steps())


class Trap:
    sprung = False

    def __reduce__(self) -> Any:
        return (setattr, (Trap, "sprung", True))


def test_pickled_arrays_are_refused_and_never_run(tmp_path: Path) -> None:
    rewrite(tmp_path / "bad.npz", {}, {"score": np.array([Trap()], dtype=object)})
    with pytest.raises(InputError, match="pickled objects"):
        store.open_trace(tmp_path / "bad.npz")
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InputError, match=r"no \.npz file"):
        store.open_trace(tmp_path / "pickle.npz")
    assert not Trap.sprung


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(InputError, match=f"cannot open {path} as a trace: there is no such"):
            store.open_trace(path)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = store.save(three_steps(), tmp_path / "run.npz")
    whole = path.read_bytes()
    for length in {*range(0, len(whole), 97), len(whole) - 1}:
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="cannot open"):
            store.open_trace(path)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_opens(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("damage") / "run.npz"
    if data.draw(st.booleans()):
        store.save(three_steps(), path)
    else:
        rewrite(path, {}, {})  # not compressed, so that damage reaches what is inside
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(InputError):
        store.open_trace(path)


def bomb(path: Path, name: str, dtype: str, shape: tuple[int, ...], pad: int) -> None:
    """The three-step file with one array replaced by a header that states `shape`, and zeros."""
    rewrite(path, {}, {name: None})
    head = str({"descr": dtype, "fortran_order": False, "shape": shape})[:-1] + ", }"
    head = head.ljust(-(len(head) + 11) % 64 + len(head)) + "\n"
    magic = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}.npy", magic + head.encode() + bytes(pad))


def test_oversize_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    cases = [
        ("score", "<f4", (10**6, 10**6), 0, "does not have the size it states"),
        ("score", "<f4", (MAX_BYTES // 4,), MAX_BYTES, "unpacks to .* bytes"),
        ("header", "|u1", (MAX_HEADER,), MAX_HEADER, "with a header of"),
        ("index", "<i4", (MAX_STEPS + 1,), 4 * MAX_STEPS + 4, "index has S|has S = 3"),
        ("score", "|V0", (3, 4), 0, "not <f4"),
        ("why", "<i4", (MAX_WHY + 1,), 4 * MAX_WHY + 4, "why_reason has w = 7, not"),
    ]
    for name, dtype, shape, pad, reason in cases:
        bomb(path, name, dtype, shape, pad)
        tracemalloc.start()
        with pytest.raises(InputError, match=reason):
            store.open_trace(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4_000_000


@pytest.mark.parametrize(
    ("steps", "canvas"), [(MAX_STEPS + 1, 6), (2, MAX_CANVAS + 1), (4000, MAX_CANVAS)]
)
def test_a_run_too_long_to_replay_is_refused_by_its_shapes(
    steps: int, canvas: int, tmp_path: Path
) -> None:
    arrays = {
        name: np.zeros([{"S": steps, "2": 2}.get(axis, 0) for axis in axes], dtype)
        for name, (dtype, axes) in PER_STEP.items()
    }
    arrays |= {name: np.zeros(0, i4) for name in RAGGED}
    arrays |= {name: np.zeros(steps + 1, np.int64) for name in OFFSETS}
    arrays |= {"initial": np.zeros(canvas, i4)}
    rewrite(tmp_path / "long.npz", {}, arrays)
    with pytest.raises(InputError, match=f"{steps} steps on a canvas of {canvas}: at most"):
        store.open_trace(tmp_path / "long.npz")


def test_more_reasons_than_memory_should_hold_are_refused_by_their_shapes(tmp_path: Path) -> None:
    many = np.zeros(MAX_WHY + 1, i4)
    rewrite(tmp_path / "many.npz", {}, {"why": many, "why_reason": many})
    tracemalloc.start()
    with pytest.raises(InputError, match=f"gives {MAX_WHY + 1} reasons, at most {MAX_WHY}"):
        store.open_trace(tmp_path / "many.npz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


def test_a_run_that_cannot_be_opened_again_is_not_saved(tmp_path: Path) -> None:
    trace = three_steps()
    for broken, reason in [
        (dataclasses.replace(trace, info={"device": {1, 2}}), "plain JSON values"),
        (dataclasses.replace(trace, text="\ud800"), "plain JSON values"),
        (dataclasses.replace(trace, pieces={}), "every token must have a piece"),
        (dataclasses.replace(trace, steps=trace.steps[1:]), "numbered from 0"),
    ]:
        with pytest.raises(InputError, match=reason):
            store.save(broken, tmp_path / "run.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    places = [
        tmp_path / "none" / "run.npz",
        tmp_path / "file" / "run.npz",
        tmp_path,
        Path("/proc/x"),
    ]
    for place in places:
        for attempt in (lambda p: store.save(three_steps(), p), store.check_writable):
            with pytest.raises(InputError, match=f"cannot write {place}: "):
                attempt(place)
    with pytest.raises(InputError, match=f"cannot write {tmp_path / 'file'}/"):
        store.put(tmp_path / "file", three_steps())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(InputError, match="Permission denied"):
        store.check_writable(tmp_path / "run.npz")


def test_checking_a_place_leaves_nothing_and_keeps_what_is_there(tmp_path: Path) -> None:
    store.check_writable(tmp_path / "run.npz")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "run.npz").write_text("old")
    store.check_writable(tmp_path / "run.npz")
    assert (tmp_path / "run.npz").read_text() == "old"


def test_who_reads_the_old_file_while_a_new_one_takes_its_place_reads_it_whole(
    tmp_path: Path,
) -> None:
    path = store.save(three_steps(), tmp_path / "run.npz")
    before = path.read_bytes()
    with path.open("rb") as old:
        store.save(dataclasses.replace(three_steps(), steps=()), path)
        assert old.read() == before
    assert store.open_trace(path).steps == ()


def test_a_full_disk_keeps_the_old_file_and_leaves_no_part(tmp_path: Path) -> None:
    path = store.save(three_steps(), tmp_path / "run.npz")
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(InputError, match=r"cannot write .*File too large; .*room"):
            store.save(three_steps(), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["run.npz"]


def test_a_folder_of_runs_is_listed_by_id_and_gives_them_back(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "runs"
    assert store.runs(folder) == []
    assert not folder.exists()
    short = dataclasses.replace(three_steps(), steps=three_steps().steps[:1], text="cat")
    ids = sorted([store.put(folder, three_steps()), store.put(folder, short)])
    store.put(folder, short)
    rows = {row["id"]: row for row in store.runs(folder)}
    assert sorted(rows) == ids
    assert rows[store.run_id(short)] == {
        "id": store.run_id(short),
        "problem": "",
        "spec": short.spec,
        "text": "cat",
        "steps": 1,
        "nfe": 1,
        "seconds": 0.25,
    }
    assert same(store.get(folder, store.run_id(short)), short)


def test_a_damaged_run_is_listed_with_its_problem_and_reading_writes_nothing(
    tmp_path: Path,
) -> None:
    good = store.put(tmp_path, three_steps())
    (tmp_path / "0123456789abcdef.npz").write_text("not a trace")
    (tmp_path / "notes.npz").write_text("not a run")
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    tmp_path.chmod(0o555)
    rows = store.runs(tmp_path)
    tmp_path.chmod(0o755)
    assert [(row["id"], bool(row["problem"])) for row in rows] == sorted(
        [("0123456789abcdef", True), (good, False)]
    )
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("identity", ["", "../../etc/passwd", "0123456789ABCDEF", "0" * 17])
def test_only_ids_reach_the_file_system(identity: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a run id has 16 digits"):
        store.get(tmp_path, identity)
