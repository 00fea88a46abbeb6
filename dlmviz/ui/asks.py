"""What the run view asks the server: what other rules would do, what a typed token is, to go on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr

from dlmviz.types import Denoiser, InputError, Trace
from dlmviz.ui import branch, payload
from dlmviz.ui.loading import Loader, explained, load
from dlmviz.ui.shelves import Shelves
from dlmviz.ui.words import say

TELL = "() => { window.dispatchEvent(new Event('dlmviz:%s')); }"


def listen(view: gr.HTML, shelves: Shelves) -> Any:
    """Answers the events that the run view triggers; the event of a run that goes on.

    All share the model's one place in the queue (concurrency_id "gpu"): none runs beside a decode.
    """

    def ask(event: gr.EventData) -> str:
        return answered(event._data, shelves)

    def go_on(event: gr.EventData) -> Iterator[str]:
        yield from branch.continued(event._data, shelves)

    words: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    asked = view.ask(ask, outputs=view, concurrency_id="gpu", **words)
    asked.then(None, js=TELL % "answered", api_visibility="private")
    child = view.branch(go_on, outputs=view, concurrency_id="gpu", **words)
    child.then(None, js=TELL % "branched", api_visibility="private")
    return child


def answered(data: Any, shelves: Shelves, load: Loader = load) -> str:
    """The message that answers one question of the page: of others, or of a typed token."""
    ask = data.get("ask") if isinstance(data, Mapping) else None
    try:
        kinds = {"others": _others, "token": _readings}
        kind = data.get("kind") if isinstance(data, Mapping) else None
        if not isinstance(kind, str) or kind not in kinds:
            raise InputError(f"a question is one of {', '.join(kinds)}: got {kind!r}; reload")
        fields = kinds[kind](data, shelves, load)
    except Exception as error:
        fields = {"problem": explained(error)}
    return payload.message("answer", ask=ask if isinstance(ask, str) else "", **fields)


def _others(data: Mapping[str, Any], shelves: Shelves, load: Loader) -> dict[str, Any]:
    """What every sampler would do at a step of a run, and the pieces of their tokens."""
    trace = branch.found(data, shelves)
    model = branch.model_of(trace, load)
    from dlmviz.samplers import SAMPLERS, make
    from dlmviz.whatif import opinions

    own = trace.spec.sampler
    rules = [make(name, trace.spec.params if name == own else {}) for name in SAMPLERS]
    found = opinions(model, trace, data.get("step"), rules)  # type: ignore[arg-type]
    tokens = sorted({token for opinion in found for token in opinion.tokens})
    rows = [{**dataclasses.asdict(o), "why": {str(i): w for i, w in o.why.items()}} for o in found]
    pieces = dict(zip(map(str, tokens), model.pieces(tokens), strict=True))
    return {"opinions": rows, "pieces": pieces}


def _readings(data: Mapping[str, Any], shelves: Shelves, load: Loader) -> dict[str, Any]:
    """The single tokens that a typed text stands for: as it is, and with a space before it."""
    text = data.get("text")
    if not isinstance(text, str) or not text.strip() or len(text) > 200:
        raise InputError(say("server.type"))
    trace = branch.found(data, shelves)
    model = branch.model_of(trace, load)
    read = [_tokens(model, trace, variant) for variant in (text, f" {text}")]
    found = {ids[0]: None for ids in read if len(ids) == 1 and ids[0] != trace.mask_id}
    if not found:
        pieces = " · ".join(piece.replace(" ", "␣") for piece in model.pieces(read[0]))
        raise InputError(
            say("server.tokens", text=text, n=len(read[0]), pieces=pieces)
            if len(read[0]) > 1
            else say("server.mask")
        )
    return {"tokens": [{"id": i, "piece": model.pieces([i])[0]} for i in found]}


def _tokens(model: Denoiser, trace: Trace, text: str) -> list[int]:
    """Ids of a text alone, without what opens every prompt of this model."""
    ids = model.encode(text, chat=False)
    opens = len(ids) == 2 and ids[0] == trace.initial[0]
    alone = opens and model.pieces(ids[1:])[0].strip().casefold() == text.strip().casefold()
    return ids[1:] if alone else ids
