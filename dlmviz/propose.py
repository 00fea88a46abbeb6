"""From logits to one proposed token and its confidence at each masked position.

Letters: T canvas positions, R asked rows, V vocabulary. The order is LLaDA's: guidance, banned
tokens, noise, argmax, banned confidences, softmax (arXiv 2502.09992, its `generate.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dlmviz.types import Canvas, InputError, Prediction, RunSpec, Special

DTYPES = {"native": None, "float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True, eq=False)
class Proposal:
    """One token a position and how likely the model holds it."""

    tokens: Tensor  # int64 [T]; the mask id where nothing was asked
    confidence: Tensor  # [T] in the score dtype; -inf where nothing was asked
    probs: Callable[[], Tensor]  # () -> [R V] in the score dtype, what confidence was read from


def score_dtype(asked: str, official: str) -> torch.dtype | None:
    """The dtype confidences are formed in; None means that of the logits."""
    return DTYPES[official if asked == "official" else asked]


def propose(
    prediction: Prediction,
    canvas: Canvas,
    spec: RunSpec,
    special: Special,
    rng: torch.Generator,
    dtype: torch.dtype | None,
) -> Proposal:
    """argmax_v l_i(v), or a Gumbel draw if temperature > 0, with c_i = softmax(l_i)(token_i).

    The confidence never sees the noise. Ties go to the lower token id. `confidence_eos_eot_inf`
    removes eos (at temperature 0 only, as the published code does) and eot from that softmax
    *after* tokens were chosen: such a token keeps confidence 0 and can still be committed.
    """
    logits = prediction.logits
    if spec.forbid_mask:
        logits = without(logits, special.mask)
    if spec.logits_eos_inf:
        logits = without(logits, _known(special.eos, "logits_eos_inf", "eos"))
    noisy = logits
    if spec.temperature > 0:
        noisy = gumbel(logits, prediction.rows, len(canvas.tokens), spec.temperature, rng)
    chosen = noisy.argmax(-1)
    if spec.confidence_eos_eot_inf:
        if spec.temperature == 0:
            logits = without(logits, _known(special.eos, "confidence_eos_eot_inf", "eos"))
        if special.eot is not None:
            logits = without(logits, special.eot)
    scored = logits if dtype is None else logits.to(dtype)
    probs = torch.softmax(scored, dim=-1)
    tokens = torch.full_like(canvas.tokens, canvas.mask_id)
    tokens[prediction.rows] = chosen
    confidence = probs.new_full(canvas.tokens.shape, float("-inf"))
    confidence[prediction.rows] = probs.gather(-1, chosen[:, None])[:, 0]
    return Proposal(tokens, confidence, lambda: probs)


def without(logits: Tensor, token: int) -> Tensor:
    """The logits with one token made impossible; [R V] -> [R V], the input is left alone."""
    banned = logits.clone()
    banned[:, token] = float("-inf")
    return banned


def gumbel(
    logits: Tensor, rows: Tensor, length: int, temperature: float, rng: torch.Generator
) -> Tensor:
    """e^l / (-ln u)^T in float64, u ~ U[0, 1): its argmax is a draw from softmax(l / T).

    The noise is drawn for all T positions of the canvas, asked or not, so that a seed gives the
    tokens of the published code. [R V], [R] -> [R V].
    """
    shape = (1, length, logits.shape[-1])
    noise = torch.rand(shape, dtype=torch.float64, device=logits.device, generator=rng)
    return logits.double().exp() / (-noise[0, rows].log()) ** temperature


def _known(token: int | None, option: str, name: str) -> int:
    if token is None:
        raise InputError(f"{option} needs a model with an {name} token: this one has none")
    return token
