"""The Library and the standalone page in a real browser."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dlmviz import store
from dlmviz.store import index
from dlmviz.types import Trace
from dlmviz.ui import export
from tests.browser.conftest import WIDTHS, Visit, sync_api
from tests.test_store_index import with_seed
from tests.traces import SAT

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOSTILE = "<img src=x onerror=window.hit=1></script><script>window.hit=1</script>"
SEEDS = itertools.count()
DROP = """async ([names, body]) => {
  const data = new DataTransfer();
  const bytes = Uint8Array.from(body);
  for (const name of names) data.items.add(new File([bytes], name));
  const how = { dataTransfer: data, bubbles: true, cancelable: true };
  for (const type of ["dragover", "drop"]) document.body.dispatchEvent(new DragEvent(type, how));
}"""


def library(visit: Visit) -> None:
    """Opens the app at its Library and waits for the list."""
    visit.page.goto(visit.address + "?tab=library")
    visit.page.wait_for_selector(".lib-table, .lib-empty", timeout=60_000)


def bring(visit: Visit, path: Path) -> None:
    """Imports a file by its button, and waits until the list has it."""
    identity = store.run_id(store.open_trace(path))
    visit.page.set_input_files(".lib-root input[type=file]", path)
    visit.page.wait_for_selector(f"tr.lib-new[data-id='{identity}']")


def fresh(**info: object) -> Trace:
    """A run that no other test has."""
    return with_seed(next(SEEDS), **info)


def names(visit: Visit) -> list[str]:
    return visit.page.eval_on_selector_all("tr .lib-open", "all => all.map(n => n.textContent)")


def focused(visit: Visit) -> str:
    return visit.page.evaluate("document.activeElement.textContent")


def hostile() -> Trace:
    trace = fresh(title=HOSTILE, look=HOSTILE)
    spec = dataclasses.replace(trace.spec, prompt=HOSTILE, model=HOSTILE)
    return dataclasses.replace(
        trace, spec=spec, text=HOSTILE, pieces={**trace.pieces, SAT: HOSTILE}
    )


def forget(shelf: Path) -> None:
    """Deletes every run of the list."""
    for row in index.listed(shelf):
        index.delete(shelf, row.id)


@pytest.fixture(autouse=True)
def clean(shelf: Path) -> Iterator[None]:
    """Starts and ends with an empty list: the tests of other files leave runs in the store."""
    forget(shelf)
    yield
    forget(shelf)


def test_an_empty_library_says_what_to_do(visit: Visit) -> None:
    library(visit)
    assert "No runs yet" in visit.page.inner_text(".lib-empty")
    visit.page.click("text=Decode one")
    assert visit.page.is_visible("#decode")


def test_the_tabs_keep_the_run_view_alive(visit: Visit) -> None:
    visit.open()
    visit.page.focus(".dv-canvas")
    visit.press("ArrowRight", "ArrowRight")
    label = visit.label()
    visit.page.evaluate("window.canvas = document.querySelector('.dv-canvas')")
    visit.page.click(".lib-tabs >> text=Library")
    visit.page.wait_for_selector(".lib-empty, .lib-table")
    assert not visit.page.is_visible(".dv-canvas")
    visit.page.click(".lib-tabs >> text=Inspect")
    assert visit.label() == label
    assert visit.page.evaluate("window.canvas === document.querySelector('.dv-canvas')")
    assert visit.page.get_attribute(".lib-tabs a", "href") == f"{visit.address}learn"
    visit.page.focus(".dv-canvas")
    visit.press("Home")
    assert visit.label().startswith("Step 0 ")


def test_a_decoded_run_is_in_the_library_when_one_looks(visit: Visit) -> None:
    visit.open()
    visit.page.get_by_label("Prompt").first.fill("Write the word: cat")
    visit.page.get_by_label("Length", exact=True).fill("16")
    visit.page.get_by_label("Block", exact=True).fill("16")
    visit.page.click("#decode")
    visit.page.wait_for_function(
        "document.querySelector('.dv-note').textContent.startsWith('Done')", timeout=90_000
    )
    visit.page.click(".lib-tabs >> text=Library")
    visit.page.wait_for_selector(".lib-table")
    assert names(visit) == ["Write the word: cat"]


def test_everything_works_from_the_keyboard(visit: Visit, tmp_path: Path) -> None:
    library(visit)
    for name in ("first", "second", "third"):
        bring(visit, store.save(fresh(), tmp_path / f"{name}.npz"))
    assert names(visit) == ["third", "second", "first"]
    assert focused(visit) == "third"
    visit.press("ArrowDown", "ArrowDown", "F2")
    visit.page.keyboard.type("renamed")
    visit.press("Enter")
    visit.page.wait_for_selector("text=renamed")
    visit.page.wait_for_function("document.activeElement.textContent === 'renamed'")
    visit.press("F2")
    visit.page.keyboard.type("not kept")
    visit.press("Escape")
    assert focused(visit) == "renamed"
    visit.press("p")
    visit.page.wait_for_selector("tr[data-pinned] >> text=renamed")
    assert names(visit) == ["renamed", "third", "second"]
    visit.page.focus("tr:nth-child(2) .lib-open")
    visit.press("Delete")
    visit.page.wait_for_function("document.activeElement.textContent === 'Undo'")
    assert names(visit) == ["renamed", "second"]
    assert "Deleted “third”" in visit.page.inner_text(".lib-toast")
    visit.press("Enter")
    visit.page.wait_for_function("document.activeElement.textContent === 'third'")
    assert names(visit) == ["renamed", "third", "second"]
    visit.press("Enter")
    visit.page.wait_for_function(
        "document.querySelector('.dv-label').textContent === 'Step 0 of 3'"
    )
    assert visit.page.is_visible(".dv-canvas")
    visit.press("End")
    assert visit.label() == "Step 3 of 3"


def test_names_and_pins_outlive_the_page_and_a_search_finds_them(
    visit: Visit, tmp_path: Path
) -> None:
    library(visit)
    for name in ("north run", "south run"):  # ids are searched, too: no digit, no a to f alone
        bring(visit, store.save(fresh(), tmp_path / f"{name}.npz"))
    library(visit)
    assert names(visit) == ["south run", "north run"]
    visit.page.fill(".lib-search", "RUN north")
    visit.page.wait_for_function("document.querySelectorAll('tr[data-id]').length === 1")
    assert "1 of 2 runs" in visit.page.inner_text(".lib-root header")
    visit.page.fill(".lib-search", "<b>nothing")
    visit.page.wait_for_selector(".lib-empty")
    assert "No run holds “<b>nothing”." in visit.page.inner_text(".lib-empty")
    visit.page.click("text=Show all")
    visit.page.wait_for_selector(".lib-table")
    assert names(visit) == ["south run", "north run"]


def test_hostile_names_and_prompts_are_only_text(visit: Visit, tmp_path: Path) -> None:
    library(visit)
    bring(visit, store.save(hostile(), tmp_path / "x.npz"))
    assert names(visit) == [HOSTILE]
    visit.page.hover("tr[data-id]")
    visit.page.click(".lib-rename")
    visit.page.keyboard.type(f"{HOSTILE} again")
    visit.press("Enter")
    visit.page.wait_for_function("document.activeElement.textContent.endsWith(' again')")
    visit.page.click(".lib-delete")
    visit.page.wait_for_selector(".lib-toast button")
    assert HOSTILE in visit.page.inner_text(".lib-toast")
    visit.page.click(".lib-toast button")
    visit.page.wait_for_selector("tr[data-id]")
    assert visit.page.evaluate("window.hit") is None


def test_dropped_files_are_imported_or_refused_with_one_sentence(
    visit: Visit, tmp_path: Path
) -> None:
    visit.open()
    body = list(store.save(fresh(), tmp_path / "x.npz").read_bytes())
    visit.page.evaluate(DROP, [["good.npz"], body])
    visit.page.wait_for_selector("tr.lib-new")
    assert names(visit) == ["good"]
    visit.page.evaluate(DROP, [["cut.npz"], body[:100]])
    refused = visit.page.wait_for_selector(".lib-note:not([hidden])")
    assert refused is not None
    assert "cut.npz" in refused.inner_text()
    visit.page.evaluate(DROP, [["photo.jpg"], body])
    visit.page.wait_for_function(
        "document.querySelector('.lib-note').textContent.startsWith('photo.jpg is no .npz file')"
    )
    assert names(visit) == ["good"]
    visit.complaints = [c for c in visit.complaints if "422" not in c]  # the browser logs those


def test_a_child_leads_to_its_parent(visit: Visit, tmp_path: Path) -> None:
    library(visit)
    parent = fresh()
    bring(visit, store.save(parent, tmp_path / "the parent.npz"))
    child = fresh(parent=store.run_id(parent), step=2)
    bring(visit, store.save(child, tmp_path / "the child.npz"))
    assert visit.page.inner_text(".lib-parent") == "↳ continues the parent from step 2"
    visit.page.click(".lib-parent button")
    visit.page.wait_for_function(
        "document.querySelector('.dv-label').textContent === 'Step 0 of 3'"
    )
    assert f"seed {parent.spec.seed}" in visit.page.inner_text(".dv-about")


def test_every_export_comes_down_and_the_menu_closes(visit: Visit, tmp_path: Path) -> None:
    library(visit)
    trace = fresh()
    bring(visit, store.save(trace, tmp_path / "x.npz"))
    identity = store.run_id(trace)
    for kind in ("npz", "html", "json", "csv"):
        visit.page.click(".lib-menu summary")
        with visit.page.expect_download() as coming:
            visit.page.click(f".lib-menu [data-kind={kind}]")
        assert coming.value.suggested_filename == f"dlmviz-{identity}.{kind}"
        assert not visit.page.is_visible(".lib-list")
    visit.page.focus(".lib-menu summary")
    visit.press("Enter", "Escape")
    assert not visit.page.is_visible(".lib-list")
    visit.press("Enter")
    visit.page.click("[data-kind=cell]")
    visit.page.wait_for_selector(".lib-code")
    assert f'open_trace("dlmviz-{identity}.npz")' in visit.page.input_value(".lib-code")
    visit.press("Escape")
    visit.page.wait_for_selector(".lib-code", state="detached")


def test_the_library_fits_every_screen(visit: Visit, tmp_path: Path) -> None:
    library(visit)
    for width in WIDTHS:
        assert visit.overflow(width) == 0, width
    bring(visit, store.save(hostile(), tmp_path / "x.npz"))
    for width in WIDTHS:
        assert visit.overflow(width) == 0, width
        for selector in (".lib-open", ".lib-menu summary", ".lib-delete", ".lib-pin"):
            box = visit.page.locator(f"tr[data-id] {selector}").bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert min(box["width"], box["height"]) >= 24


def test_a_page_on_the_disk_scrubs_by_keyboard_and_asks_nobody(
    browser: sync_api.Browser, tmp_path: Path
) -> None:
    trace = hostile()
    path = tmp_path / "run.html"
    path.write_text(export.standalone(trace, "x"), encoding="utf-8")
    page = browser.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda r: asked.append(r.url) if not r.url.startswith("data:") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.goto(path.as_uri())
    page.wait_for_selector(".dv-canvas[data-steps]")
    for count in range(len(trace.steps) + 1):
        assert page.inner_text(".dv-label") == f"Step {count} of 3"
        masked = page.eval_on_selector_all(".dv-masked", "all => all.map(t => +t.dataset.pos)")
        assert masked == np.flatnonzero(trace.canvas_at(count) == trace.mask_id).tolist()
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Home")
    assert page.inner_text(".dv-label") == "Step 0 of 3"
    for key in ("End", "p", "m", "o", "Enter", "Delete", "n", "ArrowDown"):
        page.keyboard.press(key)
    page.hover("#dv-token-4")
    shares = page.locator(".dv-top .dv-share")
    assert shares.all_inner_texts() == ["81.3 %", "18.8 %"]
    assert all(shares.nth(i).is_visible() for i in range(2))
    assert HOSTILE in page.inner_text("#dv-token-4")
    for gone in (".dv-save", ".dv-sharing", ".dv-study", ".dv-film"):
        assert not page.is_visible(gone)
    assert page.evaluate("window.hit") is None
    assert "cloud" not in page.content().lower().replace("cloudy", "")
    page.wait_for_timeout(300)
    assert asked == [path.as_uri()]
    assert complaints == []
    page.close()
