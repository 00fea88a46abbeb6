"""Runs that go on from a step of another one, and what the run view asks: plain functions."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlmviz import decoding, store
from dlmviz.samplers import SAMPLERS, make
from dlmviz.store import index
from dlmviz.tasks import verdict
from dlmviz.types import Example, RunSpec, Trace
from dlmviz.ui import asks, branch, payload
from dlmviz.ui.shelves import Shelves
from tests.toy import EOS, MASK, WORDS, Toy

pytestmark = pytest.mark.usefixtures("toy_heads")
CAT, DOG, THE, RAN = (WORDS.index(word) for word in ("cat", "dog", "the", "ran"))
SPEC = RunSpec(prompt="the", gen_length=16, block_length=8, sampler="fast_dllm")


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    for name in ("gallery", "spare"):
        (tmp_path / name).mkdir()
    return Shelves(tmp_path / "gallery", tmp_path / "store", tmp_path / "spare")


@pytest.fixture
def parent(shelves: Shelves) -> str:
    """Steps write 1 5 6 7 8, then 3, 4, 2; then the second block 9 13 14 15 16, 11, 12, 10."""
    return store.put(shelves.store, whole())


def whole(spec: RunSpec = SPEC) -> Trace:
    return decoding.decode(Toy(), make(spec.sampler, spec.params), spec)


def toy(name: str, adapter: str | None) -> Toy:
    return Toy()


def go_on(shelves: Shelves, **data: Any) -> list[dict[str, Any]]:
    return [json.loads(text) for text in branch.continued({"ask": "b", **data}, shelves, toy)]


def child(shelves: Shelves, **data: Any) -> Trace:
    last = go_on(shelves, **data)[-1]
    assert last["type"] == "finish", last
    return store.open_trace(shelves.store / f"{last['saved']}.npz")


def edit(position: int, kind: str, token: int | None = None) -> dict[str, Any]:
    return {"position": position, "kind": kind, "token": token}


def test_edits_are_made_on_the_canvas_and_stay_there(shelves: Shelves, parent: str) -> None:
    edits = [edit(2, "replace", DOG), edit(1, "pin"), edit(5, "remask"), edit(6, "remask")]
    trace = child(shelves, run=parent, step=2, edits=edits)
    assert trace.initial[:9].tolist() == [
        THE,
        *(int(whole().final[1]), DOG, int(whole().final[3]), MASK, MASK, MASK, EOS, EOS),
    ]
    assert {1, 2, 3, 7, 8}.isdisjoint(p for r in trace.steps for p in r.positions)
    for step in range(len(trace.steps) + 1):
        assert trace.canvas_at(step)[2] == DOG
    assert MASK not in trace.final


def test_a_child_says_whose_it_is_what_was_changed_and_where(shelves: Shelves, parent: str) -> None:
    received = go_on(shelves, run=parent, step=1, edits=[edit(1, "pin"), edit(5, "remask")])
    told = {
        "parent": parent,
        "step": 1,
        "edits": [edit(1, "pin", int(whole().final[1])), edit(5, "remask")],
    }
    begun, last = received[0], received[-1]
    assert begun["type"] == "begin"
    assert begun["header"]["info"] == told
    assert begun["header"]["offset"] == 1  # what the parent wrote is still part of the answer
    assert told.items() <= last["info"].items()
    again = store.open_trace(shelves.store / f"{last['saved']}.npz")
    assert told.items() <= again.info.items()
    assert again.info["fingerprint"] == "toy"
    row = next(r for r in index.listed(shelves.store) if r.id == last["saved"])
    assert (row.parent, row.step) == (parent, 1)


def test_without_edits_a_child_ends_as_its_parent_did(shelves: Shelves, parent: str) -> None:
    for step in range(len(whole().steps)):
        trace = child(shelves, run=parent, step=step, edits=[], sampler=None)
        assert trace.final.tolist() == whole().final.tolist()
        assert len(trace.steps) == len(whole().steps) - step
        assert trace.text == whole().text
        assert dict(trace.spec.params) == {}


def test_a_child_is_graded_by_its_parents_task(shelves: Shelves) -> None:
    right = Example("trivia", "single", SPEC.prompt, whole().text, {})
    info = {**whole().info, "example": verdict(right, whole().text)}
    own = store.put(shelves.store, dataclasses.replace(whole(), info=info))
    last = go_on(shelves, run=own, step=1, edits=[])[-1]
    assert last["info"]["example"]["correct"] is True
    assert "data" not in last["info"]["example"]  # only graders read that
    wrong = child(shelves, run=own, step=1, edits=[edit(2, "replace", DOG)])
    assert wrong.info["example"] == {**verdict(right, ""), "correct": False}
    again = child(shelves, run=last["saved"], step=0, edits=[])
    assert again.info["example"]["correct"] is True
    assert "example" not in child(shelves, run=store.put(shelves.store, whole()), step=1).info


def test_a_child_of_another_prompt_is_not_graded() -> None:
    parent = whole()
    info = {"example": verdict(Example("trivia", "single", "the", "x", {}), "x")}
    parent = dataclasses.replace(parent, info=info)
    initial = parent.initial.copy()
    initial[0] = CAT
    assert "example" in branch.graded(parent, whole()).info
    made = dataclasses.replace(whole(), initial=initial)
    assert "example" not in branch.graded(parent, made).info


def test_another_sampler_goes_on_at_its_defaults(shelves: Shelves) -> None:
    spec = dataclasses.replace(SPEC, params={"tau": 0.4})
    own = store.put(shelves.store, whole(spec))
    same = child(shelves, run=own, step=1, edits=[])
    assert dict(same.spec.params) == {"tau": 0.4}
    other = child(shelves, run=own, step=1, edits=[], sampler="left_to_right")
    assert (other.spec.sampler, dict(other.spec.params)) == ("left_to_right", {})
    assert [len(record.positions) for record in other.steps] == [1] * len(other.steps)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_stood_there_is_rewritten_by_no_sampler(
    sampler: str, shelves: Shelves, parent: str
) -> None:
    trace = child(shelves, run=parent, step=1, edits=[edit(1, "replace", RAN)], sampler=sampler)
    given = trace.initial != MASK
    for step in range(len(trace.steps) + 1):
        assert trace.canvas_at(step)[given].tolist() == trace.initial[given].tolist()
    assert MASK not in trace.final


def test_a_child_can_be_continued_and_its_given_tokens_edited(
    shelves: Shelves, parent: str
) -> None:
    first = go_on(shelves, run=parent, step=1, edits=[])[-1]["saved"]
    trace = child(shelves, run=first, step=0, edits=[edit(1, "remask")])
    assert trace.info["parent"] == first
    assert trace.initial[1] == MASK


def test_a_masked_prompt_keeps_its_shape(shelves: Shelves) -> None:
    start = decoding.begin(
        Toy(), dataclasses.replace(SPEC, gen_length=8), prompt_ids=[THE, CAT, MASK]
    )
    sampler = make("fast_dllm")
    records = [r for _, r in decoding.steps(Toy(), sampler, start.spec, start)]
    own = store.put(shelves.store, decoding.finish(Toy(), sampler, start, records))
    trace = child(shelves, run=own, step=0, edits=[edit(2, "replace", DOG)])
    assert trace.prompt_length == 3
    assert trace.initial[:3].tolist() == [THE, CAT, DOG]


def test_a_stopped_child_keeps_its_parent(shelves: Shelves, parent: str) -> None:
    stream = branch.continued({"run": parent, "step": 1, "edits": []}, shelves, toy)
    begun = [json.loads(next(stream)) for _ in range(2)]
    stream.close()
    partial = store.open_trace(shelves.spare / f"{begun[0]['header']['id']}.npz")
    assert partial.info["parent"] == parent
    assert MASK in partial.final
    assert payload.header(partial)["info"]["step"] == 1


BAD: list[tuple[dict[str, Any], str]] = [
    ({"run": "nowhere"}, "no longer has this run"),
    ({"run": "../secret"}, "no longer has this run"),
    ({"run": 3}, "no longer has this run"),
    ({"step": 9}, "from 0 to 8: got 9"),
    ({"step": -1}, "from 0 to 8: got -1"),
    ({"step": True}, "from 0 to 8"),
    ({"step": "1"}, "from 0 to 8"),
    ({"step": 8}, "no mask is left after step 8"),
    ({"edits": "all"}, "edits must be a list"),
    ({"edits": None}, "edits must be a list"),
    ({"edits": [3]}, "an edit is an object"),
    ({"edits": [edit(1, "eat")]}, "one of pin, replace, remask"),
    ({"edits": [{"position": 1, "kind": ["pin"]}]}, "one of pin, replace, remask"),
    ({"edits": [edit(0, "remask")]}, "position 0 is no part of the answer"),
    ({"edits": [edit(17, "remask")]}, "position 17 is no part of the answer"),
    ({"edits": [edit(-1, "remask")]}, "position -1 is no part of the answer"),
    ({"edits": [{"position": 1.0, "kind": "pin"}]}, "needs a position"),
    ({"edits": [edit(1, "pin"), edit(1, "remask")]}, "each position one edit"),
    ({"edits": [edit(2, "pin")]}, "position 2 is masked at this step: nothing to pin"),
    ({"edits": [edit(2, "remask")]}, "nothing to remask"),
    ({"edits": [edit(2, "replace")]}, "needs a token"),
    ({"edits": [edit(2, "replace", MASK)]}, "needs a token"),
    ({"edits": [edit(2, "replace", 10)]}, "from 0 to 9: got 10"),
    ({"edits": [edit(2, "replace", -1)]}, "from 0 to 9: got -1"),
    ({"edits": [edit(2, "replace", 2**40)]}, "given by its number"),
    ({"edits": [{"position": 2, "kind": "replace", "token": "cat"}]}, "given by its number"),
    ({"sampler": "magic"}, "unknown sampler"),
    ({"sampler": 3}, "given by its name"),
]


@pytest.mark.parametrize(("change", "sentence"), BAD)
def test_bad_input_is_answered_with_one_sentence_and_nothing_begins(
    change: dict[str, Any], sentence: str, shelves: Shelves, parent: str
) -> None:
    (shelves.store.parent / "secret.npz").write_bytes(b"")
    received = go_on(shelves, **{"run": parent, "step": 1, "edits": [], **change})
    assert [(m["type"], m["ask"]) for m in received] == [("answer", "b")]
    assert sentence in received[0]["problem"]
    assert len([*shelves.store.glob("*.npz")]) == 1


@pytest.mark.parametrize("data", [None, 3, "x", [], {}])
def test_what_is_no_request_is_answered_all_the_same(data: Any, shelves: Shelves) -> None:
    assert "problem" in json.loads(next(branch.continued(data, shelves, toy)))
    assert "problem" in json.loads(asks.answered(data, shelves, toy))


def test_a_sampler_that_does_not_fit_the_run_is_refused_before_it_begins(shelves: Shelves) -> None:
    spec = dataclasses.replace(SPEC, sampler="dream", top_k=3)
    own = store.put(shelves.store, whole(spec))
    received = go_on(shelves, run=own, step=2, edits=[], sampler="fast_dllm")
    assert [m["type"] for m in received] == ["answer"]
    assert "categorical" in received[0]["problem"]


def test_a_run_of_other_weights_and_a_damaged_one_are_refused(
    shelves: Shelves, parent: str
) -> None:
    other = dataclasses.replace(whole(), info={"fingerprint": "another"})
    store.save(other, shelves.spare / "other.npz")
    (shelves.spare / "broken.npz").write_bytes(b"PK\x03\x04 nothing")
    for name, sentence in (("other", "made with another toy"), ("broken", "run broken")):
        for answer in (
            go_on(shelves, run=name, step=1, edits=[])[0],
            json.loads(asks.answered({"kind": "others", "run": name, "step": 1}, shelves, toy)),
        ):
            assert sentence in answer["problem"]
            assert str(shelves.spare) not in answer["problem"]


def test_edits_come_back_in_order_of_position() -> None:
    edits = branch.edits_of([edit(9, "remask"), edit(3, "replace", CAT)])
    assert [e.position for e in edits] == [3, 9]
    canvas, done = branch.edited(whole(), 5, edits)
    assert canvas[[3, 9]].tolist() == [CAT, MASK]
    assert done[0] == branch.Edit(3, "replace", CAT)
    assert np.flatnonzero(canvas != whole().canvas_at(5)).tolist() == [3, 9]
