"""The page for those who use a keyboard, hear it, or need contrast: axe-core, Tab, and widths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dlmviz import store
from dlmviz.ui import export, learn
from dlmviz.ui.shelves import GALLERY
from tests.browser.conftest import SHOWN, Visit, sync_api
from tests.browser.test_library import bring, forget, fresh, library

pytestmark = [pytest.mark.browser, pytest.mark.slow]

GRAPHED = "19-dapd-capital"
GRAVE = """async ([where, only]) => {
  const ask = { resultTypes: ["violations"], ...(only && { runOnly: [only] }) };
  const { violations } = await axe.run(where, ask);
  return violations.filter(({ impact }) => ["serious", "critical"].includes(impact))
    .flatMap(({ id, nodes }) => nodes.map(({ target, html, failureSummary: why }) =>
      `${id}: ${target.join(" ")}: ${html.slice(0, 120)}: ${why.replace(/\\s+/g, " ")}`));
}"""
STILL = "*, *::before, *::after { transition: none !important; animation: none !important; }"
DARKEN = "dark => document.body.classList.toggle('dark', dark)"
# What has the focus now: [seen before, its name, whether a ring of 2 px or more is around it]
NEXT = """() => {
  const node = document.activeElement, seen = (window.reached ??= new Set());
  if (node === document.body || seen.has(node)) return null;
  seen.add(node);
  const ring = [node, node.closest("label")].filter(Boolean).map((n) => getComputedStyle(n));
  return [node.outerHTML.slice(0, 150),
    ring.some((s) => s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2)];
}"""
MISSED = """() => {
  const seen = window.reached, groups = new Set([...seen].map((n) => n.type === "radio" && n.name));
  return [...document.querySelectorAll("button, input, select, textarea, a[href], summary")]
    .filter((n) => !n.disabled && n.checkVisibility({ visibilityProperty: true }))
    .filter((n) => n.getBoundingClientRect().width && !seen.has(n) && !groups.has(n.name))
    .map((n) => n.outerHTML.slice(0, 150));
}"""


def grave(page: sync_api.Page, axe: str, where: str = "html") -> list[str]:
    """Serious and critical findings: all rules as the page is, contrast in the other theme too."""
    if page.evaluate("typeof window.axe") == "undefined":
        page.evaluate(axe)
        page.add_style_tag(content=STILL)
    found = page.evaluate(GRAVE, [where, None])
    dark = page.evaluate("document.body.classList.contains('dark')")
    page.evaluate(DARKEN, not dark)
    found += page.evaluate(GRAVE, [where, "color-contrast"])
    page.evaluate(DARKEN, dark)
    return found


@pytest.fixture
def emptied(shelf: Path) -> Iterator[None]:
    """A library without runs, before and after."""
    forget(shelf)
    yield
    forget(shelf)


def test_inspect_has_no_grave_finding_whatever_is_open(visit: Visit, axe: str) -> None:
    page = visit.page
    visit.open(f"?run={GRAPHED}&__theme=light")
    for fold in page.locator("#ask button.label-wrap:visible").all():
        fold.click()
    page.focus(".dv-canvas")
    visit.press("ArrowRight", "n", "s", "Shift+ArrowDown", "Shift+ArrowDown", "p", "o")
    page.wait_for_selector(".dv-rules", timeout=60_000)
    page.wait_for_selector(".dv-edits .dv-jump")
    assert grave(page, axe) == []  # arcs, edits, the other samplers, a selection
    page.click(".dv-depend >> text=Graph")
    for table in page.locator(".dv-twin > summary:visible").all():
        table.click()
    page.focus(".dv-canvas")
    visit.press("Enter")
    page.wait_for_selector(".dv-box:popover-open")
    for panel in (".dv-depend", ".dv-segments", ".dv-box"):
        page.locator(panel).scroll_into_view_if_needed()
        assert grave(page, axe, panel) == []


def test_dialogs_and_presenter_mode_have_no_grave_finding(visit: Visit, axe: str) -> None:
    page = visit.page
    visit.open("?__theme=dark")
    page.click("#decode")
    page.wait_for_selector(".dv-problem")
    assert grave(page, axe, "#ask") == []  # while the pointer is on Decode
    page.click(".dv-share")
    assert grave(page, axe, ".dv-share-dialog") == []
    visit.press("Escape")
    page.focus(".dv-canvas")
    visit.press("?")
    page.wait_for_selector(".dv-transport dialog[open]")
    assert grave(page, axe, ".dv-transport dialog") == []
    visit.press("Escape", "Shift+P", "End")
    page.wait_for_selector("#decode", state="hidden")
    assert grave(page, axe) == []


@pytest.mark.usefixtures("emptied")
def test_the_library_has_no_grave_finding(visit: Visit, axe: str, tmp_path: Path) -> None:
    library(visit)
    assert grave(visit.page, axe) == []
    for name in ("first", "second"):
        bring(visit, store.save(fresh(), tmp_path / f"{name}.npz"))
    visit.page.click(".lib-pin >> nth=0")
    visit.page.wait_for_selector("tr[data-pinned]")
    visit.page.click(".lib-menu summary >> nth=0")
    assert grave(visit.page, axe) == []
    visit.page.click(".lib-delete >> nth=1")
    visit.page.wait_for_selector(".lib-toast button")
    assert grave(visit.page, axe) == []


@pytest.mark.parametrize("language", learn.WORDS)
def test_the_tour_has_no_grave_finding(visit: Visit, axe: str, language: str) -> None:
    visit.open(f"learn?lang={language}")
    assert grave(visit.page, axe) == []
    visit.page.click(".dv-station >> nth=3")
    visit.page.wait_for_selector(".dv-canvas:focus")
    visit.press("ArrowRight", "ArrowRight", "ArrowRight")
    visit.page.click(".dv-more summary")
    assert grave(visit.page, axe) == []


def test_a_page_on_the_disk_has_no_grave_finding(
    browser: sync_api.Browser, axe: str, tmp_path: Path
) -> None:
    path = tmp_path / "run.html"
    trace = store.open_trace(GALLERY / f"{GRAPHED}.npz")
    path.write_text(export.standalone(trace, GRAPHED), encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector(SHOWN)
    page.keyboard.press("ArrowRight")
    assert grave(page, axe) == []
    page.close()


def test_tab_reaches_every_control_and_shows_where_it_is(visit: Visit) -> None:
    visit.open()
    for fold in visit.page.locator("#ask button.label-wrap:visible").all():
        fold.click()
    visit.page.wait_for_selector("#ask >> text=Precision of confidences")
    visit.page.mouse.click(1, 1)  # from here on, Tab begins at the top
    reached = []
    while True:
        visit.press("Tab")
        if (at := visit.page.evaluate(NEXT)) is None:
            break
        reached.append(at)
    assert len(reached) > 50
    assert [name for name, ring in reached if not ring] == []
    assert visit.page.evaluate(MISSED) == []


def test_arrow_keys_choose_among_samplers(visit: Visit) -> None:
    visit.open()
    visit.page.wait_for_selector("fieldset[role=radiogroup][aria-label=Sampler]")
    visit.page.focus("input[value=fast_dllm]")
    visit.press("ArrowDown")
    visit.page.wait_for_selector("text=How entropy_bound chooses")
    assert visit.page.is_checked("input[value=entropy_bound]")
    assert not visit.page.is_checked("input[value=fast_dllm]")
    visit.press("Shift+Tab", "Tab")
    assert visit.page.evaluate("document.activeElement.value") == "entropy_bound"
