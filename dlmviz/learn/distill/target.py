"""Dependency-aware self-distillation (Disentangled Decoding, OpenReview 0ZSLZWAmWo, Algorithm 1).

The teacher looks twice: at the masked canvas, then again after committing K, what it was sure of.
The student, the same weights with LoRA on top, learns to say after one look what the teacher says
after two. With `looks` above 2 it looks again after further commits, with `best` it commits one
position at least each time, as it would while decoding: both are extensions of ours. Letters:
B rows, T positions, P prompt, L answer, M masked positions, D width, V vocabulary.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from dlmviz.learn.distill.noise import Noised
from dlmviz.learn.distill.settings import Settings
from dlmviz.types import InputError

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, eq=False)
class Losses:
    """The loss of a batch, and KL(target || student) summed on K and off it [nats]."""

    loss: Tensor  # scalar, with gradient
    on: Tensor  # sum over asked positions in K
    off: Tensor  # sum over the others
    kept: Tensor  # number of asked positions in K
    asked: Tensor  # number of asked positions


def two_step_target(first: Tensor, second: Tensor, kept: Tensor) -> Tensor:
    """The target: what the first look said on K, what the second said elsewhere.

    [M X], [M X], bool [M] -> [M X]; X may be V, or D since equal states give equal laws.
    """
    return torch.where(kept[:, None], first, second)


def adapted(network: Any, settings: Settings) -> Any:
    """A PEFT model on `network`, whose own weights are frozen; a fresh one answers as it does.

    Raises InputError for a network without the seven matrices of a transformer's layers.
    """
    names = {name.rpartition(".")[2] for name, _ in network.named_modules()}
    if missing := [name for name in TARGETS if name not in names]:
        raise InputError(
            f"{type(network).__name__} cannot be adapted: it has no {', '.join(missing)}; "
            "distil a model in LLaDA's or Dream's format"
        )
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=list(TARGETS),
    )
    model = get_peft_model(network, config)
    layers = network.config.num_hidden_layers
    found = sum(name.endswith(".lora_A.default") for name, _ in model.named_modules())
    assert found == layers * len(TARGETS), f"{found} matrices adapted in {layers} layers"
    return model


class Distiller(nn.Module):
    """Teacher and student over one set of base weights: LoRA off, LoRA on."""

    def __init__(self, network: Any, mask_id: int, vocabulary: int, shift: int, settings: Settings):
        super().__init__()
        self.settings, self.mask_id, self.shift = settings, mask_id, shift
        self.vocabulary = vocabulary  # V without padding
        if settings.rank:
            self.student = adapted(network, settings)
            self.network = network
            self.lora = [m for m in network.modules() if isinstance(m, BaseTunerLayer)]
        else:
            # Not a child of this module, so that it is neither trained nor saved.
            self.__dict__["frozen"] = copy.deepcopy(network).requires_grad_(False)
            self.network = self.student = network.requires_grad_(True)
        if settings.compile:
            for layer in self.network.model.layers:  # all of one shape: compiled once
                layer.compile()
        if settings.checkpointing:
            self.network.gradient_checkpointing_enable({"use_reentrant": False})

    @contextmanager
    def teaching(self) -> Iterator[Any]:
        """The teacher's network, without gradients."""
        with torch.no_grad():
            if not self.settings.rank:
                yield self.__dict__["frozen"]
                return
            # PEFT's own switch walks all modules and costs a fifth of a step at LLaDA-8B's size.
            for layer in self.lora:
                layer._disable_adapters = True
            try:
                yield self.network
            finally:
                for layer in self.lora:
                    layer._disable_adapters = False

    def forward(self, batch: Noised) -> Losses:
        """The loss of a batch: 1/B sum_b 1/t_hat_b sum over b's asked positions of KL."""
        row, position = batch.masks[:, batch.places]
        at = (row, position)
        head, size = self.network.lm_head.weight[: self.vocabulary], self.settings.chunk
        with self.teaching() as teacher:
            target, kept = self._target(teacher, batch)
        state = _look(self.network, batch.tokens, batch.real, at, self.shift)
        parts = [
            checkpoint(_kl, s, t, head, use_reentrant=False)
            for s, t in zip(torch.split(state, size), torch.split(target, size), strict=True)
        ]
        kl = torch.cat(parts)
        loss = (kl * batch.weights[row]).sum() / len(batch.tokens)
        told = kl.detach().double()
        total = torch.full((), len(kl), device=kl.device)
        return Losses(loss, (told * kept).sum(), (told * ~kept).sum(), kept.sum(), total)

    def _target(self, teacher: Any, batch: Noised) -> tuple[Tensor, Tensor]:
        """(states [M D] whose laws are the target, K of the first look as bool [M]).

        Each position's target is what the look said that committed it, or the last look.
        """
        row, position = batch.masks
        masks = (row, position)  # K may lie anywhere, asked or not
        look = target = _look(teacher, batch.tokens, batch.real, masks, self.shift)
        done = torch.zeros_like(row, dtype=torch.bool)  # committed at an earlier look
        filled, kept = batch.tokens.clone(), done
        for number in range(1, self.settings.looks):
            best, token = self._best(look, teacher.lm_head.weight)
            sure = (best > self.settings.tau_tr) & ~done
            if self.settings.best:
                sure |= leaders(batch, masks, best, ~done)
            filled[masks] = torch.where(sure, token, filled[masks])
            done = done | sure
            kept = done if number == 1 else kept
            # Where nothing was committed the next look would see what this one saw. To find out
            # makes a GPU wait, which for two looks is not worth it.
            if self.settings.looks > 2 and not sure.any():
                break
            look = _look(teacher, filled, batch.real, masks, self.shift)
            target = two_step_target(target, look, done)
        return target[batch.places], kept[batch.places]

    def _best(self, states: Tensor, head: Tensor) -> tuple[Tensor, Tensor]:
        """(probability, token) of the most probable token that is not the mask, [M] each."""
        best, tokens = [], []
        for part in torch.split(states, self.settings.chunk):
            logits = F.linear(part, head[: self.vocabulary]).float()
            scale = logits.logsumexp(-1)
            logits[:, self.mask_id] = float("-inf")
            top, token = logits.max(-1)
            best.append((top - scale).exp())
            tokens.append(token)
        return torch.cat(best), torch.cat(tokens)


