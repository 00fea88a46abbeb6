"""The app without a browser: it builds without torch, and its handlers are plain functions."""

from __future__ import annotations

import dataclasses
import inspect as pyinspect
import json
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch

from dlmviz import store
from dlmviz.samplers import make
from dlmviz.tasks import TASKS
from dlmviz.types import Example, InputError
from dlmviz.ui import check_free, inspect, live, payload
from dlmviz.ui.quick import no_stubs
from dlmviz.ui.shelves import Shelves, awaited
from tests.test_ui_payload import unpacked
from tests.toy import Toy
from tests.traces import THE, three_steps

ROOT = Path(__file__).parent.parent
WEB = ROOT / "dlmviz" / "ui" / "web"
FORM: dict[str, Any] = {
    "prompt": "the",
    "model": "tiny",
    "other_model": "",
    "adapter": "",
    "chat": True,
    "sampler": "fast_dllm",
    "fast_dllm.tau": 0.9,
    "llada.steps": 3,
    "gen_length": 16,
    "block_length": 8,
    "temperature": 0,
    "seed": 0,
    "stop": False,
    "cfg_scale": 0,
    "score_dtype": "official",
    "forbid_mask": True,
    "logits_eos_inf": False,
    "confidence_eos_eot_inf": False,
    "draw": "official",
    "top_p": 1,
    "top_k": 0,
    "forward": "full",
    "cache_revision": "later",
    "record": [],
}


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    for name in ("gallery", "spare"):
        (tmp_path / name).mkdir()
    return Shelves(tmp_path / "gallery", tmp_path / "store", tmp_path / "spare")


def toy_loader(name: str, adapter: str | None) -> Toy:
    return Toy()


def messages(form: dict[str, Any], shelves: Shelves, example: Any = None) -> list[dict[str, Any]]:
    return [json.loads(text) for text in live.decode(form, example, shelves, toy_loader)]


@pytest.mark.slow
def test_the_page_is_built_without_importing_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from dlmviz import ui; "
        "from dlmviz.ui.shelves import Shelves, awaited; folder = Path(sys.argv[1]); "
        "demo = ui.build(Shelves(folder, folder, folder)); "
        "assert len(demo.blocks) > 20; assert 'torch' not in sys.modules; "
        "assert 'transformers' not in sys.modules"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_port_in_use_ends_the_program_with_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "app.py", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "give another --port" in done.stderr


def test_components_hide_their_source_only_while_gradio_is_imported() -> None:
    with no_stubs():
        with pytest.raises(OSError, match="Button"):
            pyinspect.getfile(gr.Button)
        assert pyinspect.getfile(Shelves).endswith("shelves.py")
    assert pyinspect.getfile(gr.Button).endswith("button.py")


def test_an_impossible_port_is_refused_like_one_in_use() -> None:
    with pytest.raises(InputError, match="cannot listen"):
        check_free("127.0.0.1", 70000)


def test_every_piece_is_known_when_a_step_first_shows_it(shelves: Shelves) -> None:
    known: set[str] = set()
    for message in messages(FORM, shelves):
        if message["type"] == "begin":
            known |= message["header"]["pieces"].keys()
        if message["type"] == "steps":
            assert not known & message["pieces"].keys(), "a piece was sent twice"
            known |= message["pieces"].keys()
            for entry in message["steps"]:
                shown = {*entry["tokens"], *unpacked(entry["top_ids"], "<i4").tolist()}
                assert {str(token) for token in shown} <= known


def test_the_streamed_steps_are_the_run_that_is_stored(shelves: Shelves) -> None:
    received = messages(FORM, shelves)
    assert [m["type"] for m in received][:2] == ["begin", "steps"]
    last = received[-1]
    assert last["type"] == "finish"
    trace = store.open_trace(shelves.store / f"{last['saved']}.npz")
    streams = [m for m in received if m["type"] == "steps"]
    entries = [entry for m in streams for entry in m["steps"]]
    assert [m["first"] for m in streams] == list(
        np.cumsum([0, *(len(m["steps"]) for m in streams)])[:-1]
    )
    assert entries == [payload.step(record, trace.offset) for record in trace.steps]
    assert all(entry["why"] for entry in entries)
    assert last["text"] == trace.text
    assert last["numbers"]["nfe"] == trace.nfe
    assert last["note"] == f"Done. Saved as {last['saved']} in the library."


