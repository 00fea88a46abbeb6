"""What the others would do, and edit and continue, in a real browser against the real app."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import Any

import pytest

from tests.browser.conftest import ROOT, Visit

DONE = "document.querySelector('.dv-root').dataset.live === 'false'"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (ROOT / "assets" / "tiny-llada").is_dir(), reason="assets/tiny-llada does not exist"
    ),
]


def bundled(visit: Visit) -> dict[str, Any]:
    """The run on the canvas, as the server sends it, with its id."""
    name = visit.page.evaluate("new URL(document.querySelector('.dv-save').href).pathname")
    identity = re.sub(r".*/|\.npz$", "", name)
    with urllib.request.urlopen(f"{visit.address}dlmviz/runs/{identity}") as answer:
        return {**json.load(answer), "id": identity}


def at_step(visit: Visit, step: int) -> None:
    visit.page.focus(".dv-canvas")
    visit.press("Home", *["ArrowRight"] * step)
    assert visit.label().startswith(f"Step {step} of")


def choose(visit: Visit, pos: int) -> None:
    visit.page.click(f"#dv-token-{pos}")
    visit.page.focus(".dv-canvas")


def written(run: dict[str, Any], step: int) -> dict[int, int]:
    """position -> token of what the first steps of a run wrote."""
    pairs = ((s["positions"], s["tokens"]) for s in run["steps"][:step])
    return {p: t for positions, tokens in pairs for p, t in zip(positions, tokens, strict=True)}


def finished(visit: Visit) -> None:
    visit.page.wait_for_selector(".dv-lineage:not([hidden])", timeout=60_000)
    visit.page.wait_for_function(DONE, timeout=60_000)
    visit.page.wait_for_selector(".dv-save:not([hidden])")


def test_an_edited_step_goes_on_as_a_child_that_keeps_what_was_pinned(visit: Visit) -> None:
    visit.open()
    page, parent, step = visit.page, bundled(visit), 4
    stands = written(parent, step)
    pinned, first, second = list(stands)[:3]
    at_step(visit, step)
    for pos, key in ((pinned, "p"), (first, "m"), (second, "Delete")):
        choose(visit, pos)
        visit.press(key)
    assert f"3 edits at step {step}" in page.inner_text(".dv-edits")
    page.click(".dv-edits .dv-jump")
    finished(visit)
    child = bundled(visit)
    assert child["id"] != parent["id"]
    assert child["info"]["parent"] == parent["id"]
    assert child["initial"][pinned] == stands[pinned]
    assert child["initial"][first] == child["initial"][second] == child["mask_id"]
    assert all(pinned not in s["positions"] + s["remasked"] for s in child["steps"])
    assert {first, second} <= {p for s in child["steps"] for p in s["positions"]}
    shown = page.inner_text(f"#dv-token-{pinned} .dv-ink")
    page.focus(".dv-canvas")
    visit.press("Home")
    for _ in child["steps"]:
        assert page.inner_text(f"#dv-token-{pinned} .dv-ink") == shown
        visit.press("ArrowRight")
    lineage = page.inner_text(".dv-lineage")
    assert lineage == f"Continued from {parent['id']} at step {step}, with 3 edits"
    page.click(".dv-lineage a")
    page.wait_for_selector(".dv-lineage", state="hidden")
    assert visit.label() == f"Step {step} of {len(parent['steps'])}"


def test_a_step_goes_on_with_another_sampler_and_no_edits(visit: Visit) -> None:
    visit.open()
    at_step(visit, 3)
    visit.page.get_by_role("button", name="Continue from here").click()
    assert "From step 3" in visit.page.inner_text(".dv-edits")
    visit.page.select_option(".dv-edits select", "left_to_right")
    visit.page.click(".dv-edits .dv-jump")
    finished(visit)
    assert visit.page.inner_text(".dv-watch h2") == "left_to_right"
    assert all(len(s["positions"]) == 1 for s in bundled(visit)["steps"])
    visit.page.wait_for_selector(".dv-edits", state="hidden")


def test_a_token_is_replaced_from_its_list_or_by_a_typed_one(visit: Visit) -> None:
    visit.open()
    page, run = visit.page, bundled(visit)
    at_step(visit, 2)
    pos = next(iter(written(run, 2)))
    choose(visit, pos)
    visit.press("Enter")
    wanted = page.inner_text(".dv-box .dv-choice:nth-child(2) .dv-candidate")
    page.click(".dv-box .dv-choice:nth-child(2)")
    assert page.inner_text(f"#dv-token-{pos} .dv-ink").strip() == wanted.strip("␣")
    visit.press("Enter")
    page.fill(".dv-typed", "seven hundred dollars")
    visit.press("Enter")
    page.wait_for_function(
        "document.querySelector('.dv-box .dv-refused').textContent.includes('tokens in this')",
        timeout=60_000,
    )
    page.fill(".dv-typed", " dollars")
    visit.press("Enter")
    page.wait_for_selector(".dv-box", state="hidden")
    assert page.inner_text(f"#dv-token-{pos} .dv-ink") == "dollars"
    assert page.evaluate("document.activeElement.className") == "dv-canvas"
    page.click(".dv-edits >> text=Discard")
    assert page.inner_text(f"#dv-token-{pos} .dv-ink") != "dollars"


def test_edits_belong_to_their_step_and_are_there_again_on_return(visit: Visit) -> None:
    visit.open()
    page = visit.page
    pos = next(iter(written(bundled(visit), 3)))
    at_step(visit, 3)
    choose(visit, pos)
    visit.press("m")
    masked = f"document.querySelector('#dv-token-{pos}').classList.contains('dv-masked')"
    assert page.evaluate(masked)
    visit.press("ArrowRight")
    assert not page.evaluate(masked)
    visit.press("p")
    assert "There are edits at step 3" in page.inner_text(".dv-edits")
    page.click(".dv-edits >> text=Go to step 3")
    assert page.evaluate(masked)
    page.focus(".dv-canvas")
    visit.press("m")  # the same key takes it back
    assert not page.evaluate(masked)
    assert page.is_hidden(".dv-edits")


def test_a_key_that_can_do_nothing_says_why(visit: Visit) -> None:
    visit.open()
    visit.page.focus(".dv-canvas")
    visit.press("Home", "p")
    assert "Nothing stands at position" in visit.page.inner_text(".dv-edits")
    visit.press("End")
    visit.page.get_by_role("button", name="Continue from here").click()
    assert "Nothing is masked here" in visit.page.inner_text(".dv-edits")
    assert visit.page.is_disabled(".dv-edits .dv-jump")


def test_the_others_are_asked_once_a_step_and_shown_on_the_canvas(visit: Visit) -> None:
    visit.open()
    page, run, step = visit.page, bundled(visit), 1
    at_step(visit, step)
    visit.press("o")
    page.wait_for_selector(".dv-rules", timeout=60_000)
    own = page.locator(f"[data-sampler={run['spec']['sampler']}]")
    assert own.get_attribute("data-agreement") == "1"
    did = " ".join(map(str, run["steps"][0]["positions"]))
    assert own.get_attribute("data-positions") == did
    page.get_by_role("button", name="left_to_right", exact=True).click()
    outlined = "[...document.querySelectorAll('.dv-asked')].map(t => +t.dataset.pos)"
    assert page.evaluate(outlined) == [run["offset"]]
    page.wait_for_timeout(300)
    asked = len(visit.requests)
    page.focus(".dv-canvas")
    visit.press("ArrowRight")
    assert page.evaluate(outlined) == []
    visit.press("ArrowLeft")
    page.wait_for_selector(".dv-rules")
    assert page.evaluate(outlined) == [run["offset"]]
    page.wait_for_timeout(300)
    assert visit.requests[asked:] == []


@pytest.mark.parametrize("width", [390, 1440])
def test_bar_box_and_table_fit_the_window(visit: Visit, width: int) -> None:
    visit.page.set_viewport_size({"width": width, "height": 800})
    visit.open()
    page = visit.page
    at_step(visit, 2)
    last = max(written(bundled(visit), 2))
    choose(visit, last)
    visit.press("p", "o")
    page.wait_for_selector(".dv-rules", timeout=60_000)
    bar = page.locator(".dv-edits").bounding_box()
    assert bar is not None
    assert bar["x"] >= 0
    visit.press("Enter")
    box = page.locator(".dv-box").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert box["y"] + box["height"] <= 800
    assert page.evaluate("document.documentElement.scrollWidth") <= width
