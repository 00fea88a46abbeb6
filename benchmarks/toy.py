"""DAPD's toy experiment from scratch: trains all models at once, then measures their attention.

    python -m benchmarks.toy train --out FOLDER [--seeds 12] [--steps 20000] [--lr 0.01]
    python -m benchmarks.toy measure FOLDER [MORE ...]

Training writes FOLDER/weights.safetensors and FOLDER/curve.json as it goes; measuring reads them
and writes benchmarks/results/toy.json. Each seed is trained twice, in the natural order of places
and with its places shuffled.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from benchmarks import results_file
from dlmviz.learn.toy import chain
from dlmviz.learn.toy.sampling import sample
from dlmviz.learn.toy.stack import Shape
from dlmviz.learn.toy.training import Lesson, Recipe, held_out, train
from dlmviz.studies.edges import compared, nearness, pairs
from dlmviz.studies.statistics import mean_interval

ORDERS = ("natural", "shuffled")
STEPS = range(1, 8)  # before step s, 10 - s places are masked: three of them at least
PAPER = {"auc": 0.928, "ratio": 2.204, "ovr": 0.04}
WEIGHTS, CURVE = "weights.safetensors", "curve.json"
EVERY = 500  # steps between two points of the curve
CONVERGED = 0.02  # nats over the floor


def lesson_of(options: argparse.Namespace, device: torch.device, steps: int) -> Lesson:
    """All models: the seeds in natural order, then the same seeds with their places shuffled."""
    seeds = list(range(options.first, options.first + options.seeds))
    order = [chain.order_of(seed, name == "shuffled") for name in options.orders for seed in seeds]
    recipe = Recipe(steps=steps, batch=options.batch, lr=options.lr, seed=options.first)
    recipe = dataclasses.replace(recipe, weight_decay=options.weight_decay)
    width = options.width
    shape = Shape(options.symbols, width=width, heads=options.heads, inner=3 * width)
    return Lesson(shape, recipe, seeds * len(options.orders), torch.stack(order), device)


def paced(options: argparse.Namespace, device: torch.device) -> int:
    """The steps asked for, or fewer where a few of them say that time would not do."""
    if not options.limit:
        return int(options.steps)
    trial = lesson_of(options, device, options.steps)
    trial.run(5, options.replay)
    float(trial.loss.sum())  # waits for what was asked of a GPU
    began, some = time.monotonic(), 100 if device.type == "cuda" else 15
    trial.run(5 + some, options.replay)
    float(trial.loss.sum())
    pace = (time.monotonic() - began) / some
    print(f"{1000 * pace:.2f} ms a step", flush=True)
    return min(int(options.steps), int(options.limit / pace))


def training(options: argparse.Namespace) -> int:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    steps = paced(options, device)
    lesson = lesson_of(options, device, steps)
    floor, curve, out = chain.floor(lesson.shape.symbols), [], options.out
    out.mkdir(parents=True, exist_ok=True)

    def report(step: int, losses: torch.Tensor, seconds: float) -> None:
        halves = losses.view(len(options.orders), -1)
        curve.append({"step": step, "seconds": round(seconds, 1), "loss": losses.tolist()})
        means = " ".join(f"{half.mean():.3f} (worst {half.max():.3f})" for half in halves)
        print(f"{step} {seconds:.0f} s: {means}; floor {floor:.3f}", flush=True)
        save_file({n: w.cpu().contiguous() for n, w in lesson.weights.items()}, out / WEIGHTS)
        told = {
            "shape": dataclasses.asdict(lesson.shape),
            "recipe": dataclasses.asdict(lesson.recipe),
            "seeds": list(range(options.first, options.first + options.seeds)),
            "orders": options.orders,
            "asked": options.steps,
            "step": step,
            "seconds": seconds,
            "machine": results_file.machine(),
            "torch": str(torch.__version__),
            "curve": curve,
        }
        (out / CURVE).write_text(json.dumps(told))

    train(lesson, report, min(EVERY, steps), options.replay)
    return 0


def measured(folder: Path, chains: int) -> list[dict[str, Any]]:
    """A row a model: loss, constraints kept, and AUC, ratio and OVR by layers read, by distance."""
    told = json.loads((folder / CURVE).read_text())
    shape, recipe = Shape(**told["shape"]), Recipe(**told["recipe"])
    names = [(name, seed) for name in told.get("orders", ORDERS) for seed in told["seeds"]]
    order = torch.stack([chain.order_of(seed, name == "shuffled") for name, seed in names])
    lesson = Lesson(shape, recipe, [seed for _, seed in names], order, torch.device("cpu"))
    lesson.weights = load_file(folder / WEIGHTS)
    lesson.generator.manual_seed(1_000_003)  # chains that training has not seen
    loss = held_out(lesson, 40)
    rng = torch.Generator().manual_seed(0)
    written, looks = sample(shape, lesson.weights, chains, rng, layers=2)
    _, all_layers = sample(shape, lesson.weights, chains, rng, layers=shape.layers)
    kept = chain.hold(at_places(written, order), shape.symbols)
    rows = []
    for at, (name, seed) in enumerate(names):
        truth = chain.graph(order[at])
        row = {"run": folder.name, "order": name, "seed": seed, "loss": float(loss[at])}
        row |= {"kept": float(kept[at].all(-1).double().mean())}
        row |= of_attention(looks, at, truth)
        row["by step"] = by_step(looks, at, truth)
        row["all layers"] = of_attention(all_layers, at, truth)
        row["distance"] = of_distance(looks, at, truth)
        rows.append(row)
    return rows


def at_places(written: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """The symbols [S B 9] in the order of the chain's places, wherever these stand."""
    return written.gather(2, order[:, None].expand_as(written))


