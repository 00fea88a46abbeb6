"""A run as a file to take away: JSON, a table of its positions, a notebook cell, one HTML page."""

from __future__ import annotations

import csv
import dataclasses
import html
import importlib.util
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from dlmviz.store import open_trace
from dlmviz.types import InputError, Trace
from dlmviz.ui import bundle, payload, words
from dlmviz.ui.shelves import Shelves

COLUMNS = ("position", "token", "piece", "step", "confidence", "entropy", "why")
NO_PARQUET = words.say("server.parquet")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would calculate
START = "standalone.js"
# A page on a disk: its own script and style, and no way to ask anyone for anything.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
)
PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body class="dv-alone">
<main>
<h1>{title}</h1>
<p>{how}</p>
<div class="dv-root" data-samplers="">{needs}</div>
</main>
<script type="application/json" id="run">{run}</script>
<script type="module">{script}</script>
</body>
</html>
"""


def kinds() -> list[str]:
    """What a run can be downloaded as. Parquet needs pyarrow, an extra: it takes 55 MB, and pandas,
    and so the app, starts a second later with it.
    """
    parquet = ["parquet"] if importlib.util.find_spec("pyarrow") else []
    return ["npz", "html", "json", "csv", *parquet, "cell"]


def routes(shelves: Shelves) -> list[Any]:
    """The route that hands out a run as one of `kinds()`."""

    def hand(request: Request) -> Response:
        identity, kind = request.path_params["identity"], request.path_params["kind"]
        path = shelves.find(identity)
        if path is None or kind not in kinds():
            problem = (
                f"there is no run {identity[:64]!r} as {kind[:20]!r}: it can be had as "
                f"{', '.join(kinds())}"
            )
            told = NO_PARQUET if path and kind == "parquet" else problem
            return JSONResponse({"problem": told}, status_code=404)
        if kind == "npz":
            return FileResponse(path, filename=f"dlmviz-{path.name}")
        try:
            language = words.spoken(request.query_params.get("lang"))
            media, body = made(open_trace(path), identity, kind, language)
        except InputError as error:
            return JSONResponse({"problem": payload.refusal(error)}, status_code=422)
        name = f"dlmviz-{identity}.{'py' if kind == 'cell' else kind}"
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',  # never run at our address
            "Cache-Control": "no-store",
        }
        return Response(body, media_type=media, headers=headers)

    return [Route("/dlmviz/export/{identity}.{kind}", hand)]


def made(trace: Trace, identity: str, kind: str, language: str = "en") -> tuple[str, bytes]:
    """(media type, content) of an exported run; a web page speaks the language."""
    text: dict[str, tuple[str, Callable[[], str]]] = {
        "html": ("text/html", lambda: standalone(trace, identity, language)),
        "json": ("application/json", lambda: payload.dumps({**payload.run(trace), "id": identity})),
        "csv": ("text/csv", lambda: as_csv(trace)),
        "cell": ("text/plain", lambda: cell(identity)),
    }
    if kind == "parquet":
        return "application/vnd.apache.parquet", as_parquet(trace)
    media, make = text[kind]
    return f"{media}; charset=utf-8", make().encode()


def table(trace: Trace) -> list[dict[str, Any]]:
    """One row a position of the answer: position, token, piece, step, confidence,
    entropy, why.

    `step` is the one that wrote the token that stands there in the end, counted from 1 as on the
    page; the numbers and the reason are of that step. None where no step wrote it, or where the
    step said nothing.
    """
    final, last = trace.final, trace.finalized_at
    rows = []
    for position in range(min(trace.offset, trace.prompt_length), len(final)):
        token, at = int(final[position]), int(last[position])
        record = trace.steps[at] if at >= 0 and token != trace.mask_id else None
        row = position - trace.offset
        seen = record is not None and 0 <= row < len(record.confidence)
        rows.append(
            {
                "position": position,
                "token": token,
                "piece": trace.pieces.get(token, ""),
                "step": at + 1 if record else None,
                "confidence": _number(record.confidence[row]) if record and seen else None,
                "entropy": _number(record.entropy[row]) if record and seen else None,
                "why": record.why.get(position) if record else None,
            }
        )
    return rows


def _number(value: np.floating[Any]) -> float | None:
    return float(value) if np.isfinite(value) else None


def as_csv(trace: Trace) -> str:
    """The table as CSV, empty where there is nothing to say; what a spreadsheet would take for a
    formula gets an apostrophe in front.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for row in table(trace):
        writer.writerow({name: _harmless(value) for name, value in row.items()})
    return out.getvalue()


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def as_parquet(trace: Trace) -> bytes:
    """The table as Parquet, settings and text of the run as JSON in its metadata. Needs pyarrow."""
    import pyarrow as pa
    from pyarrow import parquet

    whole, number, words = pa.int32(), pa.float32(), pa.string()
    fields = zip(COLUMNS, (whole, whole, words, whole, number, number, words), strict=True)
    settings = json.dumps({"spec": dataclasses.asdict(trace.spec), "text": trace.text})
    schema = pa.schema([*fields], metadata={"dlmviz": settings})
    out = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(table(trace), schema=schema), out)
    return out.getvalue()


def cell(identity: str) -> str:
    """Python code for a notebook that opens the trace and shows it. Nothing of the run is in it."""
    return f"""# Download the trace (.npz) into the folder of this notebook first.
import dlmviz
from dlmviz import metrics
from IPython.display import display

trace = dlmviz.open_trace("dlmviz-{identity}.npz")
display(metrics.frame([trace]).T)  # its settings and numbers
for step in range(len(trace.steps) + 1):
    tokens = trace.canvas_at(step)[trace.offset :].tolist()
    shown = "".join("░" if t == trace.mask_id else trace.pieces[t] for t in tokens)
    print(f"{{step:4d}}  {{shown!r}}")
"""


def standalone(trace: Trace, identity: str, language: str = "en") -> str:
    """One HTML page with the run, our scripts and our styles in it: it works offline."""
    title = trace.info.get("title")
    if not isinstance(title, str):
        title = f"{trace.spec.sampler}: {trace.spec.prompt[:60]}"
    return alone(title, {**payload.run(trace), "id": identity}, START, language)


def alone(title: str, shown: dict[str, Any], start: str, language: str) -> str:
    """One HTML page of what a script finds in it, with that script and our styles."""
    return PAGE.format(
        policy=html.escape(POLICY),
        title=html.escape(" ".join(title.split())),
        style=styles(),
        run=_inert(shown),
        script=_closed(bundle.script(start, (language,))),
        language=language,
        how=words.say("export.how", language),
        needs=words.say("export.script", language),
    )


def styles() -> str:
    """The sheets of the run view."""
    own = (bundle.WEB / "standalone.css").read_text(encoding="utf-8")
    return _closed(f"{bundle.sheet()}\n{own}")


def _closed(text: str) -> str:
    """The same script or sheet. Raises InputError if it would end the element it stands in."""
    if "</" in text or "<!--" in text:
        raise InputError("a file of dlmviz's page holds '</'; install dlmviz again")
    return text


def _inert(value: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in. Only its texts hold these signs."""
    text = payload.dumps(value)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
