"""Inspect's choice among the built-in models. The toy writes chains and reads no other prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import gradio as gr

from dlmviz.ui.words import label

MODELS = ("tiny", "tiny-early")  # they know the tasks
# in the browser: whoever presses Decode at once must not be quicker than the server's answer
FIT = """(model, prompt, length, temperature) => {
  const chain = /^[0-3\\s]*\\[MASK/.test(prompt), ours = prompt === "[MASK:9]";
  if (model === "toy") return chain ? [prompt, 0, temperature] : ["[MASK:9]", 0, 1];
  return ours ? ["", 64, 0] : [prompt, length, temperature];
}"""

LEAVE = """(model, temperature) => (model === "toy" ? ["tiny", 0] : [model, temperature])"""


def choice() -> gr.Radio:
    """The control."""
    return gr.Radio(
        [*MODELS, "toy"], value=MODELS[0], label=label("form.model"), info=label("form.model.info")
    )


def listen(form: Mapping[str, Any], chips: Iterable[gr.Button]) -> None:
    """Puts a chain of masks into the prompt for the toy, and takes it away for the others. A task
    that is chosen leaves the toy, which knows none.
    """
    model = form["model"]
    fields = [form[name] for name in ("prompt", "gen_length", "temperature")]
    heat = [model, form["temperature"]]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    model.input(None, inputs=[model, *fields], outputs=fields, js=FIT, **quiet)
    for chip in chips:
        chip.click(None, inputs=heat, outputs=heat, js=LEAVE, **quiet)
