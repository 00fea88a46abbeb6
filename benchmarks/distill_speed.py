"""Speed and memory of distilling a model of LLaDA-8B's shape, with random weights.

    python -m benchmarks.distill_speed --processes 1 2

Each number of processes is a run of its own (torchrun, one GPU each), with plain layers and with
compiled ones (`--set compile=true` of a distillation). The floor of a step is three forwards of the
layers and one backward at the rate of a large matrix product measured in the same run; frozen
weights need no gradient, so a backward costs what a forward costs. The products with the vocabulary
count at the positions where they are made.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from benchmarks import results_file
from benchmarks.results_file import gate
from dlmviz.learn.distill.loop import train
from dlmviz.learn.distill.settings import Pair, Settings
from dlmviz.models.llada import LladaConfig, LladaForMaskedLM
from dlmviz.types import Special

MASK, EOS, WARM = 126_336, 126_081, 3
SHAPES = {
    "8b": {"d_model": 4096, "n_layers": 32, "n_heads": 32, "mlp_hidden_size": 12_288},
    "toy": {"d_model": 64, "n_layers": 2, "n_heads": 4, "mlp_hidden_size": 96},
}
PROMPT = 128  # tokens of the length
LAYERS = ("plain", "compiled")


class Ear:
    """Keeps the times of the steps."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.kl: list[float | None] = []
        self.last = time.perf_counter()

    def metric(self, **numbers: Any) -> None:
        now = time.perf_counter()
        self.seconds.append(now - self.last)
        self.kl.append(numbers.get("kl"))
        self.last = now

    def progress(self, done: int) -> None: ...

    def stopping(self) -> bool:
        return False

    def mark(self) -> int:
        return 0

    def rewind(self, mark: int) -> None: ...


def network(shape: str, device: torch.device, dtype: torch.dtype) -> Any:
    """A network of LLaDA's format with random weights, made where it stays."""
    config = LladaConfig(
        **SHAPES[shape],
        n_kv_heads=SHAPES[shape]["n_heads"],
        vocab_size=126_464,
        embedding_size=126_464,
        max_sequence_length=4096,
        rope_theta=500_000.0,
        mask_token_id=MASK,
        eos_token_id=EOS,
        pad_token_id=EOS,
    )
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            return LladaForMaskedLM(config).eval().requires_grad_(False)
    finally:
        torch.set_default_dtype(before)


def matmul_rate(device: torch.device, size: int) -> float:
    """Floating-point operations a second of a bfloat16 product of two large matrices."""
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        a @ b
    wait(device)
    began = time.perf_counter()
    for _ in range(10):
        a @ b
    wait(device)
    return 10 * 2 * size**3 / (time.perf_counter() - began)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def floor_flops(shape: str, length: int, asked: float) -> float:
    """Operations of three forwards of the layers, one backward, and the vocabulary's products."""
    s = SHAPES[shape]
    d, layers, mlp = s["d_model"], s["n_layers"], s["mlp_hidden_size"]
    weights = layers * (4 * d * d + 3 * d * mlp)
    forward = 2 * weights * length + 4 * layers * length * length * d
    head = 2 * 126_464 * d * asked  # of one look at the asked positions
    return 4 * forward + 4 * head  # looks of both teachers and the student, and its backward


