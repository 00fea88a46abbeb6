"""Chains written by toy models, one place at a time in random order, and what attention said.

Letters: S seeds, B chains a seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dlmviz.learn.toy.chain import LENGTH
from dlmviz.learn.toy.stack import Shape, Weights, forward


@dataclass(frozen=True, eq=False)
class Look:
    """What a model saw before one step, and what it attended to."""

    step: int  # 1..9
    masked: Tensor  # bool [S B 9]
    edges: Tensor  # float32 [S B 9 9], R_ij = (A_ij + A_ji) / 2; not only of masked positions


@torch.no_grad()
def sample(
    shape: Shape, weights: Weights, count: int, generator: torch.Generator, layers: int = 2
) -> tuple[Tensor, list[Look]]:
    """(chains int64 [S B 9], a Look a step), drawn from the models' own law at temperature 1.

    `layers`: how many of the last ones the attention is averaged over, and over all heads.
    """
    seeds, device = weights["last"].shape[0], weights["last"].device
    noise = torch.rand(seeds, count, LENGTH, generator=generator, device=generator.device)
    order = noise.argsort(-1).to(device)  # [S B 9]: the position that is filled at each step
    x = torch.full((seeds, count, LENGTH), shape.mask, device=device)
    looks = []
    for step in range(LENGTH):
        logits, attention = forward(shape, weights, x, layers)
        assert attention is not None, "layers are watched"
        looks.append(Look(step + 1, x == shape.mask, (attention + attention.mT) / 2))
        at = order[:, :, step : step + 1]
        rows = logits.gather(2, at[..., None].expand(-1, -1, -1, shape.vocabulary))[:, :, 0]
        p = rows[..., : shape.symbols].softmax(-1).flatten(0, 1)
        drawn = torch.multinomial(p.to(generator.device), 1, generator=generator)
        x = x.scatter(2, at, drawn.to(device).view(seeds, count, 1))
    return x, looks