def of_attention(looks: list[Any], at: int, truth: np.ndarray) -> dict[str, float | None]:
    """AUC and OVR, means over chains and steps; ratio of mean scores a step, mean over steps."""
    lines = by_step(looks, at, truth)
    return {name: mean([line[name] for line in lines]) for name in ("auc", "ratio", "ovr")}


def by_step(looks: list[Any], at: int, truth: np.ndarray) -> list[dict[str, Any]]:
    """The same a step; a chain where a number is undefined does not count in it."""
    out = []
    for look in looks:
        if look.step not in STEPS:
            continue
        found, on, off = [], [], []
        for masked, edges in zip(look.masked[at].numpy(), look.edges[at].numpy(), strict=True):
            nodes = np.flatnonzero(masked)
            found.append(compared(edges, truth, nodes))
            scores, known = pairs(edges, nodes), pairs(truth, nodes)
            on.append(scores[known])
            off.append(scores[~known])
        ratio = float(np.concatenate(on).mean() / np.concatenate(off).mean())
        of = {name: mean([line[name] for line in found]) for name in ("auc", "ovr")}
        out.append({"step": look.step, "ratio": ratio, **of})
    return out


def of_distance(looks: list[Any], at: int, truth: np.ndarray) -> dict[str, float | None]:
    """AUC and OVR of -|i - j|, which has seen nothing, on the same masked places."""
    found = [
        compared(nearness(chain.LENGTH), truth, np.flatnonzero(masked))
        for look in looks
        if look.step in STEPS
        for masked in look.masked[at].numpy()
    ]
    return {name: mean([line[name] for line in found]) for name in ("auc", "ovr")}


