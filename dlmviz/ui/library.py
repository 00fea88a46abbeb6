"""The Library: every run of the store in a table, and the routes behind its buttons."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dlmviz import store
from dlmviz.store import index
from dlmviz.store.table import LONGEST_NAME, cleaned
from dlmviz.types import InputError
from dlmviz.ui import export, payload
from dlmviz.ui.bundle import mounting
from dlmviz.ui.shelves import Shelves, content_hash
from dlmviz.ui.words import say

MOST = 500  # rows that one answer lists; a search finds the others
LARGEST = 64_000_000  # bytes of a file that is imported
LONGEST_BODY = 10_000  # bytes of any other request
OURS = re.compile(
    r"(dlmviz-)?[0-9a-f]{16}( ?\(\d+\))?"
)  # names that we gave a file: no name of a run
BAR = mounting("tabs")
MOUNT = mounting("library")


def bar() -> None:
    """Adds the tabs to the Blocks that is being built. They hide by CSS, so that both pages live
    on while the other is shown; gradio's own tabs would start them anew.
    """
    gr.HTML(
        html_template='<nav class="lib-tabs"></nav>',
        js_on_load=BAR,
        apply_default_css=False,
        elem_id="tabs",
    )


def page() -> None:
    """Adds the Library to the Blocks that is being built."""
    gr.HTML(
        html_template='<section class="lib-root"></section>',
        js_on_load=MOUNT,
        apply_default_css=False,
        elem_id="library",
    )


def tidy(folder: Path) -> None:
    """Removes what was deleted before the last end of the app, and could be undone since."""
    with contextlib.suppress(InputError):  # a store that cannot be written keeps all
        index.purge(folder)


def routes(shelves: Shelves) -> list[Any]:
    """Routes of the list, of its actions, and of the import."""

    def show(request: Request) -> Response:
        return answer(listing(shelves, request.query_params.get("query", "")[:1000]))

    async def act(request: Request) -> Response:
        if not same_origin(request):
            return foreign()
        try:
            given = await fields_of(request)
            told = await run_in_threadpool(change, shelves.store, given, **request.path_params)
        except InputError as error:
            return answer({"problem": payload.refusal(error)}, 422)
        return answer(told)

    async def take(request: Request) -> Response:
        if not same_origin(request):
            return foreign()
        name = (
            Path(request.query_params.get("name", "").replace("\\", "/")).name[:200] or "the file"
        )
        with tempfile.TemporaryDirectory(prefix="dlmviz-") as folder:
            path = Path(folder) / "given.npz"
            try:
                await receive(request, path)
                identity = await run_in_threadpool(imported, path, name, shelves.store)
            except InputError as error:
                text = str(error).replace(str(path), name)
                return answer({"problem": payload.refusal(text)}, 422)
        return answer({"id": identity})

    return [
        Route("/dlmviz/library", show),
        Route("/dlmviz/library/import", take, methods=["POST"]),
        Route("/dlmviz/library/{identity}/{action}", act, methods=["POST"]),
    ]


def listing(shelves: Shelves, query: str) -> dict[str, Any]:
    """What the table shows: runs, how many there are, and what can be downloaded."""
    rows = index.listed(shelves.store)
    found = index.listed(shelves.store, query) if query.split() else rows
    names = {row.id: row.name or row.prompt or row.id for row in rows}
    parents = {row.parent for row in found if row.parent and row.parent not in names}
    if parents:
        names |= _bundled(shelves)
    runs = [
        {
            **dataclasses.asdict(row),
            "parent_name": names.get(row.parent or ""),  # None: it is there no more
        }
        for row in found[:MOST]
    ]
    return {"runs": runs, "found": len(found), "all": len(rows), "kinds": export.kinds()}


def _bundled(shelves: Shelves) -> dict[str, str]:
    """Title of every bundled run, by name and by content hash."""
    titles = {run["id"]: run["title"] for run in shelves.bundled()}
    paths = {identity: shelves.gallery / f"{identity}.npz" for identity in titles}
    hashes = {content_hash(path) or i: titles[i] for i, path in paths.items()}
    return titles | hashes


def change(folder: Path, given: dict[str, Any], identity: str, action: str) -> dict[str, Any]:
    """What an action did. Raises InputError for one that is not known or cannot be done."""
    if action == "rename" and isinstance(given.get("name"), str):
        return {"name": index.rename(folder, identity, given["name"])}
    if action == "pin" and isinstance(given.get("pinned"), bool):
        index.pin(folder, identity, given["pinned"])
        return {"pinned": given["pinned"]}
    if action == "delete":
        index.purge(folder)  # those before it
        index.delete(folder, identity)
        return {"undo": index.UNDO}
    if action == "undelete":
        index.undelete(folder, identity)
        return {}
    raise InputError(
        f"the library cannot {action[:40]!r} that: it can rename (name), pin (pinned), delete and "
        "undelete; reload the page"
    )


def imported(path: Path, name: str, folder: Path) -> str:
    """The id of a run that somebody gave as a file, now in the store. Nothing stays of a bad one.

    A run that has no name gets that of its file, unless we gave the file its name.
    """
    trace = store.open_trace(path)
    identity = store.run_id(trace)
    with contextlib.suppress(InputError):
        index.undelete(folder, identity)  # from now on no purge takes the file
    store.put(folder, trace)
    row = next((row for row in index.listed(folder) if row.id == identity), None)
    stem = cleaned(name.removesuffix(".npz"))[:LONGEST_NAME]
    if row and not row.name and not OURS.fullmatch(stem):
        with contextlib.suppress(InputError):  # a store whose index cannot be written
            index.rename(folder, identity, stem)
    return identity


async def receive(request: Request, path: Path) -> None:
    """Writes the body of a request to a file. Raises InputError for one that is too large."""
    problem = InputError(say("server.large", most=LARGEST // 1_000_000))
    if int(request.headers.get("content-length", "0")) > LARGEST:
        raise problem
    size = 0
    with open(path, "xb") as file:
        async for chunk in request.stream():
            size += len(chunk)
            if size > LARGEST:
                raise problem
            file.write(chunk)


async def fields_of(request: Request, longest: int = LONGEST_BODY) -> dict[str, Any]:
    """The JSON object in the body of a request, of so many bytes; {} for an empty one."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > longest:
            raise InputError(f"the request has over {longest} bytes; shorten what you typed")
    try:
        given = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise InputError("the request is no JSON object; reload the page")
    return given


def same_origin(request: Request) -> bool:
    """Whether our own page sent this: browsers add these headers, and no other page can.

    Sec-Fetch-Site is sent to trustworthy addresses alone, Origin with every POST.
    """
    site, origin = (request.headers.get(name) for name in ("sec-fetch-site", "origin"))
    host = request.headers.get("host", "")
    if site is None and origin is None:
        return False
    ours = origin is None or origin.partition("://")[2] == host
    return ours and site in (None, "same-origin")


def foreign() -> Response:
    return answer({"problem": say("server.foreign")}, 403)


def answer(content: dict[str, Any], status: int = 200) -> Response:
    return JSONResponse(content, status, headers={"Cache-Control": "no-store"})
