"""The Train tab: routes that start, follow and steer trainings, of an adapter or of a head. The
page asks again and again; what it has seen of a curve it does not get twice.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import re
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dlmviz import jobs
from dlmviz.jobs import folder, lock
from dlmviz.jobs.distil.estimate import estimated
from dlmviz.jobs.table import OPEN
from dlmviz.learn.distill.prompts_file import read_prompts
from dlmviz.types import InputError
from dlmviz.ui import payload
from dlmviz.ui.bundle import mounting
from dlmviz.ui.library import LONGEST_BODY, answer, fields_of, same_origin
from dlmviz.ui.shelves import Shelves
from dlmviz.ui.trainings import TRAININGS, about, asked, forms, steps

LINES = 40  # of a log
LARGEST = 32_000_000  # bytes of a file of prompts
LOOK = 0.2  # seconds between two looks whether an estimate is still wanted
LEAVING = 10.0  # seconds that a process may take to end after its job has
STARTING = "its worker is being started"
MOUNT = mounting("distil")


def page() -> None:
    """Adds the tab's page to the Blocks that is being built."""
    gr.HTML(
        html_template='<section class="di-root" aria-label="Train"></section>',
        js_on_load=MOUNT,
        apply_default_css=False,
        elem_id="distil",
    )


def routes(shelves: Shelves) -> list[Any]:
    """Routes of the form, of the list of jobs, and of all that a person can do."""
    store = shelves.store
    estimating = threading.Lock()

    def form(request: Request) -> Response:
        return answer(forms())

    def show(request: Request) -> Response:
        query = request.query_params
        try:
            told = listing(store, query.get("job", "")[:80], query.get("cursor", "")[:80])
        except InputError as error:
            told = {"problem": payload.refusal(error)}
        return answer(told)

    async def estimate(request: Request) -> Response:
        return await done(request, lambda given: cost(request, given, store, estimating))

    async def start(request: Request) -> Response:
        return await done(request, lambda given: run_in_threadpool(begun, store, given))

    async def steer(request: Request) -> Response:
        where = request.path_params
        return await done(request, lambda _: run_in_threadpool(steered, store, **where))

    async def take(request: Request) -> Response:
        name = request.query_params.get("name", "")
        return await done(request, lambda body: run_in_threadpool(kept, store, name, body), True)

    return [
        Route("/dlmviz/distil/form", form),
        Route("/dlmviz/distil/jobs", show),
        Route("/dlmviz/distil/estimate", estimate, methods=["POST"]),
        Route("/dlmviz/distil/start", start, methods=["POST"]),
        Route("/dlmviz/distil/prompts", take, methods=["POST"]),
        Route("/dlmviz/distil/{identity}/{verb}", steer, methods=["POST"]),
    ]


async def done(
    request: Request, work: Any, raw: bool = False, longest: int = LONGEST_BODY
) -> Response:
    """What `work` makes of the request's body, or the sentence that refuses it, and its field."""
    if not same_origin(request):
        return answer({"problem": "only the app's own page may do that; open it there"}, 403)
    try:
        return answer(await work(await (body_of(request) if raw else fields_of(request, longest))))
    except InputError as error:
        field = getattr(error, "field", "")
        return answer({"problem": payload.refusal(error), "field": field}, 422)


