"""The Inspect page in a real browser, against the real app."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np
import pytest

from dlmviz import store
from dlmviz.types import RunSpec, StepRecord, Trace
from dlmviz.ui.shelves import GALLERY
from tests.browser.conftest import WIDTHS, Visit
from tests.traces import SAT, three_steps

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOSTILE = "<img src=x onerror=window.hit=1>"


def bundled() -> Trace:
    return store.open_trace(sorted(GALLERY.glob("*.npz"))[0])


def one_by_one(length: int) -> Trace:
    """A run that writes `length` tokens from left to right, one a step."""
    initial = np.array([7] + [0] * length, np.int32)
    steps = []
    for index in range(length):
        sure = np.where(np.arange(length) >= index, 0.5, np.nan).astype(np.float32)
        ids = np.where(np.isnan(sure), -1, 3).astype(np.int32)[:, None]
        probs = np.nan_to_num(sure).astype(np.float16)[:, None]
        at, token, none = (np.array(x, np.int32) for x in ([index + 1], [3], []))
        block = (1, length + 1)
        steps.append(
            StepRecord(
                index, block, at, token, none, sure, sure, sure, ids, probs, 1, 1, seconds=0.1
            )
        )
    spec = RunSpec(prompt="Q", gen_length=length, block_length=length)
    return Trace(spec, initial, 1, 0, 1, tuple(steps), "", {0: "?", 1: "<eos>", 3: " a", 7: "Q"})


def upload(visit: Visit, path: Path, says: str) -> None:
    visit.page.set_input_files("input[type=file]", path)
    visit.page.wait_for_function(
        "text => document.querySelector('.dv-note').textContent.includes(text)", arg=says
    )


def test_the_bundled_run_is_visible_soon_after_the_start(
    app: tuple[str, float], visit: Visit, request: pytest.FixtureRequest
) -> None:
    visit.open()
    took = time.monotonic() - app[1]
    steps = len(bundled().steps)
    assert visit.page.get_attribute(".dv-canvas", "data-steps") == str(steps)
    assert visit.label() == f"Step 0 of {steps}"
    if request.session.testscollected == 1:  # alone, so that nothing else ran since the start
        assert took <= 8


def test_the_keyboard_scrubs_without_asking_the_server(visit: Visit) -> None:
    visit.open()
    steps = len(bundled().steps)
    visit.page.focus(".dv-canvas")
    visit.page.wait_for_timeout(500)
    before = len(visit.requests)
    visit.press(*["ArrowRight"] * 5)
    assert visit.label() == f"Step {min(5, steps)} of {steps}"
    visit.press("Shift+ArrowRight")
    assert visit.label() == f"Step {min(15, steps)} of {steps}"
    visit.press("Home")
    assert visit.label() == f"Step 0 of {steps}"
    visit.press("End")
    assert visit.label() == f"Step {steps} of {steps}"
    visit.press("ArrowLeft", "ArrowDown", "ArrowDown", "ArrowUp", "n")
    assert visit.label() == f"Step {steps - 1} of {steps}"
    assert visit.page.get_attribute(".dv-card", "data-pos") == str(bundled().offset + 1)
    visit.page.wait_for_timeout(300)
    assert visit.requests[before:] == []


def test_the_canvas_shows_the_replayed_trace_at_every_step(visit: Visit) -> None:
    visit.open()
    trace = bundled()
    visit.page.focus(".dv-canvas")
    for step in range(len(trace.steps) + 1):
        masked = visit.page.eval_on_selector_all(
            ".dv-token",
            "all => all.map(t => [+t.dataset.pos, t.classList.contains('dv-masked')])",
        )
        canvas = trace.canvas_at(step)
        assert masked == [
            [pos, bool(canvas[pos] == trace.mask_id)] for pos in range(trace.offset, len(canvas))
        ]
        new = visit.page.eval_on_selector_all(".dv-new", "all => all.map(t => +t.dataset.pos)")
        assert new == (trace.steps[step - 1].positions.tolist() if step else [])
        visit.press("ArrowRight")


@pytest.mark.parametrize("step", [1, 2])
def test_pointing_at_a_token_lists_the_top_k_of_that_step(visit: Visit, step: int) -> None:
    visit.open()
    trace = bundled()
    visit.page.focus(".dv-canvas")
    visit.press(*["ArrowRight"] * step)
    record = trace.steps[step - 1]
    row = int(np.flatnonzero(~np.isnan(record.confidence))[-1])
    visit.page.hover(f"#dv-token-{trace.offset + row}")
    assert visit.page.get_attribute(".dv-card", "data-pos") == str(trace.offset + row)
    rows = visit.page.eval_on_selector_all(
        ".dv-top li", "all => all.map(r => [+r.dataset.id, +r.dataset.p])"
    )
    assert [r[0] for r in rows] == record.top_ids[row].tolist()
    assert [r[1] for r in rows] == record.top_probs[row].astype(float).tolist()


def test_the_card_says_why_a_position_was_written_left_or_taken_back(
    visit: Visit, tmp_path: Path
) -> None:
    trace = three_steps()
    first, second, last = trace.steps
    none = np.array([], np.int32)
    back = dataclasses.replace(
        last,
        index=3,
        positions=none,
        tokens=none,
        remasked=np.array([2], np.int32),
        why={2: "unsure now"},
    )
    trace = dataclasses.replace(trace, steps=(first, second, last, back))
    visit.open()
    upload(visit, store.save(trace, tmp_path / "why.npz"), "why.npz")
    visit.page.focus(".dv-canvas")
    told = []
    for _ in range(5):
        visit.page.hover("#dv-token-5")
        visit.page.hover("#dv-token-2")
        told.append(
            visit.page.eval_on_selector_all(".dv-why", "all => all.map(p => p.textContent)")
        )
        visit.press("ArrowRight")
    assert told == [
        [],
        ["Why at step 1: below tau"],
        ["Why at step 2: above tau"],
        ["Why at step 2: above tau"],  # the step that wrote it, once it is decided
        ["Why at step 4: unsure now"],
    ]


def test_a_click_in_the_map_moves_step_and_position(visit: Visit) -> None:
    visit.open()
    trace = bundled()
    box = visit.page.locator(".dv-field").bounding_box()
    assert box is not None
    columns, rows = len(trace.initial) - trace.offset, len(trace.steps)
    pos, step = columns // 3, rows // 2
    x = 34 + (box["width"] - 40) * (pos + 0.5) / columns
    y = 6 + (box["height"] - 28) * (step - 0.5) / rows
    visit.page.click(".dv-field", position={"x": x, "y": y})
    assert visit.label() == f"Step {step} of {rows}"
    chosen = visit.page.get_attribute(".dv-canvas", "aria-activedescendant")
    assert chosen == f"dv-token-{trace.offset + pos}"


def test_playing_keeps_the_chosen_speed(visit: Visit, tmp_path: Path) -> None:
    visit.open()
    upload(visit, store.save(one_by_one(64), tmp_path / "long.npz"), "long.npz")
    visit.page.select_option(".dv-transport select", "8")
    visit.page.focus(".dv-canvas")
    visit.press("]", " ")
    visit.page.wait_for_timeout(1000)
    visit.press(" ")
    step = int(visit.page.get_attribute(".dv-canvas", "data-step") or 0)
    assert 12 <= step <= 20  # 16 a second
    visit.page.wait_for_timeout(300)
    assert visit.page.get_attribute(".dv-canvas", "data-step") == str(step)


def test_hostile_text_of_a_trace_does_not_run(visit: Visit, tmp_path: Path) -> None:
    trace = three_steps()
    pieces = {**trace.pieces, SAT: HOSTILE}
    info = {"title": HOSTILE, "look": HOSTILE}
    last = dataclasses.replace(trace.steps[-1], why={4: HOSTILE})
    steps = (*trace.steps[:-1], last)
    trace = dataclasses.replace(trace, pieces=pieces, text=HOSTILE, info=info, steps=steps)
    visit.open()
    upload(visit, store.save(trace, tmp_path / "hostile.npz"), "hostile.npz")
    assert visit.label() == "Step 0 of 3"
    visit.page.focus(".dv-canvas")
    visit.press("End")
    visit.page.hover("#dv-token-4")
    assert HOSTILE in visit.page.inner_text(".dv-why")
    visit.page.click("text=Show as table")
    assert HOSTILE in visit.page.inner_text("#dv-token-4")
    assert HOSTILE in visit.page.inner_text(".dv-text")
    visit.page.wait_for_timeout(200)
    assert visit.page.evaluate("window.hit") is None


def test_a_corrupt_file_leaves_the_page_as_it_was(visit: Visit, tmp_path: Path) -> None:
    visit.open()
    visit.page.focus(".dv-canvas")
    visit.press("ArrowRight")
    before = visit.label()
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK\x03\x04 nothing")
    upload(visit, broken, "cannot open broken.npz")
    assert visit.label() == before


def test_an_empty_prompt_is_answered_with_a_sentence(visit: Visit) -> None:
    visit.open()
    visit.page.click("#decode")
    visit.page.wait_for_selector(".dv-problem")
    assert "the prompt is empty" in visit.page.inner_text(".dv-note")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_overflows_sideways(visit: Visit, theme: str) -> None:
    visit.open(f"?__theme={theme}")
    for width in WIDTHS:
        assert visit.overflow(width) == 0, width


def test_canvas_transport_and_map_fit_the_first_screen(visit: Visit) -> None:
    visit.open()
    for panel in (".dv-canvas", ".dv-transport", ".dv-field"):
        box = visit.page.locator(panel).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 900, panel


def test_on_a_phone_the_tokens_come_before_the_form(visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 420, "height": 900})
    visit.open()
    order = [".dv-canvas", ".dv-transport", ".dv-card", ".dv-field", "#decode"]
    boxes = [visit.page.locator(panel).bounding_box() for panel in order]
    tops = [box["y"] for box in boxes if box]
    assert len(tops) == len(order)
    assert tops == sorted(tops)
