"""What a training leaves on disk: checkpoints while it runs, then the adapter."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dlmviz.learn import checkpoint
from dlmviz.learn.distill.target import Distiller
from dlmviz.types import InputError

SHARD = 2**30  # bytes


def save(
    out: Path,
    step: int,
    mark: int,
    weights: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    settings: Any,
) -> None:
    """Writes the checkpoint of this step whole, and only then removes older ones.

    `mark`: where the listener's metrics end. `settings`: any dataclass of plain values.
    """
    tensors = {f"weight.{name}": weight for name, weight in weights.items()}
    for name, weight in weights.items():
        for moment, value in optimizer.state[weight].items():
            tensors[f"{moment}.{name}"] = value
    made = out / f"checkpoint-{step:07d}"
    meta = {"step": step, "mark": mark, "settings": asdict(settings)}
    checkpoint.write(made, tensors, meta, limit=SHARD)
    for path in out.glob("checkpoint-*"):  # what a kill left half-written, too
        if path != made:
            shutil.rmtree(path, ignore_errors=True)


def newest(out: Path) -> Path | None:
    """The last checkpoint that was written whole."""
    found = (path for path in out.glob("checkpoint-*") if path.name[11:].isdigit())
    return max(found, default=None)


def steps_done(out: Path) -> int:
    """The step of the last whole checkpoint, 0 where there is none."""
    found = newest(out)
    return 0 if found is None else int(found.name[11:])


def restore(
    out: Path,
    weights: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    settings: Any,
) -> tuple[int, int]:
    """(steps done, mark of the metrics); weights and moments become the newest checkpoint's.

    Raises InputError where it belongs to other settings or is damaged.
    """
    found = newest(out)
    if found is None:
        return 0, 0
    tensors, meta = checkpoint.read(found)
    moments = ("weight", "step", "exp_avg", "exp_avg_sq")
    wanted = {f"{moment}.{name}" for name in weights for moment in moments}
    told = json.loads(json.dumps(asdict(settings)))  # as it was read: tuples are lists
    if meta.get("settings") != told or (meta["step"] and set(tensors) != wanted):
        raise InputError(
            f"the checkpoint {found.name} was made with other settings; "
            "start a new job, or give the settings it had"
        )
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(tensors.pop(f"weight.{name}"))
    for key, value in tensors.items():
        moment, _, name = key.partition(".")
        state = optimizer.state[weights[name]]
        state[moment] = value if moment == "step" else value.to(weights[name].device)
    return int(meta["step"]), int(meta["mark"])


def finish(distiller: Distiller, out: Path) -> None:
    """Leaves out/adapter, which PEFT opens; without LoRA the whole network, out/model."""
    name = "adapter" if distiller.settings.rank else "model"
    fresh = out / f"{name}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    distiller.student.save_pretrained(fresh)
    checkpoint.replace(fresh, out / name)
