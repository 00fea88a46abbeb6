"""Many small models of one shape in one forward: each matrix is a stack, one layer of it a seed.

The architecture is LLaDA's (bidirectional, RMSNorm, rotary positions, SwiGLU, tied embedding), so
that a seed can be saved in its format. Letters: S seeds, B canvases, T positions, D width, H heads,
L layers, F inner width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dlmviz.learn.toy.chain import LENGTH

EPS = 1e-5


@dataclass(frozen=True)
class Shape:
    """Size of one model. Ids are the symbols, then mask, then the opening mark."""

    symbols: int = 4
    layers: int = 8
    width: int = 32
    heads: int = 2
    inner: int = 96
    theta: float = 100.0  # base of the rotary positions

    @property
    def mask(self) -> int:
        return self.symbols

    @property
    def opening(self) -> int:
        """Stands before every chain: rotary positions are relative, and this is where to count."""
        return self.symbols + 1

    @property
    def vocabulary(self) -> int:
        return self.symbols + 2

    @property
    def parameters(self) -> int:
        """Weights of one model."""
        block = 4 * self.width**2 + 3 * self.width * self.inner + 2 * self.width
        return self.layers * block + (self.vocabulary + 1) * self.width


Weights = dict[str, Tensor]


def new(shape: Shape, seeds: Sequence[int], std: float = 0.02) -> Weights:
    """Random weights, each seed from its own stream, so that a seed is the same in any stack.

    `square` [L 4 S D D]: q, k, v, o. `wide` [L 3 S F D]: gate, up, and down transposed. `embedding`
    [S V D]. `norms` [L 2 S D], `last` [S D].
    """
    D, L = shape.width, shape.layers
    square, wide, embedding = [], [], []
    for seed in seeds:
        stream = torch.Generator().manual_seed(seed)
        square.append(torch.randn(L, 4, D, D, generator=stream) * std)
        wide.append(torch.randn(L, 3, shape.inner, D, generator=stream) * std)
        embedding.append(torch.randn(shape.vocabulary, D, generator=stream) * std)
    return {
        "square": torch.stack(square, 2),
        "wide": torch.stack(wide, 2),
        "embedding": torch.stack(embedding),
        "norms": torch.ones(L, 2, len(seeds), D),
        "last": torch.ones(len(seeds), D),
    }


def forward(
    shape: Shape, weights: Weights, chains: Tensor, layers: int = 0
) -> tuple[Tensor, Tensor | None]:
    """(logits [S B 9 V], attention [S B 9 9] or None) of canvases int64 [S B 9].

    The attention is the mean over heads and the last `layers` layers; its rows sum to less than
    one, as the opening mark is left out.
    """
    seeds, count, _ = chains.shape
    tokens = F.pad(chains, (1, 0), value=shape.opening)
    table = weights["embedding"]
    ids = torch.arange(shape.vocabulary, device=tokens.device)
    x = (tokens.view(seeds, -1, 1) == ids).to(table.dtype) @ table  # [S BT D]
    turn = rotation(shape, x.device)
    seen: Tensor | None = None
    for layer in range(shape.layers):
        last = layer >= shape.layers - layers
        x, attention = _block(shape, weights, layer, x, count, turn, last)
        if attention is not None:
            seen = attention if seen is None else seen + attention
    logits = _norm(x, weights["last"]) @ table.mT
    logits = logits.view(seeds, count, LENGTH + 1, shape.vocabulary)[:, :, 1:]
    return logits, None if seen is None else seen[:, :, 1:, 1:] / layers


def rotation(shape: Shape, device: torch.device) -> tuple[Tensor, Tensor]:
    """(cos, sin) [T D/H] of the rotary positions."""
    half = shape.width // shape.heads // 2
    speed = shape.theta ** (-torch.arange(half, device=device) / half)
    angle = torch.arange(LENGTH + 1, device=device)[:, None] * speed
    both = torch.cat([angle, angle], 1)
    return both.cos(), both.sin()


def _block(
    shape: Shape,
    weights: Weights,
    layer: int,
    x: Tensor,
    count: int,
    turn: tuple[Tensor, Tensor],
    watch: bool,
) -> tuple[Tensor, Tensor | None]:
    seeds, length = len(x), LENGTH + 1
    q, k, v, o = weights["square"][layer]
    gate, up, down = weights["wide"][layer]
    first, second = weights["norms"][layer]

    def heads(flat: Tensor) -> Tensor:  # [S BT D] -> [S B H T D/H]
        return flat.view(seeds, count, length, shape.heads, -1).transpose(2, 3)

    h = _norm(x, first)
    queries, keys = _turned(heads(h @ q.mT), turn), _turned(heads(h @ k.mT), turn)
    values = heads(h @ v.mT)
    scores = (queries @ keys.mT / queries.shape[-1] ** 0.5).softmax(-1)  # [S B H T T]
    x = x + (scores @ values).transpose(2, 3).reshape(x.shape) @ o.mT
    h = _norm(x, second)
    x = x + (F.silu(h @ gate.mT) * (h @ up.mT)) @ down
    return x, scores.detach().mean(2) if watch else None


def _norm(x: Tensor, scale: Tensor) -> Tensor:
    """[S N D], [S D] -> [S N D]."""
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS) * scale[:, None]


def _turned(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Queries or keys [... T D/H] with their positions."""
    cos, sin = turn
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin
