"""The page's scripts and sheets as one file each.

A browser asks for six files at a time, and gradio's page asks for sixty of its own: fifty modules
more would make the first view wait for half a second. The modules in `web/` stay what is written
and tested; this joins them for the way to the browser. They use a small part of the language, which
a test holds them to: named imports and `import * as`, named exports before a declaration, no cycle.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dlmviz.ui import words

WEB = Path(__file__).parent / "web"
SHEETS = (
    *("page", "canvas", "panels", "selection", "edit", "depend", "snapshots"),
    *("library", "animation", "present", "distil", "compare", "analyse"),
)
STARTS = ("page.js", "tour.js", "standalone.js", "compare-alone.js")  # modules that nothing imports
IMPORT = re.compile(
    r"""^import\s+(?:\*\s+as\s+(?P<whole>\w+)|\{(?P<names>[^}]*)\})\s+from\s+"\./(?P<file>[\w-]+\.js)";$""",
    re.MULTILINE,
)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
KEEP = {"Cache-Control": "public, max-age=31536000, immutable"}  # the address changes with the text


def script(start: str, languages: tuple[str, ...] = tuple(words.FILES)) -> str:
    """A module and all that it imports as one module, which exports what the first one exports.

    Each file becomes a function with its own names that returns its exports; `$` holds them.
    Raises ValueError for a cycle of imports and for an import or export in another form.
    """
    parts = [_wrapped(name, source(name, languages)) for name in modules(start)]
    given = EXPORT.findall(source(start, languages))
    out = f"export const {{ {', '.join(given)} }} = $[{start!r}];\n" if given else ""
    return "const $ = {};\n" + "\n".join(parts) + "\n" + out


def modules(start: str) -> list[str]:
    """File names of a module and of all that it imports, each behind those that it needs."""
    done: list[str] = []
    open_: list[str] = []

    def visit(name: str) -> None:
        if name in done:
            return
        if name in open_:
            raise ValueError(f"modules import each other in a circle: {' -> '.join(open_)}")
        open_.append(name)
        for found in IMPORT.finditer(source(name)):
            visit(found["file"])
        open_.remove(name)
        done.append(name)

    visit(start)
    return done


def source(name: str, languages: tuple[str, ...] = tuple(words.FILES)) -> str:
    """The text of a module; that of words.js is made of the tables."""
    if name == "words.js":
        return words.module(languages)
    return (WEB / name).read_text(encoding="utf-8")


def _wrapped(name: str, text: str) -> str:
    """A module as a function that is called at once."""
    exports = EXPORT.findall(text)
    body = EXPORT.sub("", IMPORT.sub(_import, text))
    if left := re.search(r"^(?:import|export)\b.*", body, re.MULTILINE):
        raise ValueError(f"{name} holds an import or export that is not joined: {left[0]!r}")
    return f'$["{name}"] = (() => {{\n{body}\nreturn {{ {", ".join(exports)} }};\n}})();'


def _import(found: re.Match[str]) -> str:
    names = found["whole"] or f"{{{found['names'].replace(' as ', ': ')}}}"
    return f'const {names} = $["{found["file"]}"];'


def sheet() -> str:
    """The sheets of the page, in their order."""
    return "\n".join((WEB / f"{name}.css").read_text(encoding="utf-8") for name in SHEETS)


@cache
def _made(name: str) -> str:
    return sheet() if name == "page.css" else script(name)


def address(name: str) -> str:
    """Where page.css or the bundle of a start is served, relative to the page's own address."""
    return f"dlmviz/bundle/{name}?v={hashlib.sha256(_made(name).encode()).hexdigest()[:12]}"


def mounting(name: str, *events: str) -> str:
    """The script by which a component of gradio mounts one of page.js's `pages`.

    `events` are those that the page triggers: gradio looks for their names in the script.
    """
    place = f'new URL("{address("page.js")}", document.baseURI).href'
    given, names = "{ element, props, watch, trigger }", ", ".join(map('"{}"'.format, events))
    return f"import({place}).then(({{ pages }}) => pages.{name}({given})); // {names}"


def head(kind: str = "stylesheet") -> str:
    """The link to the sheets; with "preload" only their, and the script's, early loading."""
    sheets, script = address("page.css"), address("page.js")
    if kind == "preload":
        return (
            f'<link rel="preload" as="style" href="{sheets}">'
            f'<link rel="modulepreload" href="{script}">'
        )
    return f'<link rel="stylesheet" href="{sheets}">'


def route() -> Route:
    """The route of both."""

    def show(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in ("page.css", *STARTS):
            return PlainTextResponse("there is no such file", status_code=404)
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        return Response(_made(name), media_type=kind, headers=KEEP)

    return Route("/dlmviz/bundle/{name}", show)
