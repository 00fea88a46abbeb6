"""What the page tells: numbers of tokens that stand, pictures to take away, and what went wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from dlmviz import store
from dlmviz.store.schema import MAX_BYTES
from dlmviz.ui import export
from tests.browser.conftest import Visit, sync_api
from tests.browser.test_depend import row
from tests.browser.test_inspect import upload
from tests.test_store import Trap, bomb, rewrite
from tests.traces import SAT, three_steps

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_signal_of_a_token_that_stands_is_on_the_card_and_the_map(
    visit: Visit, tmp_path: Path
) -> None:
    trace = three_steps()
    noted = {"consistency": row({3: 0.25, 4: 0.5})}
    last = dataclasses.replace(trace.steps[2], signals=noted)
    trace = dataclasses.replace(trace, steps=(*trace.steps[:2], last))
    visit.open()
    upload(visit, store.save(trace, tmp_path / "noted.npz"), "noted.npz")
    visit.page.focus(".dv-canvas")
    visit.press("End", "ArrowDown")  # position 3, which step 1 wrote
    card = visit.page.inner_text(".dv-card")
    assert "What it expected at step 1, the last time it was asked:" in card
    assert card.split("What step 3 looked at here:")[1].split() == ["consistency", "25.0", "%"]
    assert visit.page.locator(".dv-top li").count() == 2  # those of step 1
    visit.press("ArrowDown")  # position 4, which step 3 asked about and wrote
    assert "consistency\n50.0 %" in visit.page.inner_text(".dv-card")
    assert "looked at here" not in visit.page.inner_text(".dv-card")
    visit.page.select_option(".dv-map select", "consistency")
    assert visit.page.inner_text(".dv-map .dv-read") == "step 3, position 4: 50.0 %"
    visit.press("ArrowUp", "ArrowUp")
    assert visit.page.inner_text(".dv-map .dv-read") == "step 3, position 2: decided"


def test_a_recorded_run_that_vanished_is_said_and_the_page_stays_usable(visit: Visit) -> None:
    gone = {"problem": "the server no longer has this run"}
    visit.page.route("**/dlmviz/runs/01*", lambda route: route.fulfill(status=404, json=gone))
    visit.page.goto(visit.address)
    visit.page.wait_for_selector("h2:text-is('This run cannot be shown')", timeout=60_000)
    about = visit.page.inner_text(".dv-about")
    assert gone["problem"] in about
    assert "Choose another recorded run above. Press an example and Decode" in about
    visit.page.select_option(".dv-tools select", "02-story-hasty")
    visit.page.wait_for_selector(".dv-canvas[data-steps='4']")
    assert gone["problem"] not in visit.page.inner_text(".dv-about")
    visit.page.select_option(".dv-tools select", "01-story-careful")
    visit.page.wait_for_selector(".dv-note.dv-problem")
    assert visit.label() == "Step 0 of 4"  # what is on screen stays
    visit.complaints = [c for c in visit.complaints if "404" not in c]  # the browser logs those


def test_a_file_that_is_no_trace_of_ours_is_one_sentence(visit: Visit, tmp_path: Path) -> None:
    visit.open()
    label = visit.label()
    other, pickled, cut, bomb_ = (tmp_path / f"{name}.npz" for name in ("a", "b", "c", "d"))
    rewrite(other, {"schema": 9}, {})
    upload(visit, other, "cannot open a.npz as a trace: its schema is 9")
    rewrite(pickled, {}, {"score": np.array([Trap()], dtype=object)})
    upload(visit, pickled, "holds pickled objects, which are never read")
    cut.write_bytes(pickled.read_bytes()[:-100])
    upload(visit, cut, "cut short or damaged")
    bomb(bomb_, "score", "<f4", (MAX_BYTES // 4,), MAX_BYTES)
    upload(visit, bomb_, "it unpacks to")
    assert visit.label() == label
    visit.page.focus(".dv-canvas")
    visit.press("ArrowRight")
    assert visit.label() != label


def test_a_model_that_does_not_open_is_said_and_the_next_one_decodes(visit: Visit) -> None:
    visit.open()
    visit.page.get_by_label("Prompt").first.fill("Write the word: cat")
    visit.page.get_by_label("Length", exact=True).fill("16")
    visit.page.get_by_label("Block", exact=True).fill("16")
    visit.page.get_by_role("button", name="Advanced").click()
    visit.page.get_by_label("Another model").fill("/no/such/folder")
    visit.page.click("#decode")
    visit.page.wait_for_selector(".dv-note.dv-problem", timeout=60_000)
    assert "no model or folder called '/no/such/folder'" in visit.page.inner_text(".dv-note")
    visit.page.get_by_label("Another model").fill("")
    visit.page.click("#decode")
    visit.page.wait_for_function(
        "document.querySelector('.dv-note').textContent.startsWith('Done')", timeout=90_000
    )


def test_a_draft_is_written_with_the_knobs_that_the_form_shows(visit: Visit) -> None:
    visit.open()
    visit.page.get_by_label("Prompt").first.fill("Write the word: cat")
    visit.page.get_by_label("Length", exact=True).fill("16")
    visit.page.get_by_label("Block", exact=True).fill("16")
    visit.page.get_by_label("edit", exact=True).check()
    visit.page.wait_for_selector("text=Knobs of fast_dllm, which writes the draft:")
    tau = visit.page.get_by_role("spinbutton", name="tau")
    tau.fill("0.4")
    tau.blur()
    visit.page.click("#decode")
    visit.page.wait_for_function(
        "document.querySelector('.dv-note').textContent.startsWith('Done')", timeout=90_000
    )
    assert visit.page.inner_text(".dv-watch h2") == "edit · base.tau 0.4"
    visit.page.get_by_label("llada", exact=True).last.check()
    visit.page.wait_for_selector("text=Knobs of llada, which writes the draft:")
    visit.page.get_by_label("llada", exact=True).first.check()
    visit.page.wait_for_selector("text=which writes the draft:", state="hidden")


SPACE = "{http://www.w3.org/2000/svg}"
WILD = "</text><script>window.hit=1</script>\x08&\u202e"


def taken(visit: Visit, what: str, folder: Path) -> tuple[str, Path]:
    """(name, file) of a picture that the menu gives."""
    visit.page.click(".dv-snapshots summary")
    with visit.page.expect_download() as coming:
        visit.page.click(f"[data-picture='{what}']")
    path = folder / what
    coming.value.save_as(path)
    return coming.value.suggested_filename, path


def texts(root: ElementTree.Element) -> list[str]:
    return [node.text or "" for node in root.iter(f"{SPACE}text")]


def test_tokens_and_map_come_as_pictures_that_hold_text_and_no_markup(
    visit: Visit, tmp_path: Path
) -> None:
    pieces = {**three_steps().pieces, SAT: f" {WILD}"}
    trace = dataclasses.replace(three_steps(), pieces=pieces, info={"title": f"A {WILD} run"})
    visit.open("?__theme=dark")
    upload(visit, store.save(trace, tmp_path / "wild.npz"), "wild.npz")
    visit.page.focus(".dv-canvas")
    visit.press("ArrowRight", "ArrowRight")
    name, path = taken(visit, "tokens.svg", tmp_path)
    assert name == "dlmviz-a-text-script-window-hit-1-script-run-step-2-tokens.svg"
    root = ElementTree.parse(path).getroot()
    assert {"the", "cat", "eos"} <= {*texts(root)}  # position 4 is masked
    assert not any("dog" in words or "script" in words for words in texts(root)[2:])
    assert texts(root)[0] == f"A {WILD} run".replace("\x08", "\ufffd")
    assert texts(root)[1].startswith("step 2 of 3 · fast_dllm · tau 0.9 · hand")
    assert "100 %" in texts(root)
    visit.page.focus(".dv-canvas")
    visit.press("End")
    _, path = taken(visit, "tokens.svg", tmp_path)
    assert WILD.replace("\x08", "\ufffd") in texts(ElementTree.parse(path).getroot())
    name, path = taken(visit, "map.svg", tmp_path)
    assert name.endswith("-run-step-3-map.svg")
    root = ElementTree.parse(path).getroot()
    assert {"step ↓", "position →", "1", "2", "3", "0", "100 %"} <= {*texts(root)}
    paths = {node.get("fill"): node.get("d", "") for node in root.iter(f"{SPACE}path")}
    assert paths["#d55e00"].count("M") == 4  # tokens that were written
    cells = sum(d.count("M") for fill, d in paths.items() if fill != "#d55e00")
    assert cells == 7  # of 7 predictions, no two neighbours of one bin
    assert {*(node.tag for node in root.iter())} == {
        f"{SPACE}{tag}" for tag in ("svg", "title", "rect", "path", "text")
    }
    for what in ("tokens.png", "map.png"):
        _, path = taken(visit, what, tmp_path)
        assert path.read_bytes().startswith(b"\x89PNG")
        assert int.from_bytes(path.read_bytes()[16:20], "big") == 1920
    assert visit.page.evaluate("window.hit") is None


def test_a_page_on_the_disk_gives_pictures_too(browser: sync_api.Browser, tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    path.write_text(export.standalone(three_steps(), "0123456789abcdef"), encoding="utf-8")
    seen = Visit(browser.new_page(), "")
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.page.on("console", lambda m: seen.complaints.append(m.text) if m.type == "error" else None)
    seen.page.goto(path.as_uri())
    seen.page.wait_for_selector(".dv-canvas[data-steps]")
    name, made = taken(seen, "map.svg", tmp_path)
    assert name == "dlmviz-fast_dllm-tau-0-9-01234567-step-0-map.svg"
    assert "step 0 of 3" in texts(ElementTree.parse(made).getroot())[1]
    name, made = taken(seen, "tokens.png", tmp_path)
    assert made.read_bytes().startswith(b"\x89PNG")
    assert seen.complaints == []
    seen.page.close()
