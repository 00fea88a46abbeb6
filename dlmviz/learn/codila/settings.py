"""How CoDiLA's local model is trained. The paper tells the objective; these numbers are ours."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dlmviz.types import InputError


@dataclass(frozen=True)
class Fit:
    """How pieces are drawn and the local model is trained."""

    sizes: tuple[int, ...] = (1, 2, 4, 8, 8, 16)  # tokens of a piece; each step draws one
    base: str = ""  # a causal model with the denoiser's ids, folder or hub id; empty: a new one
    width: int = 256  # of a new one, as the next three
    inner: int = 512  # width of the layers between
    layers: int = 3
    heads: int = 4
    steps: int = 1500
    batch: int = 64  # texts of a step
    pool: int = 0  # lessons that are kept and come again, to spare the denoiser; 0: always new ones
    most: int = 4  # masked pieces that are read from a text
    copies: float = 0.15  # further pieces whose marginals are one-hot, as a share
    known: float = 0.25  # share of pieces of which something is known already
    lr: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.05  # share of the steps over which the rate rises
    every: int = 200  # steps between two checkpoints
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", tuple(self.sizes))
        if not self.sizes or min(self.sizes) < 1 or max(self.sizes) > 64:
            raise InputError(f"sizes must be numbers from 1 to 64: got {self.sizes!r}; try 8")
        for name in ("width", "inner", "layers", "heads", "steps", "batch", "most", "every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1: got {getattr(self, name)!r}")
        if self.pool < 0:
            raise InputError(f"pool must be at least 0: got {self.pool!r}; 0 keeps none")
        if self.width % (2 * self.heads):
            raise InputError(
                f"width must be a multiple of twice the heads: got {self.width} and {self.heads}; "
                "try 256 and 4"
            )
        for name in ("copies", "known", "warmup"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} must lie in 0..1: got {getattr(self, name)!r}")
        if not 0 < self.lr < math.inf:
            raise InputError(f"lr must be above 0: got {self.lr!r}; try 0.001")
