"""Stopping a training, and keeping what was trained in the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dlmviz.jobs.work import Stopped, Work
from dlmviz.models.heads import save_head
from dlmviz.types import Denoiser


def heed(work: Work) -> None:
    """Nothing. Raises Stopped if somebody wants the job to stop."""
    if work.stopping():
        raise Stopped


def keep(work: Work, kind: str, head: Any, model: Denoiser, told: Mapping[str, Any]) -> Any:
    """Puts the head into the store with what is told of it; the answer says where, and its size."""
    work.stage("keeping")
    place = work.folder.parent.parent / "heads" / work.folder.name
    save_head(place, kind, head, model, told)
    size = sum(weights.numel() for weights in head.parameters())
    return {**told, "head": str(place), "parameters": size}
