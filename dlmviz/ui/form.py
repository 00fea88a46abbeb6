"""The form of a run: a control for every setting of a RunSpec and for every knob of a sampler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import gradio as gr

from dlmviz.types import RECORDABLE, CacheRevision, Draw, ForwardMode, RunSpec, ScoreDtype
from dlmviz.ui.menu import Entry, Knob, base_of, menu

KEEP = "(value, changed) => ({{...changed, {name!r}: value}})"
DRAFTS = "<p>Knobs of <b>{}</b>, which writes the draft:</p>"
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
        label="Sampler",
        info="rules of papers, then three simple ones to compare with",
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

    def show(name: str, *drafts: str) -> list[Any]:
        draft = dict(zip(bases, drafts, strict=True)).get(name)
        seen = [gr.update(visible=each in (name, draft)) for each in groups]
        return [*seen, gr.update(value=DRAFTS.format(draft), visible=draft is not None)]

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
        with gr.Accordion(f"How {entry.name} chooses", open=False):
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


def control(knob: Knob, others: Sequence[str]) -> Any:
    """The control of a knob of one sampler: choice, switch, text, slider, or number.

    A text that names one of the other samplers is a choice among them. A slider has at most 100
    places, one of which is the default; what fits no slider is a number.
    """
    words: dict[str, Any] = {"label": knob.name, "info": knob.help or None, "interactive": True}
    if knob.choices:
        return gr.Radio(list(knob.choices), value=knob.default, **words)
    if isinstance(knob.default, bool):
        return gr.Checkbox(knob.default, **words)
    if isinstance(knob.default, str):
        if knob.default in others:
            return gr.Radio(list(others), value=knob.default, **words)
        return gr.Textbox(knob.default, **words)
    whole = isinstance(knob.default, int)
    low, high, step = knob.low or 0, knob.high, 1 if whole else 0.01
    if high is not None and high - low <= 100 * step and round(knob.default, 2) == knob.default:
        return gr.Slider(low, high, knob.default, step=step, **words)
    limits: dict[str, Any] = {"minimum": knob.low, "maximum": high}
    return gr.Number(knob.default, precision=0 if whole else None, **limits, **words)


def lengths(form: Form) -> None:
    """Adds the lengths of the answer and of a block."""
    with gr.Row():
        form["gen_length"] = gr.Number(64, label="Length", precision=0, minimum=0, min_width=90)
        form["block_length"] = gr.Number(32, label="Block", precision=0, minimum=1, min_width=90)
    gr.HTML(
        "<p>Tokens to write, and how many of them stand open at once. With [MASK] or [MASK:5] in "
        "the prompt, those are written too; then the length may be 0.</p>",
        elem_classes="aside",
    )


def advanced(form: Form) -> None:
    """Adds what a first run needs not."""
    default = RunSpec()
    with gr.Row():
        form["temperature"] = gr.Number(
            default.temperature, label="Temperature", minimum=0, min_width=90
        )
        form["seed"] = gr.Number(default.seed, label="Seed", precision=0, min_width=90)
    form["stop"] = gr.Checkbox(False, label="Stop when everything before the end mark is written")
    form["other_model"] = gr.Textbox(
        label="Another model", placeholder="a folder, or a hub id", info="used instead of the above"
    )
    form["adapter"] = gr.Textbox(label="Adapter", placeholder="a LoRA folder")
    form["cfg_scale"] = gr.Number(default.cfg_scale, label="Guidance (cfg_scale)", minimum=0)
    form["score_dtype"] = gr.Radio(
        list(get_args(ScoreDtype)), value=default.score_dtype, label="Precision of confidences"
    )
    form["chat"] = gr.Checkbox(default.chat, label="Wrap the prompt in the chat template")
    form["forbid_mask"] = gr.Checkbox(default.forbid_mask, label="Never write the mask token")
    form["logits_eos_inf"] = gr.Checkbox(False, label="Never write the end mark")
    form["confidence_eos_eot_inf"] = gr.Checkbox(False, label="Write end marks last")
    form["record"] = gr.CheckboxGroup(
        list(RECORDABLE),
        label="Record as well",
        info="for map and arcs, where the sampler does not look at it; jsd costs forwards",
    )
    form["draw"] = gr.Radio(
        list(get_args(Draw)), value=default.draw, label="Draw", info="how tokens are drawn"
    )
    with gr.Row():
        form["top_p"] = gr.Number(
            default.top_p, label="top_p", info="categorical only", maximum=1, min_width=90
        )
        form["top_k"] = gr.Number(
            default.top_k, label="top_k", info="0: all", precision=0, minimum=0, min_width=90
        )
    form["forward"] = gr.Radio(
        list(get_args(ForwardMode)),
        value=default.forward,
        label="Forward",
        info="prefix, dual: windows over kept keys and values (Fast-dLLM)",
    )
    form["cache_revision"] = gr.Radio(
        list(get_args(CacheRevision)),
        value=default.cache_revision,
        label="Code of those windows",
        info="june2025: a block takes two forwards at least",
    )
