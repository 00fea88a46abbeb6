"""Where runs lie, and how the page gets them: three folders and two routes."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dlmviz.store import RUN_ID, open_trace, run_id
from dlmviz.types import InputError
from dlmviz.ui import bundle, payload, words

GONE = words.say("server.gone")
GALLERY = Path(__file__).parent.parent.parent / "assets" / "gallery"
IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

# Gradio builds its own functions and inline styles; nothing may come from or go to another host.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
    "frame-ancestors 'self'; form-action 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True)
class Shelves:
    """Folders of runs: bundled ones, the store, and a temporary one for what was not saved."""

    gallery: Path
    store: Path
    spare: Path

    def find(self, identity: str) -> Path | None:
        """The file of a run, by name or by content hash; None for what is no id or is nowhere.

        A run that was stored has its hash as its file's name. Runs with other names are read, each
        once, if no name fits.
        """
        if not IDENTITY.fullmatch(identity):
            return None
        folders = (self.gallery, self.store, self.spare)
        paths = (folder / f"{identity}.npz" for folder in folders)
        named = next((path for path in paths if path.is_file()), None)
        if named is not None or not RUN_ID.fullmatch(identity):
            return named
        return next((path for path in self._renamed() if content_hash(path) == identity), None)

    def _renamed(self) -> Iterator[Path]:
        """Files whose names need not be the hashes of their runs."""
        for folder in (self.gallery, self.store, self.spare):
            for path in sorted(folder.glob("*.npz")):
                if folder != self.store or not RUN_ID.fullmatch(path.stem):
                    yield path

    def bundled(self) -> list[dict[str, str]]:
        """Id and title of every bundled run, in order of file name; damaged files are left out."""
        found = []
        for path in sorted(self.gallery.glob("*.npz")):
            with contextlib.suppress(InputError):
                title = open_trace(path).info.get("title", path.stem.replace("-", " "))
                found.append({"id": path.stem, "title": str(title)})
        return found


def content_hash(path: Path) -> str | None:
    """The id of the run in a file, whatever the file is called; None for a damaged or missing one.

    A file is read again only after it changed.
    """
    try:
        stat = path.stat()
    except OSError:
        return None
    return _content_hash(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=1024)
def _content_hash(path: Path, modified: int, size: int) -> str | None:
    try:
        return run_id(open_trace(path))
    except InputError:
        return None


def shown(shelves: Shelves, path: Path) -> dict[str, Any]:
    """The run in a file as the page gets it: `info` says its content hash, and whether a link to it
    outlives the app. Raises InputError as `open_trace`.

    A run in the store is known by its file's name, which is the hash it had when it was stored.
    """
    trace = open_trace(path)
    run = payload.run(trace)
    kept, stored = path.parent != shelves.spare, path.parent == shelves.store
    known = path.stem if stored and RUN_ID.fullmatch(path.stem) else run_id(trace)
    return {**run, "info": {**run["info"], "hash": known, "kept": kept}}


def routes(shelves: Shelves) -> list[Any]:
    """Routes of the page's own files and of its runs, as JSON and as files.

    A run that is waited for, or that a link named, may well be missing: that is no error, and a
    browser would report one for every status from 400 on.
    """

    def show(request: Request) -> Response:
        identity = request.path_params["identity"]
        waits, linked = (word in request.query_params for word in ("wait", "link"))
        path = awaited(shelves, identity) if waits else shelves.find(identity)
        if path is None and (waits or linked):
            return Response(status_code=204)  # stopped before its first step, or a link of old
        if path is None:
            return JSONResponse({"problem": GONE}, status_code=404)
        try:
            text = payload.dumps(shown(shelves, path))
        except InputError as error:
            if linked:
                return Response(status_code=204)
            return JSONResponse({"problem": payload.refusal(error)}, status_code=422)
        return Response(text, media_type="application/json", headers={"Cache-Control": "no-store"})

    def download(request: Request) -> Response:
        path = shelves.find(request.path_params["identity"])
        if path is None:
            return JSONResponse({"problem": GONE}, status_code=404)
        return FileResponse(path, filename=f"dlmviz-{path.name}")

    return [
        Route("/dlmviz/runs/{identity}.npz", download),
        Route("/dlmviz/runs/{identity}", show),
        words.route(),
        bundle.route(),
        Mount("/dlmviz/web", StaticFiles(directory=bundle.WEB)),
    ]


def awaited(shelves: Shelves, identity: str, seconds: float = 3.0) -> Path | None:
    """The file of a run that is being written, as soon as it is there; None if it does not come."""
    ends = time.monotonic() + seconds
    while (path := shelves.find(identity)) is None and time.monotonic() < ends:
        time.sleep(0.05)
    return path


class SecurityHeaders:
    """Adds the headers of `HEADERS` to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self.app(scope, receive, send_with_headers)


def middleware() -> list[Middleware]:
    return [Middleware(SecurityHeaders), Middleware(words.Chooser, early=bundle.head("preload"))]