def test_only_the_knobs_of_the_chosen_sampler_enter_the_spec() -> None:
    assert dict(live.spec_of(FORM).params) == {"tau": 0.9}


def test_a_draft_takes_the_knobs_of_the_sampler_that_writes_it() -> None:
    """edit drafts with fast_dllm unless told otherwise."""
    chosen = {**FORM, "sampler": "edit", "edit.rounds": 2, "klass.kl": 0.1}
    params = live.spec_of(chosen).params
    assert params == {"rounds": 2, "base.tau": 0.9}
    assert make("edit", params).draft == make("fast_dllm", {"tau": 0.9})
    params = live.spec_of({**chosen, "edit.base": "llada"}).params
    assert params == {"rounds": 2, "base": "llada", "base.steps": 3}
    assert make("edit", params).draft == make("llada", {"steps": 3})


def test_what_else_is_to_be_recorded_and_how_tokens_are_drawn_reach_the_run() -> None:
    asked = {"record": ["jsd", "edges"], "draw": "categorical", "top_k": 3, "forward": "dual"}
    spec = live.spec_of({**FORM, **asked})
    assert (spec.record, spec.draw, spec.top_k, spec.forward) == (
        ("jsd", "edges"),
        "categorical",
        3,
        "dual",
    )
    assert live.spec_of({**FORM, "record": None}).record == ()


def test_another_model_is_used_instead_of_the_choice() -> None:
    assert live.spec_of({**FORM, "other_model": " org/name "}).model == "org/name"


def test_boxes_that_nobody_touched_name_no_model_and_no_adapter() -> None:
    spec = live.spec_of({**FORM, "other_model": None, "adapter": None})
    assert (spec.model, spec.adapter) == ("tiny", None)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"prompt": None}, "the prompt is empty"),
        ({"prompt": "  \n"}, "the prompt is empty"),
        ({"gen_length": 10}, "block_length must divide gen_length"),
        ({"sampler": "magic"}, "unknown sampler"),
        ({"gen_length": 0}, "mask"),
        ({"seed": None}, "seed is empty"),
        ({"gen_length": 16.5}, "gen_length must be a whole number"),
        ({"fast_dllm.tau": 2}, "fast_dllm.tau must lie in"),
        ({"gen_length": 1024, "block_length": 8}, "the prompt is too long"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_begins(
    change: dict[str, Any], sentence: str, shelves: Shelves
) -> None:
    received = messages({**FORM, **change}, shelves)
    assert received[-1]["type"] == "problem"
    assert sentence in received[-1]["text"]
    assert "steps" not in [m["type"] for m in received]
    assert not shelves.store.exists()


def no_memory() -> Exception:
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB. GPU 0 has ...")


BROKEN = [
    (no_memory(), "the machine ran out of memory: take a smaller model, a shorter length"),
    (MemoryError(), "the machine ran out of memory"),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "ran out of memory"),
    (KeyError("layers"), "the model failed (KeyError: 'layers'); take another model"),
    (OSError(5, "Input/output error", "/srv/models/x"), "Input/output error: 'x'"),
    (RuntimeError(), "the model failed (RuntimeError)"),
]


def test_a_model_that_fails_to_open_is_one_sentence_whatever_it_raises(shelves: Shelves) -> None:
    for error, sentence in BROKEN:

        def broken(name: str, adapter: str | None, error: Exception = error) -> Toy:
            raise error

        told = [json.loads(text) for text in live.decode(FORM, None, shelves, broken)]
        assert [message["type"] for message in told] == ["problem"]
        assert sentence in told[0]["text"]
        assert "\n" not in told[0]["text"]
    assert not shelves.store.exists()


class Exhausted(Toy):
    """A model whose third forward finds no memory."""

    count = 0

    def forward(self, *given: Any, **named: Any) -> Any:
        self.count += 1
        if self.count == 3:
            raise no_memory()
        return super().forward(*given, **named)


