"""The order of a run as an animation: its figure, the script that draws it, and a file for slides.

Plotly is imported by the first request, not at the start of the app.
"""

from __future__ import annotations

import functools
import gzip
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dlmviz.store import open_trace
from dlmviz.types import InputError
from dlmviz.ui import payload, words
from dlmviz.ui.shelves import Shelves

YEAR = 31_536_000  # seconds; the page asks for the script with its version, so it never gets old


def routes(shelves: Shelves) -> list[Any]:
    """Routes of Plotly's script, and of a run's figure: as JSON, and as one HTML file."""

    def figure(request: Request) -> Response:
        return _answer(shelves, request, standalone=False)

    def download(request: Request) -> Response:
        return _answer(shelves, request, standalone=True)

    return [
        Route("/dlmviz/plotly.js", script),
        Route("/dlmviz/figure/{panel}/{identity}.html", download),
        Route("/dlmviz/figure/{panel}/{identity}", figure),
    ]


def script(request: Request) -> Response:
    """Plotly's own script, compressed where the browser takes that."""
    squeezed = "gzip" in request.headers.get("accept-encoding", "")
    headers = {"Cache-Control": f"public, max-age={YEAR}, immutable", "Vary": "Accept-Encoding"}
    if squeezed:
        headers["Content-Encoding"] = "gzip"
    return Response(_bundle(squeezed), media_type="text/javascript", headers=headers)


@functools.cache
def _bundle(squeezed: bool) -> bytes:
    from dlmviz import figures

    text = figures.bundle().encode()
    return gzip.compress(text, 6) if squeezed else text


def _answer(shelves: Shelves, request: Request, standalone: bool) -> Response:
    """A run's figure. 404 for what is not there, 422 with a sentence for what cannot be drawn."""
    from dlmviz import figures

    panel = figures.PANELS.get(request.path_params["panel"])
    identity = request.path_params["identity"]
    path = shelves.find(identity)
    if panel is None or path is None:
        return JSONResponse({"problem": "there is no such run or figure"}, status_code=404)
    dark = request.query_params.get("theme") == "dark"
    language = words.spoken(request.query_params.get("lang"))
    try:
        data = panel.data(open_trace(path))
        width = _width(request.query_params.get("width", "1200"))
        drawing = panel.figure(data, width=width, controls=standalone, dark=dark)
    except InputError as error:
        return JSONResponse({"problem": payload.refusal(error)}, status_code=422)
    _speak(drawing, language)
    if not standalone:
        text = figures.drawn(drawing)
        return Response(text, media_type="application/json", headers={"Cache-Control": "no-store"})
    title = words.translated(f"{panel.title}: {data.title}", language)
    caption = words.translated(panel.caption, language)
    page = figures.standalone(drawing, title, caption, dark, language)
    name = f'attachment; filename="dlmviz-{request.path_params["panel"]}-{identity}.html"'
    return Response(page, media_type="text/html", headers={"Content-Disposition": name})


def _speak(drawing: Any, language: str) -> None:
    """Turns what a figure says into a language: axes, scale, legend, buttons, every frame."""
    if language == "en":
        return
    layout = drawing.layout
    parts = [layout[name].title for name in ("xaxis", "yaxis", "xaxis2", "yaxis2")]
    parts += [layout.coloraxis.colorbar.title, layout.title.subtitle]
    parts += [frame.layout.title.subtitle for frame in drawing.frames]
    said = [(part, "text") for part in parts]
    said += [(trace, name) for trace in drawing.data for name in ("name", "hovertemplate")]
    said += [(button, "label") for menu in layout.updatemenus for button in menu.buttons]
    said += [(slider.currentvalue, "prefix") for slider in layout.sliders]
    for part, name in said:
        if part[name]:
            part[name] = words.translated(part[name], language)


def _width(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise InputError(f"width must be a whole number: got {text!r}; try 1200") from error
