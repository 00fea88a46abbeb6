"""What the page says: one table a language, key -> text with {placeholders}.

gradio's components say it by `label`, the page's own modules by `say` of say.js, which reads the
same tables as the module words.js. What the server and figures say is English; whoever shows it
looks the sentence up.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.i18n import I18nData
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FILES = {"en": "english.json", "de": "german.json"}
WORDS: dict[str, dict[str, str]] = {
    code: json.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))
    for code, name in FILES.items()
}
OURS = "form."  # keys of gradio's components; it would translate any value that equals a key
I18N = gr.I18n(
    **{
        code: {key: text for key, text in words.items() if key.startswith(OURS)}
        for code, words in WORDS.items()
    }
)
# gradio asks navigator.language when its modules run, after this: both speak one language, that of
# ?lang=, or else the one asked for before in this window, or else the browser's, or else English.
CHOOSE = """<script>
(() => {
  const known = KNOWN, key = "dlmviz-language";
  const asked = new URLSearchParams(location.search).get("lang");
  let kept = null;
  try {
    if (known.includes(asked)) sessionStorage.setItem(key, asked);
    kept = sessionStorage.getItem(key);
  } catch { /* storage is closed to this page: the address and the browser decide */ }
  const wanted = [asked, kept, navigator.language.split("-")[0]];
  const chosen = wanted.find((code) => known.includes(code)) ?? "en";
  document.documentElement.lang = chosen;
  Object.defineProperty(navigator, "language", { value: chosen, configurable: true });
})();
</script>""".replace("KNOWN", json.dumps([*FILES]))


class Chooser:
    """Puts CHOOSE, and what else is to come early, first into gradio's page: what that gets as its
    `head` is added half a second later.
    """

    def __init__(self, app: ASGIApp, early: str = "") -> None:
        self.app, self.early = app, early

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {}
        body = b""

        async def put(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            body = body.replace(b"<head>", f"<head>{CHOOSE}{self.early}".encode(), 1)
            headers = MutableHeaders(scope=start)
            if "content-length" in headers:
                headers["content-length"] = str(len(body))
            await send(start)
            await send({"type": "http.response.body", "body": body})

        page = scope["type"] == "http" and scope["path"] == "/" and scope["method"] == "GET"
        await self.app(scope, receive, put if page else send)


def label(key: str, **values: Any) -> I18nData:
    """A text for a component: the browser shows it in its language. Values are filled in here."""
    name = ":".join([key, *map(str, values.values())])
    for code, words in I18N.translations.items():
        words[name] = say(key, code, **values)
    return I18N(name)


def say(key: str, language: str = "en", /, **values: Any) -> str:
    """The text of a key with its values; KeyError for a key or a value that is missing."""
    return re.sub(r"(?<!%)\{(\w+)\}", lambda match: str(values[match[1]]), WORDS[language][key])


def translated(text: str, language: str) -> str:
    """An English sentence of a figure in a language, found by its text; others as they stand."""
    for key, pattern in _patterns():
        if found := pattern.fullmatch(text):
            return say(key, language, **found.groupdict())
    return text


@functools.cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    found = []
    for key, text in WORDS["en"].items():
        if key.startswith("figure."):
            parts = re.split(r"(?<!%)\{(\w+)\}", text)
            parts[::2] = map(re.escape, parts[::2])
            parts[1::2] = (f"(?P<{name}>.*)" for name in parts[1::2])
            found.append((key, re.compile("".join(parts), re.DOTALL)))
    return found


def spoken(language: str | None) -> str:
    """The same language if there is a table of it, or else English."""
    return language if language in WORDS else "en"


def module(languages: Iterable[str] = tuple(FILES)) -> str:
    """The tables of some languages as a module of JavaScript, without a sign that ends a script."""
    tables = json.dumps({code: WORDS[code] for code in languages}, ensure_ascii=False)
    return "export const WORDS = " + tables.replace("<", "\\u003c") + ";\n"


def route() -> Route:
    """The route of words.js, beside the page's own modules."""
    text = module()

    def show(request: Request) -> Response:
        return Response(text, media_type="text/javascript")

    return Route("/dlmviz/web/words.js", show)
