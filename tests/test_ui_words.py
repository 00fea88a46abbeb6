"""What the page says: the same in every language, and all of it in the tables."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from dlmviz import knobs
from dlmviz.studies import STUDIES, find
from dlmviz.tasks import TASKS
from dlmviz.ui import bundle, learn, models, shelves, words
from dlmviz.ui.bundle import WEB
from dlmviz.ui.menu import menu

UI = WEB.parent
HOLE = re.compile(r"(?<!%)\{\w+\}|\[\w+\]|</?\w+")
LITERAL = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`""", re.S
)
INSERTED = re.compile(r"\$\{(?:[^{}`]|`[^`]*`|\{[^{}]*\})*\}")
READ = re.compile(
    r"""\b(?:title|placeholder|textContent)(?:: | = )$|"aria-label": $|el\("\w+", \{\}, $"""
)
KEYS = {"Space", "Shift", "Home", "End", "Delete", "Enter", "Escape", "Control", "Alt", "Meta"}
CODE = {  # what looks like a sentence and is none that anybody reads in the page
    "library.js": {"lib-wide lib-digits", "lib-wide lib-model", "lib-wide lib-when", "Files"},
    "analyse-runs.js": {"Files"},
    "downloads.js": {"Parquet"},  # a name
    "chart.js": {"M${piece.map(([px, py]) => ", "di-dot di-{}", "di-line di-{}"},
    "distil-list.js": {"${say("},
    "head-outcome.js": {"dlmviz decode --model {} --sampler {} --param head={} --prompt …"},
    "distil-outcome.js": {"{} ${say("},
    "picture.js": {'"IBM Plex Sans", "Helvetica Neue", Arial, sans-serif'},
    "present.js": {"input:not([type=range]), textarea, select, [contenteditable=true]", "Dead"},
    "selection.js": {"input, textarea, select, dialog"},
    "theme.js": {"(prefers-color-scheme: dark)"},
    "tokens.js": {"color-mix(in srgb, {} 30%, var(--dv-paper))"},
    "tour.js": {
        *("slow set", "conflicts with", "over budget"),  # reasons of samplers, which stay English
        *("noopener noreferrer", ".dv-todo li", "(prefers-color-scheme: dark)", "dlmviz: {}"),
        "Language, Sprache",  # for whoever reads neither
    },
    "__init__.py": {"dlmviz is at ", " (Ctrl+C ends it)", "False", words.CHOOSE}
    | {"Everyone who can reach this machine can use the page."},  # all to the terminal
    "animation.py": {"there is no such run or figure", "public, max-age=", "Vary"},
    "bundle.py": {  # code, and errors of whoever writes it
        *('"><link rel="modulepreload" href="', "{ element, props, watch, trigger }"),
        *(" holds an import or export that is not joined: ", "there is no such file"),
        *("modules import each other in a circle: ", "public, max-age=31536000, immutable"),
    },
    "compare.py": {"lanes that are here can be had as "},  # an address that no page links
    # errors of requests, whose sentences are English
    "distil.py": {
        *("its worker is being started", "only the app's own page may do that; open it there"),
    },
    "distil_form.py": {
        *("the form has no field ", "; reload the page", "whole number", " must be a "),
        "the model is empty: type tiny, tiny-early, a folder or a hub id",
    },
    "head_form.py": {
        *("the form has no field ", "; reload the page"),
        "the model is empty: type tiny, tiny-early, a folder or a hub id",
    },
    "trainings.py": {  # stages of jobs, as they name them
        *("held-out answers", "decodes, held", "decodes, learned"),
        *("influences, held", "influences, learned", "texts, held", "texts, learned"),
    },
    "distil_result.py": {
        "its result cannot be read: somebody edited it; press Retry for a fresh job",
    },
    "export.py": {"there is no run ", ": it can be had as "},  # an address that no page links
    "form.py": {"(value, changed) => ({{...changed, {name!r}: value}})"},
    "learn.py": {"card depend", "card answer", "card map"},  # classes
    "library.py": {"the file"},  # stands for a name in an error
    "loading.py": {"out of memory", "allocate memory", "not enough memory"},  # of torch
    "models.py": {models.FIT, models.LEAVE},
    "payload.py": {r"conflicts with (\d{1,9})"},
}
CODE_STARTS = ("<!doctype", "<link", "<div", "<nav", "<section", "import(", "export const")
CODE_STARTS += ("\nlet timer",)  # a script of the page
CODE_STARTS += (
    "default-src",
    "attachment; ",
    "# Download the trace",
    '.npz")\ndisplay(',
    "<script>",
)
ENGLISH, GERMAN = words.WORDS["en"], words.WORDS["de"]


