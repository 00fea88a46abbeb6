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

ATTENTION = "dlmviz"  # the name transformers knows our attention by


@dataclass(eq=False)
class Probe:
    """Collects, in one forward, the attention of the asked layers summed over them."""

    layers: frozenset[int]
    total: Tensor | None = None  # float32 [B T T]

    def mean(self) -> Tensor:
        """float32 [B T T]: mean over the asked layers of the mean over heads."""
        assert self.total is not None, "no forward has passed the probe"
        return self.total / len(self.layers)


def probe(layers: Sequence[int]) -> Probe | None:
    """A fresh probe of these layers; None, which costs nothing, where none are asked."""
    return Probe(frozenset(layers)) if layers else None


def attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    probe: Probe | None = None,
    is_causal: bool = False,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention output [B T H D] over all keys; query [B H T D], key and value [B H' T D].

    Queries and keys are cast to the value's dtype: a float32 rotation makes them wider. What the
    caller says about causality is dropped, because a masked language model looks both ways.
    """
    query, key = query.to(value.dtype), key.to(value.dtype)
    if probe is not None and module.layer_idx in probe.layers:
        weights = attention_weights(query, key, attention_mask, options["scaling"])
        probe.total = weights if probe.total is None else probe.total + weights
    return sdpa_attention_forward(
        module, query, key, value, attention_mask, is_causal=False, **options
    )


@torch.no_grad()
def attention_weights(query: Tensor, key: Tensor, mask: Tensor | None, scaling: float) -> Tensor:
    """softmax(scaling Q K^T) in float32, mean over heads: [B H T D], [B H' T D] -> [B T T].

    `mask` is bool, [B 1 1 T] or [B 1 T T]; keys where it is false get exactly zero.
    """
    batch, _, length, width = query.shape
    grouped = query.float().view(batch, key.shape[1], -1, length, width) * scaling
    scores = grouped @ key.float().transpose(-1, -2)[:, :, None]  # [B H' H/H' T T]
    if mask is not None:
        scores = scores.masked_fill(~mask[:, None], float("-inf"))
    return scores.softmax(-1).mean((1, 2))


# Both: with the function alone transformers makes no mask, and padding would be attended.
AttentionInterface.register(ATTENTION, attend)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
