"""What the run view asks about a step of a recorded run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from dlmviz import decoding, store
from dlmviz.samplers import SAMPLERS, make
from dlmviz.types import InputError, RunSpec, Trace
from dlmviz.ui import asks
from dlmviz.ui.shelves import Shelves
from tests.toy import EOS, WORDS, Toy

CAT = WORDS.index("cat")
SPEC = RunSpec(prompt="the", gen_length=16, block_length=8, sampler="fast_dllm")


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    return Shelves(tmp_path / "gallery", tmp_path / "store", tmp_path / "spare")


@pytest.fixture
def parent(shelves: Shelves) -> str:
    return store.put(shelves.store, whole())


def whole(spec: RunSpec = SPEC) -> Trace:
    return decoding.decode(Toy(), make(spec.sampler, spec.params), spec)


def toy(name: str, adapter: str | None) -> Toy:
    return Toy()


def test_a_model_that_cannot_be_opened_is_one_sentence(shelves: Shelves, parent: str) -> None:
    def missing(name: str, adapter: str | None) -> Toy:
        raise InputError(f"no model {name}: give a folder")

    data = {"kind": "others", "run": parent, "step": 1, "ask": "a"}
    told = json.loads(asks.answered(data, shelves, missing))
    assert told == {"type": "answer", "ask": "a", "problem": "no model tiny: give a folder"}


def test_every_sampler_is_asked_and_the_runs_own_with_its_knobs(shelves: Shelves) -> None:
    own = store.put(shelves.store, whole(dataclasses.replace(SPEC, params={"tau": 0.4})))
    data = {"kind": "others", "run": own, "step": 1, "ask": "ask-1"}
    told = json.loads(asks.answered(data, shelves, toy))
    assert (told["type"], told["ask"]) == ("answer", "ask-1")
    rows = {row["sampler"]: row for row in told["opinions"]}
    assert rows.keys() == SAMPLERS.keys()
    assert rows["fast_dllm"]["agreement"] == 1
    assert len(rows["fast_dllm"]["positions"]) > len(rows["edit"]["positions"])  # its draft: 0.9
    assert told["pieces"][str(EOS)] == "<eos>"
    wrote = {str(token) for row in told["opinions"] for token in row["tokens"]}
    assert wrote == told["pieces"].keys()


def test_typed_text_is_read_as_one_token_or_not_at_all(shelves: Shelves, parent: str) -> None:
    def read(text: Any) -> Any:
        data = {"kind": "token", "run": parent, "text": text}
        return json.loads(asks.answered(data, shelves, toy))

    assert read("cat")["tokens"] == [{"id": CAT, "piece": "cat"}]
    assert "is 2 tokens in this vocabulary (the · cat)" in read("the cat")["problem"]
    assert "a mask is no token" in read("<mask>")["problem"]
    for nothing in ("", "  ", None, 3, "x" * 201):
        assert "type one token" in read(nothing)["problem"]
