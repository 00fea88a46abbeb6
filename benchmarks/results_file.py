"""The one shape of every result file: command, commit, machine, versions, gates, data."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("torch", "transformers", "tokenizers", "gradio", "plotly", "numpy")


def gate(name: str, value: float, target: str, passed: bool) -> dict[str, Any]:
    """One gate; `name` and `target` use the words of the issue that set it."""
    return {"name": name, "value": round(value, 4), "target": target, "pass": bool(passed)}


def write(
    name: str, gates: Sequence[Mapping[str, Any]], data: Any, command: str = "", at: str = ""
) -> Path:
    """The path of results/NAME.json, written whole or not at all.

    `at`: the commit, for a machine that has the files without their history.
    """
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {
        "command": command or " ".join(["python -m", _module(), *sys.argv[1:]]),
        "commit": at or commit(),
        "machine": machine(),
        "versions": {"python": platform.python_version()} | versions(),
        "gates": list(gates),
        "data": data,
    }
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(draft, path)
    return path


def earlier(name: str, fingerprint: str) -> dict[str, Any]:
    """The data that results/NAME.json already holds for the model of this fingerprint."""
    path = RESULTS / f"{name}.json"
    data = json.loads(path.read_text())["data"] if path.exists() else {}
    return dict(data) if data.get("fingerprint") == fingerprint else {}


def _module() -> str:
    return f"benchmarks.{Path(sys.argv[0]).stem}"


def commit() -> str:
    """The commit the tree stands on, with "+changes" if it has others; "unknown" without git."""

    def git(*words: str) -> str:
        here = Path(__file__).parent
        done = subprocess.run(["git", *words], capture_output=True, text=True, cwd=here)
        return done.stdout.strip() if done.returncode == 0 else ""

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "../dlmviz", "../assets")
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + ("+changes" if changed else "")


def machine() -> dict[str, Any]:
    """Processor, cores and accelerator."""
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"processor": _processor(), "cores": os.cpu_count(), "accelerators": gpus}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
