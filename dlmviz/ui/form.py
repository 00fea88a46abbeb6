"""The form of a run: a control for every setting of a RunSpec and for every knob of a sampler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import gradio as gr

from dlmviz.types import RECORDABLE, CacheRevision, Draw, ForwardMode, RunSpec, ScoreDtype
from dlmviz.ui.menu import Entry, Knob, base_of, menu
from dlmviz.ui.words import label

KEEP = "(value, changed) => ({{...changed, {name!r}: value}})"
Form = dict[str, Any]  # field of the run -> its component; "knobs" holds the changed ones


def sampler(form: Form) -> Form:
    """ "sampler.knob" -> its control; in sight are those of the chosen sampler, and of the one that
    writes its draft, where it has such a base.
    """
    entries = menu()
    names = [entry.name for entry in entries]
    chosen = "fast_dllm" if "fast_dllm" in names else names[0]
    form["sampler"] = gr.Radio(
        names,
        value=chosen,
        label=label("form.sampler"),
        info=label("form.sampler.info"),
        elem_id="samplers",
    )
    # Decode sends this one value, not the fifty controls of all samplers: that costs 70 ms.
    form["knobs"] = gr.JSON({}, visible="hidden", elem_id="knobs")
    controls: Form = {}
    based = [entry for entry in entries if base_of(entry)]
    plain = [entry for entry in entries if not base_of(entry)]
    groups = {e.name: _knobs(form["knobs"], controls, e, names, e.name == chosen) for e in based}
    title = gr.HTML(visible=False, elem_classes="aside")
    groups |= {e.name: _knobs(form["knobs"], controls, e, names, e.name == chosen) for e in plain}
    bases = {entry.name: controls[f"{entry.name}.base"] for entry in based}
    says = {name: label("form.drafts", sampler=name) for name in names}

    def show(name: str, *drafts: str) -> list[Any]:
        draft = dict(zip(bases, drafts, strict=True)).get(name)
        seen = [gr.update(visible=each in (name, draft)) for each in groups]
        return [*seen, gr.update(value=str(says.get(draft or "", "")), visible=draft is not None)]

    gr.on(
        [form["sampler"].change, *(base.change for base in bases.values())],
        show,
        inputs=[form["sampler"], *bases.values()],
        outputs=[*groups.values(), title],
        show_progress="hidden",
        api_visibility="private",
    )
    return controls


def _knobs(
    changed: gr.JSON, controls: Form, entry: Entry, names: Sequence[str], visible: bool
) -> gr.Column:
    """The controls of one sampler; `changed` gathers "sampler.knob" -> value in the browser."""
    others = [name for name in names if name != entry.name]
    group = gr.Column(visible=visible, elem_classes="knobs")
    with group:
        for knob in entry.knobs:
            key = f"{entry.name}.{knob.name}"
            widget = controls[key] = control(knob, others)
            widget.change(
                None,
                inputs=[widget, changed],
                outputs=changed,
                js=KEEP.format(name=key),
                api_visibility="private",
            )
        with gr.Accordion(label("form.chooses", sampler=entry.name), open=False):
            gr.Textbox(
                f"{entry.help}\n\n{entry.paper}",
                show_label=False,
                container=False,
                lines=3,
                max_lines=12,
                interactive=False,
                elem_classes="prose-box",
            )
    return group


@dataclass(frozen=True)
class Shape:
    """What sort of control fits a knob."""

    kind: Literal["choice", "switch", "text", "slider", "number"]
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    step: float | None = None  # 1 for whole numbers; None where a number needs none


def shape(knob: Knob, others: Sequence[str]) -> Shape:
    """The sort of control of a knob of one sampler.

    A text that names one of the other samplers is a choice among them. A slider has at most 100
    places, one of which is the default; what fits no slider is a number.
    """
    if knob.choices:
        return Shape("choice", knob.choices)
    if isinstance(knob.default, bool):
        return Shape("switch")
    if isinstance(knob.default, str):
        return Shape("choice", tuple(others)) if knob.default in others else Shape("text")
    whole = isinstance(knob.default, int)
    low, high, step = knob.low or 0, knob.high, 1 if whole else 0.01
    if high is not None and high - low <= 100 * step and round(knob.default, 2) == knob.default:
        return Shape("slider", (), low, high, step)
    return Shape("number", (), knob.low, high, 1 if whole else None)


def control(knob: Knob, others: Sequence[str]) -> Any:
    """The control of a knob of one sampler: choice, switch, text, slider, or number."""
    words: dict[str, Any] = {"label": knob.name, "info": knob.help or None, "interactive": True}
    fit = shape(knob, others)
    if fit.kind == "choice":
        return gr.Radio(list(fit.choices), value=knob.default, **words)
    if fit.kind == "switch":
        return gr.Checkbox(knob.default, **words)
    if fit.kind == "text":
        return gr.Textbox(knob.default, **words)
    if fit.kind == "slider":
        return gr.Slider(fit.low or 0, fit.high or 0, knob.default, step=fit.step, **words)
    limits: dict[str, Any] = {"minimum": fit.low, "maximum": fit.high}
    return gr.Number(knob.default, precision=0 if fit.step else None, **limits, **words)


def lengths(form: Form) -> None:
    """Adds the lengths of the answer and of a block."""
    with gr.Row():
        whole: Form = {"precision": 0, "min_width": 90}
        form["gen_length"] = gr.Number(64, label=label("form.length"), minimum=0, **whole)
        form["block_length"] = gr.Number(32, label=label("form.block"), minimum=1, **whole)
    gr.HTML(str(label("form.lengths")), elem_classes="aside")


def advanced(form: Form) -> None:
    """Adds what a first run needs not."""
    default = RunSpec()
    with gr.Row():
        form["temperature"] = gr.Number(
            default.temperature, label=label("form.temperature"), minimum=0, min_width=90
        )
        form["seed"] = gr.Number(default.seed, label=label("form.seed"), precision=0, min_width=90)
    form["stop"] = gr.Checkbox(False, label=label("form.end"))
    form["other_model"] = gr.Textbox(
        label=label("form.other"),
        placeholder=label("form.other.hint"),
        info=label("form.other.info"),
    )
    form["adapter"] = gr.Textbox(
        label=label("form.adapter"), placeholder=label("form.adapter.hint")
    )
    form["cfg_scale"] = gr.Number(default.cfg_scale, label=label("form.guidance"), minimum=0)
    form["score_dtype"] = gr.Radio(
        list(get_args(ScoreDtype)), value=default.score_dtype, label=label("form.precision")
    )
    form["chat"] = gr.Checkbox(default.chat, label=label("form.chat"))
    form["forbid_mask"] = gr.Checkbox(default.forbid_mask, label=label("form.forbid"))
    form["logits_eos_inf"] = gr.Checkbox(False, label=label("form.no_end"))
    form["confidence_eos_eot_inf"] = gr.Checkbox(False, label=label("form.late_end"))
    form["record"] = gr.CheckboxGroup(
        list(RECORDABLE), label=label("form.record"), info=label("form.record.info")
    )
    _drawing(form, default)


def _drawing(form: Form, default: RunSpec) -> None:
    """Adds how tokens are drawn, and how forwards are made."""
    form["draw"] = gr.Radio(
        list(get_args(Draw)),
        value=default.draw,
        label=label("form.draw"),
        info=label("form.draw.info"),
    )
    with gr.Row():
        form["top_p"] = gr.Number(
            default.top_p, label="top_p", info=label("form.top_p.info"), maximum=1, min_width=90
        )
        form["top_k"] = gr.Number(
            default.top_k,
            label="top_k",
            info=label("form.top_k.info"),
            precision=0,
            minimum=0,
            min_width=90,
        )
    form["forward"] = gr.Radio(
        list(get_args(ForwardMode)),
        value=default.forward,
        label=label("form.forward"),
        info=label("form.forward.info"),
    )
    form["cache_revision"] = gr.Radio(
        list(get_args(CacheRevision)),
        value=default.cache_revision,
        label=label("form.revision"),
        info=label("form.revision.info"),
    )
