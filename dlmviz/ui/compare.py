"""The Compare tab: routes of its form, its table and its exports; the event that decodes lanes."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dlmviz import compare
from dlmviz.store import open_trace
from dlmviz.tasks import TASKS, get
from dlmviz.types import InputError, RunSpec, Trace
from dlmviz.ui import adapters, export, payload, words
from dlmviz.ui.bundle import mounting
from dlmviz.ui.form import shape
from dlmviz.ui.library import answer
from dlmviz.ui.menu import base_of, menu
from dlmviz.ui.models import MODELS
from dlmviz.ui.racing import MOST, raced
from dlmviz.ui.shelves import Shelves
from dlmviz.ui.tries import new_example

STARTS = ("01-story-careful", "02-story-hasty")  # what the page opens with, of the gallery
COLUMNS = (
    *("lane", "id", "model", "adapter", "sampler", "params", "seed", "text", "correct", "nfe"),
    *("steps", "tokens", "masks_left", "tpf", "afp", "kendall_tau_b", "segments_max"),
    *("segments_mean", "agreement", "parts_at", "other_token_at"),
)
TELL = "() => { window.dispatchEvent(new Event('dlmviz:raced')); }"


def page(shelves: Shelves) -> None:
    """Adds the tab's page to the Blocks that is being built."""
    view = gr.HTML(
        html_template='<section class="cp-root"></section>',
        js_on_load=mounting("compare", "race", "halt"),
        apply_default_css=False,
        elem_id="compare",
    )

    def decode(event: gr.EventData) -> Iterator[str]:
        yield from raced(event._data, shelves)

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    run = view.race(decode, outputs=view, concurrency_id="gpu", **quiet)
    run.then(None, js=TELL, api_visibility="private")
    view.halt(None, cancels=[run], api_visibility="private")


def routes(shelves: Shelves) -> list[Any]:
    """Routes of the form, of an example, of the table, and of the table as a file."""

    def form(request: Request) -> Response:
        return answer(described(shelves))

    def example(request: Request) -> Response:
        try:
            name = get(request.query_params.get("task", "")[:80]).name
        except InputError as error:
            return answer({"problem": payload.refusal(error)}, 422)
        prompt, kept, length, block = new_example(name)
        return answer(
            {"prompt": prompt, "gen_length": length, "block_length": block, "example": kept}
        )

    def show(request: Request) -> Response:
        return answer(table(shelves, _ids(request)))

    def save(request: Request) -> Response:
        told, kind = table(shelves, _ids(request)), request.path_params["kind"]
        make = {
            "csv": lambda: as_csv(told["lanes"]),
            "json": lambda: payload.dumps(told),
            "html": lambda: standalone(
                shelves, told, words.spoken(request.query_params.get("lang"))
            ),
        }
        if kind not in make or not told["lanes"]:
            problem = f"lanes that are here can be had as {', '.join(make)}: got {kind[:20]!r}"
            return answer({"problem": problem}, 404)
        name = "-".join(["dlmviz-compare", *(lane["id"][:8] for lane in told["lanes"])])
        return Response(
            make[kind]().encode(),
            media_type={"json": "application/json"}.get(kind, f"text/{kind}"),
            headers={"Content-Disposition": f'attachment; filename="{name}.{kind}"'},
        )

    return [
        Route("/dlmviz/compare/form", form),
        Route("/dlmviz/compare/example", example),
        Route("/dlmviz/compare/table", show),
        Route("/dlmviz/compare/table.{kind}", save),
    ]


def _ids(request: Request) -> list[str]:
    given = request.query_params.get("ids", "")[:1000].split(",")
    return list(dict.fromkeys(identity for identity in given if identity))[:MOST]


def described(shelves: Shelves) -> dict[str, Any]:
    """What the page needs to draw the form of a lane, and what it opens with."""
    names = [entry.name for entry in menu()]
    rules = [
        {
            "name": entry.name,
            "help": entry.help,
            "paper": entry.paper,
            "base": base_of(entry),
            "knobs": [
                {
                    "name": knob.name,
                    "default": knob.default,
                    "help": knob.help,
                    **dataclasses.asdict(shape(knob, [n for n in names if n != entry.name])),
                }
                for knob in entry.knobs
            ],
        }
        for entry in menu()
    ]
    kept = [
        {
            "id": card.id,
            "title": adapters.title(card, adapters.bundled(folder)),
            "model": card.base_model,
            "folder": adapters.written(folder),
        }
        for folder, card in adapters.kept(shelves)
    ]
    bundled = {run["id"] for run in shelves.bundled()}
    return {
        "samplers": rules,
        "models": MODELS,
        "tasks": [*TASKS],
        "adapters": kept,
        "spec": dataclasses.asdict(RunSpec()),
        "starts": [name for name in STARTS if name in bundled],
        "most": MOST,
    }


def table(shelves: Shelves, ids: Sequence[str]) -> dict[str, Any]:
    """The rows of these runs beside the first of them, and what is to be said of them.

    `notes`: kind -> ids: unknown (nowhere, or damaged), unfinished, vocabulary (tokens that cannot
    be compared with the first lane's), prompt (the first lane had another one).
    """
    found = {identity: _opened(shelves, identity) for identity in ids}
    traces = {identity: trace for identity, trace in found.items() if trace is not None}
    first = next(iter(traces.values()), None)
    notes: dict[str, list[str]] = {"unknown": [i for i in ids if i not in traces]}
    lanes = []
    for letter, (identity, trace) in zip("ABCD", traces.items(), strict=False):
        assert first is not None
        row = compare.row(trace, first)
        lanes.append({"lane": letter, "id": identity, **_named(trace.spec), **row})
        if row["masks_left"]:
            notes.setdefault("unfinished", []).append(identity)
        if not compare.one_vocabulary(first, trace):
            notes.setdefault("vocabulary", []).append(identity)
        if trace.spec.prompt != first.spec.prompt:
            notes.setdefault("prompt", []).append(identity)
    return {"lanes": lanes, "notes": {kind: ids for kind, ids in notes.items() if ids}}


def standalone(shelves: Shelves, told: Mapping[str, Any], language: str) -> str:
    """One HTML page with the lanes of a table: it works offline."""
    runs, names = [], []
    for lane in told["lanes"]:
        trace = _opened(shelves, lane["id"])
        if trace is not None:
            runs.append({**payload.run(trace), "id": lane["id"]})
            names.append(f"{lane['lane']} {lane['sampler']}")
    shown = {"runs": runs, "table": told}
    return export.alone(" · ".join(names), shown, "compare-alone.js", language)


def _opened(shelves: Shelves, identity: str) -> Trace | None:
    path = shelves.find(identity)
    try:
        return None if path is None else open_trace(path)
    except InputError:
        return None


def _named(spec: RunSpec) -> dict[str, Any]:
    names = ("model", "adapter", "sampler", "params", "seed")
    adapter = Path(spec.adapter).name if spec.adapter else None
    return {**{name: getattr(spec, name) for name in names}, "adapter": adapter}


def as_csv(lanes: Sequence[Mapping[str, Any]]) -> str:
    """The rows as CSV, empty where a number is undefined."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for lane in lanes:
        params = " ".join(f"{name}={value}" for name, value in lane["params"].items())
        row = {**{name: lane[name] for name in COLUMNS}, "params": params}
        writer.writerow({name: _harmless(value) for name, value in row.items()})
    return out.getvalue()


def _harmless(value: Any) -> Any:
    """The value, nothing that a spreadsheet would calculate."""
    return f"'{value}" if isinstance(value, str) and value.startswith(export.FORMULA) else value
