"""What the page says: the same in every language, and all of it in the tables."""

from __future__ import annotations

import json
import re

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dlmviz.tasks import TASKS
from dlmviz.ui import look, words
from dlmviz.ui.menu import menu
from dlmviz.ui.shelves import WEB

UI = WEB.parent
HOLE = re.compile(r"\{\w+\}|\[\w+\]|</?\w+")
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


def test_the_module_of_words_holds_the_tables() -> None:
    client = TestClient(Starlette(routes=[words.route()]))
    answer = client.get("/dlmviz/web/words.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    table = answer.text.removeprefix("export const WORDS = ").removesuffix(";\n")
    assert json.loads(table) == words.WORDS


def test_the_language_is_chosen_before_any_module_runs() -> None:
    assert look.HEAD.startswith(words.CHOOSE)
    assert "module" not in words.CHOOSE
