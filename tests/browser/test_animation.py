"""The animation for slides in a real browser: on the page, and as a file from disk."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from playwright import sync_api

from dlmviz import store
from tests.browser.conftest import Visit
from tests.browser.test_inspect import HOSTILE, one_by_one, upload
from tests.traces import SAT, three_steps

pytestmark = [pytest.mark.browser, pytest.mark.slow]

READY = ".dv-film[data-frames] .main-svg"
PAUSED = "document.querySelector('.dv-film-play').textContent.includes('Play')"
# in the page: on a busy machine a click from outside may come when all has been played
PAUSE_AFTER_TWO = """() => new Promise((done) => {
  const film = document.querySelector(".dv-film");
  const look = () => {
    if (Number(film.dataset.frame) <= 2) return requestAnimationFrame(look);
    film.querySelector(".dv-film-play").click();
    done(film.dataset.frame);
  };
  look();
})"""
DRAWN = "document.querySelector('.js-plotly-plot').querySelectorAll('.textpoint').length"


def opened(visit: Visit) -> None:
    visit.page.click(".dv-film > summary")
    visit.page.wait_for_selector(READY, timeout=90_000)
    visit.page.wait_for_selector(".dv-film [inert]", state="detached")


def frame(visit: Visit) -> int:
    return int(visit.page.get_attribute(".dv-film", "data-frame") or -1)


def words(visit: Visit) -> list[str]:
    found = visit.page.eval_on_selector_all(
        ".dv-stage .textpoint text", "all => all.map(t => t.textContent)"
    )
    return [str(text) for text in found]


def seek(visit: Visit, step: int) -> None:
    visit.page.locator(".dv-film .dv-slider").fill(str(step))
    visit.page.wait_for_selector(f'.dv-film[data-frame="{step}"]')


def test_nothing_of_plotly_is_loaded_before_the_panel_is_opened(visit: Visit) -> None:
    visit.open()
    visit.page.wait_for_timeout(300)
    assert not [url for url in visit.requests if "plotly" in url or "figure" in url]
    opened(visit)
    assert [url for url in visit.requests if "plotly.js" in url]


def test_frames_arrive_and_the_slider_shows_the_words_of_each(visit: Visit, tmp_path: Path) -> None:
    visit.open()
    upload(visit, store.save(three_steps(), tmp_path / "three.npz"), "three.npz")
    opened(visit)
    assert visit.page.get_attribute(".dv-film", "data-frames") == "4"
    count = "document.querySelector('.dv-stage')._transitionData._frames.length"
    assert visit.page.evaluate(count) == 4
    told = []
    for step in (3, 1, 0, 2):
        seek(visit, step)
        told.append(sorted(words(visit)))
        assert visit.page.inner_text(".dv-film-label") == f"Step {step} of 3"
    assert told == [["cat", "eos", "sat", "the"], ["cat", "eos"], [], ["cat", "eos", "the"]]


def test_a_window_of_another_width_gets_a_figure_that_fits(visit: Visit) -> None:
    visit.open()
    opened(visit)
    seek(visit, 2)
    drawn = """document.querySelector('.dv-stage').clientWidth
      === document.querySelector('.dv-stage .main-svg').clientWidth"""
    height = "document.querySelector('.dv-stage').clientHeight"
    before = visit.page.evaluate(height)
    assert before > 400
    visit.page.set_viewport_size({"width": 1340, "height": 900})  # the same figure, not lower
    visit.page.wait_for_function(drawn)
    assert visit.page.evaluate(height) == before
    with visit.page.expect_response(lambda answer: "figure/order" in answer.url):  # another one
        visit.page.set_viewport_size({"width": 420, "height": 900})
    visit.page.wait_for_selector(".dv-film [inert]", state="detached")
    visit.page.wait_for_selector('.dv-film[data-frame="2"]')
    visit.page.wait_for_function(drawn)
    assert visit.page.evaluate(height) > before


def test_play_advances_to_the_end_and_pause_stops_it(visit: Visit, tmp_path: Path) -> None:
    visit.open()
    upload(visit, store.save(one_by_one(12), tmp_path / "twelve.npz"), "twelve.npz")
    opened(visit)
    visit.page.click(".dv-film-play")
    stopped = int(visit.page.evaluate(PAUSE_AFTER_TWO))
    visit.page.wait_for_function(PAUSED)
    assert 2 < stopped < 12
    visit.page.wait_for_timeout(1500)
    assert frame(visit) == stopped
    visit.page.click(".dv-film-play")
    visit.page.wait_for_selector('.dv-film[data-frame="12"]', timeout=90_000)
    visit.page.wait_for_function(PAUSED)


def test_another_run_replaces_the_animation(visit: Visit, tmp_path: Path) -> None:
    visit.open()
    opened(visit)
    upload(visit, store.save(three_steps(), tmp_path / "three.npz"), "three.npz")
    visit.page.wait_for_selector('.dv-film[data-frames="4"]', timeout=90_000)
    seek(visit, 1)
    assert sorted(words(visit)) == ["cat", "eos"]


def test_hostile_tokens_and_titles_are_drawn_as_text(visit: Visit, tmp_path: Path) -> None:
    trace = three_steps()
    pieces = {**trace.pieces, SAT: HOSTILE}
    trace = dataclasses.replace(trace, pieces=pieces, info={"title": HOSTILE})
    visit.open()
    upload(visit, store.save(trace, tmp_path / "hostile.npz"), "hostile.npz")
    opened(visit)
    seek(visit, 3)
    assert HOSTILE in visit.page.text_content(".dv-stage .gtitle").replace("\u200b", "")
    cells = visit.page.locator(".dv-stage .nsewdrag").first.bounding_box()
    assert cells is not None
    visit.page.locator(".dv-stage").scroll_into_view_if_needed()
    cells = visit.page.locator(".dv-stage .nsewdrag").first.bounding_box()
    assert cells is not None
    visit.page.mouse.move(cells["x"] + cells["width"] * 0.6, cells["y"] + cells["height"] / 2)
    visit.page.mouse.move(cells["x"] + cells["width"] * 0.62, cells["y"] + cells["height"] / 2)
    visit.page.wait_for_selector(".dv-stage .hovertext")
    told = visit.page.text_content(".dv-stage .hovertext") or ""
    assert HOSTILE in told
    assert "position 4" in told
    assert "written at step 3" in told
    assert "confidence 81.2%" in told
    assert visit.page.evaluate("window.hit") is None
    assert visit.page.evaluate("document.querySelector('.dv-stage img')") is None


def test_the_theme_changes_the_figure_on_the_page(visit: Visit) -> None:
    visit.open("?__theme=light")
    opened(visit)
    paper = "getComputedStyle(document.querySelector('.dv-stage .main-svg')).backgroundColor"
    assert visit.page.evaluate(paper) == "rgb(255, 255, 255)"
    visit.page.evaluate("document.body.classList.add('dark')")
    visit.page.wait_for_function(f"{paper} === 'rgb(24, 28, 32)'")
    assert "theme=dark" in (visit.page.get_attribute(".dv-film .dv-save", "href") or "")


def test_a_picture_of_the_frame_can_be_saved(visit: Visit, tmp_path: Path) -> None:
    visit.open()
    upload(visit, store.save(three_steps(), tmp_path / "three.npz"), "three.npz")
    opened(visit)
    seek(visit, 2)
    for kind, start in (("PNG", b"\x89PNG"), ("SVG", b"<svg")):
        with visit.page.expect_download(timeout=90_000) as saved:
            visit.page.click(f".dv-film .dv-toggle >> text={kind}")
        assert saved.value.suggested_filename.endswith(f"-step-2.{kind.lower()}")
        content = Path(saved.value.path()).read_bytes()
        assert content.startswith(start)
        assert len(content) > 5000


def test_the_exported_file_plays_from_disk_without_a_request(
    visit: Visit, browser: sync_api.Browser, tmp_path: Path
) -> None:
    visit.open()
    upload(visit, store.save(three_steps(), tmp_path / "three.npz"), "three.npz")
    opened(visit)
    with visit.page.expect_download(timeout=90_000) as saved:
        visit.page.click("text=Export as HTML")
    file = tmp_path / "order.html"
    saved.value.save_as(file)
    context = browser.new_context(offline=True)
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.goto(file.as_uri(), timeout=90_000)
    page.wait_for_selector(".js-plotly-plot .updatemenu-button", timeout=90_000)
    assert page.evaluate(DRAWN) == 0
    page.click(".updatemenu-button >> nth=0")
    page.wait_for_function(f"{DRAWN} === 4", timeout=90_000)
    page.hover(".js-plotly-plot")
    assert page.locator("[data-title*='hart']").count() == 0  # "Share chart", "Edit chart"
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert complaints == []
    context.close()


def test_the_panel_can_be_used_from_the_keyboard(visit: Visit, tmp_path: Path) -> None:
    visit.open()
    upload(visit, store.save(three_steps(), tmp_path / "three.npz"), "three.npz")
    visit.page.focus(".dv-film > summary")
    visit.press("Enter")
    visit.page.wait_for_selector(READY, timeout=90_000)
    visit.page.wait_for_selector(".dv-film [inert]", state="detached")
    visit.press("Tab", "Tab", "ArrowRight", "ArrowRight")
    visit.page.wait_for_selector('.dv-film[data-frame="2"]')
    visit.page.locator(".dv-film .dv-twin summary").press("Enter")
    visit.page.wait_for_selector(".dv-film tbody tr")  # the table is filled once it is open
    rows = visit.page.locator(".dv-film tbody tr").all_inner_texts()
    assert rows[1].split("\t") == ["2", "the at 2 (96.9 %)", "–"]


@pytest.mark.parametrize("width", [390, 1440])
def test_the_open_panel_does_not_widen_the_page(visit: Visit, width: int) -> None:
    visit.page.set_viewport_size({"width": width, "height": 900})
    visit.open()
    opened(visit)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
