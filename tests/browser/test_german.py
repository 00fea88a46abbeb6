"""The page in a German browser: German, and nothing of it too wide."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dlmviz.types import RECORDABLE
from dlmviz.ui.menu import menu
from dlmviz.ui.words import WORDS
from tests.browser.conftest import WINDOW, Visit, sync_api, visiting

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# every text and every label that somebody can read or hear, in every tab
READ = """() => {
  const skip = ".dv-canvas, .dv-prompt, .dv-text, .dv-top, script", found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) found.add(walker.currentNode);
  const texts = [...found].filter(n => !n.parentElement.closest(skip)).map(n => n.data);
  const labels = [...document.querySelectorAll("[title], [aria-label], [placeholder]")]
    .flatMap(n => ["title", "aria-label", "placeholder"].map(name => n.getAttribute(name)));
  return [...texts, ...labels].filter(Boolean).map(text => text.trim());
}"""
STATUS = "text => document.querySelector('.dv-note').textContent.startsWith(text)"


@pytest.fixture
def german(app: tuple[str, float], browser: sync_api.Browser) -> Iterator[Visit]:
    context = browser.new_context(viewport=WINDOW, locale="de-DE")
    yield from visiting(app[0], context)
    context.close()


def test_a_german_browser_gets_a_german_page_that_decodes(german: Visit) -> None:
    page = german.page
    german.open()
    assert page.get_attribute("html", "lang") == "de"
    page.wait_for_selector("#decode:has-text('Dekodieren')")
    page.click("text=Erweitert")
    page.wait_for_selector("text=Nie die Endmarke schreiben")
    for name in ("Trainieren", "Bibliothek", "Ansehen"):
        page.click(f".lib-tabs >> text={name}")
    read = set(page.evaluate(READ))
    knobs = [knob for entry in menu() for knob in entry.knobs]
    names = {*RECORDABLE, "tasks", *(name for knob in knobs for name in (knob.name, *knob.choices))}
    english = {*WORDS["en"].values()} - {*WORDS["de"].values()} - names
    assert len(read) > 150
    assert read & english == set()
    page.click("#decode")
    page.wait_for_function(STATUS, arg="Der Prompt ist leer")
    page.click(".chip >> text=Paare")
    page.wait_for_function("document.querySelector('#ask textarea').value.length > 5")
    page.click("#decode")
    page.wait_for_function(STATUS, arg="Fertig. Als ", timeout=120_000)
    assert german.overflow(390) == 0


def test_the_address_says_the_language_and_the_window_keeps_it(german: Visit) -> None:
    german.open("?lang=en")
    assert german.label().startswith("Step 0 of")
    german.page.wait_for_selector("#decode:has-text('Decode')")
    german.open()
    assert german.page.inner_text(".lib-tabs").split("\n")[0] == "Inspect"
    german.page.wait_for_selector("#decode:has-text('Decode')")
