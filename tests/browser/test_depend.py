"""The dependency view, the segments and the marks on tokens, against the real app."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlmviz import store
from dlmviz.types import Links, Trace
from tests.browser.conftest import Visit
from tests.browser.test_inspect import HOSTILE, upload
from tests.traces import DOG, SAT, three_steps

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAN = float("nan")
PANEL = ".dv-depend"
# Raw scores between positions 2..5; every row's greatest is 0.5, so N = R / 0.5.
SCORES = {(2, 3): 0.5, (3, 4): 0.25, (4, 5): 0.5, (2, 5): 0.125}
DEGREES = {2: 0.625, 3: 0.75, 4: 0.75, 5: 0.625}


def edges(scores: Mapping[tuple[int, int], float], offset: int = 2, size: int = 4) -> Links:
    out = np.zeros((size, size), np.float16)
    for (a, b), score in scores.items():
        out[a - offset, b - offset] = out[b - offset, a - offset] = score
    return Links.of(out)


def row(values: Mapping[int, float]) -> np.ndarray:
    return np.array([values.get(position, NAN) for position in range(2, 6)], np.float32)


def graphed(**more: Any) -> Trace:
    """The three-step trace with a graph at each step and, at the first, an independent set 3, 5."""
    trace = three_steps()
    first, second, last = trace.steps
    signals = {
        "degree": row(DEGREES),
        "threshold": row(dict.fromkeys(DEGREES, 0.36)),
        "independent": row({2: 0, 3: 1, 4: 0, 5: 1}),
    }
    why = {2: "conflicts with 3", 3: "independent", 4: "conflicts with 3", 5: "independent"}
    first = dataclasses.replace(first, links=edges(SCORES), signals=signals, why=why)
    second = dataclasses.replace(second, links=edges({(2, 4): 0.25}))
    return dataclasses.replace(trace, steps=(first, second, last), **more)


def show(visit: Visit, trace: Trace, folder: Path, step: int = 0) -> None:
    visit.page.set_viewport_size({"width": 1440, "height": 2400})
    visit.open()
    upload(visit, store.save(trace, folder / "made.npz"), "made.npz")
    visit.page.wait_for_function(
        "document.querySelector('.dv-label').textContent.startsWith('Step 0')"
    )
    visit.page.focus(".dv-canvas")
    visit.press(*["ArrowRight"] * step)


def shown(visit: Visit, **data: object) -> None:
    """Waits until the panel says that it drew these."""
    for key, value in data.items():
        visit.page.wait_for_selector(f'{PANEL}[data-{key}="{value}"]', timeout=5000)


def column(visit: Visit, strip: str, position: int, positions: int = 4) -> tuple[float, float]:
    """Where a position stands on a strip with insets 28 and 6, in page pixels."""
    box = visit.page.locator(strip).bounding_box()
    assert box is not None
    width = box["width"] - 34
    return box["x"] + 28 + width * (position - 2 + 0.5) / positions, box["y"] + 10


def test_arcs_at_or_above_tau_are_drawn_and_the_slider_moves_the_threshold(
    visit: Visit, tmp_path: Path
) -> None:
    show(visit, graphed(), tmp_path, step=1)
    shown(visit, step=1, tau="0.3600", cut="0.3600", arcs=3)  # N = 1, 0.5, 1 and 0.25
    assert "3 of 4 arcs are above τ = 0.36" in visit.page.inner_text(f"{PANEL} .dv-read")
    assert "Independent set: 3, 5." in visit.page.inner_text(f"{PANEL} .dv-read")
    assert visit.page.get_attribute(".dv-follow", "aria-pressed") == "true"
    visit.page.locator(".dv-cut").fill("50")
    shown(visit, cut="0.2500", arcs=4)  # equality counts, where a person sets the threshold
    assert "4 of 4 arcs are at least 0.25" in visit.page.inner_text(f"{PANEL} .dv-read")
    assert visit.page.get_attribute(".dv-follow", "aria-pressed") == "false"
    visit.page.locator(".dv-cut").fill("80")
    shown(visit, cut="0.6400", arcs=2)
    visit.page.click(".dv-follow")
    shown(visit, cut="0.3600", arcs=3)
    visit.page.focus(".dv-canvas")
    visit.press("ArrowRight")
    shown(visit, step=2, arcs=1, tau="")
    assert not visit.page.is_visible(".dv-follow")  # there is no tau here to follow
    visit.press("ArrowRight")
    visit.page.wait_for_selector(".dv-arcs", state="hidden")
    assert "Step 3 looked at no attention graph." in visit.page.inner_text(PANEL)
    box = visit.page.locator(PANEL).bounding_box()
    assert box is not None
    assert box["height"] < 120
    visit.press("ArrowLeft")
    visit.page.wait_for_selector(".dv-arcs")


def test_the_strength_of_an_arc_is_what_the_rule_compared(visit: Visit, tmp_path: Path) -> None:
    """The order is 3, 5, 4, 2 by score, ties to the lower position. 5 came after 3, so the rule
    compared R_35 / max R_5j = 0.05 / 0.5 with tau, not 0.05 / 0.1: both are in the set.
    """
    trace = graphed()
    links = edges({(4, 5): 0.5, (2, 3): 0.1, (3, 5): 0.05})
    first = dataclasses.replace(trace.steps[0], links=links)
    unruled = dataclasses.replace(trace.steps[1], index=1, links=links, signals={})
    steps = (first, unruled, trace.steps[2])
    show(visit, dataclasses.replace(trace, steps=steps), tmp_path, step=1)
    shown(visit, step=1, cut="0.3600", arcs=2)
    assert "the one that the sampler came to later" in visit.page.inner_text(PANEL)
    visit.press("ArrowRight")
    shown(visit, step=2, cut="0.4000", arcs=3)  # no set was made: the larger of the two counts


@pytest.mark.parametrize("name", ["19-dapd-capital", "20-dapd-shuffle", "21-dapd-padding"])
def test_above_tau_no_member_of_the_set_has_an_arc_to_another_and_every_other_has_one(
    visit: Visit, name: str
) -> None:
    """What the rule compared is R_ij over the strongest of the one that it came to later."""
    visit.page.goto(visit.address + "learn")
    steps = visit.page.evaluate(
        """async (name) => {
          const { Run } = await import("/dlmviz/web/run.js");
          const { graphOf, kept, tauOf } = await import("/dlmviz/web/graph.js");
          const run = new Run(await (await fetch(`/dlmviz/runs/${name}`)).json());
          return run.records.map((record, i) => {
            const graph = graphOf(run, i + 1), arcs = kept(graph, tauOf(run, i + 1), null, true);
            const set = graph.nodes.filter((node) => node.set).map(({ pos }) => pos);
            const stopped = [...record.why].filter(([, why]) => why.startsWith("conflicts"))
              .map(([pos, why]) => [pos, Number(why.split(" ").pop())]);
            return { set, stopped, arcs: arcs.map(({ a, b }) => [a, b]) };
          });
        }""",
        name,
    )
    assert any(step["stopped"] for step in steps)
    for step in steps:
        arcs = {frozenset(pair) for pair in step["arcs"]}
        assert not any(pair <= set(step["set"]) for pair in arcs)
        assert {frozenset(pair) for pair in step["stopped"]} <= arcs


def test_a_run_without_a_graph_says_what_to_do(visit: Visit, tmp_path: Path) -> None:
    show(visit, three_steps(), tmp_path, step=1)
    text = visit.page.inner_text(PANEL)
    assert "This run recorded no dependence graph. Decode with dapd or demask, or" in text
    assert not visit.page.is_visible(".dv-arcs")
    assert not visit.page.is_visible(".dv-cut")


def test_another_samplers_threshold_is_not_taken_for_tau(visit: Visit, tmp_path: Path) -> None:
    trace = graphed()
    first = trace.steps[0]
    signals = {"threshold": first.signals["threshold"]}
    steps = (dataclasses.replace(first, signals=signals), *trace.steps[1:])
    show(visit, dataclasses.replace(trace, steps=steps), tmp_path, step=1)
    shown(visit, step=1, tau="", cut="0.4000")
    assert not visit.page.is_visible(".dv-follow")


def test_pointing_and_choosing_isolate_a_position_in_both_directions(
    visit: Visit, tmp_path: Path
) -> None:
    show(visit, graphed(), tmp_path, step=1)
    shown(visit, step=1, focus="")  # nothing was chosen by a person yet
    visit.page.hover("#dv-token-4")
    shown(visit, focus=4)
    assert "conflicts with 3" in visit.page.inner_text(f"{PANEL} .dv-read")
    x, y = column(visit, ".dv-arcs", 3)
    visit.page.mouse.move(x, y)
    shown(visit, focus=3)
    assert visit.page.get_attribute(".dv-card", "data-pos") == "3"
    assert "dv-hover" in (visit.page.get_attribute("#dv-token-3", "class") or "")
    visit.page.mouse.click(x, y)
    assert visit.page.get_attribute(".dv-canvas", "aria-activedescendant") == "dv-token-3"
    visit.page.mouse.move(5, 5)
    shown(visit, focus=3)
    visit.page.mouse.click(x, y)  # once more: all arcs again
    visit.page.mouse.move(5, 5)
    shown(visit, focus="")
    visit.page.focus(".dv-canvas")
    visit.press("ArrowDown")
    shown(visit, focus=4)


def test_degrees_are_listed_highest_first_with_the_reason(visit: Visit, tmp_path: Path) -> None:
    show(visit, graphed(), tmp_path, step=1)
    visit.page.get_by_role("button", name="Graph", exact=True).click()
    visit.page.wait_for_selector(".dv-degrees tbody tr")
    rows = visit.page.eval_on_selector_all(
        ".dv-degrees tbody tr:not([hidden])",
        "all => all.map(r => [...r.children].map(c => c.textContent))",
    )
    assert rows == [  # ties go to the lower position
        ["3", "cat", "0.750", "in the set"],
        ["4", "dog", "0.750", "conflicts with 3"],
        ["2", "the", "0.625", "conflicts with 3"],
        ["5", "eos", "0.625", "in the set"],
    ]
    visit.page.click(".dv-degrees button:text-is('2')")
    shown(visit, focus=2)
    assert visit.page.get_attribute(".dv-canvas", "aria-activedescendant") == "dv-token-2"


def test_the_circle_keeps_every_node_in_its_place(visit: Visit, tmp_path: Path) -> None:
    show(visit, graphed(), tmp_path)
    places = visit.page.evaluate(
        """async () => {
          const { layout } = await import("/dlmviz/web/graph.js");
          const run = { block: () => [2, 6] };
          const of = (...all) => layout(run, 1, { nodes: all.map((pos) => ({ pos })) }, 300, 300)
            .map(({ pos, x, y }) => [pos, Math.round(x), Math.round(y)]);
          return [of(2, 3, 4, 5), of(3, 5)];
        }"""
    )
    corner = [[2, 218, 82], [3, 218, 218], [4, 82, 218], [5, 82, 82]]  # radius 96, eighths
    assert places == [corner, [corner[1], corner[3]]]


def test_segments_are_counted_after_every_step_and_a_click_goes_there(
    visit: Visit, tmp_path: Path
) -> None:
    show(visit, three_steps(), tmp_path)
    counts = []
    for _ in range(4):
        counts.append(int(visit.page.get_attribute(".dv-plot", "data-count") or -1))
        visit.press("ArrowRight")
    assert counts == [0, 2, 2, 1]
    assert "at most 2, after step 1" in visit.page.inner_text(".dv-segments")
    box = visit.page.locator(".dv-plot").bounding_box()
    assert box is not None
    x = box["x"] + 28 + (box["width"] - 34) * 2 / 3
    visit.page.mouse.move(x, box["y"] + 40)
    assert visit.page.inner_text(".dv-segments .dv-read") == "step 2: 2 segments"
    visit.page.mouse.click(x, box["y"] + 40)
    assert visit.label() == "Step 2 of 3"
    visit.page.mouse.move(*column(visit, ".dv-bar", 3))
    assert "segment 1 of 2: positions 2 to 3, 2 tokens: the cat" in visit.page.inner_text(
        ".dv-segments .dv-read"
    )
    visit.page.click("text=Segments as a table")
    cells = visit.page.eval_on_selector_all(
        ".dv-segments td", "all => all.map(c => +c.textContent)"
    )
    assert cells == [0, 2, 2, 1]


def test_hostile_tokens_stay_text_in_graph_and_tables(visit: Visit, tmp_path: Path) -> None:
    pieces = {**three_steps().pieces, SAT: HOSTILE, DOG: HOSTILE}
    show(visit, graphed(pieces=pieces), tmp_path, step=1)
    visit.page.get_by_role("button", name="Graph", exact=True).click()
    visit.page.click("text=Arcs as a table")
    visit.page.wait_for_selector(f"{PANEL} .dv-twin td")
    assert "<img" in visit.page.inner_text(f"{PANEL} .dv-twin table")
    assert visit.page.eval_on_selector_all(f"{PANEL} img", "all => all.length") == 0
    assert visit.page.evaluate("window.hit") is None


def test_predicted_influences_are_arcs_and_the_budget_is_drawn_under_its_line(
    visit: Visit, tmp_path: Path
) -> None:
    made = graphed()
    first, *others = made.steps
    signals = {"cost": row({3: 0, 5: 0.01, 2: 0.5}), "spent": row({3: 0, 5: 0.01, 2: 0.01})}
    why = {2: "over budget: it would cost 0.5", 3: "within budget: 0 of 0.02 spent"}
    first = dataclasses.replace(first, signals=signals, why=why)
    plain = [dataclasses.replace(record, links=None) for record in others]
    trace = dataclasses.replace(made, steps=(first, *plain))
    show(visit, trace, tmp_path, step=1)
    shown(visit, step=1, arcs=4, cut="0.0200", tau="")
    text = visit.page.inner_text(PANEL)
    assert "a trained predictor says" in text
    assert "Written together: 3, 5." in text
    assert "2 tokens for 0.01 of τ = 0.02; 1 would have cost too much" in text
    visit.page.click(f"{PANEL} >> text=Arcs as a table")
    visit.page.wait_for_selector(f"{PANEL} .dv-twin thead th")  # it is filled once it is open
    head = visit.page.locator(f"{PANEL} .dv-twin thead th").all_inner_texts()
    assert head == ["one end", "other end", "D"]
    cells = visit.page.locator(f"{PANEL} .dv-twin tbody tr >> nth=0 >> td").all_inner_texts()
    assert cells[-1] == "0.5"  # as it was recorded, divided by nothing
    visit.page.mouse.move(*column(visit, ".dv-arcs", 2))
    shown(visit, focus=2)
    assert "over budget: it would cost 0.5" in visit.page.inner_text(f"{PANEL} .dv-read")
    visit.page.focus(".dv-canvas")
    visit.press("ArrowRight")
    shown(visit, step=2)
    assert "asked for no influences" in visit.page.inner_text(PANEL)
