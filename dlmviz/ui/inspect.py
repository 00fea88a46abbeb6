"""The Inspect page: one run, step by step. Components, and the handlers behind them."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

import gradio as gr

from dlmviz.tasks import TASKS
from dlmviz.types import RunSpec, ScoreDtype
from dlmviz.ui import asks, live, payload
from dlmviz.ui.menu import Entry, Knob, menu
from dlmviz.ui.shelves import Shelves

MODELS = ("tiny", "tiny-early")
HONESTY = (
    "The built-in model knows these tasks and nothing else: free text outside them is answered "
    "with confident nonsense."
)
MOUNT = """
import(new URL("dlmviz/web/main.js", document.baseURI).href)
  .then((page) => page.mount(element, props, watch, trigger)); // triggers "ask" and "branch"
"""
FORM = """
import(new URL("dlmviz/web/form.js", document.baseURI).href)
  .then((form) => form.mend(element.closest("#ask")));
"""
ROOT = '<div class="dv-root" data-samplers="{}">Loading the run…</div>'
KEEP = "(value, changed) => ({{...changed, {name!r}: value}})"
ANNOUNCE = "() => { window.dispatchEvent(new Event('dlmviz:%s')); }"
Form = dict[str, Any]  # field of the run -> its component; "knobs" holds the changed ones


def page(shelves: Shelves) -> None:
    """Adds the page to the Blocks that is being built."""
    bundled = shelves.bundled()
    first = bundled[0]["id"] if bundled else None
    gr.HTML(
        "<h1>dlmviz</h1><p>Watch a masked diffusion language model write: it starts from blanks "
        "and fills in, step by step, the words it is surest of. "
        "<a href='learn'>New to this? A tour in six steps.</a></p>",
        elem_id="masthead",
    )
    with gr.Row(elem_id="inspect", equal_height=False):
        with gr.Column(elem_id="watch", scale=1, min_width=280):
            view = gr.HTML(
                payload.message("gallery", runs=bundled, id=first),
                html_template=ROOT.format(" ".join(entry.name for entry in menu())),
                js_on_load=MOUNT,
                apply_default_css=False,
                elem_id="run-view",
            )
        with gr.Column(elem_id="ask", scale=0, min_width=280):
            _controls(view, shelves)


def _controls(view: gr.HTML, shelves: Shelves) -> None:
    form: Form = {}
    example = gr.State(None)
    form["prompt"] = gr.Textbox(
        label="Prompt", lines=4, max_lines=10, placeholder="Press an example, or type your own"
    )
    with gr.Row(elem_classes="chips"):
        chips = {
            name: gr.Button(task.title, size="sm", min_width=40, elem_classes="chip")
            for name, task in TASKS.items()
        }
    gr.HTML(f"<p>{HONESTY}</p>", elem_classes="aside")
    with gr.Row(elem_id="go"):
        start = gr.Button("Decode", variant="primary", min_width=80, elem_id="decode")
        stop = gr.Button("Stop", min_width=60, elem_id="stop")
    gr.HTML(html_template='<p class="dv-note" role="status"></p>', js_on_load=FORM, elem_id="note")
    form["model"] = gr.Radio(list(MODELS), value=MODELS[0], label="Model")
    _sampler(form)
    with gr.Row():
        form["gen_length"] = gr.Number(64, label="Length", precision=0, minimum=1, min_width=90)
        form["block_length"] = gr.Number(32, label="Block", precision=0, minimum=1, min_width=90)
    with gr.Accordion("Advanced", open=False):
        _advanced(form)
    upload = gr.UploadButton("Open a saved run", file_types=[".npz"], size="sm", elem_id="open")
    for name, chip in chips.items():
        chip.click(
            lambda name=name: new_example(name),
            outputs=[form["prompt"], example, form["gen_length"], form["block_length"]],
            show_progress="hidden",
            api_visibility="private",
        ).then(
            live.warm,
            inputs=[form["model"], form["other_model"], form["adapter"]],
            show_progress="hidden",
            concurrency_id="gpu",
            api_visibility="private",
        )
    _listen(form, example, view, start, stop, shelves)
    upload.upload(
        lambda path: live.opened(path, shelves),
        inputs=upload,
        outputs=view,
        show_progress="hidden",
        api_visibility="private",
    )


def _sampler(form: Form) -> Form:
    """ "sampler.knob" -> its control; those of the chosen sampler are in sight."""
    entries = menu()
    names = [entry.name for entry in entries]
    chosen = "fast_dllm" if "fast_dllm" in names else names[0]
    form["sampler"] = gr.Radio(names, value=chosen, label="Sampler")
    # Decode sends this one value, not the fifty controls of all samplers: that costs 70 ms.
    form["knobs"] = gr.JSON({}, visible="hidden", elem_id="knobs")
    controls: Form = {}
    groups = [
        _knobs(form["knobs"], controls, entry, names, entry.name == chosen) for entry in entries
    ]
    form["sampler"].change(
        lambda name: [gr.update(visible=entry.name == name) for entry in entries],
        inputs=form["sampler"],
        outputs=groups,
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
            return gr.Dropdown(list(others), value=knob.default, **words)
        return gr.Textbox(knob.default, **words)
    whole = isinstance(knob.default, int)
    low, high, step = knob.low or 0, knob.high, 1 if whole else 0.01
    if high is not None and high - low <= 100 * step and round(knob.default, 2) == knob.default:
        return gr.Slider(low, high, knob.default, step=step, **words)
    limits: dict[str, Any] = {"minimum": knob.low, "maximum": high}
    return gr.Number(knob.default, precision=0 if whole else None, **limits, **words)


def _advanced(form: Form) -> None:
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


def _listen(
    form: Form, example: gr.State, view: gr.HTML, start: Any, stop: Any, shelves: Shelves
) -> None:
    names = tuple(form)

    def decode(*values: Any) -> Iterator[str]:
        form = dict(zip(names, values[:-1], strict=True))
        yield from live.decode(form | (form.pop("knobs") or {}), values[-1], shelves)

    run = start.click(
        decode,
        inputs=[*form.values(), example],
        outputs=view,
        show_progress="hidden",
        concurrency_id="gpu",
        concurrency_limit=1,
        api_visibility="private",
    )
    run.then(None, js=ANNOUNCE % "ended", api_visibility="private")
    child = asks.listen(view, shelves)
    stop.click(None, js=ANNOUNCE % "stopped", cancels=[run, child], api_visibility="private")


def new_example(name: str) -> tuple[str, Mapping[str, Any], int, int]:
    """(prompt, example, gen_length, block_length) of a fresh example of a task."""
    task = TASKS[name]
    example = task.examples(1, 2**30 + secrets.randbelow(2**30))[0]
    return example.prompt, dataclasses.asdict(example), task.gen_length, task.block_length
