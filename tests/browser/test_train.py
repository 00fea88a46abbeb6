"""A head is trained, judged and tried in a real browser, and its arcs and its budget are drawn."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.browser.conftest import Visit
from tests.browser.test_distil import ROWS, WAIT, delete, fill, state, tab

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SMALL = {"count": 4, "held": 3, "batch": 2, "fit.sources": 2, "fit.draws": 1, "fit.key": 8}
SMALL |= {"fit.epochs": 2, "fit.batch": 2}
PANEL = ".dv-depend"
HEAD = "label:has-text('folder of a trained predictor') :is(textarea, input)"
DRAWN = "document.querySelector('.dv-depend')?.dataset.arcs > 0"
PAINTED = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.some(Boolean);
}"""


def test_a_predictor_is_trained_and_decodes_with_its_arcs_and_its_budget(visit: Visit) -> None:
    page = visit.page
    tab(visit)
    page.fill("[name=count]", "12")
    page.check("[name=di-kind][value=demask]")
    assert not page.is_visible("text=Estimate")
    page.check("[name=di-kind][value=distil]")
    assert page.input_value("[name=count]") == "12"  # what was typed before
    page.check("[name=di-kind][value=demask]")
    page.click("text=More settings")
    fill(visit, SMALL)
    for task in ("stories", "lists", "puzzles", "words", "pairs", "mrf"):
        page.uncheck(f".di-form [value={task}]")
    page.click(".di-go >> text=Start")
    page.wait_for_function(ROWS, arg=1, timeout=WAIT)
    state(visit, "done")
    assert page.locator(".di-stages li[data-over=true]").all_inner_texts()[-2:] == [
        "fit",
        "keeping",
    ]
    assert page.locator(".di-charts figure:visible").count() == 1
    score = page.eval_on_selector_all("[data-score]", "all => all.map(n => n.dataset.score)")
    assert {"mae", "constant_mae", "spearman", "trusted"} <= {*score}
    assert page.is_visible(".di-outcome [data-verdict]")
    for width in (390, 1440):
        assert visit.overflow(width) == 0
    page.click(".di-try[data-try=compare]")  # lane A by confidence, lane B with the predictor
    page.wait_for_selector(".cp-note >> text=lane B is demask")
    said = page.locator(".cp-card .cp-said b").all_inner_texts()
    assert said[0] == "fast_dllm"
    assert re.fullmatch(r"demask · head [0-9a-f]{8}", said[1])  # no page needs to show where it is
    assert page.input_value("#cp-prompt") != ""
    page.click(".cp-go")
    page.wait_for_selector("text=Done. All lanes are in the Library.", timeout=WAIT)
    page.click(".lib-tabs >> text=Train")
    page.click(".di-try[data-try=inspect]")
    page.wait_for_selector("#samplers input[value=demask]:checked", timeout=30_000)
    folder = page.locator(HEAD).input_value()
    assert Path(folder).parent.name == "heads"
    page.click("#decode")
    page.wait_for_selector("text=Done. Saved as", timeout=WAIT)
    assert f"head {Path(folder).name}" in page.inner_text(".dv-watch")
    assert folder not in page.inner_text(".dv-watch")  # no page needs to show where it lies
    page.focus(".dv-canvas")
    visit.press("Home", "ArrowRight")
    page.locator(PANEL).scroll_into_view_if_needed()
    page.wait_for_function(DRAWN.replace("> 0", "!== undefined"))
    assert "a trained predictor says" in page.inner_text(PANEL)
    assert "of τ = 0.1" in page.inner_text(".dv-budgets figcaption")
    assert page.eval_on_selector("canvas.dv-budget", PAINTED)
    assert {"cost", "spent"} <= {
        *page.eval_on_selector_all(".dv-map option", "all => all.map(n => n.value)")
    }
    page.locator(HEAD).fill("<img src=x>/none")
    page.click("#decode")
    page.wait_for_selector("#note >> text=holds no head", timeout=WAIT)
    page.click(".lib-tabs >> text=Train")
    delete(visit)
