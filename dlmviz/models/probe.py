"""Attention that can be watched: SDPA for the output, softmax weights where a probe asks for them.

The probe travels as a forward argument, so nothing is remembered between calls and a forward
without one does exactly what SDPA does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from dlmviz.models.windows import Window

ATTENTION = "dlmviz"  # the name transformers knows our attention by


@dataclass(eq=False)
class Probe:
    """Collects, in one forward, the attention of the asked layers summed over them."""

    layers: frozenset[int]
    calls: int = 0  # layers passed so far; not every architecture numbers its own
    total: Tensor | None = None  # float32 [B T T]

    def watch(self, query: Tensor, key: Tensor, mask: Tensor | None, scaling: float) -> None:
        """Nothing; adds the attention of the layer that passes by, if it was asked for."""
        if self.calls in self.layers:
            weights = attention_weights(query, key, mask, scaling)
            self.total = weights if self.total is None else self.total + weights
        self.calls += 1

    def mean(self) -> Tensor:
        """float32 [B T T]: mean over the asked layers of the mean over heads."""
        assert self.total is not None, "no forward has passed the probe"
        return self.total / len(self.layers)


def probe(layers: Sequence[int]) -> Probe | None:
    """A fresh probe of these layers; None, which costs nothing, where none are asked."""
    return Probe(frozenset(layers)) if layers else None


def attend(
    module: Any,  # the layer's attention
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    probe: Probe | None = None,
    window: Window | None = None,
    is_causal: bool = False,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention output [B T H D] over all keys; query [B H T D], key and value [B H' T D].

    Queries and keys are cast to the value's dtype: a float32 rotation makes them wider. What the
    caller says about causality is dropped, because a masked language model looks both ways.
    In a window the queries are the window's, keys and values those of the whole canvas.
    """
    query, key = query.to(value.dtype), key.to(value.dtype)
    if window is not None:
        key, value = window.exchange(module.layer_idx, key, value)
    if probe is not None:
        probe.watch(query, key, attention_mask, options["scaling"])
    return sdpa_attention_forward(
        module, query, key, value, attention_mask, is_causal=False, **options
    )


@torch.no_grad()
def attention_weights(query: Tensor, key: Tensor, mask: Tensor | None, scaling: float) -> Tensor:
    """softmax(scaling Q K^T) in float32, mean over heads: [B H T D], [B H' T D] -> [B T T].

    `mask` is bool, [B 1 1 T] or [B 1 T T]; keys where it is false get exactly zero, also from a
    query that may see none (padding beyond the reach of a sliding window).
    """
    batch, _, length, width = query.shape
    grouped = query.float().view(batch, key.shape[1], -1, length, width) * scaling
    scores = grouped @ key.float().transpose(-1, -2)[:, :, None]  # [B H' H/H' T T]
    if mask is None:
        return scores.softmax(-1).mean((1, 2))
    unseen = ~mask[:, None]
    weights = scores.masked_fill(unseen, float("-inf")).softmax(-1)
    return weights.masked_fill(unseen, 0.0).mean((1, 2))


# Both: with the function alone transformers makes no mask, and padding would be attended.
AttentionInterface.register(ATTENTION, attend)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
