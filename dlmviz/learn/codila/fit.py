"""The local model: fitted to pieces, and scored on those of texts that it has not seen.

Its loss is the negative log-likelihood of a piece given the marginals: what CoDiLA's objective
becomes for masked pieces. The denoiser is frozen. Letters: n pieces, B tokens, V vocabulary.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dlmviz.learn.codila.data import Lesson, Text, lesson
from dlmviz.learn.codila.settings import Fit
from dlmviz.learn.distill.saving import restore, save
from dlmviz.models.causal import open_causal
from dlmviz.models.local_ar import LocalAR, fresh
from dlmviz.types import Denoiser, InputError


class Listener(Protocol):
    """What a training tells, and asks; jobs.work.Work is one."""

    def metric(self, **numbers: float | None) -> None: ...
    def progress(self, done: int) -> None: ...
    def stopping(self) -> bool: ...
    def mark(self) -> int: ...
    def rewind(self, mark: int) -> None: ...


def fit(
    model: Denoiser, texts: Sequence[Text], settings: Fit, folder: Path, listener: Listener
) -> tuple[LocalAR, int]:
    """(local model, steps done); fewer than asked where the listener wants it to stop.

    Each step draws its texts, pieces and masks from (seed, step) alone, so that one that goes on
    from the checkpoint in `folder` ends as if it had never stopped.
    """
    if not texts:
        raise InputError("there is nothing to fit: no text is short enough; take other tasks")
    head = begun(model, settings).to(model.device).train()
    weights = dict(head.named_parameters())
    optimizer = torch.optim.AdamW(
        weights.values(), lr=settings.lr, weight_decay=settings.weight_decay, betas=(0.9, 0.98)
    )
    done, mark = restore(folder, weights, optimizer, settings)
    listener.rewind(mark)
    lessons: dict[int, Lesson] = {}
    for step in range(done, settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(settings, step)
        number = step % settings.pool if settings.pool else step
        of = lessons.get(number) or drawn(model, texts, settings, number)
        lessons |= {number: of} if settings.pool else {}
        loss = mean_loss(head, of)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(weights.values(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        listener.metric(step=step + 1, loss=float(loss.detach()))
        listener.progress(step + 1)
        done, stopping = step + 1, listener.stopping()
        if stopping or done % settings.every == 0 or done == settings.steps:
            save(folder, done, listener.mark(), weights, optimizer, settings)
        if stopping:
            break
    return head.eval().requires_grad_(False), done


def begun(model: Denoiser, settings: Fit) -> LocalAR:
    """What the training starts from: the causal model `base`, as the paper does, or a new one.

    A new one of the denoiser's width begins with the denoiser's embedding. That is ours: after 120
    steps on pairs its loss was 1.26, and 1.57 where it began by chance.
    """
    if settings.base:
        head = copy.deepcopy(open_causal(settings.base, model))  # others may have it open, too
        return head.float().requires_grad_(True)
    torch.manual_seed(settings.seed)
    shape = (settings.width, settings.inner, settings.layers, settings.heads)
    head = fresh(model.vocab_size, *shape)
    table = head.network.get_input_embeddings().weight
    network = getattr(model, "network", None)
    known = None if network is None else network.get_input_embeddings().weight.float().cpu()
    if known is not None and known.shape == (model.vocab_size, settings.width):
        with torch.no_grad():
            table[: len(known)] = known * table.std() / known.std()
    return head


def rate(settings: Fit, step: int) -> float:
    """The learning rate of a step (from 0): it rises, then falls as half a cosine."""
    rise = max(1, round(settings.warmup * settings.steps))
    fall = max(0, step + 1 - rise) / max(1, settings.steps - rise)
    return settings.lr * min(1.0, (step + 1) / rise) * max(0.01, (1 + math.cos(math.pi * fall)) / 2)


def drawn(model: Denoiser, texts: Sequence[Text], settings: Fit, step: int) -> Lesson:
    """The pieces of a step."""
    rng = np.random.default_rng((settings.seed, step))
    some = [texts[i] for i in rng.choice(len(texts), min(settings.batch, len(texts)), False)]
    size = min(int(rng.choice(settings.sizes)), *(len(t.tokens) - t.start for t in some))
    return lesson(model, some, size, settings, rng)


def losses(head: LocalAR, of: Lesson) -> Tensor:
    """-ln p(x_j | pi, x_<j) of every token; float32 [n B], nats."""
    logits = head.logits(of.soft, of.tokens)
    flat = F.cross_entropy(logits.flatten(0, 1), of.tokens.flatten(), reduction="none")
    return flat.reshape(of.tokens.shape)


def mean_loss(head: LocalAR, of: Lesson) -> Tensor:
    """The mean over all tokens: unknown ones are predicted, known ones copied."""
    return losses(head, of).mean()


@dataclass(frozen=True)
class Score:
    """How a local model did on masked pieces of held-out texts, whole pieces masked; in nats."""

    size: int  # B
    tokens: int
    nll: float  # of a token
    apart: float  # the same of the product of the denoiser's marginals
    copied: float  # share of tokens of one-hot pieces of text that come out as they are
    copied_chance: float  # the same where tokens are drawn by chance
    reread: float  # at B = 1: share of marginals whose best token it takes

    def told(self) -> dict[str, float]:
        """As plain values."""
        return asdict(self)


@torch.no_grad()
def scored(head: LocalAR, model: Denoiser, texts: Sequence[Text], settings: Fit) -> Score:
    """How the local model does at the size that settings name most often, and at 1."""
    size = max(settings.sizes, key=settings.sizes.count)
    plain = Fit(**{**asdict(settings), "known": 0.0, "copies": 0.0})
    right: dict[str, list[Tensor]] = {
        name: [] for name in ("nll", "apart", "text", "chance", "one")
    }
    for begin in range(0, len(texts), 32):
        rng = np.random.default_rng((settings.seed, 10**6, begin))
        some = texts[begin : begin + 32]
        here = min(size, *(len(t.tokens) - t.start for t in some))
        of = lesson(model, some, here, plain, rng)
        right["nll"].append(losses(head, of).flatten())
        own = of.soft.gather(-1, of.tokens[..., None]).clamp_min(1e-30)
        right["apart"].append(-own.log().flatten())
        for name, lead in (("text", of.tokens), ("chance", _drawn(of, model, rng))):
            known = F.one_hot(lead, of.soft.shape[-1]).float()
            right[name].append((head.logits(known, lead).argmax(-1) == lead).flatten())
        one = lesson(model, some, 1, plain, rng)
        best = head.logits(one.soft, one.tokens).argmax(-1)
        right["one"].append((best == one.soft.argmax(-1)).flatten())
    mean = {name: float(torch.cat(parts).double().mean()) for name, parts in right.items()}
    return Score(
        size=size,
        tokens=sum(len(part) for part in right["nll"]),
        nll=mean["nll"],
        apart=mean["apart"],
        copied=mean["text"],
        copied_chance=mean["chance"],
        reread=mean["one"],
    )


def _drawn(of: Lesson, model: Denoiser, rng: np.random.Generator) -> Tensor:
    ids = rng.integers(of.soft.shape[-1], size=tuple(of.tokens.shape))
    drawn = torch.from_numpy(ids).to(of.tokens.device)
    return torch.where(drawn == model.special.mask, of.tokens, drawn)
