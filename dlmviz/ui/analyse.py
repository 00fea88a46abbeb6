"""The Analyse tab: routes that list studies, start and follow them, and give what they found.

What a job's folder holds may have been edited: names are taken from a list, sizes are bounded.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from dlmviz import jobs
from dlmviz.jobs import folder, lock
from dlmviz.jobs.table import OPEN
from dlmviz.types import InputError
from dlmviz.ui import payload
from dlmviz.ui.analyse_form import KIND, begun, studies
from dlmviz.ui.bundle import mounting
from dlmviz.ui.distil import STARTING, done
from dlmviz.ui.library import answer
from dlmviz.ui.shelves import Shelves

FOLDER, REPORT = "study", "report.json"  # as dlmviz.studies.job and report leave them
FILE = re.compile(r"[a-z0-9_]{1,80}\.(csv|json)")
LARGEST = 32_000_000  # bytes of a file that is sent
LONGEST = 200_000  # bytes of a request, which may name many runs
ROWS = 200  # of a table that are shown; its CSV has all
MOUNT = mounting("analyse")


def page() -> None:
    """Adds the tab's page to the Blocks that is being built."""
    gr.HTML(
        html_template='<section class="di-root an-root" aria-label="Analyse"></section>',
        js_on_load=MOUNT,
        apply_default_css=False,
        elem_id="analyse",
    )


def routes(shelves: Shelves) -> list[Any]:
    """Routes of the form, of the list of jobs, of starting one, and of what one left."""
    store = shelves.store

    def form(request: Request) -> Response:
        return answer({"studies": studies()})

    def show(request: Request) -> Response:
        try:
            told = listing(store, request.query_params.get("job", "")[:80])
        except InputError as error:
            told = {"problem": payload.refusal(error)}
        return answer(told)

    async def start(request: Request) -> Response:
        async def begin(given: dict[str, Any]) -> dict[str, Any]:
            return await run_in_threadpool(begun, store, given)

        return await done(request, begin, longest=LONGEST)

    def give(request: Request) -> Response:
        try:
            return given_file(store, **request.path_params)
        except InputError as error:
            return answer({"problem": payload.refusal(error)}, 404)

    return [
        Route("/dlmviz/analyse/form", form),
        Route("/dlmviz/analyse/jobs", show),
        Route("/dlmviz/analyse/start", start, methods=["POST"]),
        Route("/dlmviz/analyse/{identity}/{name}", give),
    ]


def listing(store: Path, chosen: str) -> dict[str, Any]:
    """What one look at the page shows: all studies, and the chosen one."""
    found = [job for job in jobs.jobs(store) if job.kind == KIND]
    one = next((job for job in found if job.id == chosen), None)
    return {
        "now": time.time(),
        "open": any(job.state in OPEN for job in found),
        "jobs": [row(job) for job in found],
        "chosen": None if one is None else detail(store, one),
    }


def row(job: jobs.Job) -> dict[str, Any]:
    """A job as the list shows it."""
    note = STARTING if job.note == jobs.UNSERVED and lock.supported() else job.note
    told = {k: v for k, v in dataclasses.asdict(job).items() if k not in ("kind", "settings")}
    settings = job.settings.get("settings")
    settings = settings if isinstance(settings, Mapping) else {}
    told["about"] = {
        "study": str(job.settings.get("study", "?"))[:80],
        "model": str(settings.get("model", "?"))[:200],
        "n": str(settings.get("n", "?"))[:20],
        "runs": measured(job),
    }
    words = {"note": payload.refusal(note), "problem": payload.refusal(job.problem)}
    return told | words | {"eta": jobs.eta(job), "allowed": jobs.allowed(job.state)}


def measured(job: jobs.Job) -> int | None:
    """How many runs that exist a study measures; None where it decodes its own."""
    runs = job.settings.get("runs")
    return len(runs) if isinstance(runs, list) else None


def detail(store: Path, job: jobs.Job) -> dict[str, Any]:
    """A job as its own panel shows it: its settings, and what it found once it is done."""
    settings = job.settings.get("settings")
    values = settings if isinstance(settings, Mapping) and measured(job) is None else {}
    told: dict[str, Any] = {"id": job.id, "values": {str(k): str(v) for k, v in values.items()}}
    if job.state != "done":
        return told
    try:
        return told | {"report": report(folder.of(store, job.id) / FOLDER)}
    except InputError as error:
        return told | {"problem": payload.refusal(error)}


def report(place: Path) -> dict[str, Any]:
    """What a study found: sentences, names of figures, and tables with their first rows."""
    try:
        told = json.loads(_bounded(place / REPORT).read_text("utf-8"))
        texts = {name: str(told[name]) for name in ("question", "claim", "verdict")}
        problems = [str(one) for one in told["problems"]]
        figures = [{"title": str(k), "file": _named(v)} for k, v in told["figures"].items()]
        tables = [
            {"title": str(k), "file": _named(v), **table(_bounded(place / _named(v)))}
            for k, v in told["tables"].items()
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            "what the study found cannot be read: somebody edited it; press Retry for a fresh job"
        ) from error
    return {**texts, "problems": problems[:ROWS], "figures": figures, "tables": tables}


def table(path: Path) -> dict[str, Any]:
    """Columns, the first rows as text ("" for what is undefined), and how many there are."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    return {"columns": rows[0], "rows": rows[1 : ROWS + 1], "count": len(rows) - 1}


def given_file(store: Path, identity: str, name: str) -> Response:
    """A table as CSV, or a figure as JSON with our templates. Raises InputError for neither."""
    path = folder.of(store, identity) / FOLDER / _named(name)
    if name.endswith(".csv"):
        return FileResponse(_bounded(path), media_type="text/csv", filename=f"{identity}-{name}")
    from dlmviz.figures import bundle_version
    from dlmviz.figures.template import CONFIG, template

    try:
        figure = json.loads(_bounded(path).read_text("utf-8"))
        drawing = {"data": figure["data"], "layout": {**figure["layout"], "template": None}}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"there is no figure {name}; reload the page") from error
    looks = {"light": template(), "dark": template(dark=True)}
    return answer({"version": bundle_version(), "config": CONFIG, "templates": looks, **drawing})


def _named(name: Any) -> str:
    if not (isinstance(name, str) and FILE.fullmatch(name)):
        raise InputError(f"a study has no file {str(name)[:80]!r}; reload the page")
    return name


def _bounded(path: Path) -> Path:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"a study has no file {path.name!r}; reload the page") from error
    if size > LARGEST:
        raise InputError(f"{path.name} has over {LARGEST // 1_000_000} MB; open its folder instead")
    return path
