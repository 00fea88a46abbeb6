"""The map of steps and positions, what it can show, and the selection brushed on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from dlmviz import store
from dlmviz.types import Trace
from dlmviz.ui.shelves import GALLERY
from tests.browser.conftest import Visit
from tests.browser.test_inspect import HOSTILE, upload
from tests.traces import three_steps

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAN = float("nan")
DARK, GREY, MIDDLE = [0, 34, 78], [112, 113, 115], [138, 134, 120]  # bins 0, 4 and 5
SAND, YELLOW = [225, 204, 85], [254, 232, 56]  # bins 8 and 9
SKY, ORANGE = [86, 180, 233], [230, 159, 0]
SIGNALS = {
    "margin": [0.25, 0.5, NAN, 1.0],
    "jsd": [0.0, 0.36, NAN, float(np.log(2))],
    "kl": [0.0, 0.02, NAN, 3.0],
    "slow": [0.0, 1.0, NAN, 0.0],
    "rank": [3.0, 1.0, 4.0, 2.0],
    "independent": [NAN, NAN, NAN, NAN],
    "my_signal": [-1.5, 2.0, NAN, float("inf")],
    HOSTILE: [1.0, 1.0, 1.0, 1.0],
}


def with_signals(signals: Mapping[str, list[float]]) -> Trace:
    """The three-step trace whose first step looked at these numbers, at positions 2..5."""
    trace = three_steps()
    given = {name: np.array(values, np.float32) for name, values in signals.items()}
    first = dataclasses.replace(trace.steps[0], signals=given)
    return dataclasses.replace(trace, steps=(first, *trace.steps[1:]))


def offered(visit: Visit) -> list[str]:
    texts: list[str] = visit.page.eval_on_selector_all(
        ".dv-map select option", "all => all.map(o => o.textContent)"
    )
    return texts


def centre(visit: Visit, column: float, row: float, columns: int, rows: int) -> dict[str, float]:
    """Where a cell of the map is, from the corner of its picture."""
    box = visit.page.locator(".dv-field").bounding_box()
    assert box is not None
    x = 34 + (box["width"] - 40) * (column + 0.5) / columns
    return {"x": x, "y": 6 + (box["height"] - 28) * (row + 0.3) / rows}


def colours(visit: Visit) -> list[list[int]]:
    """Colours of the four cells of the first of three steps."""
    places = [centre(visit, column, 0, 4, 3) for column in range(4)]
    found: list[list[int]] = visit.page.eval_on_selector(
        ".dv-field",
        "(f, all) => all.map(({x, y}) => [...f.getContext('2d').getImageData(x, y, 1, 1).data]"
        ".slice(0, 3))",
        places,
    )
    return found


def drag(visit: Visit, first: int, last: int, columns: int, rows: int) -> None:
    """Drags over the map from one column to another, along its first row."""
    box = visit.page.locator(".dv-field").bounding_box()
    assert box is not None
    start, end = (centre(visit, column, 0, columns, rows) for column in (first, last))
    visit.page.mouse.move(box["x"] + start["x"], box["y"] + start["y"])
    visit.page.mouse.down()
    visit.page.mouse.move(box["x"] + end["x"], box["y"] + end["y"], steps=5)
    visit.page.mouse.up()


def underlined(visit: Visit) -> list[int]:
    found: list[int] = visit.page.eval_on_selector_all(
        ".dv-brushed", "all => all.map(t => +t.dataset.pos)"
    )
    return found


def facts(visit: Visit) -> dict[str, str]:
    found: dict[str, str] = visit.page.eval_on_selector_all(
        ".dv-selection .dv-facts div",
        "all => Object.fromEntries(all.map(d => [...d.children].map(c => c.textContent)))",
    )
    return found


def test_the_map_offers_what_the_run_recorded_with_scale_and_unit(
    visit: Visit, tmp_path: Path
) -> None:
    visit.open()
    upload(visit, store.save(with_signals(SIGNALS), tmp_path / "signals.npz"), "signals.npz")
    names = ["confidence", "entropy", "reveal step", "margin", "JSD", "KL", "rank", "slow set"]
    assert offered(visit) == [*names, HOSTILE, "my signal"]
    visit.page.focus(".dv-canvas")
    visit.press("End")
    seen = {}
    for metric in ("jsd", "kl", "slow", "rank", "my_signal", HOSTILE):
        visit.page.select_option(".dv-map select", metric)
        scale = visit.page.inner_text(".dv-map .dv-scale").split("\n")
        visit.page.hover(".dv-field", position=centre(visit, 3, 0, 4, 3))
        seen[metric] = (scale, visit.page.inner_text(".dv-map .dv-read").partition(": ")[2])
    assert seen == {
        "jsd": (["0", "ln 2 = 0.693 nats"], "0.693 nats"),
        "kl": (["≤ 0.0001", "10 nats, log"], "3 nats"),
        "slow": (["fast", "slow"], "fast"),
        "rank": (["1", "4"], "rank 2"),
        "my_signal": (["-1.5", "2"], "∞"),
        HOSTILE: (["0", "1"], "1"),
    }
    assert HOSTILE in visit.page.inner_text(".dv-map > .dv-quiet")
    assert visit.page.evaluate("window.hit") is None


def test_colours_follow_the_scale_of_the_metric(visit: Visit, tmp_path: Path) -> None:
    visit.open()
    upload(visit, store.save(with_signals(SIGNALS), tmp_path / "signals.npz"), "signals.npz")
    visit.page.focus(".dv-canvas")
    visit.press("End", "ArrowUp")
    visit.page.select_option(".dv-map select", "jsd")
    empty = colours(visit)[2]
    assert colours(visit) == [DARK, MIDDLE, empty, YELLOW]  # 0.36 / ln 2 = 0.52
    visit.page.select_option(".dv-map select", "kl")
    assert colours(visit) == [
        DARK,
        GREY,
        empty,
        SAND,
    ]  # ln(200) / ln(100000) = 0.46, ln(30000) / ... = 0.895
    visit.page.select_option(".dv-map select", "slow")
    assert colours(visit) == [SKY, ORANGE, empty, SKY]


def test_a_choice_that_the_run_lacks_waits_for_one_that_has_it(
    visit: Visit, tmp_path: Path
) -> None:
    visit.open()
    upload(visit, store.save(with_signals(SIGNALS), tmp_path / "signals.npz"), "signals.npz")
    visit.page.select_option(".dv-map select", "jsd")
    upload(visit, store.save(three_steps(), tmp_path / "without.npz"), "without.npz")
    assert offered(visit) == ["confidence", "entropy", "reveal step"]
    assert visit.page.input_value(".dv-map select") == "confidence"
    upload(visit, store.save(with_signals(SIGNALS), tmp_path / "again.npz"), "again.npz")
    assert visit.page.input_value(".dv-map select") == "jsd"


def test_the_menu_grows_when_a_live_run_brings_a_signal(visit: Visit, tmp_path: Path) -> None:
    visit.open()
    trace = with_signals({"jsd": SIGNALS["jsd"]})
    quiet, told = trace.steps[1], trace.steps[0]
    trace = dataclasses.replace(trace, steps=(told, quiet))
    upload(visit, store.save(trace, tmp_path / "told.npz"), "told.npz")
    seen = visit.page.evaluate(
        """async (id) => {
          const load = (name) => import(new URL(`dlmviz/web/${name}.js`, document.baseURI).href);
          const [{ Run }, { makeStore }, { makeMap }] =
            await Promise.all(["run", "store", "map"].map(load));
          const header = await (await fetch(`dlmviz/runs/${id}`)).json();
          const steps = header.steps.reverse(), page = makeStore(), map = makeMap(page);
          const run = new Run({ ...header, steps: [] }), menu = map.querySelector("select");
          const names = () => [menu.value, ...Array.from(menu.options, (o) => o.value)];
          page.set({ run, live: true, metric: "jsd" });
          const out = [names()];
          for (const step of steps) {
            run.append([step]); page.set({ grown: [] }); out.push(names());
          }
          return out;
        }""",
        store.run_id(trace),
    )
    three = ["confidence", "entropy", "reveal"]
    assert seen == [["confidence", *three], ["confidence", *three], ["jsd", *three, "jsd"]]


def test_brushing_twenty_columns_counts_twenty_positions(visit: Visit) -> None:
    visit.open()
    trace = store.open_trace(sorted(GALLERY.glob("*.npz"))[0])
    columns, rows = len(trace.initial) - trace.offset, len(trace.steps)
    step = rows // 2
    visit.page.focus(".dv-canvas")
    visit.press(*["ArrowRight"] * step)
    before = len(visit.requests)
    drag(visit, 24, 5, columns, rows)  # to the left
    first, last = trace.offset + 5, trace.offset + 24
    assert visit.label() == f"Step {step} of {rows}"  # a drag is no click
    assert underlined(visit) == list(range(first, last + 1))
    assert visit.page.inner_text(".dv-selection h3") == f"Positions {first}–{last}"
    wrote = {
        int(pos): (index + 1, float(record.confidence[pos - trace.offset]))
        for index, record in enumerate(trace.steps[:step])
        for pos in record.positions
        if first <= pos <= last
    }
    told = facts(visit)
    assert told["positions"] == "20"
    assert told["decided so far"] == f"{len(wrote)} of 20"
    steps = sorted({s for s, _ in wrote.values()})
    assert told["different steps"] == str(len(steps))
    said = f"step {steps[0]}" if len(steps) == 1 else f"steps {steps[0]}–{steps[-1]}"
    assert told["written in"] == said
    mean = 100 * float(np.mean([p for _, p in wrote.values()]))
    assert told["mean confidence, when written"] in (f"{mean:.1f} %", ">99.9 %")
    visit.page.click(".dv-selection summary")
    assert visit.page.locator(".dv-selection tbody tr").count() == 20
    visit.page.focus(".dv-canvas")
    visit.press("Escape")
    assert underlined(visit) == []
    assert visit.page.locator(".dv-selection").is_hidden()
    assert visit.requests[before:] == []


def test_shift_and_arrows_select_and_steps_keep_the_selection(visit: Visit, tmp_path: Path) -> None:
    visit.open()
    upload(visit, store.save(three_steps(), tmp_path / "three.npz"), "three.npz")
    visit.page.focus(".dv-canvas")
    visit.press("ArrowDown", "Shift+ArrowDown", "Shift+ArrowDown", "Shift+ArrowDown")
    assert underlined(visit) == [3, 4, 5]  # the canvas ends at 5
    visit.press("Shift+ArrowUp")
    assert underlined(visit) == [3, 4]
    visit.press("Shift+ArrowUp", "Shift+ArrowUp")
    assert underlined(visit) == [2, 3]  # past the anchor, which stays
    assert facts(visit)["decided so far"] == "0 of 2"
    assert facts(visit)["written in"] == "none yet"
    visit.press("ArrowRight", "ArrowRight")
    assert facts(visit)["decided so far"] == "2 of 2"
    assert facts(visit)["written in"] == "steps 1–2"
    assert facts(visit)["mean confidence, when written"] == "95.3 %"  # (0.9375 + 0.96875) / 2
    assert visit.page.inner_text(".dv-span") == "the cat"
    upload(visit, store.save(with_signals(SIGNALS), tmp_path / "other.npz"), "other.npz")
    assert underlined(visit) == []  # those were positions of another run
    assert visit.page.locator(".dv-selection").is_hidden()