def leaders(batch: Noised, masks: tuple[Tensor, Tensor], best: Tensor, left: Tensor) -> Tensor:
    """The most probable mask of each row's open block, the first that has any left; bool [M].

    `masks`: rows and positions; `best`: probability of each; `left`: bool, still masked. A tie goes
    to the lower position.
    """
    row, position = masks
    block = batch.blocks[masks].masked_fill(~left, torch.iinfo(torch.int64).max)
    first = torch.full_like(batch.tokens[:, 0], torch.iinfo(torch.int64).max)
    first = first.scatter_reduce(0, row, block, "amin")
    table = torch.full(batch.tokens.shape, -1.0, device=best.device)
    table[masks] = best.masked_fill(~left | (block != first[row]), -1.0)
    top, place = table.max(1)
    return (place[row] == position) & (top[row] >= 0)


def _look(
    network: Any, tokens: Tensor, real: Tensor | None, at: tuple[Tensor, Tensor], shift: int
) -> Tensor:
    """The final states [M D] that predict the positions `at` (rows, positions)."""
    seen = None if real is None else real[:, None, None, :]
    out = network.model(tokens, attention_mask=seen, use_cache=False).last_hidden_state
    row, position = at
    states: Tensor = out[row, (position - shift).clamp(min=0)]
    return states


def _kl(student: Tensor, target: Tensor, head: Tensor) -> Tensor:
    """KL(target || student) of the laws that states [M D] give with the head [V D]; float32 [M]."""
    log_p = F.linear(target, head).float().log_softmax(-1)
    log_q = F.linear(student, head).float().log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1)
