"""How fast the page is, in headless Chromium: opening, scrubbing, memory, live decoding.

    python -m benchmarks.ui [--repeats 3]

Runs of 256 and 1,024 positions are made of random numbers and put into the app's own store.
"""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks import results_file
from benchmarks.results_file import gate
from benchmarks.screenshots import FLAGS, wait
from dlmviz.store import put
from dlmviz.types import RunSpec, StepRecord, Trace

ROOT = Path(__file__).resolve().parents[1]
READY = ".dv-canvas[data-steps]"

#: Milliseconds of each step change: the key, style and layout, and what is drawn in the next frame.
SCRUB = """async (steps) => {
  const canvas = document.querySelector(".dv-canvas"), times = [];
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  canvas.focus();
  canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "Home", bubbles: true }));
  await frame();
  for (let i = 0; i < steps; i++) {
    let first = 0, last = 0;
    requestAnimationFrame(() => { first = performance.now(); }); // before the page's own
    const began = performance.now();
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
    document.body.getBoundingClientRect();
    const handled = performance.now() - began;
    await new Promise((done) => requestAnimationFrame(() => { last = performance.now(); done(); }));
    times.push(handled + last - first);
  }
  return times;
}"""

#: Milliseconds from the wish to see a run, in a page that shows another, to its first frame.
OPEN = """(id) => new Promise((done) => {
  const began = performance.now();
  window.dispatchEvent(new CustomEvent("dlmviz:open", { detail: { id } }));
  const look = () => {
    const { steps } = document.querySelector(".dv-canvas").dataset;
    if (steps === "256") done(performance.now() - began);
    else requestAnimationFrame(look);
  };
  look();
})"""

#: Resolves with the time [ms since 1970] at which the last step was drawn, how many steps a second
#: arrived, and the id of the run.
LIVE = """() => new Promise((done) => {
  const canvas = document.querySelector(".dv-canvas"), root = document.querySelector(".dv-root");
  const seen = [];
  const look = () => {
    const steps = +canvas.dataset.steps, live = root.dataset.live === "true";
    if (live && steps && steps !== seen.at(-1)?.steps) seen.push({ steps, at: Date.now() });
    if (seen.length && !live) {
      const [first, last] = [seen[0], seen.at(-1)];
      const rate = (1000 * (last.steps - first.steps)) / (last.at - first.at);
      done({ drawn: last.at, rate, steps: last.steps });
    } else requestAnimationFrame(look);
  };
  document.querySelector("#decode").click();
  look();
})"""


def random_trace(length: int, steps: int) -> Trace:
    """A run of `length` positions and steps with random numbers; one token a step."""
    rng = np.random.default_rng(0)
    keep, mask, records = 5, 0, []
    for index in range(steps):
        masked = np.arange(length) >= index * length // steps
        numbers = {
            name: np.where(masked, rng.random(length), np.nan).astype(np.float32)
            for name in ("confidence", "entropy", "score")
        }
        first, last = index * length // steps, (index + 1) * length // steps
        written = np.arange(first, last, dtype=np.int32)
        records.append(
            StepRecord(
                index=index,
                block=(0, length),
                positions=written,
                tokens=rng.integers(1, 500, len(written)).astype(np.int32),
                remasked=np.zeros(0, np.int32),
                top_ids=rng.integers(1, 500, (length, keep)).astype(np.int32),
                top_probs=np.sort(rng.random((length, keep)))[:, ::-1].astype(np.float16),
                nfe=1,
                sequence_forwards=1,
                seconds=0.01,
                **numbers,
            )
        )
    spec = RunSpec(prompt="random numbers", gen_length=length, block_length=length)
    start = Trace(spec, np.zeros(length, np.int32), 0, mask, None, (), "", {})
    pieces = {i: f" word{i}" for i in range(501)}
    return dataclasses.replace(start, steps=tuple(records), text="", pieces=pieces)


