"""The Analyse tab in a real browser: a small study, from its form to the run behind a dot."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

import dlmviz
from dlmviz import store
from dlmviz.batch import decode_many
from dlmviz.figures import spread
from dlmviz.figures.report import report
from dlmviz.figures.template import INKS
from dlmviz.samplers import make
from tests.browser.conftest import Visit, sync_api
from tests.browser.test_accessibility import grave

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WAIT = 180_000  # [ms], of a busy machine
OPENED = "ids => ids.includes(new URL(location.href).searchParams.get('run'))"
STARTS = ("the", "two", "one", "anna")
CHOSEN = "count => document.querySelectorAll('.an-picks :checked').length === count"
SCROLLS = """() => {
  const { scrollHeight, clientHeight } = document.querySelector(".an-picks");
  return scrollHeight > clientHeight;
}"""
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


@pytest.fixture
def recorded(tmp_path: Path, shelf: Path) -> Iterator[dict[Path, dlmviz.Trace]]:
    """200 runs of a model with a written law, in files; they leave the Library afterwards."""
    specs = [
        dlmviz.RunSpec(
            prompt=STARTS[seed % 4],
            model="exact",
            gen_length=12,
            block_length=4,
            sampler="random",
            temperature=1.0,
            seed=seed,
            record=("jsd",),
        )
        for seed in range(200)
    ]
    made = list(decode_many(dlmviz.load("exact"), make("random"), specs, 20, keep=1))
    yield {tmp_path / f"{store.put(tmp_path, trace)}.npz": trace for _, trace in made}
    for path in tmp_path.glob("*.npz"):
        (shelf / path.name).unlink(missing_ok=True)


def rho(traces: list[dlmviz.Trace]) -> float:
    """Spearman's rho of JSD at the entry of a block against -step, over the tokens of answers."""
    jsd, early = [], []
    for trace in traces:
        entries = {record.block: record.index for record in reversed(trace.steps)}
        for (start, end), entry in sorted(entries.items())[1:]:
            for at in range(start, end):
                if trace.final[at] != trace.eos_id:
                    value = trace.steps[entry].signals["jsd"][at - trace.offset]
                    jsd.append(round(float(value), 9))
                    early.append(entry - trace.finalized_at[at])
    return float(stats.spearmanr(jsd, early).statistic)


def test_two_hundred_runs_are_uploaded_and_a_dot_opens_one_of_them(
    visit: Visit, axe: str, recorded: dict[Path, dlmviz.Trace], tmp_path: Path
) -> None:
    page, bad = visit.page, tmp_path / "bad.npz"
    bad.write_bytes(b"no run")
    page.goto(visit.address + "?tab=analyse")
    page.wait_for_selector("#an-study", timeout=60_000)
    page.select_option("#an-study", "jsd_order")
    page.click(".an-root input[value=existing]")
    paths = [*recorded]
    page.set_input_files(".an-runs input[type=file]", [bad, *paths[:12]])
    page.wait_for_selector(".an-refused li:visible", timeout=WAIT)
    visit.complaints.clear()  # the browser tells of the refusal too
    page.wait_for_function(CHOSEN, arg=12, timeout=WAIT)
    assert page.evaluate(SCROLLS)  # as with 200, which take axe seconds
    assert grave(page, axe, "#analyse") == []
    page.set_input_files(".an-runs input[type=file]", paths[12:])
    page.wait_for_function(CHOSEN, arg=200, timeout=WAIT)
    page.click(".an-root .di-start")
    page.wait_for_selector(".an-chosen[data-state=done] .an-figure .main-svg", timeout=WAIT)
    page.locator(".an-missing summary").click()
    assert "bad.npz: " in page.inner_text(".an-missing li")
    twins = page.locator(".an-twin")
    twins.nth(0).locator("summary").click()
    cells = twins.nth(0).locator("tbody tr").first.locator("td").all_inner_texts()
    assert cells[1:3] == ["answer", "all blocks"]
    assert float(cells[3]) == pytest.approx(rho([*recorded.values()]), abs=5e-4)
    told = page.evaluate(TEXT, twins.nth(2).locator("a").get_attribute("href"))
    rows = list(csv.DictReader(io.StringIO(told)))
    assert len(rows) == 200
    assert {row["run"] for row in rows} == {path.stem for path in recorded}
    dots = page.locator(".an-figure >> nth=2").locator(".scatterlayer .point")
    dots.first.scroll_into_view_if_needed()
    box = dots.first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function("document.body.dataset.tab === 'inspect'")
    page.wait_for_function(OPENED, arg=[path.stem for path in recorded])


def test_a_studys_page_on_the_disk_is_light_or_dark_as_its_reader_likes_and_asks_nobody(
    browser: sync_api.Browser, tmp_path: Path
) -> None:
    table = pd.DataFrame([{"task": "pairs", "way": "apart", "x": 2.0, "x_low": 1.0, "x_high": 3.0}])
    figure = spread.grouped(table, "task", "way", "x", "Broken pairs", "broken [%]")
    path = tmp_path / "report.html"
    path.write_text(report("Pairs", ["<b>"], {"Pairs": figure}, {"Ways": table}), "utf-8")
    page = browser.new_page(color_scheme="dark")
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda r: asked.append(r.url) if not r.url.startswith("data:") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    page.wait_for_selector(".main-svg")
    for look in ("dark", "light", "dark"):
        page.emulate_media(color_scheme=look)
        ink = INKS[look == "dark"]
        paper = "rgb({}, {}, {})".format(*bytes.fromhex(ink["paper"][1:]))
        page.wait_for_function(
            "paper => document.querySelector('.main-svg').style.background === paper", arg=paper
        )
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == paper
    assert page.inner_text("p >> nth=0") == "<b>"
    assert (asked, complaints) == ([path.as_uri()], [])
    page.close()
