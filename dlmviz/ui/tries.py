"""What another page asks Inspect to try: a model with an adapter, or a sampler with its head."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Mapping
from typing import Any

import gradio as gr

from dlmviz.tasks import TASKS
from dlmviz.ui import adapters
from dlmviz.ui.head_result import made
from dlmviz.ui.menu import menu
from dlmviz.ui.shelves import Shelves

HEAD = "head"  # the knob of a sampler that holds the folder of its trained part
Form = Mapping[str, Any]  # field, or "sampler.knob" -> its component


def listen(
    ear: gr.HTML, radio: gr.Radio, form: Form, controls: Form, example: gr.State, shelves: Shelves
) -> None:
    """Fills Inspect's form when another page asks for it."""
    heads = [key for key in controls if key.endswith(f".{HEAD}")]

    def chosen(knobs: Mapping[str, Any] | None, event: gr.EventData) -> list[Any]:
        return told(shelves, heads, knobs or {}, event._data)

    fields = [form["model"], form["other_model"], radio]
    fields += [form[name] for name in ("adapter", "prompt", "gen_length", "block_length")]
    ear.chosen(
        chosen,
        inputs=form["knobs"],
        outputs=[*fields, example, form["sampler"], form["knobs"], *(controls[h] for h in heads)],
        show_progress="hidden",
        api_visibility="private",
    )


def told(shelves: Shelves, heads: list[str], knobs: Mapping[str, Any], data: Any) -> list[Any]:
    """What the form then holds: see `listen`. `heads` are the "sampler.head" of the form.

    A head is named by its job: its folder is looked up here, and no path comes from a page.
    """
    filled = adapters.told(shelves, data)
    given = data if isinstance(data, Mapping) else {}
    if str(given.get("task")) in TASKS:
        prompt, example, *lengths = new_example(str(given["task"]))
        filled[4:] = [prompt, *lengths, example]
    name = str(given.get("sampler") or "")
    place = made(shelves.store, str(given.get("head") or ""))
    key = f"{name}.{HEAD}"
    if name not in [entry.name for entry in menu()] or key not in heads or place is None:
        return [*filled, *(gr.update() for _ in range(2 + len(heads)))]
    texts = [str(place) if head == key else gr.update() for head in heads]
    # the values go to `knobs`, too: whoever presses Decode at once must not be quicker
    return [*filled, name, {**knobs, key: str(place)}, *texts]


def new_example(name: str) -> tuple[str, Mapping[str, Any], int, int]:
    """(prompt, example, gen_length, block_length) of a fresh example of a task."""
    task = TASKS[name]
    example = task.examples(1, 2**30 + secrets.randbelow(2**30))[0]
    return example.prompt, dataclasses.asdict(example), task.gen_length, task.block_length
