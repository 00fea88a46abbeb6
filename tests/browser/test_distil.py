"""The Train tab in a real browser: a small job from its start to its table, and one that fails."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.conftest import Visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STEPS = 30
SMALL = {"count": 4, "held": 2, "scored": 1, "thresholds": "0.9"}
SMALL |= {"settings.steps": STEPS, "settings.batch": 1, "settings.rank": 2, "settings.save": 15}
WAIT = 120_000  # [ms], of a busy machine; a job's process needs seconds to begin
ROWS = "n => Number(document.querySelector('.di-curves')?.dataset.rows) > n"
LOOK = "id => fetch(`dlmviz/distil/jobs?job=${id}`).then((answer) => answer.json())"


def tab(visit: Visit, fragment: str = "") -> None:
    """Opens the app at the tab and waits for its form."""
    visit.page.goto(visit.address + "?tab=distil" + fragment)
    visit.page.wait_for_selector(".di-form [name=di-preset]", timeout=60_000)


def fill(visit: Visit, values: dict[str, Any]) -> None:
    for name, value in values.items():
        visit.page.fill(f".di-form [name='{name}']", str(value))


def state(visit: Visit, wanted: str) -> None:
    visit.page.wait_for_selector(f".di-chosen[data-state={wanted}]", timeout=WAIT)


def delete(visit: Visit) -> None:
    """Deletes the newest job, and waits until its row is gone."""
    identity = visit.page.get_attribute(".di-job", "data-id")
    visit.page.click(".di-job [data-verb=delete]")
    visit.page.click(".di-dialog >> text=Delete >> nth=-1")
    visit.page.wait_for_selector(f".di-job[data-id='{identity}']", state="detached")


def rows(visit: Visit) -> list[dict[str, Any]]:
    """The curve of the job in the address."""
    identity = visit.page.url.partition("#job=")[2]
    told = visit.page.evaluate(LOOK, identity)
    return [row for row in told["chosen"]["rows"] if "loss" in row]


def test_a_job_is_started_watched_stopped_resumed_and_tried(visit: Visit) -> None:
    page = visit.page
    tab(visit)
    page.click("text=More settings")
    fill(visit, SMALL)
    page.uncheck(".di-form [value=lists]")
    page.check(".di-form [value=pairs]")
    page.fill("#di-title", "<img src=x onerror=window.hit=1>")
    page.click(".di-go >> text=Start")
    state(visit, "running")
    page.wait_for_function(ROWS, arg=1, timeout=WAIT)
    assert re.search(rf"training · \d+ of {STEPS} steps", page.inner_text(".di-stage"))
    page.reload()
    page.wait_for_function(ROWS, arg=1, timeout=WAIT)
    assert page.input_value(".di-form [name=count]") == "96"
    page.click("[data-verb=stop]")
    state(visit, "stopped")
    before = rows(visit)
    assert 0 < len(before) < STEPS
    page.click("[data-verb=resume]")
    state(visit, "done")
    after = rows(visit)
    assert [row["step"] for row in after] == [*range(1, STEPS + 1)]
    assert after[: len(before)] == before  # speeds and all: none was done again
    table = page.inner_text(".di-outcome .di-table")
    assert "pairs" in table
    assert "TPF" in table
    assert "interval" in page.inner_text(".di-gains")
    page.click(".di-curves >> text=Show as table")
    steps = page.eval_on_selector_all(".di-rows tbody th", "all => all.map(n => n.textContent)")
    assert steps == [str(step) for step in range(STEPS + 1)]
    for width in (390, 1440):
        assert visit.overflow(width) == 0
    page.click(".di-try[data-try=compare]")  # lane A the base, lane B with the adapter
    page.wait_for_selector(".cp-note >> text=Press Decode")
    lanes = page.eval_on_selector_all(".cp-card [id$=adapter]", "all => all.map(n => n.value)")
    assert lanes[0] == ""
    assert lanes[1] != ""
    assert page.input_value("#cp-prompt") != ""
    page.click(".cp-go")
    page.wait_for_selector("text=Done. All lanes are in the Library.", timeout=WAIT)
    page.wait_for_selector(".cp-table [data-row=nfe] >> visible=true")
    page.wait_for_selector(".cp-scroll:not([aria-busy])")
    verdicts = page.locator(".cp-table [data-row=correct] td").all_inner_texts()
    assert "–" not in verdicts  # the job's own task grades both
    models = page.eval_on_selector_all(".cp-table small", "all => all.map(n => n.textContent)")
    assert models[0] == "tiny-early"
    assert models[1].startswith("tiny-early + ")
    page.click(".lib-tabs >> text=Train")
    page.click(".di-try[data-try=inspect]")
    page.wait_for_selector("#adapters input:checked:not([value=''])", timeout=30_000)
    assert page.is_checked("#ask input[value=tiny-early]")
    assert page.input_value("#ask textarea >> nth=0") != ""
    page.click(".lib-tabs >> text=Train")
    delete(visit)
    assert page.evaluate("window.hit") is None


def test_a_bad_value_and_a_job_that_fails_say_why(visit: Visit) -> None:
    page = visit.page
    tab(visit)
    fill(visit, {"model": "exact", "count": "ten", "settings.steps": "7"})
    page.click(".di-go >> text=Start")
    page.wait_for_selector(".di-go .di-problem:visible")
    assert "count must be a whole number: got 'ten'" in page.inner_text(".di-go .di-problem")
    assert page.evaluate("document.activeElement.name") == "count"
    assert page.input_value("[name='settings.steps']") == "7"
    fill(visit, {"count": "4"})
    page.click(".di-go >> text=Start")
    state(visit, "failed")
    assert "the model exact cannot be distilled" in page.inner_text(".di-chosen > .di-problem")
    assert "the model exact cannot be distilled" in page.inner_text(".di-log")
    delete(visit)
    visit.complaints = [c for c in visit.complaints if "422" not in c]  # the browser logs those
