"""The Compare tab in a real browser: lanes on one clock, where they differ, links, decoding."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from dlmviz import compare, store
from dlmviz.types import Trace
from dlmviz.ui import compare as ui
from dlmviz.ui.shelves import Shelves
from tests.browser.conftest import WIDTHS, Visit, sync_api
from tests.browser.test_accessibility import grave
from tests.browser.test_library import HOSTILE, bring, library
from tests.test_compare import run
from tests.traces import CAT, DOG, EOS, SAT, THE

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LANE = ".cp-lane .dv-canvas[data-steps]"
SHOWN = ("same", "order", "token", "only_a", "only_b")
MOVE = """([selector, value]) => {
  const node = document.querySelector(selector);
  node.value = value;
  node.dispatchEvent(new Event("input", { bubbles: true }));
}"""
COUNTS = """all => all.map((node) => Object.fromEntries(
  [...node.querySelectorAll("[data-kind]")].map((n) => [n.dataset.kind, +n.dataset.n])))"""


def pair() -> tuple[Trace, Trace]:
    """Runs of 64 and 24 steps over 96 places: other tokens, other orders, ends that differ."""
    rng = np.random.default_rng(7)
    words = rng.choice([THE, CAT, SAT], 96)
    words[90:] = EOS
    other = words.copy()
    other[rng.choice(88, 20, replace=False)] = DOG
    made = []
    for count, tokens, order in (
        (64, words, np.argsort(np.arange(96) + rng.normal(0, 6, 96))),
        (24, other, np.argsort(np.arange(96) + rng.normal(0, 12, 96))),
    ):
        steps = np.array_split(order, count)
        made.append(run([{int(p): int(tokens[p]) for p in step} for step in steps], length=96))
    return made[0], dataclasses.replace(made[1], info={"example": {"correct": False}})


def compared(visit: Visit, ids: list[str], fragment: str = "") -> None:
    """Opens these runs side by side."""
    visit.page.goto(f"{visit.address}?compare={','.join(ids)}{fragment}")
    visit.page.wait_for_selector(LANE, timeout=60_000)
    visit.page.wait_for_selector(".cp-table [data-row=nfe]")


def kept(visit: Visit, traces: tuple[Trace, ...], tmp_path: Path) -> list[str]:
    """The ids of these runs, now in the library."""
    library(visit)
    for i, trace in enumerate(traces):
        bring(visit, store.save(trace, tmp_path / f"run {i}.npz"))
    return [store.run_id(trace) for trace in traces]


def slide(visit: Visit, value: float) -> None:
    visit.page.evaluate(MOVE, [".cp-bar .dv-slider", str(value)])


def steps(visit: Visit) -> list[int]:
    return visit.page.eval_on_selector_all(".cp-lane", "all => all.map(n => +n.dataset.step)")


def counts(visit: Visit) -> dict[str, int]:
    """What the second lane says of its places at this moment, zeros left out."""
    told = visit.page.eval_on_selector_all(".cp-lane:nth-child(2) .cp-counts", COUNTS)[0]
    return {kind: n for kind, n in told.items() if n}


def expected(a: Trace, b: Trace, at: tuple[int, int]) -> dict[str, int]:
    found = Counter(compare.kinds(a, b, *at))
    return {kind: found[kind] for kind in SHOWN if found[kind]}


def test_one_clock_moves_all_lanes_and_counts_what_differs(visit: Visit, tmp_path: Path) -> None:
    a, b = traces = pair()
    ids = kept(visit, traces, tmp_path)
    compared(visit, ids)
    assert steps(visit) == [64, 24]
    asked = len(visit.requests)
    slide(visit, 0.5)
    assert steps(visit) == [compare.step_at(compare.ticks(t, "fraction"), 0.5) for t in traces]
    assert steps(visit) == [24, 12]  # each has revealed 48 of 96
    assert counts(visit) == expected(a, b, (24, 12))
    visit.page.focus(LANE)
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowLeft", "Home", "ArrowRight", "End"):
        visit.press(key)
        now = steps(visit)
        assert counts(visit) == expected(a, b, (now[0], now[1])), key
    for clock in ("nfe", "step"):
        visit.page.check(f".cp-clocks [value={clock}]", force=True)
        slide(visit, 20)
        assert steps(visit) == [compare.step_at(compare.ticks(t, clock), 20) for t in traces]
    assert len(visit.requests) == asked  # the clock asks nothing of the server
    before = counts(visit)
    visit.page.click(".cp-lane:nth-child(2) >> text=Swap with A")
    visit.page.wait_for_function("document.querySelector('.cp-lane').dataset.step === '20'")
    mirror = {"only_a": "only_b", "only_b": "only_a"}
    assert counts(visit) == {mirror.get(kind, kind): n for kind, n in before.items()}
    assert counts(visit) == expected(b, a, (20, 20))
    visit.page.wait_for_selector(".cp-scroll:not([aria-busy])")
    row = visit.page.locator(".cp-table [data-row=agreement] td")
    share = compare.agreement(a, b)
    assert share is not None
    assert row.all_inner_texts() == ["", f"{100 * share:.1f} %"]
    visit.page.wait_for_selector(".cp-table [data-row=correct] td:nth-child(2) >> text=wrong")


def test_a_link_leads_to_the_same_lanes_clock_moment_and_place(
    visit: Visit, tmp_path: Path
) -> None:
    ids = kept(visit, pair(), tmp_path)
    compared(visit, ids, "#clock=step&at=10&place=5")
    assert steps(visit) == [10, 10]
    visit.page.focus(LANE)
    visit.press("ArrowRight", "ArrowDown")
    visit.page.wait_for_function("location.hash === '#clock=step&at=11&place=6'")
    visit.page.click(".cp-share")
    link = visit.page.input_value(".cp-link")
    visit.page.goto("about:blank")
    visit.page.goto(link)
    visit.page.wait_for_selector(LANE)
    visit.page.wait_for_function("document.querySelector('.cp-lane').dataset.step === '11'")
    assert visit.page.get_attribute(".cp-lane .dv-chosen", "data-pos") == "8"
    visit.page.goto(f"{visit.address}?compare={ids[0]},nowhere0,../x")
    visit.page.wait_for_selector(LANE)
    assert "“nowhere0”" in visit.page.inner_text(".cp-note")
    assert steps(visit)[0] == 64
    visit.page.goto(f"{visit.address}?compare=nowhere0")
    visit.page.wait_for_selector(".cp-note.dv-problem >> text=it was deleted")
    assert visit.page.input_value("#cp-gen_length") == "128"  # ready to decode all the same
    assert visit.page.locator(".cp-lane").count() == 2


def test_runs_come_from_the_library_and_from_inspect(visit: Visit, tmp_path: Path) -> None:
    named = dataclasses.replace(pair()[0], info={"title": HOSTILE})
    german = dataclasses.replace(pair()[1], pieces={**pair()[1].pieces, CAT: " Katze"})
    ids = kept(visit, (named, german), tmp_path)
    for identity in ids:
        visit.page.click(f"tr[data-id='{identity}'] .lib-beside")
        visit.page.wait_for_selector(".lib-toast button")
    assert "Added to Compare" in visit.page.inner_text(".lib-toast")
    visit.page.click(".lib-toast button")
    visit.page.wait_for_function("document.querySelectorAll('.cp-lane .dv-canvas').length === 2")
    visit.page.wait_for_function("location.search.includes('compare=')")
    visit.page.click(".lib-tabs >> text=Inspect")
    assert "compare=" not in visit.page.url
    visit.page.click(".dv-beside")
    visit.page.wait_for_selector(".cp-lane[data-letter=C] .dv-canvas[data-steps]")
    visit.page.wait_for_selector(".cp-notes >> text=Another prompt than A's: C")
    assert "Another vocabulary than A's: B, C" in visit.page.inner_text(".cp-notes")
    assert "tokens are not compared" in visit.page.inner_text(".cp-lane[data-letter=B]")
    assert visit.page.inner_text(".cp-table [data-row=agreement] td >> nth=1") == "–"
    assert visit.page.evaluate("window.hit") is None


def test_lanes_are_decoded_and_stopped(visit: Visit) -> None:
    page = visit.page
    page.goto(visit.address + "?tab=compare")
    page.wait_for_selector(LANE, timeout=60_000)
    assert len(steps(visit)) == 2  # two bundled runs of one prompt
    page.click(".cp-card >> nth=1")
    page.select_option(".cp-card[open] [id$=sampler]", "top_k")
    page.fill(".cp-card[open] [id$=knob-k]", "64")
    page.press(".cp-card[open] [id$=knob-k]", "Enter")  # decodes
    page.wait_for_selector("text=Done. All lanes are in the Library.", timeout=120_000)
    assert steps(visit)[1] == 2  # a step a block
    page.wait_for_selector(".cp-scroll:not([aria-busy])")
    assert page.inner_text(".cp-table [data-row=nfe] td >> nth=1") == "2"
    page.click(".cp-lane >> nth=0 >> text=Pin")
    page.select_option(".cp-card[open] [id$=sampler]", "llada")
    page.fill("#cp-gen_length", "256")
    page.click(".cp-go")
    page.wait_for_function("document.querySelectorAll('.cp-lane')[1].dataset.step > 2")
    page.click(".cp-halt")
    page.wait_for_selector("text=Stopped. What was written so far stays.")
    page.wait_for_selector(".cp-notes >> text=Never finished: B")
    assert page.inner_text(".cp-table [data-row=correct] td >> nth=0") == "✓ correct"
    page.fill("#cp-prompt", " ")
    page.click(".cp-go")
    page.wait_for_selector(".cp-note.dv-problem >> text=the prompt is empty")


def test_compare_has_no_grave_finding_and_fits_every_screen(visit: Visit, axe: str) -> None:
    page = visit.page
    page.goto(visit.address + "?tab=compare&__theme=light")
    page.wait_for_selector(LANE, timeout=60_000)
    page.click(".cp-more")
    page.select_option(".cp-card[open] [id$=sampler]", "edit")
    page.click(".cp-difference .dv-twin summary")
    slide(visit, 0.5)
    assert grave(page, axe) == []
    for width in WIDTHS:
        assert visit.overflow(width) == 0, width


def test_lanes_on_a_disk_keep_their_clock_and_ask_nobody(
    browser: sync_api.Browser,
    axe: str,
    tmp_path: Path,
) -> None:
    hostile = dataclasses.replace(pair()[1], text=HOSTILE)
    shelves = Shelves(tmp_path / "gallery", tmp_path, tmp_path / "spare")
    ids = [store.put(tmp_path, trace) for trace in (pair()[0], hostile)]
    page = browser.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    path = tmp_path / "lanes.html"
    path.write_text(ui.standalone(shelves, ui.table(shelves, ids), "en"), encoding="utf-8")
    page.goto(path.as_uri())
    page.wait_for_selector(".cp-table [data-row=nfe]")
    page.focus(LANE)
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    placed = page.eval_on_selector_all(".cp-lane", "all => all.map(n => +n.dataset.step)")
    assert placed == [1, 0]
    assert HOSTILE in page.inner_text(".cp-table [data-row=text]")
    assert page.evaluate("window.hit") is None
    assert grave(page, axe) == []
    assert asked == [path.as_uri()]
    assert complaints == []
    page.close()
