"""The Learn page without a browser: its words, its steps, its route."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dlmviz.ui import learn, shelves
from dlmviz.ui.bundle import WEB
from dlmviz.ui.shelves import Shelves

TOUR = (WEB / "tour.js").read_text()
LETTERS = {"en": set(), "de": set("äöü")}


def shape(words: Any) -> Any:
    """The same with every text replaced by its type: what two languages must share."""
    if isinstance(words, dict):
        return {key: shape(value) for key, value in words.items()}
    return [shape(value) for value in words] if isinstance(words, list) else type(words)


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    runs = Shelves(tmp_path, tmp_path, tmp_path)
    return TestClient(Starlette(routes=[*learn.routes(runs), *shelves.routes(runs)]))


def test_every_language_has_the_same_words() -> None:
    assert len(learn.WORDS) >= 2
    assert len({json.dumps(shape(words), default=str) for words in learn.WORDS.values()}) == 1


@pytest.mark.parametrize("language", learn.WORDS)
def test_every_word_says_something(language: str) -> None:
    def walk(words: Any) -> list[str]:
        if isinstance(words, str):
            return [words]
        values = words.values() if isinstance(words, dict) else words
        return [text for value in values for text in walk(value)]

    texts = walk(learn.WORDS[language])
    assert all(text.strip() and text == text.strip() for text in texts)
    assert all(text.count("[") == text.count("]") for text in texts)
    assert LETTERS[language] <= set("".join(texts))


@pytest.mark.parametrize("language", learn.WORDS)
def test_a_step_has_a_text_for_each_action_and_each_of_its_runs(language: str) -> None:
    for lesson in learn.LESSONS:
        words = learn.WORDS[language][lesson.name]
        assert len(words["asks"]) == len(lesson.asks)
        assert len(words.get("runs", ["one"])) == len(lesson.runs)


def test_there_are_seven_steps_and_the_script_knows_their_actions() -> None:
    assert len(learn.LESSONS) == len({lesson.name for lesson in learn.LESSONS}) == 7
    known = set(re.findall(r'^  "?([\w:]+)"?: \(', TOUR.partition("const ACTIONS")[2], re.M))
    assert {action for lesson in learn.LESSONS for action in lesson.asks} == known


def test_every_step_names_its_paper_as_the_link_does() -> None:
    for lesson in learn.LESSONS:
        identity = re.split(r"[/=]", lesson.paper)[-1]
        assert all(identity in words[lesson.name]["paper"] for words in learn.WORDS.values())


def test_the_scores_in_the_words_are_those_of_the_model_cards() -> None:
    for folder, score in (("tiny-early", "63.8"), ("tiny-llada", "99.4")):
        card = (WEB.parents[2] / "assets" / folder / "MODEL_CARD.md").read_text()
        row = next(line for line in card.splitlines() if line.startswith("| puzzles |"))
        assert row.split("|")[5].strip().startswith(f"{score} ±")
        for words in learn.WORDS.values():
            text = " ".join(words["training"]["text"])
            assert score in text or score.replace(".", ",") in text


def test_the_page_loads_files_that_are_there_and_nothing_from_elsewhere(
    client: TestClient,
) -> None:
    answer = client.get("/learn")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    files = re.findall(r'(?:href|src)="([^"]+)"', answer.text)
    assert len(files) == 3
    for file in files:
        assert file.startswith(("dlmviz/web/", "dlmviz/bundle/"))
        assert client.get(f"/{file}").status_code == 200


def test_no_word_can_end_the_element_that_holds_it(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(learn.WORDS["en"], "title", "</script><img src=x onerror=hit()>")
    text = client.get("/learn").text
    assert "<img" not in text
    found = re.search(r'id="dv-lesson">(.*?)</script>', text)
    assert found is not None
    assert json.loads(found[1])["words"]["en"]["title"].startswith("</script>")
