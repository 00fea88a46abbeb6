"""Untrained parts for the toy models, kept as if they had come with dlmviz."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import torch

from dlmviz.models.heads import PairHead, save_head
from dlmviz.models.local_ar import fresh
from tests.toy import WORDS


def put(folder: Path) -> Path:
    """A folder of heads for the models with the fingerprints of the toy and of the dice."""
    torch.manual_seed(0)
    for name in ("toy", "dice"):
        model = cast(Any, SimpleNamespace(name=name, fingerprint=name))
        save_head(folder / f"{name}-demask", "demask", PairHead(len(WORDS), 4), model, {})
        local = fresh(len(WORDS), width=8, inner=8, layers=1, heads=1)
        save_head(folder / f"{name}-codila", "codila", local, model, {})
    return folder
