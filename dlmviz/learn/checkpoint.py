"""Tensors in safetensors shards of limited size, plus one JSON index; replaced as a whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dlmviz.types import InputError

SHARD = 15_500_000  # bytes
INDEX = "index.json"


def write(
    folder: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any], limit: int = SHARD
) -> None:
    """Nothing; `folder` holds the tensors and `meta` (plain JSON), or is as it was before."""
    parts: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        if tensor.nbytes > limit:
            raise InputError(f"{name} has {tensor.nbytes} bytes, a shard {limit}: raise the limit")
        if size + tensor.nbytes > limit:
            parts.append({})
            size = 0
        parts[-1][name] = tensor.detach().cpu().contiguous().clone()
        size += tensor.nbytes
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    names = [f"part-{i:02d}.safetensors" for i in range(len(parts))]
    for name, part in zip(names, parts, strict=True):
        save_file(part, fresh / name)
    index = {"shards": names, "meta": dict(meta)}
    (fresh / INDEX).write_text(json.dumps(index, indent=1), "utf-8")
    replace(fresh, folder)


def replace(fresh: Path, folder: Path) -> None:
    """Nothing; `fresh` becomes `folder`, and what stood there goes only after that."""
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def read(
    folder: Path, device: torch.device | str = "cpu"
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, meta) as written. Raises InputError where something is missing or damaged."""
    try:
        index = json.loads((folder / INDEX).read_text("utf-8"))
        tensors: dict[str, Tensor] = {}
        for name in index["shards"]:
            tensors |= load_file(folder / name, device=str(device))
        return tensors, index["meta"]
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise InputError(
            f"no checkpoint can be read from {folder}: {error}; give the folder --out made"
        ) from error
