"""The tour and the presenter mode in a real browser, on the real controls."""

from __future__ import annotations

import pytest

from dlmviz.ui import learn
from tests.browser.conftest import SHOWN, WIDTHS, Visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DONE = "document.querySelector('.dv-todo').dataset.done === 'true'"
RUNNING = """title => document.querySelector('.dv-canvas').dataset.steps !== undefined
  && document.querySelector('.dv-watch h2').textContent === title"""
SMALL = """() => [...document.querySelectorAll('.dv-token .dv-ink')]
  .filter(ink => parseFloat(getComputedStyle(ink).fontSize) < 20).length"""
# pressed and read at once: a key stays in sight for a moment only
PRESSED = """() => {
  const canvas = document.querySelector(".dv-canvas");
  for (let i = 0; i < 2; i++)
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
  return document.querySelector(".dv-pressed").innerText;
}"""
CAREFUL = "A word problem, tokens committed when the model is 90 % sure"
FOUR = "The same question, four tokens a step"
ONE = "A country and its capital, one token a step"
SLOW = "Slow and fast tokens, found anew at the entry of every block"
LEARNED = "A country and its capital within a budget of predicted influence"
PIECES = "A country and its capital, written in pieces of eight"
GRAPH = "A country and its capital from the attention graph"
EARLY = "The same Sudoku on a model that was stopped early"
FULL = "A Sudoku, committed when the model is 80 % sure"


def at(visit: Visit, title: str) -> None:
    """Waits until a run is on screen and the tour has set it to its first step."""
    visit.page.wait_for_function(RUNNING, arg=title)
    visit.page.wait_for_function("document.activeElement.matches('.dv-canvas')")


def done(visit: Visit) -> bool:
    return bool(visit.page.evaluate(DONE))


def following(visit: Visit, title: str) -> None:
    visit.page.click(".dv-next")
    at(visit, title)


def test_the_main_page_leads_to_the_tour_and_back(visit: Visit) -> None:
    visit.open()
    visit.page.click("#masthead a")
    visit.page.wait_for_selector("#dv-lead h1")
    visit.page.wait_for_selector(SHOWN)
    visit.page.click(".dv-lead-head a")
    visit.page.wait_for_selector("#decode")


def test_the_tour_is_done_by_keyboard_and_each_part_only_by_its_action(visit: Visit) -> None:
    visit.open("learn")
    at(visit, CAREFUL)
    assert not done(visit)
    visit.press("ArrowRight", "n")  # another action than the one that is asked for
    assert not done(visit)
    visit.press(" ")
    assert done(visit)
    following(visit, CAREFUL)
    visit.press("ArrowDown")
    assert not done(visit)
    visit.press("n")
    assert done(visit)
    following(visit, FOUR)
    visit.press("End")
    assert "The capital of Sudan is Maseru." in visit.page.inner_text(".dv-text")
    assert not done(visit)
    visit.page.focus(".dv-choice >> nth=1")
    visit.press("Enter")
    at(visit, ONE)
    assert not done(visit)
    visit.press("End")
    assert done(visit)
    following(visit, SLOW)
    visit.press("ArrowRight", "ArrowRight")
    boxes = "all => all.map(li => li.dataset.done)"
    asked = ".dv-todo li"
    assert visit.page.eval_on_selector_all(asked, boxes) == ["false", "false"]
    visit.press("ArrowRight")
    assert visit.page.eval_on_selector_all(asked, boxes) == ["true", "false"]
    visit.page.hover("#dv-token-47")  # a fast one
    assert not done(visit)
    visit.page.hover("#dv-token-56")
    assert done(visit)
    following(visit, GRAPH)
    assert visit.label() == "Step 1 of 2"
    visit.press("ArrowDown", "ArrowDown")
    assert not done(visit)
    visit.press("ArrowDown")
    assert "conflicts with 16" in visit.page.inner_text(".dv-why")
    visit.press("ArrowRight")
    assert done(visit)
    following(visit, LEARNED)
    visit.press("ArrowDown", "ArrowDown")
    assert not done(visit)
    visit.press("ArrowDown")
    assert "over budget" in visit.page.inner_text(".dv-why")
    assert "a trained predictor says" in visit.page.inner_text(".dv-depend")
    visit.press("End")
    assert not done(visit)
    visit.page.click(".dv-choice >> nth=1")
    at(visit, PIECES)
    visit.press("End")
    assert visit.page.locator(".dv-bracket").count() > 0
    assert done(visit)
    following(visit, EARLY)
    visit.press("End")
    visit.page.click(".dv-choice >> nth=1")
    at(visit, FULL)
    visit.press("End")
    assert done(visit)
    ticked = visit.page.eval_on_selector_all(".dv-station", "all => all.map(b => b.dataset.done)")
    assert ticked == ["true"] * 7
    visit.page.reload()
    at(visit, EARLY)
    assert done(visit)


