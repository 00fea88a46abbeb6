"""The real app on a free port, and a browser that can reach nothing else."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

ROOT = Path(__file__).parent.parent.parent
# A window's address bar is a page of its own, which costs as much as a quarter of ours. Our list of
# features replaces playwright's, so that its names stand here again.
OFF = (
    "WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup,AimEnabled,LensOverlay,"
    "HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,MediaRouter,OptimizationHints,PaintHolding,"
    "AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,PreconnectToSearch,"
    "ThirdPartyStoragePartitioning,NetworkTimeServiceQuerying"
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={OFF}",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
INSIDE = ("data:", "blob:", "about:")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SHOWN = ".dv-canvas[data-steps]"
WINDOW = {"width": 1440, "height": 900}
WIDTHS = (390, 420, 600, 720, 768, 1024, 1440, 2560)  # 720 is 1440 at a zoom of 200 %
TOO_WIDE = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() =>
  done(Math.max(0, document.scrollingElement.scrollWidth - innerWidth)))))"""


@dataclass
class Visit:
    """A page, what it asked the server for, and what it complained about."""

    page: sync_api.Page
    address: str
    requests: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, query: str = "") -> None:
        """Opens the app and waits until a run is on the canvas."""
        self.page.goto(self.address + query)
        self.page.wait_for_selector(SHOWN, timeout=60_000)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def overflow(self, width: int) -> int:
        """Pixels by which a window of this width is too narrow, once everything is laid out."""
        self.page.set_viewport_size({"width": width, "height": 900})
        return int(self.page.evaluate(TOO_WIDE))

    def label(self) -> str:
        return self.page.inner_text(".dv-label")


def chromium() -> str:
    """Path of an installed Chromium; skips where there is none."""
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    if found is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    return found


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of the app."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="session")
def app(shelf: Path) -> Iterator[tuple[str, float]]:
    """(address, moment of the start) of `python app.py`."""
    chromium()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "app.py", "--port", str(port), "--store", str(shelf)]
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        address = f"http://127.0.0.1:{port}/"
        _wait(address, process)
        yield address, began
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        assert process.poll() is None, "app.py ended before it served a page"
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise AssertionError("app.py served no page within a minute")


@pytest.fixture(scope="session")
def browser() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core; skips where the package that carries it is missing."""
    pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    return resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


@pytest.fixture(scope="session")
def context(browser: sync_api.Browser) -> Iterator[sync_api.BrowserContext]:
    """What the pages of all tests share: the scripts that they have fetched and compiled."""
    made = browser.new_context(viewport=WINDOW)
    yield made
    assert made.storage_state() == {"cookies": [], "origins": []}, "a page leaves no trace"
    made.close()


@pytest.fixture
def visit(app: tuple[str, float], context: sync_api.BrowserContext) -> Iterator[Visit]:
    """A fresh page; afterwards: no request left this machine, and nothing was complained about."""
    yield from visiting(app[0], context)
    context.clear_permissions()


def visiting(address: str, context: sync_api.BrowserContext) -> Iterator[Visit]:
    """The same of another context, which may have other settings, such as its locale."""
    seen = Visit(context.new_page(), address)

    def note(request: sync_api.Request) -> None:
        if request.url.startswith(seen.address):
            seen.requests.append(request.url)
        elif not request.url.startswith(INSIDE):
            seen.outside.append(request.url)

    seen.page.on("request", note)  # a route would see the same, but turns the cache off
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.page.on(
        "console",
        lambda m: seen.complaints.append(m.text) if m.type == "error" else None,
    )
    yield seen
    seen.page.close()
    assert seen.outside == []
    assert seen.complaints == []
