"""The menu that was read from the sources says what the imported classes say."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from dlmviz import samplers
from dlmviz.samplers.codila import Codila
from dlmviz.types import RunSpec
from dlmviz.ui import form, live
from dlmviz.ui.bundle import WEB
from dlmviz.ui.form import control
from dlmviz.ui.menu import Knob, base_of, menu
from tests.test_ui import FORM

LISTED = """
from x import Best, Twice
SAMPLERS = {kind.name: kind for kind in (*(Twice,), *(Best,))}
"""
WRITTEN = '''
ONE = 1

class Helper:
    """No sampler."""

@dataclass(frozen=True)
class Twice:
    """A = two
    rules."""

    name: ClassVar[str] = "twice"
    paper: ClassVar[str] = "paper, " "arXiv 1"

    base: str = knob("best", help="the other")
    quick: bool = knob(True, help="or not")
    way: str = knob(
        "up",
        help="where to",
        choices=("up", "down"),
    )
    shift: float = knob(-0.5, low=-1, high=1.0)
    draft: Any = None

    @property
    def needs(self) -> Needs:
        return Needs(attention=self.shift)

    @property
    def score_dtype(self) -> str:
        return "native" if self.quick else "float32"

@dataclass(frozen=True)
class Best:
    """A = best."""

    name: ClassVar[str] = "best"
    paper: ClassVar[str] = "control"
    needs: ClassVar[Needs] = Needs(window="canvas")
    score_dtype: ClassVar[str] = "float64"
'''


def test_the_menu_says_of_every_sampler_what_its_class_says() -> None:
    entries = menu()
    assert [entry.name for entry in entries] == list(samplers.SAMPLERS)
    for entry, kind in zip(entries, samplers.SAMPLERS.values(), strict=True):
        assert entry.help == " ".join((kind.__doc__ or "").split())
        assert entry.paper == kind.paper
        fields = [field for field in dataclasses.fields(kind) if field.metadata]  # type: ignore[arg-type]
        assert [knob.name for knob in entry.knobs] == [field.name for field in fields]
        for knob, field in zip(entry.knobs, fields, strict=True):
            assert knob.default == field.default
            given = {key: getattr(knob, key) for key in ("low", "high", "help", "choices")}
            assert given == dict(field.metadata)


def test_properties_and_other_fields_of_a_sampler_are_no_knobs(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text(LISTED.replace("SAMPLERS", "SAMPLERS: dict"))
    (tmp_path / "two.py").write_text(WRITTEN)
    twice, best = menu(tmp_path)
    assert (twice.name, twice.paper, twice.help) == ("twice", "paper, arXiv 1", "A = two rules.")
    assert twice.knobs == (
        Knob("base", "best", help="the other"),
        Knob("quick", True, help="or not"),
        Knob("way", "up", help="where to", choices=("up", "down")),
        Knob("shift", -0.5, -1, 1.0),
    )
    assert (best.name, best.knobs) == ("best", ())
    assert (base_of(twice), base_of(best)) == ("best", None)


@pytest.mark.parametrize(
    ("knob", "kind", "shown"),
    [
        (Knob("rule", "b", choices=("a", "b")), gr.Radio, {"choices": [("a", "a"), ("b", "b")]}),
        (Knob("quirk", True), gr.Checkbox, {}),
        (Knob("base", "llada"), gr.Radio, {"choices": [("llada", "llada"), ("psd", "psd")]}),
        (Knob("base", "nobody"), gr.Textbox, {}),
        (Knob("tau", 0.9, 0.0, 1.0), gr.Slider, {"minimum": 0, "maximum": 1, "step": 0.01}),
        (Knob("eps", 0.001, 0.0, 0.5), gr.Number, {"minimum": 0, "maximum": 0.5}),
        (Knob("gamma", 0.1, 0.0, 100.0), gr.Number, {"minimum": 0, "maximum": 100}),
        (Knob("open", 0.5), gr.Number, {"minimum": None, "maximum": None}),
        (Knob("depth", 3, 0, 100), gr.Slider, {"minimum": 0, "maximum": 100, "step": 1}),
        (Knob("depth", 3, 0, 101), gr.Number, {"minimum": 0, "maximum": 101, "precision": 0}),
        (Knob("factor", 1.0, 0.0, 1.5), gr.Number, {"minimum": 0, "maximum": 1.5}),
        (Knob("k", 1, 1, 1024), gr.Number, {"minimum": 1, "maximum": 1024, "precision": 0}),
    ],
)
def test_every_kind_of_knob_has_its_control(knob: Knob, kind: type, shown: dict[str, Any]) -> None:
    made = control(knob, ["llada", "psd"])
    assert type(made) is kind
    assert (made.value, made.label) == (knob.default, knob.name)
    assert {key: getattr(made, key) for key in shown} == shown


def test_every_setting_of_a_run_has_its_control() -> None:
    made: dict[str, Any] = {}
    with gr.Blocks():
        form.sampler(made)
        form.lengths(made)
        form.advanced(made)
    settings = {field.name for field in dataclasses.fields(RunSpec)}
    elsewhere = {"prompt", "model"}  # above the form
    assert settings - elsewhere <= made.keys() | {"params"}
    knobs = {f"{entry.name}.{knob.name}" for entry in menu() for knob in entry.knobs}
    with gr.Blocks():
        assert form.sampler({}).keys() == knobs


def test_a_sampler_on_top_of_another_chooses_among_the_others() -> None:
    with gr.Blocks():
        controls = form.sampler({})
    names = [entry.name for entry in menu()]
    bases = {key: made for key, made in controls.items() if key.endswith(".base")}
    assert list(bases) == ["edit.base"]
    choices = [value for _, value in bases["edit.base"].choices]
    assert choices == [name for name in names if name != "edit"]


@pytest.mark.parametrize("name", list(samplers.SAMPLERS))
def test_what_the_controls_show_at_first_makes_the_sampler_with_its_defaults(name: str) -> None:
    with gr.Blocks():
        controls = form.sampler({})
    shown = {key: made.value for key, made in controls.items()}
    spec = live.spec_of({**FORM, **shown, "sampler": name})
    assert samplers.make(name, spec.params) == samplers.make(name)


def test_the_page_knows_the_length_of_a_piece_where_a_run_does_not_say_it() -> None:
    known = re.search(r"const PIECE = (\d+);", (WEB / "pieces.js").read_text("utf-8"))
    assert known is not None
    assert int(known[1]) == Codila().piece