def mean(values: list[Any]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def summary(rows: list[dict[str, Any]], floor: float) -> dict[str, Any]:
    """Means over seeds with their 95 % intervals, an order at a time: all seeds, and converged."""
    out: dict[str, Any] = {}
    for name in ORDERS:
        some = [row for row in rows if row["order"] == name]
        near = [row for row in some if row["loss"] < floor + CONVERGED]
        for which, of in (("all", some), ("converged", near)):
            if of:
                out[f"{name}, {which}"] = line_of(of)
    return out


def line_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    attention = ("auc", "ratio", "ovr")
    return {
        "seeds": len(rows),
        "loss": mean([row["loss"] for row in rows]),
        "worst loss": max(row["loss"] for row in rows),
        "kept": mean([row["kept"] for row in rows]),
        **{of: told([row[of] for row in rows]) for of in attention},
        "all layers": {of: told([row["all layers"][of] for row in rows]) for of in attention},
        "distance": {of: told([row["distance"][of] for row in rows]) for of in ("auc", "ovr")},
    }


def told(values: list[Any]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    of = mean_interval(known)
    spread = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return {"mean": of.value, "low": of.low, "high": of.high, "standard deviation": spread}


def rows_of(folder: Path, chains: int) -> list[dict[str, Any]]:
    """`measured`, kept in the folder: it takes minutes, and the table may be made again."""
    path = folder / "measured.json"
    if path.exists() and (known := json.loads(path.read_text()))["chains"] == chains:
        return list(known["rows"])
    rows = measured(folder, chains)
    path.write_text(json.dumps({"chains": chains, "rows": rows}))
    return rows


def gates_of(table: dict[str, Any], floor: float) -> list[dict[str, Any]]:
    gates = []
    for name in [name for name in ORDERS if f"{name}, all" in table]:
        every, near = table[f"{name}, all"], table.get(f"{name}, converged", {"seeds": 0})
        says = f"converged models (loss within {CONVERGED} of {floor:.4f}), {name} order"
        target = f"all of {every['seeds']}"
        gates.append(
            results_file.gate(says, near["seeds"], target, near["seeds"] == every["seeds"])
        )
        value = near["auc"]["mean"] if near["seeds"] else 0.0
        says = f"mean AUC of the {near['seeds']} converged models, {name} order"
        passed = value >= 0.92 and near["seeds"] >= 10
        gates.append(results_file.gate(says, value, ">= 0.92 over >= 10 seeds", passed))
    return gates


def measuring(options: argparse.Namespace) -> int:
    rows = [row for folder in options.folders for row in rows_of(folder, options.chains)]
    training = {folder.name: json.loads((folder / CURVE).read_text()) for folder in options.folders}
    symbols = next(iter(training.values()))["shape"]["symbols"]
    floor = chain.floor(symbols)
    table = summary(rows, floor)
    gates = gates_of(table, floor)
    for run in training.values():
        run["curve"] = run["curve"][:: max(1, len(run["curve"]) // 12)]
        for point in run["curve"]:
            point["loss"] = [round(loss, 3) for loss in point["loss"]]
    data = {"paper": PAPER, "chains": options.chains, "floor": floor, "table": table}
    data |= {"models": [{k: v for k, v in row.items() if k != "by step"} for row in rows]}
    data |= {"by step": steps_of(rows, floor), "training": training}
    print(json.dumps({k: {n: v[n] for n in ("seeds", "auc")} for k, v in table.items()}, indent=1))
    for gate in gates:
        print(gate)
    results_file.write(options.out, gates, data)
    return 0


def steps_of(rows: list[dict[str, Any]], floor: float) -> dict[str, list[dict[str, Any]]]:
    """Means over converged seeds, a step at a time, by order."""
    out = {}
    for name in ORDERS:
        near = [r for r in rows if r["order"] == name and r["loss"] < floor + CONVERGED]
        out[name] = [
            {of: mean([row["by step"][at][of] for row in near]) for of in ("step", "auc", "ovr")}
            for at in range(len(STEPS))
        ]
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("train")
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--seeds", type=int, default=12)
    one.add_argument("--first", type=int, default=0, help="the first seed")
    one.add_argument("--orders", nargs="+", choices=ORDERS, default=list(ORDERS))
    one.add_argument(
        "--symbols", type=int, default=3, help="K; of 4, models may learn the parities only"
    )
    one.add_argument("--width", type=int, default=Shape.width)
    one.add_argument("--heads", type=int, default=Shape.heads)
    one.add_argument("--steps", type=int, default=20_000)
    one.add_argument("--batch", type=int, default=128, help="chains a model and step")
    one.add_argument("--lr", type=float, default=1e-2)
    one.add_argument("--weight-decay", type=float, default=Recipe.weight_decay)
    one.add_argument("--limit", type=float, default=0, help="seconds; fewer steps if need be")
    one.add_argument("--replay", action="store_true", help="each step as one CUDA graph")
    one.set_defaults(command=training)
    two = commands.add_parser("measure")
    two.add_argument("folders", type=Path, nargs="+")
    two.add_argument("--chains", type=int, default=100, help="a model")
    two.add_argument("--out", default="toy", help="results/OUT.json")
    two.set_defaults(command=measuring)
    options = parser.parse_args()
    return int(options.command(options))


if __name__ == "__main__":
    sys.exit(main())
