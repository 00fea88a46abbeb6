"""LLaDA's own sampler: a fixed number of tokens a step (arXiv 2502.09992, its `generate.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from dlmviz.signals import best, schedule
from dlmviz.types import Canvas, Choice, InputError, Needs, Step, knob
from dlmviz.why import reasons


@dataclass(frozen=True)
class Llada:
    """A_t = the k_t candidates with the highest confidence, k_t from a fixed schedule.

    Each block gets S = steps / blocks forwards, as the published loop runs them, even when nothing
    is left to commit. Ties go to the lower position. With remasking "random" the order is drawn
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

    def ends(self, canvas: Canvas, block_index: int, in_block: int) -> bool:
        """After its S forwards. A block that never held a mask takes none.

        With steps 0 a full block is over too: infilling may give it fewer masks than positions.
        """
        full = not bool(canvas.masked[canvas.block(block_index)].any())
        idle = full and (in_block == 0 or self.steps == 0)
        return in_block >= self._share(canvas, block_index) or idle

    def select(self, step: Step, memory: Any) -> Choice:
        candidates = step.candidates
        if step.in_block == 0:
            masks = int(step.canvas.masked[step.block].sum())
            memory = schedule(masks, self._share(step.canvas, step.block_index))
        k: int = memory[step.in_block] if step.in_block < len(memory) else 0
        score, words = step.confidence, (f"scheduled: top {k}", f"not in top {k}")
        if self.remasking == "random":
            score = torch.rand(len(candidates), generator=step.rng, device=candidates.device)
            words = ("drawn by chance", "not drawn")
        if k == 0:
            words = ("", "scheduled: none at this step")
        transfer = best(score, candidates, k)
        return Choice(
            transfer,
            score,
            memory=memory,
            wait=not bool(transfer.any()),
            why=lambda: reasons(candidates, (transfer, words[0]), (candidates, words[1])),
        )

    def _share(self, canvas: Canvas, block_index: int) -> int:
        """S of a block. Raises InputError if the blocks do not share the steps evenly."""
        if self.steps == 0:
            return len(canvas.tokens[canvas.block(block_index)])
        if self.steps % canvas.blocks:
            raise InputError(
                f"steps must be a multiple of the number of blocks: got {self.steps} steps and "
                f"{canvas.blocks} blocks; try {canvas.blocks * max(1, self.steps // canvas.blocks)}"
            )
        return self.steps // canvas.blocks