async def body_of(request: Request) -> bytes:
    """The bytes of a file of prompts. Raises InputError for one that is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise InputError(
                f"the file has over {LARGEST // 1_000_000} MB: take a part of it, or type its path"
            )
    return bytes(body)


def listing(store: Path, chosen: str, cursor: str) -> dict[str, Any]:
    """What one look at the page shows: all jobs, and the chosen one from `cursor` on."""
    found = [job for job in jobs.jobs(store) if job.kind in TRAININGS]
    one = next((job for job in found if job.id == chosen), None)
    told = {
        "now": time.time(),
        "open": any(job.state in OPEN for job in found),
        "jobs": [row(job) for job in found],
        "chosen": None,
    }
    return told if one is None else told | {"chosen": detail(store, one, cursor)}


def row(job: jobs.Job) -> dict[str, Any]:
    """A job as the list shows it."""
    note = STARTING if job.note == jobs.UNSERVED and lock.supported() else job.note
    told = {k: v for k, v in dataclasses.asdict(job).items() if k != "settings"}
    told["about"] = about(job)
    words = {"note": payload.refusal(note), "problem": payload.refusal(job.problem)}
    return told | words | {"eta": jobs.eta(job), "allowed": jobs.allowed(job.state)}


def detail(store: Path, job: jobs.Job, cursor: str) -> dict[str, Any]:
    """A job as its own panel shows it."""
    piece = jobs.curve(store, job.id, cursor)
    one = TRAININGS[job.kind]
    return {
        "id": job.id,
        "rows": piece.rows,
        "cursor": piece.cursor,
        "anew": piece.anew,
        "log": payload.refusal(jobs.tail(store, job.id, LINES)),
        "values": one.texts(job.settings),
        "stages": one.stages,
        "charts": one.charts,
        "steps": steps(job),
        "outcome": one.outcome(store, job) if job.state == "done" else None,
    }


def begun(store: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """The id of the job that the form describes. Raises InputError for what does not fit."""
    kind, one, values = asked(given)
    recipe = one.recipe(values, store)
    title = str(given.get("title") or "").strip() or one.titles[given["preset"]]
    return {"id": jobs.submit(store, kind, title, recipe.to_json())}


def steered(store: Path, identity: str, verb: str) -> dict[str, Any]:
    """The id of the job to look at after the verb. Raises InputError where it is not allowed."""
    verbs = {"stop": jobs.stop, "resume": jobs.resume, "delete": jobs.delete}
    if verb == "retry":
        return {"id": jobs.retry(store, identity)}
    if verb not in verbs:
        raise InputError(f"a job cannot {verb[:40]!r}; reload the page")
    if verb == "delete":
        _left(store, identity)
    verbs[verb](store, identity)
    return {"id": identity}


def _left(store: Path, identity: str) -> None:
    """Waits a little for a process that has told how its job ended, and is just at its own end."""
    ends = time.monotonic() + LEAVING
    over = jobs.job(store, identity).state not in OPEN
    while over and lock.held(folder.lock_of(store, identity)) and time.monotonic() < ends:
        time.sleep(0.05)


async def cost(
    request: Request, given: Mapping[str, Any], store: Path, estimating: threading.Lock
) -> dict[str, Any]:
    """What the job would take; ends early when the page no longer waits for it."""
    kind, one, values = asked(given)
    if not one.estimate:
        raise InputError(f"what a job of kind {kind} takes cannot be measured beforehand: start it")
    recipe = await run_in_threadpool(one.recipe, values, store)
    if not estimating.acquire(blocking=False):
        raise InputError("another estimate is being made: wait for it, or cancel it")
    over = threading.Event()
    try:
        work = asyncio.ensure_future(run_in_threadpool(estimated, recipe, over))
        while not (await asyncio.wait({work}, timeout=LOOK))[0]:
            if await request.is_disconnected():
                over.set()
        told = work.result()
    finally:
        estimating.release()
    busy = any(job.state in OPEN for job in jobs.jobs(store))
    return {**dataclasses.asdict(told), "seconds": told.seconds, "busy": busy}


def kept(store: Path, name: str, body: bytes) -> dict[str, Any]:
    """Where a file that was dropped on the page now lies, and how many prompts it holds."""
    plain = re.sub(r"[^\w.-]+", "-", Path(name.replace("\\", "/")).name)[-80:].lstrip(".-")
    plain = plain or "prompts.jsonl"
    with tempfile.TemporaryDirectory(prefix="dlmviz-") as folder:
        path = Path(folder) / plain
        path.write_bytes(body)
        count = len(read_prompts(path))
    shelf = store / "prompts" / hashlib.sha256(body).hexdigest()[:8]
    try:
        shelf.mkdir(parents=True, exist_ok=True)
        (shelf / plain).write_bytes(body)
    except OSError as error:
        raise InputError(
            f"the file cannot be kept: {error.strerror or error}; make room in the store"
        ) from error
    return {"path": f"prompts/{shelf.name}/{plain}", "count": count}
