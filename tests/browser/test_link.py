"""Permalinks: what is on screen has an address, and the address brings it back."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from dlmviz import store
from dlmviz.ui.shelves import GALLERY
from tests.browser.conftest import ROOT, Visit, _wait
from tests.browser.test_inspect import HOSTILE, upload
from tests.browser.test_map import SIGNALS, drag, underlined, with_signals
from tests.traces import three_steps

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATHS = sorted(GALLERY.glob("*.npz"))
SAYS = """wanted => {
  const { searchParams, hash } = new URL(location.href);
  const said = { ...Object.fromEntries(searchParams),
                 ...Object.fromEntries(new URLSearchParams(hash.slice(1))) };
  return Object.entries(wanted).every(([key, text]) => said[key] === text);
}"""
# in the page: on a busy machine a look from outside may come when all has been played
PAUSE_AT_FOUR = """() => new Promise((done) => {
  const { dataset } = document.querySelector(".dv-canvas");
  const look = () => {
    if (document.querySelector(".dv-root").dataset.playing !== "true") return done("it stopped");
    if (Number(dataset.step) < 4) return requestAnimationFrame(look);
    done(location.href);
    document.querySelector(".dv-play").click();
  };
  look();
})"""


def place(visit: Visit) -> dict[str, str]:
    """What the address says: run and the parts of its fragment."""
    parts = urlsplit(visit.page.url)
    told = parse_qs(parts.query) | parse_qs(parts.fragment)
    return {key: values[0] for key, values in told.items()}


def settle(visit: Visit) -> None:
    visit.page.wait_for_timeout(400)  # an address that is written is written after a pause


def led_to(visit: Visit, wanted: dict[str, str]) -> None:
    """Waits until the address says all that is wanted, and holds it to say nothing else."""
    visit.page.wait_for_function(SAYS, arg=wanted)
    assert place(visit) == wanted


def title(visit: Visit) -> str:
    return visit.page.inner_text(".dv-watch h2")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of an app of our own, that ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "app.py", "--port", str(port), "--store", str(folder)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        _wait(f"http://127.0.0.1:{port}/", process)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.mark.parametrize("by", ["name", "hash"])
def test_a_link_shows_that_run_at_that_step_and_no_other_run_before(visit: Visit, by: str) -> None:
    trace = store.open_trace(PATHS[1])
    name = PATHS[1].stem if by == "name" else store.run_id(trace)
    pos = trace.offset + 3
    visit.open(f"?run={name}#step=2&pos={pos}&metric=entropy&span={pos}-{pos + 4}")
    assert title(visit) == trace.info["title"]
    assert visit.label() == f"Step 2 of {len(trace.steps)}"
    assert visit.page.get_attribute(".dv-card", "data-pos") == str(pos)
    assert visit.page.input_value(".dv-map select") == "entropy"
    assert underlined(visit) == list(range(pos, pos + 5))
    asked = [url for url in visit.requests if "dlmviz/runs/" in url]
    assert [urlsplit(url).path for url in asked] == [f"/dlmviz/runs/{name}"]
    settle(visit)
    assert visit.label() == f"Step 2 of {len(trace.steps)}"  # paused
    assert visit.page.get_attribute(".dv-root", "data-playing") == "false"


def test_the_address_follows_the_cursor_but_not_while_it_plays(visit: Visit) -> None:
    visit.open("?__theme=dark")
    settle(visit)
    assert place(visit) == {"__theme": "dark"}  # nothing was moved yet
    trace = store.open_trace(PATHS[0])
    pos = trace.offset
    run = {"__theme": "dark", "run": store.run_id(trace), "pos": str(pos)}
    visit.page.focus(".dv-canvas")
    visit.press("ArrowRight", "ArrowRight")
    led_to(visit, {**run, "step": "2"})
    visit.page.select_option(".dv-transport select", "2")  # a step lasts longer than that pause
    visit.page.focus(".dv-canvas")
    before = visit.page.evaluate("location.href")
    visit.press(" ")
    assert visit.page.evaluate(PAUSE_AT_FOUR) == before
    step = visit.page.get_attribute(".dv-canvas", "data-step")
    assert step is not None
    assert int(step) > 3
    led_to(visit, {**run, "step": step})
    visit.page.reload()
    visit.page.wait_for_selector(".dv-canvas[data-steps]")
    assert visit.label() == f"Step {step} of {len(trace.steps)}"
    assert visit.page.evaluate("history.length") <= 2  # moving the cursor is no page to go back to


def test_another_run_gets_its_own_address(visit: Visit, tmp_path: Path) -> None:
    trace = with_signals(SIGNALS)
    visit.open(f"?run={PATHS[1].stem}#step=1")
    upload(visit, store.save(trace, tmp_path / "signals.npz"), "signals.npz")
    visit.page.select_option(".dv-map select", "jsd")
    drag(visit, 1, 2, 4, 3)
    led_to(
        visit,
        {"run": store.run_id(trace), "step": "0", "pos": "2", "metric": "jsd", "span": "3-4"},
    )


@pytest.mark.parametrize("name", ["0123456789abcdef", HOSTILE, "../secret"])
def test_an_unknown_run_is_one_plain_sentence_and_the_bundled_run_works(
    visit: Visit, name: str
) -> None:
    visit.open(f"?run={quote(name)}#step=3&pos=40")
    told = visit.page.inner_text(".dv-lost p")
    assert told.startswith(f"There is no run “{name[:64]}")
    trace = store.open_trace(PATHS[0])
    assert title(visit) == trace.info["title"]
    assert visit.label() == f"Step 0 of {len(trace.steps)}"  # step 3 was that of another run
    visit.page.focus(".dv-canvas")
    visit.press("ArrowRight")
    assert visit.label() == f"Step 1 of {len(trace.steps)}"
    visit.page.click(".dv-lost button")
    assert visit.page.locator(".dv-lost").count() == 0
    assert visit.page.evaluate("window.hit") is None


@pytest.mark.parametrize(
    ("fragment", "step"),
    [
        ("step=99999&pos=99999", "last"),
        ("step=1e3&pos=-4&metric=__proto__&span=9", "0"),
        ("%%%&step=1&metric=nope&span=a-b", "1"),
    ],
)
def test_a_fragment_that_makes_no_sense_is_left_out(visit: Visit, fragment: str, step: str) -> None:
    visit.open(f"?run={PATHS[1].stem}#{fragment}")
    steps = len(store.open_trace(PATHS[1]).steps)
    assert visit.label() == f"Step {steps if step == 'last' else step} of {steps}"
    assert visit.page.input_value(".dv-map select") == "confidence"
    assert underlined(visit) == []


def test_editing_the_fragment_moves_the_cursor(visit: Visit) -> None:
    visit.open(f"?run={PATHS[0].stem}#step=1")
    visit.page.evaluate("location.hash = '#step=3&metric=reveal'")
    visit.page.wait_for_function("document.querySelector('.dv-canvas').dataset.step === '3'")
    assert visit.page.input_value(".dv-map select") == "reveal"


def test_a_copied_link_outlives_the_server(visit: Visit, tmp_path: Path) -> None:
    identity = store.put(tmp_path, three_steps())
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    with served(tmp_path) as visit.address:
        visit.open(f"?run={identity}#step=2&pos=4")
        visit.page.select_option(".dv-map select", "entropy")
        visit.page.focus(".dv-canvas")
        visit.press(" ")  # Share pauses
        visit.page.click(".dv-share")
        step = visit.page.get_attribute(".dv-canvas", "data-step")
        assert "also after a restart" in visit.page.inner_text(".dv-share-dialog")
        visit.page.click(".dv-share-dialog button:has-text('Copy')")
        visit.page.wait_for_selector("text=Copied.")
        link = visit.page.evaluate("navigator.clipboard.readText()")
        assert link == visit.page.input_value(".dv-link")
        assert link == f"{visit.address}?run={identity}#step={step}&pos=4&metric=entropy"
        visit.page.keyboard.press("Escape")
        visit.page.goto("about:blank")
    with served(tmp_path) as visit.address:
        visit.open(link[link.index("?") :])
        assert title(visit).startswith("fast_dllm")
        assert visit.label() == f"Step {step} of 3"
        assert visit.page.get_attribute(".dv-card", "data-pos") == "4"
        assert visit.page.input_value(".dv-map select") == "entropy"
        assert visit.page.get_attribute(".dv-root", "data-playing") == "false"
        visit.page.goto("about:blank")


def test_sharing_a_run_that_is_not_kept_says_so(visit: Visit, tmp_path: Path) -> None:
    visit.open()
    upload(visit, store.save(three_steps(), tmp_path / "mine.npz"), "mine.npz")
    visit.page.click(".dv-share")
    assert "not in the store" in visit.page.inner_text(".dv-share-dialog")
    assert store.run_id(three_steps()) in visit.page.input_value(".dv-link")