def test_progress_that_makes_no_sense_is_forgotten(visit: Visit) -> None:
    visit.open("learn")
    for kept in ('{"at": 99, "done": 3, "language": "xx"}', "null", "no json"):
        visit.page.evaluate("text => sessionStorage.setItem('dlmviz-tour', text)", kept)
        visit.page.reload()
        at(visit, CAREFUL)
        assert not done(visit)


def test_the_tour_speaks_german(visit: Visit) -> None:
    visit.open("learn?lang=de")
    assert visit.page.inner_text("#dv-lead h1") == learn.WORDS["de"]["title"]
    assert visit.page.get_attribute("html", "lang") == "de"
    assert visit.label() == "Schritt 0 von 14"
    visit.page.select_option(".dv-lead-head select", "en")
    visit.page.wait_for_selector("html[lang=en] #dv-lead h1")
    assert visit.page.inner_text("#dv-lead h1") == learn.WORDS["en"]["title"]
    visit.page.wait_for_selector(SHOWN)
    assert visit.label() == "Step 0 of 14"
    visit.open("learn")  # without a word in the address: as before
    assert visit.page.get_attribute("html", "lang") == "en"


def test_the_tour_fits_every_width(visit: Visit) -> None:
    visit.open("learn?__theme=dark&lang=de")
    at(visit, CAREFUL)
    for part in range(len(learn.LESSONS)):
        visit.page.click(f".dv-station >> nth={part}")
        visit.page.wait_for_timeout(150)
        for width in WIDTHS:
            assert visit.overflow(width) == 0, (part, width)


def test_on_a_phone_the_task_stays_in_sight_while_it_is_done(visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 390, "height": 844})
    visit.open("learn")
    at(visit, CAREFUL)
    visit.page.evaluate("document.querySelector('.dv-canvas').scrollIntoView({block: 'center'})")
    visit.page.click(".dv-play")
    assert done(visit)
    box = visit.page.locator(".dv-todo").bounding_box()
    assert box is not None
    assert 0 <= box["y"] <= box["y"] + box["height"] <= 844


@pytest.mark.parametrize("width", [390, 1440, 2560])
def test_presenter_mode_enlarges_the_tokens_and_hides_the_rest(visit: Visit, width: int) -> None:
    visit.page.set_viewport_size({"width": width, "height": 900})
    visit.open()
    visit.page.focus(".dv-canvas")
    visit.press("Shift+P")
    assert visit.page.evaluate(SMALL) == 0
    for hidden in ("#decode", "#masthead", ".dv-card", ".dv-field"):
        visit.page.wait_for_selector(hidden, state="hidden")
    assert visit.page.evaluate(PRESSED).split()[-2:] == ["→", "→"]
    visit.page.wait_for_function("document.querySelector('.dv-canvas').dataset.step === '2'")
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    visit.press("Escape")
    visit.page.wait_for_selector("#decode", state="visible")
    assert visit.page.evaluate("document.activeElement.className") == "dv-canvas"


def test_a_capital_p_in_a_text_field_is_a_letter(visit: Visit) -> None:
    visit.open()
    visit.page.click("#ask textarea")
    visit.page.keyboard.type("Press P")
    assert visit.page.input_value("#ask textarea") == "Press P"
    assert not visit.page.evaluate("document.body.classList.contains('dv-presenting')")
    visit.page.click(".dv-presenter")
    assert visit.page.get_attribute(".dv-presenter", "aria-pressed") == "true"
