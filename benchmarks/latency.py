"""How long a person waits: a recorded decode, the first streamed step, the app's start.

    python -m benchmarks.latency

Absolute times belong to the machine named in the result; the ratio of recording to not recording
holds elsewhere too.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import torch
from playwright.sync_api import sync_playwright

import dlmviz
from benchmarks import results_file
from benchmarks.results_file import gate
from benchmarks.screenshots import FLAGS, served
from dlmviz import decoding
from dlmviz.record import finish
from dlmviz.samplers import make
from dlmviz.tasks import TASKS
from dlmviz.types import RunSpec

ROOT = Path(__file__).resolve().parents[1]


def decode_times(model: Any, repeats: int) -> dict[str, dict[str, list[float]]]:
    """Seconds of 128-token threshold decodes and of their first step, recorded and not, in turn."""
    found: dict[str, dict[str, list[float]]] = {
        name: {"whole": [], "first": [], "nfe": []} for name in ("recorded", "plain")
    }
    for example in TASKS["stories"].examples(repeats, 101):
        for name, keep in (("recorded", 5), ("plain", 0)):
            for key, value in decode_once(model, keep, example.prompt).items():
                found[name][key].append(value)
    return found


def decode_once(model: Any, keep: int, prompt: str) -> dict[str, float]:
    spec = RunSpec(prompt=prompt, sampler="fast_dllm", params={"tau": 0.9})
    sampler = make(spec.sampler, spec.params)
    began = time.perf_counter()
    start = decoding.begin(model, spec)
    stamps, records = [], []
    for _, record in decoding.steps(model, sampler, spec, start, keep):
        stamps.append(time.perf_counter() - began)
        records.append(record)
    finish(model, sampler, start, records)
    return {"whole": time.perf_counter() - began, "first": stamps[0], "nfe": len(records)}


FIRST_STEP = """() => new Promise((done) => {
  const began = performance.now();
  const root = document.querySelector(".dv-root");
  const look = () => {
    const steps = +document.querySelector(".dv-canvas").dataset.steps;
    if (root.dataset.live === "true" && steps >= 1) done(performance.now() - began);
    else requestAnimationFrame(look);
  };
  document.querySelector("#decode").click();
  look();
})"""


def first_steps(repeats: int) -> list[float]:
    """Milliseconds from pressing Decode to the first step on the page, the model being warm."""
    times = []
    with served() as address, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector(".dv-canvas")
        page.get_by_role("button", name="Word problems").click()
        page.wait_for_function("document.querySelector('#ask textarea').value.length > 5")
        for _ in range(repeats + 2):
            times.append(page.evaluate(FIRST_STEP))
            page.wait_for_function(
                "document.querySelector('.dv-root').dataset.live === 'false'", timeout=120_000
            )
            page.wait_for_timeout(300)
        browser.close()
    return sorted(times[2:])  # the first presses open the model


def app_start(limit: float = 60) -> dict[str, Any]:
    """Seconds from `python app.py` to a served page, and whether torch is loaded then."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    began = time.perf_counter()
    command = [sys.executable, "app.py", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        while time.perf_counter() - began < limit:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as page:
                    served = page.status == 200 and bool(page.read())
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                served = False
            if served:
                break
            time.sleep(0.05)
        seconds = time.perf_counter() - began
        libraries = Path(f"/proc/{process.pid}/maps").read_text()
        return {"seconds": seconds, "torch_loaded": "libtorch" in libraries}
    finally:
        process.terminate()
        process.wait(20)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    start = app_start()
    torch.set_num_threads(options.threads)
    model = dlmviz.load("tiny", device="cpu")
    decode_times(model, 1)  # warm
    times = decode_times(model, options.repeats)
    slowest, pressed = max(times["recorded"]["whole"]), first_steps(options.repeats)
    first = statistics.median(pressed)
    gates = [
        gate(
            "128-token threshold decode with recording, slowest, s", slowest, "<= 6 s", slowest <= 6
        ),
        gate(
            "first streamed step after pressing Decode, median, ms", first, "<= 300", first <= 300
        ),
        gate("app on its bundled trace, s", start["seconds"], "<= 8 s", start["seconds"] <= 8),
        gate("torch imported at start", start["torch_loaded"], "no", not start["torch_loaded"]),
    ]
    medians = {name: statistics.median(run["whole"]) for name, run in times.items()}
    ratio = medians["recorded"] / medians["plain"]
    data = {
        "threads": options.threads,
        "app": start,
        "first_step_ms": pressed,
        "decodes": times,
        "recording_costs": ratio,
    }
    results_file.write("latency", gates, data)
    for row in gates:
        print("pass" if row["pass"] else "MISS", row["name"], row["value"], row["target"])
    print(f"recording costs {100 * (ratio - 1):.1f} % of a decode")
    return 0 if all(row["pass"] for row in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
