"""LLaDA's own sampler: a fixed number of tokens a step (arXiv 2502.09992, its `generate.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from dlmviz.signals import best
from dlmviz.types import Canvas, Choice, InputError, Needs, Step, knob


def schedule(masks: int, steps: int) -> list[int]:
    """k_t = floor(n/S) + [t < n mod S] for t = 0..S-1: tokens committed at each step of a block."""
    share, rest = divmod(masks, steps)
    return [share + (t < rest) for t in range(steps)]


@dataclass(frozen=True)
class Llada:
    """A_t = the k_t candidates with the highest confidence, k_t from a fixed schedule.

    Each block gets steps / blocks forwards, as the published loop runs them, even when nothing is
    left to commit. Ties go to the lower position. With remasking "random" the order is drawn
    uniformly instead.
    """

    name: ClassVar[str] = "llada"
    paper: ClassVar[str] = "LLaDA, arXiv 2502.09992"
    needs: ClassVar[Needs] = Needs()
    score_dtype: ClassVar[str] = "native"

    steps: int = knob(0, 0, 4096, "forwards in all, over all blocks; 0 means one token a step")
    remasking: str = knob(
        "low_confidence",
        help="what decides the order: the model's confidence, or chance",
        choices=("low_confidence", "random"),
    )

    def block_steps(self, canvas: Canvas) -> int:
        """S = steps / blocks. Raises InputError if the blocks do not share the steps evenly."""
        steps = self.steps or canvas.gen_length
        if steps % canvas.blocks:
            raise InputError(
                f"steps must be a multiple of the number of blocks: got {steps} steps and "
                f"{canvas.blocks} blocks; try {canvas.blocks * max(1, steps // canvas.blocks)}"
            )
        return steps // canvas.blocks

    def select(self, step: Step, memory: Any) -> Choice:
        if step.in_block == 0:
            masks = int(step.canvas.masked[step.block].sum())
            memory = schedule(masks, self.block_steps(step.canvas))
        score = step.confidence
        if self.remasking == "random":
            device = step.candidates.device
            score = torch.rand(len(step.candidates), generator=step.rng, device=device)
        transfer = best(score, step.candidates, memory[step.in_block])
        return Choice(transfer, score, memory=memory, wait=not bool(transfer.any()))
