"""How a student is trained, and from what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dlmviz.types import InputError

Scope = Literal["masks", "block"]


@dataclass(frozen=True)
class Settings:
    """How a student is trained. Rank, alpha, dropout and tau_tr are the paper's; see papers.md."""

    steps: int = 3000
    batch: int = 8  # rows of a forward, in each process
    accumulation: int = 1  # forwards of a step
    lr: float = 2e-5
    warmup: int = 0  # steps over which the rate rises
    cooldown: float = 0.0  # last share of the steps, over which it falls to zero
    weight_decay: float = 0.01
    clip: float = 1.0  # largest norm of the gradient
    rank: int = 32  # 0 trains all weights, against a frozen copy
    alpha: int = 32
    dropout: float = 0.1
    tau_tr: float = 0.98  # the teacher commits what is more probable than this
    looks: int = 2  # of the teacher, with a commit between two; more than 2 are our extension
    best: bool = False  # it commits the best mask of the open block, too, as Fast-dLLM: ours
    block_length: int = 32  # W of the active block
    scope: Scope = "masks"  # whose KL counts: all masks, or those of the active block
    eos: bool = True  # whether the ends of sequence behind an answer's first one are asked, too
    seed: int = 0
    save: int = 100  # steps between checkpoints
    checkpointing: bool = False  # recompute the student's layers in the backward pass
    compile: bool = False  # layers by torch.compile, on a GPU: a minute first, then faster steps
    chunk: int = 1024  # positions whose whole vocabulary is in memory at once

    def __post_init__(self) -> None:
        positive = ("steps", "batch", "accumulation", "block_length", "save", "chunk", "alpha")
        for name, least in [*((name, 1) for name in positive), ("looks", 2)]:
            if getattr(self, name) < least:
                raise InputError(f"{name} must be at least {least}: got {getattr(self, name)!r}")
        for name in ("lr", "clip"):
            if not 0 < getattr(self, name) < float("inf"):
                raise InputError(f"{name} must be above 0: got {getattr(self, name)!r}")
        for name in ("warmup", "rank", "weight_decay"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"{name} must be at least 0: got {getattr(self, name)!r}")
        for name in ("cooldown", "dropout", "tau_tr"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} must lie in 0..1: got {getattr(self, name)!r}")
        if self.scope not in ("masks", "block"):
            raise InputError(f"scope must be masks or block: got {self.scope!r}")


@dataclass(frozen=True, eq=False)
class Pair:
    """A prompt, and what the teacher itself answered."""

    prompt: np.ndarray  # int32 [P]
    answer: np.ndarray  # int32 [L], with every end of sequence that was generated