def test_every_language_says_the_same_things() -> None:
    assert len(ENGLISH) > 400
    assert [*ENGLISH] == [*GERMAN]


def test_every_text_has_the_same_holes_and_tags_in_every_language() -> None:
    other = {
        key: text
        for key, text in ENGLISH.items()
        if len(HOLE.findall(text)) != len(HOLE.findall(GERMAN[key]))
        or set(re.findall(r"\{\w+\}", text)) != set(re.findall(r"\{\w+\}", GERMAN[key]))
    }
    assert other == {}


def test_every_text_says_something() -> None:
    for table in words.WORDS.values():
        assert [key for key, text in table.items() if not text.strip()] == []
    alike = [key for key, text in ENGLISH.items() if text == GERMAN[key] and len(text) > 20]
    assert alike == []


def test_a_text_of_one_thing_has_another_of_many() -> None:
    ones = [key for key in ENGLISH if key.endswith(".one")]
    assert len(ones) > 5
    assert [key for key in ones if key.removesuffix(".one") not in ENGLISH] == []


def test_values_are_filled_in_once_and_a_missing_one_is_an_error() -> None:
    assert words.say("server.opened", name="{name}.npz") == "Opened {name}.npz."
    assert words.say("server.opened", "de", name="a.npz") == "a.npz ist geöffnet."
    with pytest.raises(KeyError):
        words.say("server.opened")


def test_a_language_without_a_table_is_english() -> None:
    assert [words.spoken(code) for code in ("de", "en", "xx", None)] == ["de", "en", "en", "en"]


def test_a_label_with_a_value_is_known_to_gradio_in_every_language() -> None:
    made = words.label("form.chooses", sampler="klass")
    told = {code: table[made.key] for code, table in words.I18N.translations_dict.items()}
    assert told == {"en": "How klass chooses", "de": "Wie klass auswählt"}
    assert all(entry.name for entry in menu())


def test_every_task_has_a_name_and_the_english_one_is_its_own() -> None:
    names = {name: ENGLISH[f"form.task.{name}"] for name in TASKS}
    assert names == {name: task.title for name, task in TASKS.items()}


def test_every_study_says_what_it_is_in_every_language() -> None:
    texts = set()
    for study in map(find, STUDIES):
        texts |= {study.title, study.question, study.claim}
        texts |= {knob.metadata["help"] for knob in knobs.fields(study.settings).values()}
    tables = {text for key, text in ENGLISH.items() if key.startswith("server.study.")}
    assert len(texts) > 30
    assert sorted(texts - tables) == []