def test_a_run_that_ends_without_memory_says_what_to_do_and_keeps_its_steps(
    shelves: Shelves,
) -> None:
    stream = live.decode(FORM, None, shelves, lambda name, adapter: Exhausted())
    told = [json.loads(text) for text in stream]
    assert told[-1]["type"] == "problem"
    assert "ran out of memory" in told[-1]["text"]
    partial = store.open_trace(shelves.spare / f"{told[0]['header']['id']}.npz")
    assert len(partial.steps) == 2
    assert messages(FORM, shelves)[-1]["type"] == "finish"  # and the next run works


def test_a_closed_run_stays_on_the_spare_shelf(shelves: Shelves) -> None:
    stream = live.decode(FORM, None, shelves, toy_loader)
    begun = [json.loads(next(stream)) for _ in range(2)]
    stream.close()
    identity = begun[0]["header"]["id"]
    partial = store.open_trace(shelves.spare / f"{identity}.npz")
    assert len(partial.steps) == len(begun[1]["steps"])
    assert partial.mask_id in partial.final
    assert not shelves.store.exists()


def test_a_store_that_cannot_be_written_costs_one_sentence_and_not_the_run(
    shelves: Shelves,
) -> None:
    shelves.store.write_text("a file stands where the folder should be")
    last = messages(FORM, shelves)[-1]
    assert last["type"] == "finish"
    assert last["note"].startswith("Done, but not kept: cannot write ")
    assert str(shelves.store) not in last["note"]
    assert shelves.find(last["saved"]) == shelves.spare / f"{last['saved']}.npz"


def test_an_example_is_graded_and_a_changed_prompt_is_not(shelves: Shelves) -> None:
    example = Example("stories", "drill", "the", "1 + 1 = 2\n#### 2", {"result": 2, "uses": [[]]})
    given = dataclasses.asdict(example)
    graded = messages(FORM, shelves, given)[-1]["info"]["example"]
    assert graded["correct"] is False
    changed = messages({**FORM, "prompt": "the the"}, shelves, given)[-1]["info"]
    assert "example" not in changed


@pytest.mark.parametrize("name", list(TASKS))
def test_a_new_example_fits_its_task(name: str) -> None:
    prompt, example, gen_length, block_length = inspect.new_example(name)
    assert prompt == example["prompt"]
    assert gen_length % block_length == 0
    again = Example(**json.loads(json.dumps(example)))
    assert TASKS[name].score(again, again.answer)


def test_an_opened_file_is_shown_from_the_spare_shelf(shelves: Shelves, tmp_path: Path) -> None:
    path = store.save(three_steps(), tmp_path / "mine.npz")
    message = json.loads(live.opened(path, shelves))
    assert message["type"] == "open"
    found = shelves.find(message["id"])
    assert found is not None
    assert THE in store.open_trace(found).final


def test_a_corrupt_file_is_one_sentence_without_a_path(shelves: Shelves, tmp_path: Path) -> None:
    path = tmp_path / "broken.npz"
    path.write_bytes(b"PK\x03\x04 nothing")
    message = json.loads(live.opened(path, shelves))
    assert message["type"] == "problem"
    assert "broken.npz" in message["text"]
    assert str(tmp_path) not in message["text"]
    assert not any(shelves.spare.iterdir())


def test_a_run_that_is_being_written_is_waited_for(shelves: Shelves) -> None:
    path = shelves.spare / "late.npz"
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(awaited, shelves, "late", 5.0)
        store.save(three_steps(), path)
        assert found.result() == path
    assert awaited(shelves, "never", 0.1) is None


@pytest.mark.parametrize("name", ["", "../secret", "a/b", ".hidden", "x" * 65, "none"])
def test_a_name_that_is_no_run_is_found_nowhere(name: str, shelves: Shelves) -> None:
    (shelves.gallery.parent / "secret.npz").write_bytes(b"")
    assert shelves.find(name) is None


def test_files_of_the_page_stay_short() -> None:
    for path in [*WEB.iterdir(), *(ROOT / "dlmviz" / "ui").glob("*.py")]:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 250, path.name
