"""The Compare tab's routes, and its lanes decoded: plain functions, no page."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dlmviz import compare as numbers
from dlmviz import decoding, store
from dlmviz.models import load
from dlmviz.models.adapters import adapt
from dlmviz.opening import begin
from dlmviz.samplers import SAMPLERS, make
from dlmviz.store.adapters import put_adapter
from dlmviz.tasks import TASKS
from dlmviz.types import InputError, RunSpec
from dlmviz.ui import compare, racing
from dlmviz.ui.shelves import GALLERY, Shelves
from tests.small_models import LLADA, copy, write_tokenizer
from tests.test_compare import OTHER, PAIRS, run
from tests.test_models_mixed import adapter
from tests.test_store_adapters import FIELDS
from tests.toy import Toy
from tests.traces import CAT, THE

SHARED = {"prompt": "the", "gen_length": 16, "block_length": 8, "seed": 0}


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    for name in ("gallery", "spare"):
        (tmp_path / name).mkdir()
    return Shelves(tmp_path / "gallery", tmp_path / "store", tmp_path / "spare")


@pytest.fixture
def client(shelves: Shelves) -> TestClient:
    return TestClient(Starlette(routes=compare.routes(shelves)))


def toy(name: str, adapter: str | None) -> Toy:
    if name == "missing":
        raise InputError("no model called 'missing'; take toy")
    if adapter:
        raise InputError(f"the model toy takes no adapter: got {adapter!r}; leave it out")
    return Toy()


def lane(place: int, sampler: str = "fast_dllm", **spec: Any) -> dict[str, Any]:
    return {"place": place, "spec": {"model": "toy", "sampler": sampler, **spec}}


def raced(shelves: Shelves, *lanes: Any, example: Any = None, **shared: Any) -> list[Any]:
    data = {"shared": SHARED | shared, "lanes": [*lanes], "example": example}
    return [json.loads(text) for text in racing.raced(data, shelves, toy)]


def ended(messages: list[Any]) -> dict[int, str]:
    """place -> id of every lane that finished."""
    return {m["lane"]: m["saved"] for m in messages if m["type"] == "finish"}


def test_lanes_are_decoded_together_and_kept_as_single_runs_would_be(shelves: Shelves) -> None:
    rules = [("fast_dllm", {"tau": 0.4}), ("llada", {}), ("psd", {}), ("dapd", {})]
    lanes = [lane(i, name, params=knobs) for i, (name, knobs) in enumerate(rules)]
    messages = raced(shelves, *lanes)
    assert messages[-1] == {"type": "done"}
    assert sorted(m["lane"] for m in messages if m["type"] == "finish") == [0, 1, 2, 3]
    for place, identity in ended(messages).items():
        spec = racing.spec_of({**lanes[place]["spec"], **SHARED})
        alone = decoding.decode(Toy(), make(spec.sampler, spec.params), spec)
        kept = store.open_trace(shelves.store / f"{identity}.npz")
        assert kept.spec == spec
        assert kept.final.tolist() == alone.final.tolist()
        assert [r.positions.tolist() for r in kept.steps] == [
            r.positions.tolist() for r in alone.steps
        ]


def test_the_page_hears_every_step_of_every_lane_once(shelves: Shelves) -> None:
    messages = raced(shelves, lane(7, "llada"), lane(3, "top_k", params={"k": 8}))
    heads = {m["lane"]: m["header"]["id"] for m in messages if m["type"] == "begin"}
    assert [*heads] == [7, 3]
    heard: dict[int, int] = {7: 0, 3: 0}
    for message in messages:
        for part in message["lanes"] if message["type"] == "steps" else ():
            assert part["id"] == heads[part["lane"]]
            assert part["first"] == heard[part["lane"]]
            heard[part["lane"]] += len(part["steps"])
    counts = {m["lane"]: m["count"] for m in messages if m["type"] == "finish"}
    assert heard == counts == {7: 16, 3: 2}


def test_a_lane_that_cannot_be_decoded_says_why_and_the_others_are(shelves: Shelves) -> None:
    messages = raced(
        shelves,
        lane(0),
        lane(1, "nothing_like_it"),
        lane(2, params={"tau": 7.0}),
        lane(3, adapter="/some/where/else"),
    )
    told = {m["lane"]: m["text"] for m in messages if m["type"] == "problem"}
    assert [*told] == [1, 2, 3]
    assert "nothing_like_it" in told[1]
    assert "tau" in told[2]
    assert "takes no adapter" in told[3]
    assert [*ended(messages)] == [0]
    other = raced(shelves, lane(0, model="missing"), lane(1))
    assert [m["text"] for m in other if m["type"] == "problem"] == [
        "no model called 'missing'; take toy"
    ]
    assert [*ended(other)] == [1]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (None, "1 to 4 lanes"),
        ({"lanes": [], "shared": {}}, "1 to 4 lanes"),
        ({"lanes": [lane(i) for i in range(5)], "shared": SHARED}, "1 to 4 lanes"),
        ({"lanes": [lane(0), lane(0)], "shared": SHARED}, "its own place"),
        ({"lanes": [{"place": 0}], "shared": SHARED}, "its settings"),
        ({"lanes": [lane(0, colour="red")], "shared": SHARED}, "no setting 'colour'"),
        ({"lanes": [lane(0, params=[])], "shared": SHARED}, "params does not fit"),
        ({"lanes": [lane(0, params={"tau": [1]})], "shared": SHARED}, "params does not fit"),
        ({"lanes": [lane(0, temperature=None)], "shared": SHARED}, "temperature does not fit"),
        ({"lanes": [lane(0)], "shared": SHARED | {"seed": True}}, "seed does not fit"),
        ({"lanes": [lane(0)], "shared": SHARED | {"seed": 1.5}}, "seed does not fit"),
        ({"lanes": [lane(0)], "shared": SHARED | {"gen_length": 15}}, "must divide"),
        ({"lanes": [lane(0)], "shared": SHARED | {"prompt": " "}}, "prompt is empty"),
    ],
)
def test_what_is_no_race_is_refused_with_a_sentence(shelves: Shelves, data: Any, why: str) -> None:
    told = [json.loads(text) for text in racing.raced(data, shelves, toy)]
    assert [m["type"] for m in told] == ["problem", "done"]
    assert why in told[0]["text"]
    assert "lane" not in told[0]


def test_stopping_keeps_what_every_lane_has_written(shelves: Shelves) -> None:
    data = {"shared": SHARED, "lanes": [lane(0, "llada"), lane(1, "left_to_right")]}
    stream = racing.raced(data, shelves, toy)
    begun = [json.loads(next(stream)) for _ in range(3)]
    assert [m["type"] for m in begun] == ["begin", "begin", "steps"]
    stream.close()
    for message in begun[:2]:
        trace = store.open_trace(shelves.spare / f"{message['header']['id']}.npz")
        assert 0 < len(trace.steps) < 16
    assert not list(shelves.store.glob("*.npz"))


def test_answers_are_graded_by_the_example_or_by_that_of_a_run(shelves: Shelves) -> None:
    found = dataclasses.asdict(TASKS["trivia"].examples(1, 5)[0]) | {"prompt": "the"}
    for given, correct in ((found, False), (None, None), (found | {"prompt": "a"}, None)):
        identity = ended(raced(shelves, lane(0), example=given))[0]
        kept = store.open_trace(shelves.store / f"{identity}.npz").info.get("example")
        assert (kept or {}).get("correct") is correct
    first = ended(raced(shelves, lane(0, "llada"), example=found))[0]
    again = ended(raced(shelves, lane(0, "random"), example={"run": first}))[0]
    assert store.open_trace(shelves.store / f"{again}.npz").info["example"]["correct"] is False
    assert ended(raced(shelves, lane(0), example={"run": "nowhere"}))


def test_base_and_adapter_share_a_batch_and_write_what_each_writes_alone(
    shelves: Shelves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_tokenizer(copy(LLADA, tmp_path / "base"))
    changed = adapter(tmp_path / "adapter", 1, r=2, target_modules=["q_proj", "down_proj"])
    base = load(str(folder), device="cpu")
    sizes: list[int] = []
    own = type(base).forward
    monkeypatch.setattr(
        type(base),
        "forward",
        lambda self, x, *a, **k: (sizes.append(len(x)), own(self, x, *a, **k))[1],
    )
    lanes = [lane(i, model=str(folder), adapter=a) for i, a in enumerate([None, changed])]
    data = {"shared": SHARED, "lanes": lanes}
    told = [json.loads(text) for text in racing.raced(data, shelves, lambda name, adapter: base)]
    assert sizes[0] == 2
    saved = ended(told)
    traces = [store.open_trace(shelves.store / f"{saved[place]}.npz") for place in (0, 1)]
    for trace, model in zip(traces, (base, adapt(base, changed)), strict=True):
        spec = trace.spec
        alone = decoding.decode(model, make(spec.sampler, spec.params), spec)
        assert trace.final.tolist() == alone.final.tolist()
        assert trace.info["fingerprint"] == model.fingerprint
    assert traces[0].final.tolist() != traces[1].final.tolist()


def test_the_form_names_samplers_tasks_adapters_and_where_it_begins(
    client: TestClient, shelves: Shelves, tmp_path: Path
) -> None:
    folder = Path(adapter(tmp_path / "adapter", 1, r=2, target_modules=["q_proj"]))
    card = put_adapter(shelves.store, folder, FIELDS)
    told = client.get("/dlmviz/compare/form").json()
    assert [entry["name"] for entry in told["samplers"]] == [*SAMPLERS]
    taus = [knob for knob in told["samplers"][2]["knobs"] if knob["name"] == "tau"]
    assert [(knob["kind"], knob["low"], knob["high"]) for knob in taus] == [("slider", 0, 1)]
    assert told["tasks"] == [*TASKS]
    assert told["spec"] == json.loads(json.dumps(dataclasses.asdict(RunSpec())))
    assert [one["id"] for one in told["adapters"]][:1] == [card.id]
    assert told["starts"] == []  # this gallery is empty
    assert set(compare.STARTS) <= {path.stem for path in GALLERY.glob("*.npz")}


def test_an_example_comes_with_what_its_grader_needs(client: TestClient) -> None:
    told = client.get("/dlmviz/compare/example", params={"task": "lists"}).json()
    assert told["prompt"] == told["example"]["prompt"]
    assert told["example"]["data"]
    assert told["gen_length"] == TASKS["lists"].gen_length
    assert client.get("/dlmviz/compare/example", params={"task": "?"}).status_code == 422


def test_the_table_has_the_numbers_of_every_run_beside_the_first(
    client: TestClient, shelves: Shelves
) -> None:
    ids = [store.put(shelves.store, trace) for trace in (PAIRS, OTHER)]
    told = client.get("/dlmviz/compare/table", params={"ids": ",".join(ids)}).json()
    assert [row["lane"] for row in told["lanes"]] == ["A", "B"]
    assert told["lanes"][1]["agreement"] == numbers.agreement(PAIRS, OTHER) == 0.75
    assert told["notes"] == {}
    back = client.get("/dlmviz/compare/table", params={"ids": ",".join(ids[::-1])}).json()
    assert [row["id"] for row in back["lanes"]] == ids[::-1]
    assert back["lanes"][1]["agreement"] == 0.75


def test_runs_that_are_lost_unfinished_or_speak_otherwise_are_named(
    client: TestClient, shelves: Shelves
) -> None:
    stopped = store.put(shelves.store, run([{0: THE, 1: CAT}]))
    renamed = dataclasses.replace(PAIRS, pieces={**PAIRS.pieces, CAT: " Katze"})
    asked = dataclasses.replace(OTHER, spec=dataclasses.replace(OTHER.spec, prompt="other"))
    ids = [store.put(shelves.store, trace) for trace in (PAIRS, renamed, asked)]
    (shelves.store / "damaged.npz").write_bytes(b"no run")
    query = ",".join([ids[0], "nowhere", stopped, "damaged"])
    told = client.get("/dlmviz/compare/table", params={"ids": query}).json()
    assert told["notes"] == {"unknown": ["nowhere", "damaged"], "unfinished": [stopped]}
    assert [row["id"] for row in told["lanes"]] == [ids[0], stopped]
    told = client.get("/dlmviz/compare/table", params={"ids": ",".join(ids)}).json()
    assert told["notes"] == {"vocabulary": [ids[1]], "prompt": [ids[2]]}
    assert told["lanes"][1]["agreement"] is None
    assert told["lanes"][1]["nfe"] == 3  # the rest is there all the same
    nothing = client.get("/dlmviz/compare/table", params={"ids": "a,../../etc"}).json()
    assert nothing == {"lanes": [], "notes": {"unknown": ["a", "../../etc"]}}


def test_the_table_comes_down_as_csv_and_json(client: TestClient, shelves: Shelves) -> None:
    sums = dataclasses.replace(PAIRS, text="=1+1", spec=dataclasses.replace(PAIRS.spec, seed=4))
    ids = [store.put(shelves.store, trace) for trace in (sums, OTHER)]
    params = {"ids": ",".join(ids)}
    plain = client.get("/dlmviz/compare/table.csv", params=params)
    assert "attachment" in plain.headers["content-disposition"]
    rows = list(csv.DictReader(plain.text.splitlines()))
    assert [row["lane"] for row in rows] == ["A", "B"]
    assert rows[0]["text"] == "'=1+1"  # no spreadsheet calculates it
    assert rows[1]["agreement"] == "0.75"
    assert rows[0]["params"] == "tau=0.9"
    told = client.get("/dlmviz/compare/table.json", params=params).json()
    assert told["lanes"][0]["text"] == "=1+1"
    page = client.get("/dlmviz/compare/table.html", params={**params, "lang": "de"}).text
    assert "=1+1" in page
    assert 'lang="de"' in page
    assert "src=" not in page.partition("<script")[0]
    assert client.get("/dlmviz/compare/table.exe", params=params).status_code == 404
    assert client.get("/dlmviz/compare/table.csv", params={"ids": "nowhere"}).status_code == 404


def test_a_header_of_a_race_is_that_of_a_run(shelves: Shelves) -> None:
    message = raced(shelves, lane(0))[0]
    start = begin(Toy(), racing.spec_of({**lane(0)["spec"], **SHARED}))
    assert message["header"]["initial"] == start.initial.tolist()
    assert message["header"]["spec"]["prompt"] == "the"
