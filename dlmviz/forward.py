"""Canvases in, predictions out: the one place that runs a model, and that counts it.

Letters: T canvas positions, R asked rows, V vocabulary, B sequences.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dlmviz.types import Canvas, Denoiser, Needs, Prediction, RunSpec


@dataclass(frozen=True)
class Cost:
    """What some forwards cost one sequence."""

    calls: int = 0  # forward calls: NFE
    sequences: int = 0  # sequences in those calls; a guided pair counts two

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.calls + other.calls, self.sequences + other.sequences)


@torch.no_grad()
def predict(
    model: Denoiser,
    canvases: Sequence[Canvas],
    visible: Sequence[Tensor],
    spec: RunSpec,
    needs: Needs,
) -> list[Prediction]:
    """One Prediction for each canvas, at its masked positions, from one forward call.

    `visible`: bool [T] each, what was not masked when its run began; guidance hides exactly that.
    Canvases of unequal length are padded on the right and the padding is masked out.
    """
    tokens, padding = stack([canvas.tokens for canvas in canvases])
    rows = [canvas.masked.nonzero()[:, 0] for canvas in canvases]
    made = forward(model, tokens, rows, visible, spec, needs, padding)
    return [cropped(p, canvas) for p, canvas in zip(made, canvases, strict=True)]


@torch.no_grad()
def forward(
    model: Denoiser,
    tokens: Tensor,
    rows: Sequence[Tensor] | None,
    visible: Sequence[Tensor],
    spec: RunSpec,
    needs: Needs,
    padding: Tensor | None = None,
) -> list[Prediction]:
    """One Prediction for each row of tokens [B T], guided if the spec asks, from one call."""
    layers = last_layers(model.layers, needs.attention)
    if not spec.cfg_scale:
        return model.forward(tokens, rows, layers, needs.hidden, padding)
    seen, _ = stack(visible)
    blind = torch.where(seen, model.special.mask, tokens)
    both = model.forward(
        torch.cat([tokens, blind]),
        None if rows is None else [*rows, *rows],
        layers,
        needs.hidden,
        None if padding is None else torch.cat([padding, padding]),
    )
    pairs = zip(both[: len(tokens)], both[len(tokens) :], strict=True)
    return [guide(plus, minus, spec.cfg_scale) for plus, minus in pairs]


def cropped(prediction: Prediction, canvas: Canvas) -> Prediction:
    """The prediction with the attention of its own T positions, without the batch's padding."""
    length, attention = len(canvas.tokens), prediction.attention
    if attention is None or len(attention) == length:
        return prediction
    return dataclasses.replace(prediction, attention=attention[:length, :length])


def guide(conditional: Prediction, unconditional: Prediction, scale: float) -> Prediction:
    """l = l- + (w + 1)(l+ - l-), in the logits' own dtype; -inf stays -inf.

    Source: classifier-free guidance as in LLaDA's `generate.py`.
    """
    plus, minus = conditional.logits, unconditional.logits
    logits = torch.where(torch.isneginf(plus), plus, minus + (scale + 1) * (plus - minus))
    return Prediction(conditional.rows, logits, conditional.attention, conditional.hidden)


def last_layers(layers: int, share: float) -> tuple[int, ...]:
    """The last N - int(N (1 - share)) of N layers, at least one; none if the share is 0.

    Source: the layer rule of DAPD (arXiv 2603.12996) as its code computes it.
    """
    if share <= 0:
        return ()
    count = max(1, layers - int(layers * (1 - share)))
    return tuple(range(layers - count, layers))


def stack(sequences: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
    """[B T] and bool [B T] (true at real entries), or None when nothing is padded."""
    longest = max(len(sequence) for sequence in sequences)
    if all(len(sequence) == longest for sequence in sequences):
        return torch.stack(list(sequences)), None
    tokens = torch.nn.utils.rnn.pad_sequence(list(sequences), batch_first=True)
    lengths = torch.tensor([len(sequence) for sequence in sequences], device=tokens.device)
    return tokens, torch.arange(longest, device=tokens.device) < lengths[:, None]
