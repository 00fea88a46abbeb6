"""How DEMASK's predictor is trained. The paper's hyperparameters are not known: these are ours."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dlmviz.types import InputError


@dataclass(frozen=True)
class Fit:
    """How states are measured and the predictor is trained."""

    sources: int = 8  # K, half of them among the most confident
    draws: int = 2  # S tokens revealed there; more only make the targets less noisy
    key: int = 256  # width of queries and keys
    inner: int = 0  # width of a layer before the projections; 0: none, as in the paper
    epochs: int = 3
    batch: int = 64  # states of a step
    lr: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.05  # share of the steps over which the rate rises
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("sources", "draws", "key", "epochs", "batch"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1: got {getattr(self, name)!r}")
        for name in ("inner", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name} must be at least 0: got {getattr(self, name)!r}")
        if not 0 < self.lr < math.inf:
            raise InputError(f"lr must be above 0: got {self.lr!r}; try 0.001")
