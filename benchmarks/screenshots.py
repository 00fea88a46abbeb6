"""Makes the pictures of the README: the real app, its first bundled run, a headless Chromium.

    python -m benchmarks.screenshots [--share 0.6]

Writes docs/images/inspect-{light,dark}-{1440,420}.png. The run is shown `share` of the way through,
with the pointer on the token that was hardest to decide at that step.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, sync_playwright

from dlmviz import open_trace
from dlmviz.types import Trace
from dlmviz.ui.shelves import GALLERY

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
SIZES = {1440: 900, 420: 900}
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


@contextmanager
def served() -> Iterator[str]:
    """The address of a running app; it ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as store:
        command = [sys.executable, "app.py", "--port", str(port), "--store", store]
        process = subprocess.Popen(command, cwd=ROOT)
        try:
            address = f"http://127.0.0.1:{port}/"
            wait(address)
            yield address
        finally:
            process.terminate()
            process.wait(timeout=20)


def wait(address: str) -> None:
    """Returns when the address answers; raises TimeoutError after a minute."""
    for _ in range(600):
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise TimeoutError(f"{address} does not answer")


def hardest(trace: Trace, step: int) -> int:
    """Canvas position with the highest entropy of those still masked, the active block first."""
    record = trace.steps[step - 1]
    positions = np.arange(trace.offset, len(trace.initial))
    active = (record.block[0] <= positions) & (positions < record.block[1])
    masked = trace.canvas_at(step)[trace.offset :] == trace.mask_id
    rank = np.where(masked, record.entropy + 1000 * active, -1)
    return trace.offset + int(np.nanargmax(rank))


def shoot(browser: Browser, address: str, trace: Trace, share: float) -> None:
    step = max(1, round(share * len(trace.steps)))
    for width, height in SIZES.items():
        for theme in ("light", "dark"):
            size = {"width": width, "height": height}
            page = browser.new_page(viewport=size, device_scale_factor=2)
            page.goto(f"{address}?__theme={theme}")
            page.wait_for_selector(".dv-canvas[data-steps]", timeout=60_000)
            page.focus(".dv-canvas")
            for _ in range(step):
                page.keyboard.press("ArrowRight")
            page.click(f"#dv-token-{hardest(trace, step)}")
            page.mouse.move(0, 0)
            page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
            page.wait_for_timeout(400)
            path = IMAGES / f"inspect-{theme}-{width}.png"
            page.screenshot(path=path)
            print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} kB")
            page.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the pictures of the README.")
    parser.add_argument("--share", type=float, default=0.6, help="how far through the run (0.6)")
    share = parser.parse_args().share
    IMAGES.mkdir(parents=True, exist_ok=True)
    trace = open_trace(min(GALLERY.glob("*.npz")))
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(path for path in map(shutil.which, names) if path)
    with served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        shoot(browser, address, trace, share)
        browser.close()


if __name__ == "__main__":
    main()
