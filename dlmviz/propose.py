"""From logits to one proposed token and its confidence at each masked position.

Letters: T canvas positions, R asked rows, V vocabulary. Two ways to draw, after guidance and
banned tokens: *gumbel* (LLaDA, arXiv 2502.09992, its `generate.py`) draws from the tempered law
but reads confidences from the untempered one; *categorical* (Dream, arXiv 2508.15487) tempers,
cuts to a nucleus, and reads both from what is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dlmviz.types import Canvas, InputError, Needs, Prediction, RunSpec, Special

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


def check_draw(spec: RunSpec, needs: Needs, sampler: str) -> str:
    """How tokens are drawn, gumbel or categorical. InputError for top_p or top_k with the first."""
    draw = needs.draw if spec.draw == "official" else spec.draw
    if draw == "gumbel" and (spec.top_p < 1 or spec.top_k):
        raise InputError(
            f"top_p and top_k belong to categorical draws: got {spec.top_p} and {spec.top_k} with "
            f"{sampler}, which draws by gumbel; set draw to categorical or leave them out"
        )
    return draw


def propose(
    prediction: Prediction,
    canvas: Canvas,
    spec: RunSpec,
    special: Special,
    rng: torch.Generator,
    dtype: torch.dtype | None,
    draw: str = "gumbel",
) -> Proposal:
    """argmax_v l_i(v), or a draw if temperature > 0, with the confidence p_i(token_i).

    Ties go to the lower token id. `confidence_eos_eot_inf` removes eos (at temperature 0 only, as
    the published code does) and eot from the scored softmax *after* tokens were chosen: such a
    token keeps confidence 0 and can still be committed.
    """
    logits = prediction.logits
    if spec.forbid_mask:
        logits = without(logits, special.mask)
    if spec.logits_eos_inf:
        logits = without(logits, _known(special.eos, "logits_eos_inf", "eos"))
    if draw == "categorical":
        scored = logits if dtype is None else logits.to(dtype)
        logits = nucleus(scored, spec.temperature, spec.top_p, spec.top_k)
        chosen = _categorical(torch.softmax(logits, dim=-1), spec.temperature, rng)
    else:
        chosen = _gumbel(logits, prediction.rows, len(canvas.tokens), spec, rng).argmax(-1)
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


def nucleus(logits: Tensor, temperature: float, top_p: float, top_k: int) -> Tensor:
    """Logits of the tempered law, cut to its top_k tokens and its top_p mass; [R V] -> [R V].

    A token is cut where the mass before it already exceeds top_p (strict), so the best one always
    stays, or where it is below the k-th best (ties stay). What is cut gets the lowest finite
    value, as in Dream's sampler; the nucleus is applied at temperature 0 too.
    """
    if temperature > 0:
        logits = logits / temperature
    lowest = torch.finfo(logits.dtype).min
    if top_p < 1:
        ordered, order = torch.sort(logits, descending=True)
        before = torch.softmax(ordered, dim=-1).cumsum(-1).roll(1, -1)
        before[:, 0] = 0
        cut = torch.zeros_like(before, dtype=torch.bool).scatter(-1, order, before > top_p)
        logits = logits.masked_fill(cut, lowest)
    if top_k:
        kth = logits.topk(min(top_k, logits.shape[-1]), dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < kth, lowest)
    return logits


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


def _gumbel(
    logits: Tensor, rows: Tensor, length: int, spec: RunSpec, rng: torch.Generator
) -> Tensor:
    if spec.temperature == 0:
        return logits
    return gumbel(logits, rows, length, spec.temperature, rng)


def _categorical(p: Tensor, temperature: float, rng: torch.Generator) -> Tensor:
    """One token a row; argmax of the probabilities (not of the logits) at temperature 0."""
    if temperature == 0 or not len(p):
        return p.argmax(-1) if len(p) else torch.zeros(0, dtype=torch.int64, device=p.device)
    return torch.multinomial(p, 1, replacement=True, generator=rng)[:, 0]


def _known(token: int | None, option: str, name: str) -> int:
    if token is None:
        raise InputError(f"{option} needs a model with an {name} token: this one has none")
    return token
