"""What the local model learns from: pieces of texts, and the marginals that a denoiser has there.

Whole pieces of B consecutive tokens are masked, as the paper does, in one of two ways: each with a
rate t ~ U(0, 1), or all from some piece on, as decoding finds them. Letters: B tokens of a piece,
n pieces, V vocabulary, T canvas, L answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dlmviz.forward import stack
from dlmviz.learn.codila.settings import Fit
from dlmviz.types import Denoiser, Example


@dataclass(frozen=True, eq=False)
class Text:
    """A prompt with a right answer, end-of-sequence tokens behind it."""

    tokens: np.ndarray  # int64 [T]
    start: int  # where the answer begins
    said: int  # tokens of the answer up to and with its first end of sequence


@dataclass(frozen=True, eq=False)
class Lesson:
    """Pieces of one length, with what the denoiser says of them and what stands there."""

    soft: Tensor  # float32 [n B V]; one-hot where a token is known
    tokens: Tensor  # int64 [n B]
    hidden: Tensor  # bool [n B], not known


def text_of(model: Denoiser, example: Example, length: int) -> Text | None:
    """The example as a canvas whose answer takes `length` tokens; None where it does not fit."""
    prompt = model.encode(example.prompt)
    answer = model.encode(example.answer, chat=False)
    eos = model.special.eos
    room = min(length, model.context_length - len(prompt))
    if len(answer) + (eos is not None) > room:
        return None
    rest = [] if eos is None else [eos] * (room - len(answer))
    said = len(answer) + (eos is not None)
    return Text(np.array([*prompt, *answer, *rest]), len(prompt), said)


@torch.no_grad()
def lesson(
    model: Denoiser, texts: Sequence[Text], size: int, settings: Fit, rng: np.random.Generator
) -> Lesson:
    """Pieces of `size` tokens from these texts: masked ones, and some that are known (copies)."""
    canvases, places = [], []
    for text in texts:
        canvas, starts = masked(text, size, model.special.mask, settings, rng)
        canvases.append(torch.from_numpy(canvas).to(model.device))
        places.append([np.arange(s, s + size) for s in starts])
    together, padding = stack(canvases)
    rows = [torch.from_numpy(np.concatenate(at)).to(model.device) for at in places]
    said = model.forward(together, rows, padding=padding)
    p = torch.cat([marginals(one.logits, model.special.mask) for one in said])
    true = np.concatenate(
        [t.tokens[np.concatenate(at)] for t, at in zip(texts, places, strict=True)]
    )
    seen = torch.cat([c[r] for c, r in zip(canvases, rows, strict=True)])
    tokens = torch.from_numpy(true).to(model.device)
    hidden = seen == model.special.mask
    soft = torch.where(hidden[:, None], p, F.one_hot(tokens, p.shape[-1]))
    shape = (-1, size)
    made = Lesson(soft.reshape(*shape, p.shape[-1]), tokens.reshape(shape), hidden.reshape(shape))
    copies = round(settings.copies * len(made.tokens))
    return joined(made, copied(made, copies, model, rng)) if copies else made


def masked(
    text: Text, size: int, mask: int, settings: Fit, rng: np.random.Generator
) -> tuple[np.ndarray, list[int]]:
    """(canvas [T], where the chosen pieces begin): at most `most` of those that were masked.

    Chosen among the masked pieces that say something, and now and then one behind the end. A share
    `known` of them keeps some tokens: the first ones, or any.
    """
    canvas, length = text.tokens.copy(), len(text.tokens) - text.start
    size = min(size, length)
    count, telling = length // size, -(-text.said // size)
    hide = np.zeros(count, bool)
    if rng.random() < 0.5:
        hide[rng.integers(min(telling, count)) :] = True
    else:
        hide = rng.random(count) < rng.random()
        hide[rng.integers(min(telling, count))] = True
    where = np.flatnonzero(hide)
    chosen = rng.permutation(where[where < telling])[: settings.most].tolist()
    behind = where[where >= telling]
    if len(behind) and rng.random() < 0.2:
        chosen.append(int(rng.choice(behind)))
    for piece in where:
        canvas[text.start + piece * size :][:size] = mask
    starts = [text.start + int(piece) * size for piece in chosen]
    for start in starts:
        if size > 1 and rng.random() < settings.known:
            keep = _known(size, rng)
            canvas[start : start + size][keep] = text.tokens[start : start + size][keep]
    return canvas, starts


def _known(size: int, rng: np.random.Generator) -> np.ndarray:
    """bool [B]: the first ones, or any; never all."""
    if rng.random() < 0.5:
        return np.arange(size) < rng.integers(1, size)
    keep = rng.random(size) < rng.random()
    keep[rng.integers(size)] = False
    return keep


def copied(made: Lesson, count: int, model: Denoiser, rng: np.random.Generator) -> Lesson:
    """One-hot pieces, every second one of tokens drawn by chance."""
    which = torch.from_numpy(rng.integers(len(made.tokens), size=count)).to(model.device)
    tokens = made.tokens[which]
    size, V = tokens.shape[1], made.soft.shape[-1]
    drawn = torch.from_numpy(rng.integers(V, size=(count, size))).to(model.device)
    drawn = torch.where(drawn == model.special.mask, tokens, drawn)
    chance = (torch.arange(count, device=model.device) % 2 == 0)[:, None]
    tokens = torch.where(chance, drawn, tokens)
    return Lesson(F.one_hot(tokens, V).float(), tokens, torch.zeros_like(tokens, dtype=torch.bool))


def joined(one: Lesson, other: Lesson) -> Lesson:
    """Both."""
    return Lesson(
        torch.cat([one.soft, other.soft]),
        torch.cat([one.tokens, other.tokens]),
        torch.cat([one.hidden, other.hidden]),
    )


def marginals(logits: Tensor, mask: int) -> Tensor:
    """p_i without the mask token, which nobody writes; [R V] -> float32 [R V]."""
    z = logits.float().clone()
    z[:, mask] = -torch.inf
    return z.softmax(-1)