@contextmanager
def app(store: Path) -> Iterator[tuple[str, float]]:
    """(address, moment of the start) of a running app over this store."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    began = time.perf_counter()
    command = [sys.executable, "app.py", "--port", str(port), "--store", str(store)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}/"
        wait(address)
        yield address, began
    finally:
        process.terminate()
        process.wait(timeout=20)


def opened(browser: Browser, address: str) -> tuple[Page, float]:
    """A page with a run on its canvas, and the seconds that took."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    began = time.perf_counter()
    page.goto(address)
    page.wait_for_selector(READY, timeout=60_000)
    return page, time.perf_counter() - began


def scrubbed(page: Page, steps: int) -> tuple[list[float], int]:
    """(milliseconds of each step change, requests made meanwhile)."""
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.evaluate(SCRUB, min(steps, 20))  # warm
    requests.clear()
    times = page.evaluate(SCRUB, steps)
    return times, len(requests)


def lived(page: Page, store: Path) -> dict[str, float]:
    """{lag [ms], rate [steps/s]} of one decode. The lag is from the writing of the run's file, just
    after its last step, to the drawing of that step; 0 where the drawing came first.
    """
    before = set(store.glob("*.npz"))
    told = page.evaluate(LIVE)
    (made,) = set(store.glob("*.npz")) - before
    written = made.stat().st_mtime * 1000
    made.unlink()  # the next run is the same one
    return {"lag": max(0.0, told["drawn"] - written), "rate": told["rate"]}


def measure(repeats: int) -> dict[str, Any]:
    """Everything the gates need, by name."""
    found: dict[str, Any] = {"scrub": {}, "open": [], "heap": []}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        runs = {n: put(folder, random_trace(n, 256)) for n in (256, 1024)}
        with app(Path(folder)) as (address, began):
            flags = [*FLAGS, "--enable-precise-memory-info"]
            browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
            page, _ = opened(browser, address)
            found["first_view"] = time.perf_counter() - began
            page.close()
            page, found["page_open"] = opened(browser, address)
            base = page.evaluate("performance.memory.usedJSHeapSize")
            found["open"] = [page.evaluate(OPEN, runs[256]) / 1000]
            page.close()
            for positions, identity in runs.items():
                page, _ = opened(browser, f"{address}?run={identity}")
                page.wait_for_function(
                    "+document.querySelector('.dv-canvas').dataset.steps === 256"
                )
                if positions == 256:
                    heap = page.evaluate("performance.memory.usedJSHeapSize")
                    found["heap"].append([heap / 2**20, (heap - base) / 2**20])
                found["scrub"][positions] = [scrubbed(page, 255) for _ in range(repeats)]
                page.close()
            page, _ = opened(browser, address)
            page.get_by_role("button", name="Word problems").click()
            page.wait_for_function("document.querySelector('#ask textarea').value.length > 5")
            page.get_by_label("llada", exact=True).check()
            found["live"] = [lived(page, Path(folder)) for _ in range(repeats + 1)][1:]
            browser.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3)
    found = measure(parser.parse_args().repeats)

    def p95(positions: int) -> float:
        runs = found["scrub"][positions]
        return statistics.median(float(np.percentile(times, 95)) for times, _ in runs)

    requests = sum(count for runs in found["scrub"].values() for _, count in runs)
    lag = max(run["lag"] for run in found["live"])
    gates = [
        gate(
            "first view after `python app.py`, s",
            found["first_view"],
            "<= 8",
            found["first_view"] <= 8,
        ),
        gate(
            "first view after opening the page, s",
            found["page_open"],
            "<= 2",
            found["page_open"] <= 2,
        ),
        gate("step change p95 at 256 x 256, ms", p95(256), "<= 16", p95(256) <= 16),
        gate("step change p95 at 1,024 positions, ms", p95(1024), "<= 33", p95(1024) <= 33),
        gate("server requests while scrubbing", requests, "0", requests == 0),
        gate("opening a 256 x 256 trace, s", max(found["open"]), "<= 1", max(found["open"]) <= 1),
        gate("page heap with it, MB", found["heap"][0][0], "<= 60", found["heap"][0][0] <= 60),
        gate("live lag at the end, ms", lag, "<= 200", lag <= 200),
    ]
    results_file.write("ui", gates, found)
    for row in gates:
        print("pass" if row["pass"] else "MISS", row["name"], row["value"], row["target"])
    return 0 if all(row["pass"] for row in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
