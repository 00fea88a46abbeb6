"""The Analyse tab in a real browser: a small study, from its form to the run behind a dot."""

from __future__ import annotations

import csv
import io

import pytest

from tests.browser.conftest import Visit
from tests.browser.test_accessibility import grave

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WAIT = 180_000  # [ms], of a busy machine
TEXT = "address => fetch(address).then((answer) => answer.text())"


def test_a_study_is_chosen_started_read_and_one_of_its_runs_opened(visit: Visit, axe: str) -> None:
    page = visit.page
    page.goto(visit.address + "?tab=analyse")
    page.wait_for_selector("#an-study", timeout=60_000)
    page.select_option("#an-study", "jsd_order")
    assert "depends on the block before" in page.inner_text(".an-about")
    page.fill("#an-arms", "lada")
    page.click(".an-root .di-start")
    page.wait_for_selector(".an-root .di-problem:visible")
    assert "did you mean llada" in page.inner_text(".an-root .di-problem")
    visit.complaints.clear()  # the browser tells of the refusal too
    page.fill("#an-arms", "llada steps=12")
    page.fill("#an-n", "2")
    page.click(".an-root .di-start")
    page.wait_for_selector(".an-chosen[data-state=done] .an-figure .main-svg", timeout=WAIT)
    page.wait_for_function("document.querySelectorAll('.an-figure .main-svg').length >= 3")
    assert "answer: rho" in page.inner_text(".an-verdict")
    twin = page.locator(".an-twin", has_text="Correlation")
    twin.locator("summary").click()
    told = page.evaluate(TEXT, twin.locator("a").get_attribute("href"))
    rows = list(csv.DictReader(io.StringIO(told)))
    shown = twin.locator("tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    assert len(shown) == len(rows)
    names = list(rows[0])
    for line, row in zip(shown, rows, strict=True):
        rho = line[names.index("rho")]
        same = row["rho"] and abs(float(rho) - float(row["rho"])) < 5e-4  # three decimals
        assert same or (rho, row["rho"]) == ("undefined", "")
    assert grave(page, axe, "#analyse") == []
    dots = page.locator(".an-figure >> nth=2").locator(".scatterlayer .point")
    dots.first.scroll_into_view_if_needed()
    box = dots.first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function("document.body.dataset.tab === 'inspect'")
    page.wait_for_function("new URL(location.href).searchParams.get('run')?.length === 16")
    assert "run" in page.url