def test_the_module_of_words_holds_the_tables() -> None:
    client = TestClient(Starlette(routes=[words.route()]))
    answer = client.get("/dlmviz/web/words.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    table = answer.text.removeprefix("export const WORDS = ").removesuffix(";\n")
    assert json.loads(table) == words.WORDS


def test_the_language_is_chosen_before_any_module_runs() -> None:
    page = "<html><head><script type='module' src='x.js'></script></head></html>"
    routes = [Route(path, lambda _: HTMLResponse(page)) for path in ("/", "/other")]
    client = TestClient(Starlette(routes=routes, middleware=shelves.middleware()))
    answer = client.get("/?lang=de")
    early = bundle.head("preload")
    assert answer.text == page.replace("<head>", f"<head>{words.CHOOSE}{early}")
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert client.get("/other").text == page
    assert learn.page().index(words.CHOOSE) < learn.page().index('type="module"')


def literals(source: str) -> Iterator[tuple[str, str]]:
    """(what stands before it, text) of every literal of a module of JavaScript."""
    for match in LITERAL.finditer(source):
        text = next((part for part in match.groups() if part is not None), None)
        if text is not None:
            yield source[max(0, match.start() - 60) : match.start()], INSERTED.sub("{}", text)


def sentence(text: str) -> bool:
    """Whether a text has two words, or begins like a label."""
    words_ = re.search(r"[A-Za-z][a-z]+[,;:…]? [a-z]{2,}", text)
    return bool(words_ or re.match(r"[A-Z][a-z]{2,}(?:…|$)", text))


def told_by(source: str) -> list[str]:
    """Literals of a module of JavaScript that somebody would read."""
    return [
        text
        for before, text in literals(source)
        if not before.endswith(("className: ", "from ", "import "))
        and (sentence(text) or (READ.search(before) and re.search("[A-Za-z]{2}", text)))
        and text not in KEYS
    ]


def written_by(source: str) -> list[str]:
    """The same of Python: no docstrings, and no errors, whose sentences are English."""
    tree = ast.parse(source)
    quiet = {
        id(part)
        for node in ast.walk(tree)
        if (isinstance(node, ast.Call) and ast.unparse(node.func) in ("InputError", "OSError"))
        or (isinstance(node, ast.Call) and ast.unparse(node.func).startswith("LOG."))
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for part in ast.walk(node)
    }
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in quiet
    ]
    return [text for text in texts if sentence(text) and not text.startswith(CODE_STARTS)]


def test_no_sentence_stands_outside_the_tables() -> None:
    found = {}
    for path in [*WEB.glob("*.js"), *UI.glob("*.py"), *UI.glob("words/*.py")]:
        if not path.name.startswith("learn_"):
            told = told_by if path.suffix == ".js" else written_by
            rest = set(told(path.read_text(encoding="utf-8"))) - CODE.get(path.name, set())
            found |= {path.name: rest} if rest else {}
    assert found == {}


def test_a_sentence_outside_the_tables_would_be_found() -> None:
    script = """el("p", {}, "What it is"); el("b", { title: "Ok" }, `step ${a(b)} of it`);
      // a comment, "with a text"
      el("i", { className: "dv-a dv-b" }, say("a.key"), "→");"""
    assert told_by(script) == ["What it is", "Ok", "step {} of it"]
    code = (
        'def a():\n    """The doc says."""\n    raise InputError("not so good")\nb = "Press here"\n'
    )
    assert written_by(code) == ["Press here"]


def test_every_key_that_is_said_is_in_the_tables() -> None:
    said, counted = set(), set()
    for path in WEB.glob("*.js"):
        text = path.read_text(encoding="utf-8")
        said |= set(re.findall(r'\b(?:say|around)\("([^"]+)"', text))
        counted |= set(re.findall(r'\bmany\("([^"]+)"', text))
    for path in UI.glob("*.py"):
        said |= set(re.findall(r'\b(?:say|label)\("([^"]+)"', path.read_text(encoding="utf-8")))
    assert len(said) > 200
    assert len(counted) > 8
    assert sorted((said | counted | {f"{key}.one" for key in counted}) - {*ENGLISH}) == []


def test_every_text_of_a_figure_is_found_again() -> None:
    keys = [key for key in ENGLISH if key.startswith("figure.")]
    assert len(keys) > 10
    for key in keys:
        holes = {name: "7" for name in re.findall(r"(?<!%)\{(\w+)\}", ENGLISH[key])}
        spoken = words.translated(words.say(key, **holes), "de")
        assert spoken == words.say(key, "de", **holes)
    assert words.translated("no text of a figure", "de") == "no text of a figure"
