"""What the page tells: numbers of tokens that stand, pictures to take away, and what went wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from dlmviz import store
from tests.browser.conftest import Visit
from tests.browser.test_depend import row
from tests.browser.test_inspect import upload
from tests.traces import three_steps

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
