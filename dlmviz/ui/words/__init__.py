"""What the page says: one table a language, key -> text with {placeholders}.

gradio's components say it by `label`, the page's own modules by `say` of say.js, which reads the
same tables as the module words.js. What the server says is English; the page looks the sentence up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.i18n import I18nData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

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


def label(key: str, **values: Any) -> I18nData:
    """A text for a component: the browser shows it in its language. Values are filled in here."""
    name = ":".join([key, *map(str, values.values())])
    for code, words in I18N.translations.items():
        words[name] = say(key, code, **values)
    return I18N(name)


def say(key: str, language: str = "en", /, **values: Any) -> str:
    """The text of a key with its values; KeyError for a key or a value that is missing."""
    return re.sub(r"\{(\w+)\}", lambda match: str(values[match[1]]), WORDS[language][key])


def spoken(language: str | None) -> str:
    """The same language if there is a table of it, or else English."""
    return language if language in WORDS else "en"


def module(languages: Iterable[str] = tuple(FILES)) -> str:
    """The tables of some languages as a module of JavaScript."""
    tables = {code: WORDS[code] for code in languages}
    return f"export const WORDS = {json.dumps(tables, ensure_ascii=False)};\n"


def route() -> Route:
    """The route of words.js, beside the page's own modules."""
    text = module()

    def show(request: Request) -> Response:
        return Response(text, media_type="text/javascript")

    return Route("/dlmviz/web/words.js", show)
