"""The Inspect page: one run, step by step. Components, and the handlers behind them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from dlmviz.tasks import TASKS
from dlmviz.ui import adapters, asks, live, models, payload, tries
from dlmviz.ui.bundle import mounting
from dlmviz.ui.form import Form, advanced, lengths, sampler
from dlmviz.ui.menu import menu
from dlmviz.ui.shelves import Shelves
from dlmviz.ui.tries import new_example
from dlmviz.ui.words import label

MOUNT = mounting("run", "ask", "branch")
FORM = mounting("form")
ROOT = '<div class="dv-root" data-samplers="{}">…</div>'
ANNOUNCE = "() => { window.dispatchEvent(new Event('dlmviz:%s')); }"


def page(shelves: Shelves) -> None:
    """Adds the page to the Blocks that is being built."""
    bundled = shelves.bundled()
    first = bundled[0]["id"] if bundled else None
    gr.HTML(str(label("form.masthead")), elem_id="masthead")
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
        label=label("form.prompt"),
        lines=4,
        max_lines=10,
        placeholder=label("form.prompt.hint"),
    )
    with gr.Row(elem_classes="chips"):
        chips = {
            name: gr.Button(
                str(label(f"form.task.{name}")), size="sm", min_width=40, elem_classes="chip"
            )
            for name in TASKS
        }
    gr.HTML(str(label("form.honesty")), elem_classes="aside")
    with gr.Row(elem_id="go"):
        start = gr.Button(
            str(label("form.decode")), variant="primary", min_width=80, elem_id="decode"
        )
        stop = gr.Button(str(label("form.stop")), min_width=60, elem_id="stop")
    gr.HTML(html_template='<p class="dv-note" role="status"></p>', js_on_load=FORM, elem_id="note")
    form["model"] = models.choice()
    kept = adapters.choice()
    controls = sampler(form)
    lengths(form)
    with gr.Accordion(label("form.advanced"), open=False):
        advanced(form)
    upload = gr.UploadButton(
        str(label("form.open")), file_types=[".npz"], size="sm", elem_id="open"
    )
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
    ear = adapters.listen(kept, form, shelves)
    tries.listen(ear, kept, form, controls, example, shelves)
    models.listen(form, chips.values())
    upload.upload(
        lambda path: live.opened(path, shelves),
        inputs=upload,
        outputs=view,
        show_progress="hidden",
        api_visibility="private",
    )


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