def one(shape: str, length: int, steps: int, checkpointing: bool, compiled: bool) -> dict[str, Any]:
    """The numbers of this process."""
    gpu = torch.cuda.is_available()
    rank = int(os.environ.get("LOCAL_RANK", 0))
    device = torch.device("cuda", rank) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
    rate = matmul_rate(device, 8192 if gpu else 512)
    model: Any = SimpleNamespace(
        network=network(shape, device, torch.bfloat16),
        device=device,
        special=Special(mask=MASK, eos=EOS),
        true_vocab_size=126_464,
        shift=0,
    )
    rng = np.random.default_rng(rank)
    pairs = [
        Pair(
            rng.integers(0, 126_000, PROMPT).astype(np.int32),
            rng.integers(0, 126_000, length - PROMPT).astype(np.int32),
        )
        for _ in range(8)
    ]
    settings = Settings(
        steps=steps,
        batch=1,
        save=10**6,
        checkpointing=checkpointing,
        compile=compiled,
        tau_tr=0.0,
    )
    if gpu:
        torch.cuda.reset_peak_memory_stats(device)
    ear = Ear()
    with tempfile.TemporaryDirectory() as out:
        train(model, pairs, [], settings, Path(out), ear, "bf16" if gpu else "no")
    return {
        "seconds": ear.seconds,
        "matmul_rate": rate,
        "memory": torch.cuda.max_memory_allocated(device) if gpu else 0,
        "world": int(os.environ.get("WORLD_SIZE", 1)),
    }


def launched(processes: int, compiled: bool, options: argparse.Namespace) -> dict[str, Any]:
    """What the first of these processes measured."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "told.json"
        command = [sys.executable, "-m", "torch.distributed.run"]
        command += ["--nproc-per-node", str(processes), "--master-port", "29517"]
        command += ["-m", "benchmarks.distill_speed", "--inside", str(out)]
        command += ["--shape", options.shape, "--length", str(options.length)]
        command += ["--steps", str(options.steps)]
        command += ["--checkpointing"] if options.checkpointing else []
        command += ["--compiled"] if compiled else []
        subprocess.run(command, check=True, timeout=500)
        told: dict[str, Any] = json.loads(out.read_text())
        return told


def main() -> int:
    options = parse()
    if options.inside:
        told = one(
            options.shape, options.length, options.steps, options.checkpointing, options.compiled
        )
        if int(os.environ.get("RANK", 0)) == 0:
            options.inside.write_text(json.dumps(told))
        return 0
    runs = {
        name: {n: measured(n, name == "compiled", options) for n in options.processes}
        for name in options.layers
    }
    first = next(iter(runs.values()))[min(options.processes)]
    gates = [
        gate("LLaDA-8B shape fits on an 80 GB card, GiB", first["memory_gib"], "<= 74.5",
             first["memory_gib"] <= 74.5)
    ]  # fmt: skip
    for name, of in runs.items():
        if {1, 2} <= of.keys():
            ratio = of[2]["tokens_per_second"] / of[1]["tokens_per_second"]
            says = f"2-GPU scaling on one host, {name} layers"
            gates.append(gate(says, ratio, ">= 1.8", ratio >= 1.8))
    data = {"shape": SHAPES[options.shape], "length": options.length, "runs": runs}
    results_file.write(options.out, gates, data, "", options.commit)
    for row in gates:
        print("pass" if row["pass"] else "MISS", row["name"], row["value"], row["target"])
    return 0 if all(row["pass"] for row in gates) else 1


def measured(processes: int, compiled: bool, options: argparse.Namespace) -> dict[str, Any]:
    """What a run measured, and the floor that its step has."""
    told = launched(processes, compiled, options)
    step = statistics.median(told["seconds"][WARM:])
    # A block drawn uniformly and half masked: on average half of the answer is asked.
    asked = (options.length - PROMPT) / 2
    floor = floor_flops(options.shape, options.length, asked) / told["matmul_rate"]
    told |= {
        "step_seconds": step,
        "tokens_per_second": processes * options.length / step,
        "floor_seconds": floor,
        "step_over_floor": step / floor,
        "memory_gib": told["memory"] / 2**30,
    }
    shown = {name: value for name, value in told.items() if name != "seconds"}
    print(processes, "compiled" if compiled else "plain", shown, flush=True)
    return told


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--shape", choices=SHAPES, default="8b")
    parser.add_argument("--length", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=43)
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--layers", nargs="+", choices=("plain", "compiled"), default=LAYERS)
    parser.add_argument("--compiled", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--commit", default="", help="what the files are, where git is not there")
    parser.add_argument("--out", default="distill_speed", help="results/OUT.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
