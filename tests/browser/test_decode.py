"""Decoding with the built-in model in a real browser, against the real app."""

from __future__ import annotations

import re

import pytest

from tests.browser.conftest import ROOT, Visit

BUILT_IN = ROOT / "assets" / "tiny-llada"
LIVE = "document.querySelector('.dv-root').dataset.live === '%s'"
STEPS = "+document.querySelector('.dv-canvas').dataset.steps"
# in the page: on a busy machine a click from outside may come when all has been written
STOP_FROM = f"{LIVE % 'true'} && {STEPS} >= %d && (document.querySelector('#stop').click(), true)"
JUMP_LATER = """count => new Promise((done) => {
  const { dataset } = document.querySelector(".dv-canvas");
  const jump = [...document.querySelectorAll(".dv-jump")]
    .find((node) => node.textContent === "Jump to live");
  const look = () => {
    if (!jump.checkVisibility()) return done("nothing to jump to");
    if (Number(dataset.steps) <= count) return requestAnimationFrame(look);
    done(dataset.step);
    jump.click();
  };
  look();
})"""
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not BUILT_IN.is_dir(), reason="assets/tiny-llada does not exist"),
]


def test_decoding_streams_and_the_cursor_is_ours(visit: Visit) -> None:
    visit.open()
    page = visit.page
    page.get_by_role("button", name="Word problems").click()
    page.wait_for_function("document.querySelector('#ask textarea').value.length > 5")
    page.get_by_label("llada", exact=True).check()
    page.get_by_label("Length", exact=True).fill("64")
    page.click("#decode")
    page.wait_for_function(f"{LIVE % 'true'} && {STEPS} >= 3", timeout=60_000)
    page.focus(".dv-canvas")
    visit.press("ArrowLeft")
    held = page.get_attribute(".dv-canvas", "data-step")
    seen = int(page.get_attribute(".dv-canvas", "data-steps") or 0)
    assert page.evaluate(JUMP_LATER, seen + 2) == held
    page.wait_for_function(LIVE % "false", timeout=60_000)
    assert re.fullmatch(r"Step (\d+) of \1", visit.label())
    assert "Saved as" in page.inner_text(".dv-note")
    page.focus(".dv-canvas")
    visit.press("Home", "ArrowRight")
    assert visit.label().startswith("Step 1 of")


def test_the_toy_brings_its_prompt_and_takes_it_away_again(visit: Visit) -> None:
    visit.open()
    page, prompt = visit.page, visit.page.locator("#ask textarea").first
    prompt.fill("What is 17 * 6?")
    page.get_by_label("toy", exact=True).check()
    page.wait_for_function("document.querySelector('#ask textarea').value === '[MASK:9]'")
    page.click("#decode")
    saved = "document.querySelector('.dv-note').innerText.includes('Saved as')"
    page.wait_for_function(saved, timeout=60_000)
    assert page.get_by_role("alert").filter(visible=True).count() == 0
    assert page.locator(".dv-canvas [data-pos]").count() == 9
    page.get_by_label("tiny", exact=True).check()
    page.wait_for_function("document.querySelector('#ask textarea').value === ''")
    page.get_by_label("toy", exact=True).check()
    page.get_by_role("button", name="Word problems").click()
    page.wait_for_function("document.querySelector('#ask textarea').value.length > 9")
    assert page.get_by_label("tiny", exact=True).is_checked()


def test_stop_ends_the_run_and_frees_the_place(visit: Visit) -> None:
    visit.open()
    page = visit.page
    page.get_by_role("button", name="Word problems").click()
    page.wait_for_function("document.querySelector('#ask textarea').value.length > 5")
    page.get_by_label("llada", exact=True).check()
    page.click("#decode")
    page.wait_for_function(STOP_FROM % 2, timeout=60_000)
    page.wait_for_function(LIVE % "false")
    page.wait_for_selector(".dv-save:not([hidden])")
    stopped = int(page.get_attribute(".dv-canvas", "data-steps") or 0)
    assert stopped < 128
    page.wait_for_timeout(500)
    assert int(page.get_attribute(".dv-canvas", "data-steps") or 0) == stopped
    page.click("#decode")
    page.wait_for_function(STOP_FROM % 1, timeout=60_000)


def test_a_changed_knob_reaches_the_run_and_an_untouched_one_does_not(visit: Visit) -> None:
    visit.open()
    page = visit.page
    page.get_by_role("button", name="Pairs").click()
    page.wait_for_function("document.querySelector('#ask textarea').value.length > 5")
    page.get_by_label("entropy_bound", exact=True).check()
    gamma = page.get_by_label("gamma", exact=True)
    gamma.fill("0.25")
    gamma.blur()
    page.click("#decode")
    saved = "document.querySelector('.dv-note').innerText.includes('Saved as')"
    page.wait_for_function(saved, timeout=60_000)  # few steps: nobody may see it live
    title = page.inner_text(".dv-watch h2")
    assert "entropy_bound · gamma 0.25" in title
    assert "proxy" not in title


def test_an_adapter_that_was_just_chosen_decodes_at_once(visit: Visit) -> None:
    visit.open()
    page = visit.page
    page.get_by_role("button", name="Pairs").click()
    page.wait_for_function("document.querySelector('#ask textarea').value.length > 5")
    about = "document.querySelector('.dv-about').innerText.includes('tiny + distilled')"
    for name, told in (("distilled", about), ("none", f"!{about}")):
        page.locator("#adapters label", has_text=name).click()
        page.click("#decode")  # before any answer of the server
        page.wait_for_function(told, timeout=60_000)
        page.wait_for_function(LIVE % "false", timeout=60_000)
