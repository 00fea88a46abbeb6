"""The presets, and the command line of `dlmviz.learn.pretrain`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dlmviz.learn.corpus import Buckets
from dlmviz.learn.trainer import Settings
from dlmviz.types import InputError

WHOLE = ("warmup", "tokens", "seed", "steps")  # settings that are whole numbers


@dataclass(frozen=True)
class Preset:
    """Size of a model, and how it is trained unless flags say otherwise."""

    width: int
    layers: int
    heads: int
    mlp: int
    vocabulary: int = 5632
    settings: Settings = Settings()
    held_out: int = 256  # examples a task
    buckets: Buckets = Buckets()


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "tiny": Preset(256, 12, 8, 768, settings=Settings(seconds=380, tokens=65_536)),
        "early": Preset(256, 6, 8, 688, settings=Settings(seconds=60)),
        "toy": Preset(
            width=64,
            layers=2,
            heads=2,
            mlp=128,
            vocabulary=1024,
            settings=Settings(seconds=20, warmup=20, lr=5e-3, tokens=2048),
            held_out=16,
            buckets=Buckets((64, 128, 256, 384), (0.4, 0.3, 0.2, 0.1)),
        ),
    }
)


def chosen(settings: Settings, arguments: argparse.Namespace) -> Settings:
    """The preset's settings with what flags override."""
    given = {f.name: getattr(arguments, f.name) for f in fields(Settings)}
    return replace(settings, **{name: v for name, v in given.items() if v is not None})


def mixing(arguments: argparse.Namespace) -> dict[str, Any]:
    """Arguments for `mixture`: --only a,b and --weights a=1,b=2."""
    out: dict[str, Any] = {}
    if arguments.only:
        out["only"] = arguments.only.split(",")
    if arguments.weights:
        try:
            pairs = [item.split("=") for item in arguments.weights.split(",")]
            out["weights"] = {name: float(value) for name, value in pairs}
        except ValueError:
            raise InputError(
                f"--weights must look like stories=0.5,lists=0.5: got {arguments.weights!r}"
            ) from None
    return out


def parser() -> argparse.ArgumentParser:
    """The command line; every field of Settings is a flag."""
    out = argparse.ArgumentParser(prog="dlmviz.learn.pretrain", description=__doc__)
    add = out.add_argument
    add("--preset", choices=PRESETS, required=True)
    add("--out", type=Path, required=True)
    add("--resume", type=Path, help="folder that an earlier --out made")
    add("--init", type=Path, help="model folder to start from, with fresh optimisers")
    add("--stop-after", type=float, help="stop and checkpoint here, in seconds (or --steps' unit)")
    add("--deadline", type=float, help="seconds after the start when training must have ended")
    add("--tokenizer", type=Path, help="folder with a tokenizer.json of ours")
    add("--tokenizer-only", action="store_true")
    add("--texts", type=int, default=40_000, help="samples a new tokenizer is trained on")
    add("--only", help="tasks, separated by commas")
    add("--weights", help="task=share, separated by commas")
    add("--workers", type=int, default=12, help="processes that make samples, per GPU")
    add("--fill", type=int, default=32_768, help="samples to wait for before the first step")
    add("--fixed-data", type=int, help="train on this many samples, made once, no workers")
    add("--weights-only-checkpoint", action="store_true")
    for field in fields(Settings):
        kind = str if field.name == "decay" else int if field.name in WHOLE else float
        add(f"--{field.name}", type=kind)
    return out
