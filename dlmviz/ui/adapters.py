"""Inspect's choice among the adapters kept for its model, and how another page makes it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from dlmviz.store.adapters import cards
from dlmviz.types import AdapterCard
from dlmviz.ui.shelves import Shelves
from dlmviz.ui.words import label

BUNDLED = Path(__file__).parent.parent.parent / "assets" / "adapters"
MOST = 12  # that are offered, the newest first
NONE = (str(label("form.adapter.none")), "")
# a page that chooses shows the tab first: to look then, too, would undo what it chose
LISTEN = """
let timer = 0;
window.addEventListener("dlmviz:try", ({ detail }) => {
  clearTimeout(timer);
  trigger("chosen", detail);
});
window.addEventListener("dlmviz:tab", ({ detail: tab }) => {
  clearTimeout(timer);
  if (tab === "inspect") timer = setTimeout(() => trigger("look"), 0);
});
trigger("look");
"""
Kept = list[tuple[Path, AdapterCard]]


def choice() -> gr.Radio:
    """The control, which is in sight where an adapter was kept for the model."""
    return gr.Radio(
        [NONE], value="", label=label("form.adapter.kept"), visible=False, elem_id="adapters"
    )


def listen(radio: gr.Radio, form: Mapping[str, Any], shelves: Shelves) -> gr.HTML:
    """The ear that hears what other pages choose; see tries.py.

    Keeps the control fresh. What is chosen goes into the form's field for a folder.
    """
    model = [form["model"], form["other_model"]]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    ear = gr.HTML(html_template="", js_on_load=LISTEN, apply_default_css=False, elem_id="ear")

    def look(name: str, other: str, typed: str) -> tuple[Any, str]:
        return offered(shelves, (other or "").strip() or name, typed or "")

    # in the browser: whoever presses Decode at once must not be quicker than the server's answer
    radio.input(None, inputs=radio, outputs=form["adapter"], js="(folder) => folder", **quiet)
    for event in (ear.look, form["model"].input, form["other_model"].blur):
        event(look, inputs=[*model, form["adapter"]], outputs=[radio, form["adapter"]], **quiet)
    return ear


def offered(shelves: Shelves, model: str, typed: str) -> tuple[Any, str]:
    """(the control for a model, the folder that then stands in its field).

    A folder that was typed stays; one that was kept for another model goes.
    """
    found = kept(shelves)
    own = [pair for pair in found if pair[1].base_model == model][:MOST]
    folders = [written(folder) for folder, _ in own]
    stays = typed in folders or typed not in {written(folder) for folder, _ in found}
    choices = [NONE, *((title(card, bundled(folder)), written(folder)) for folder, card in own)]
    value = typed if typed in folders else ""
    return gr.update(choices=choices, value=value, visible=bool(own)), typed if stays else ""


def told(shelves: Shelves, data: Any) -> list[Any]:
    """What the form then holds: model, another model, control, folder, prompt, lengths, example."""
    given = data if isinstance(data, Mapping) else {}
    text = {name: str(given.get(name) or "") for name in ("adapter", "model", "prompt")}
    folder = folder_of(shelves, text["adapter"])
    radio, folder = offered(shelves, text["model"], folder)
    bundled = text["model"] in ("tiny", "tiny-early")
    model = [text["model"], ""] if bundled else [gr.update(), text["model"]]
    lengths = [
        given[name] if isinstance(given.get(name), int) else gr.update()
        for name in ("gen_length", "block_length")
    ]
    return [*model, radio, folder, text["prompt"] or gr.update(), *lengths, None]


def kept(shelves: Shelves) -> Kept:
    """(folder, card) of every adapter that was made here, and then of those of the repository."""
    return [*cards(shelves.store / "adapters"), *cards(BUNDLED)]


def folder_of(shelves: Shelves, identity: str) -> str:
    """What stands in the field for an adapter; "" where there is none of that id."""
    return next((written(folder) for folder, card in kept(shelves) if card.id == identity), "")


def bundled(folder: Path) -> bool:
    """Whether an adapter comes with the repository, and not from a job."""
    return folder.parent == BUNDLED


def written(folder: Path) -> str:
    """How an adapter is named: by its folder, one of the repository by its name alone."""
    return folder.name if bundled(folder) else str(folder)


def title(card: AdapterCard, ours: bool = False) -> str:
    """Title, origin and held-out KL of an adapter; the origin of what comes with dlmviz is that,
    of all others the moment they were made.
    """
    when = time.strftime("%d %b %H:%M", time.localtime(card.created))
    when = "dlmviz" if ours else when
    kl = "" if card.final_kl is None else f" · KL {card.final_kl:.3g}"
    return f"{card.title[:60]} · {when}{kl}"
