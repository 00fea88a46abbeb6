"""One network under several LoRA adapters at once: every sequence of a batch has its own."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from peft import set_peft_model_state_dict as set_state
from peft.tuners.lora import LoraLayer
from torch import Tensor

from dlmviz.models.adapters import located, read
from dlmviz.models.transformer import TransformerDenoiser
from dlmviz.types import Prediction

BASE = "__base__"  # PEFT's name for a sequence without an adapter


@dataclass(frozen=True, eq=False)
class Mixed:
    """A model whose network holds some adapters; base weights are those of the model it is of."""

    model: TransformerDenoiser
    names: dict[str, str]  # folder -> what PEFT calls its adapter here
    adapted: tuple[Any, ...]  # layers that have one

    def forward(
        self,
        adapters: Sequence[str | None],
        tokens: Tensor,
        rows: Sequence[Tensor],
        layers: Sequence[int] = (),
        hidden: bool = False,
        padding: Tensor | None = None,
    ) -> list[Prediction]:
        """As types.Denoiser.forward, each sequence under the adapter of its folder, or none."""
        who = [BASE if folder is None else self.names[folder] for folder in adapters]
        with _routed(self.adapted, who, [len(asked) for asked in rows]):
            return self.model.forward(tokens, rows, layers, hidden, padding)


def mix(model: TransformerDenoiser, folders: Sequence[str]) -> Mixed | None:
    """The model under each of these adapters, which `adapt` opens; None where they cannot share.

    Only plain LoRA can be told apart inside a layer: layers that are replaced or trained whole,
    and what DoRA makes of a layer's weights, leave no place for a sequence without it.
    """
    found = {folder: read(located(folder)) for folder in folders}
    if not all(plain(config) for config, _ in found.values()):
        return None
    shared = {id(p): p for p in (*model.network.parameters(), *model.network.buffers())}
    network = copy.deepcopy(model.network, shared)
    names = {folder: f"lane{place}" for place, folder in enumerate(found)}
    wrapped: Any = None
    for folder, (config, tensors) in found.items():
        if wrapped is None:
            wrapped = get_peft_model(network, config, adapter_name=names[folder])
        else:
            wrapped.add_adapter(names[folder], config)
        set_state(wrapped, tensors, adapter_name=names[folder])
    network.to(model.device).eval().requires_grad_(False)
    adapted = tuple(layer for layer in network.modules() if isinstance(layer, LoraLayer))
    if any(layer.lora_variant for layer in adapted):  # DoRA and its kin
        return None
    return Mixed(dataclasses.replace(model, network=network), names, adapted)


def plain(config: LoraConfig) -> bool:
    """Whether the adapter leaves layers as they are but for what LoRA adds to their output."""
    odd = ("modules_to_save", "trainable_token_indices", "layer_replication", "target_parameters")
    return config.bias == "none" and not any(getattr(config, name, None) for name in odd)


@contextmanager
def _routed(layers: Sequence[Any], who: Sequence[str], sizes: Sequence[int]) -> Iterator[None]:
    """Tells these layers whose sequence is whose, for the forward inside.

    PEFT's own way looks through the whole network at every forward, and knows no layer that sees
    the asked rows of all sequences in one line, as the last one does here.
    """
    lines = [name for name, size in zip(who, sizes, strict=True) for _ in range(size)]

    def tell(module: Any, given: tuple[Tensor, ...], named: dict[str, Any]) -> Any:
        x = given[0]
        asked = x.ndim == 2 and torch.is_floating_point(x)  # [n D]; ids of tokens are [B T]
        return given, {**named, "adapter_names": lines if asked else list(who)}

    handles = [layer.register_forward_pre_hook(tell, with_kwargs=True) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
