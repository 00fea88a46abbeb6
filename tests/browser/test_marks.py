"""The marks on tokens, and what a step moves and costs, against the real app."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlmviz.types import StepRecord, Trace
from tests.browser.conftest import Visit
from tests.browser.test_depend import graphed, row, show
from tests.traces import DOG, three_steps

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def remasking() -> Trace:
    """The cat is written as a dog first and taken back at step 2; steps 1 and 4 have slow sets."""
    trace = three_steps()
    first, second, last = trace.steps
    none = np.array([], np.int32)
    slow = {"slow": row({2: 1, 3: 0, 4: 1, 5: 0})}
    wrong = dataclasses.replace(first, tokens=np.array([DOG, 1], np.int32), signals=slow)
    back = dataclasses.replace(
        second, positions=none, tokens=none, remasked=np.array([3], np.int32)
    )
    again: StepRecord = dataclasses.replace(
        first, index=2, positions=np.array([2, 3], np.int32), tokens=np.array([2, 3], np.int32)
    )
    steps = (wrong, back, again, dataclasses.replace(last, index=3))
    pieces = {**trace.pieces, DOG: " dromedary"}
    return dataclasses.replace(trace, steps=steps, pieces=pieces)


def classes(visit: Visit, name: str) -> list[int]:
    return visit.page.eval_on_selector_all(
        f".dv-canvas .{name}", "all => all.map(n => +n.closest('.dv-token').dataset.pos)"
    )


def test_marks_follow_the_signals_of_the_step(visit: Visit, tmp_path: Path) -> None:
    show(visit, graphed(), tmp_path, step=1)
    assert classes(visit, "dv-in-set") == [3, 5]
    visit.press("ArrowRight")
    assert classes(visit, "dv-in-set") == []
    assert visit.page.inner_text(".dv-legend").split("\n") == ["new", "independent set"]


def test_slow_fast_and_taken_back_tokens_are_marked_without_colour_alone(
    visit: Visit, tmp_path: Path
) -> None:
    show(visit, remasking(), tmp_path, step=1)
    assert (classes(visit, "dv-slow"), classes(visit, "dv-fast")) == ([2, 4], [3, 5])
    assert "slow" in (visit.page.get_attribute("#dv-token-2", "title") or "")
    visit.press("ArrowRight")
    assert (classes(visit, "dv-slow"), classes(visit, "dv-is-remask")) == ([], [3])
    style = "getComputedStyle(document.querySelector('#dv-token-3 .dv-cell')).outlineStyle"
    visit.page.mouse.move(5, 5)
    assert visit.page.evaluate(style) == "dashed"
    visit.press("ArrowRight")
    assert classes(visit, "dv-is-remask") == []
    legend = visit.page.inner_text(".dv-legend").split("\n")
    assert legend == ["new", "slow", "fast", "taken back"]


@pytest.mark.parametrize("made", [graphed, remasking])
def test_nothing_moves_while_scrubbing(visit: Visit, tmp_path: Path, made: Any) -> None:
    """But for the graph's panel: it shrinks where a step has none, and what is below moves up."""
    show(visit, made(), tmp_path)
    still = ".dv-token, .dv-panel:not(.dv-depend, .dv-depend ~ *, .dv-film)"
    places = f"""() => [...document.querySelectorAll("{still}")]
      .map((n) => {{ const {{ x, y, width, height }} = n.getBoundingClientRect();
                    return [x, y, n.matches(".dv-token") ? width : height]; }})"""
    visit.page.evaluate("document.querySelector('.dv-card')?.remove()")  # it may grow
    visit.page.wait_for_timeout(200)
    before = visit.page.evaluate(places)
    for _ in range(4):
        visit.press("ArrowRight")
        visit.page.wait_for_timeout(60)
        assert visit.page.evaluate(places) == before


def test_edits_and_what_others_would_choose_are_marked(visit: Visit, tmp_path: Path) -> None:
    show(visit, three_steps(), tmp_path)
    marks = visit.page.evaluate(
        """async () => {
          const load = (name) => import(`/dlmviz/web/${name}.js`);
          const [{ makeStore }, { makeTokens }, { makeLegend }, { Run }] =
            await Promise.all(["store", "tokens", "legend", "run"].map(load));
          const store = makeStore(), { canvas } = makeTokens(store), legend = makeLegend(store);
          const run = new Run({ spec: { block_length: 4 }, prompt_length: 0, offset: 0, mask_id: 0,
            eos_id: 1, initial: [0, 0, 0, 0], pieces: { 2: " a", 3: " b" } });
          store.set({ run, step: 0, pos: 0 });
          store.set({
            edits: new Map([[0, { kind: "pin", token: 2 }], [1, { kind: "replace", token: 3 }],
                            [2, { kind: "remask" }]]),
            asked: { step: 0, shown: "llada", sets: new Map([["llada", new Set([3])]]) },
          });
          const of = (name) => [...canvas.querySelectorAll(`.${name}`)]
            .map((n) => +n.closest(".dv-token").dataset.pos);
          const out = { asked: of("dv-asked"), masked: of("dv-masked"), legend: legend.textContent,
            edited: of("dv-edited") };
          for (const kind of ["pin", "replace", "remask"]) out[kind] = of(`dv-is-${kind}`);
          store.set({ asked: { ...store.state.asked, step: 1 } });
          return { ...out, later: of("dv-asked") };
        }"""
    )
    assert marks == {
        "asked": [3],
        "masked": [2, 3],
        "edited": [0, 1, 2],
        "pin": [0],
        "replace": [1],
        "remask": [2],
        "later": [],
        "legend": "newchosen by the other samplerpinned by handreplaced by handmasked by hand",
    }


def test_the_pieces_of_a_local_model_are_bracketed_from_the_start_of_every_block(
    visit: Visit, tmp_path: Path
) -> None:
    trace = three_steps()
    spec = dataclasses.replace(trace.spec, sampler="codila", params={"piece": 3})
    show(visit, dataclasses.replace(trace, spec=spec), tmp_path)
    assert classes(visit, "dv-bracket") == [2, 3, 4, 5]
    assert classes(visit, "dv-bracket-first") == [2, 5]
    assert classes(visit, "dv-bracket-last") == [4, 5]  # the last one is cut by the block's end
    assert "piece of 3 tokens, written together" in visit.page.inner_text(".dv-legend")
