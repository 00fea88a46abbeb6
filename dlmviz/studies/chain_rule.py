"""What a group of tokens costs when it is written at once, by the model's own chain rule.

A group G of masked positions was written from its marginals p_i. The model itself can be asked for
the conditionals p(y_k | y_1..y_(k-1)), by forwards in which the earlier ones are revealed. With one
consistent joint law their product is that law, whatever the order; a network's is its own law in
the order that was taken, which is said. Natural logarithms, so nats. Letters: T canvas positions,
G group positions, B canvases, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dlmviz.forward import forward
from dlmviz.propose import without
from dlmviz.signals import entropy, kl
from dlmviz.types import Denoiser, Needs, RunSpec

ROWS = 32  # canvases that share a forward

#: canvases [B T] and positions [B G] -> probabilities float64 [B G V]
Law = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Effort:
    """How closely a group is looked at."""

    certain: float = 1e-3  # nats: positions with no more entropy are left out, and told
    covered: float = 0.999  # mass of the outcomes that are gone through, most probable first
    limit: int = 16  # such outcomes; where more are needed, the group is sampled
    draws: int = 8  # outcomes that are sampled then


WHOLE = Effort(certain=0.0, covered=1 - 1e-12, limit=4096)  # for a law that is written down


@dataclass(frozen=True, eq=False)
class Group:
    """What is open in a group: its positions that are not certain, in the order of revealing."""

    canvas: Tensor  # int64 [T], what is certain is written
    positions: Tensor  # int64 [G]
    tokens: Tensor  # int64 [G], what was written there
    marginals: Tensor  # float64 [G V], before anything of the group was written
    left_out: float  # entropies of the certain ones, nats: with a consistent law they add no more

    @property
    def log_product(self) -> float:
        """sum_i ln p_i(y_i), nats: what the group was written with."""
        return _log(self.marginals, self.tokens)


@dataclass(frozen=True)
class Loss:
    """How far the joint law of a group is from the product of its marginals: what is lost by
    writing it at once.
    """

    nats: float  # KL(joint || product)
    method: str  # "enumerated", or "sampled"
    error: float = 0.0  # standard error of sampled nats
    tv: float = 0.0  # total variation distance, 0..1, which DEMASK bounds


def law_of(model: Denoiser, spec: RunSpec, visible: Tensor) -> Law:
    """The model's probabilities as the run saw them: guided, and without the tokens it banned.

    Always by full forwards, untempered, in float64. `visible`: bool [T], not masked at the start.
    """

    def law(canvases: Tensor, positions: Tensor) -> Tensor:
        made = []
        for start in range(0, len(canvases), ROWS):
            part, rows = canvases[start : start + ROWS], positions[start : start + ROWS]
            seen = [visible] * len(part)
            for prediction in forward(model, part, list(rows), seen, spec, Needs()):
                logits = prediction.logits.double()
                if spec.forbid_mask:
                    logits = without(logits, model.special.mask)
                if spec.logits_eos_inf and model.special.eos is not None:
                    logits = without(logits, model.special.eos)
                made.append(logits.softmax(-1))
        return torch.stack(made)

    return law


def opened(
    law: Law, canvas: Tensor, positions: Tensor, tokens: Tensor, certain: float = 0.0
) -> Group:
    """The group, surest first: by falling probability of what was written, ties to the lower.

    Positions whose entropy is `certain` nats at most are written first and then left alone.
    """
    p = law(canvas[None], positions[None])[0]
    spread = entropy(p)
    sure = spread <= certain
    canvas = canvas.clone()
    canvas[positions[sure]] = tokens[sure]
    held = p.gather(-1, tokens[:, None])[:, 0]
    order = torch.sort(held, descending=True, stable=True).indices
    order = order[~sure[order]]
    left_out = float(spread[sure].sum())
    return Group(canvas, positions[order], tokens[order], p[order], left_out)


def log_joint(law: Law, group: Group) -> float:
    """sum_k ln p(y_k | y_1..y_(k-1)), nats, by one batch of nested reveals."""
    nested = group.canvas.repeat(len(group.positions), 1)
    for k in range(1, len(nested)):
        nested[k:, group.positions[k - 1]] = group.tokens[k - 1]
    return _log(law(nested, group.positions[:, None])[:, 0], group.tokens)


def loss(law: Law, group: Group, effort: Effort, rng: torch.Generator) -> Loss:
    """KL(joint || product) = sum_k E[KL(p(. | y_1..y_(k-1)) || p_k)] of a group, in its order, and
    TV = E_joint[max(0, 1 - product / joint)].

    The most probable outcomes of the earlier positions are gone through; where too many are needed
    to hold the mass, outcomes are sampled instead. Only conditional laws are averaged then, which
    varies less than averaging log ratios.
    """
    if len(group.positions) < 2:
        return Loss(0.0, "enumerated")
    whole = _enumerated(law, group, effort)
    if whole is not None:
        return whole
    terms, excess = _sampled(law, group, effort.draws, rng)
    error = float(terms.std() / effort.draws**0.5)
    return Loss(float(terms.mean()), "sampled", error, float(excess.mean()))


def _enumerated(law: Law, group: Group, effort: Effort) -> Loss | None:
    """The sums over outcomes; None where more than `effort.limit` of them are needed."""
    p, vocabulary = group.marginals, group.marginals.shape[1]
    canvases, weights, product = group.canvas[None], p.new_ones(1), p.new_ones(1)
    given = p[:1]  # the first position's law, nothing revealed
    total, excess = 0.0, 0.0
    for k in range(1, len(p)):
        joint = (weights[:, None] * given).flatten()
        best = joint.topk(min(effort.limit, len(joint)))
        held = best.values.cumsum(0)
        if float(held[-1]) < effort.covered:
            return None
        kept = held - best.values < effort.covered  # each is needed to get there
        weights, at = best.values[kept], best.indices[kept]
        product = product[at // vocabulary] * p[k - 1, at % vocabulary]
        canvases = canvases[at // vocabulary].clone()
        canvases[:, group.positions[k - 1]] = at % vocabulary
        given = law(canvases, group.positions[k].repeat(len(canvases), 1))[:, 0]
        total += float((weights * _divergence(given, p[k])).sum() / weights.sum())
        over = weights[:, None] * given - product[:, None] * p[k]
        excess = float(over.clamp(min=0).sum() / weights.sum())
    return Loss(total, "enumerated", tv=excess)


def _sampled(law: Law, group: Group, draws: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """float64 [draws] each: sum of divergences, and mass that the product lacks, along paths whose
    tokens are drawn from the conditionals; all tokens of the last position are gone through.
    """
    canvases = group.canvas.repeat(draws, 1)
    given = group.marginals[:1].expand(draws, -1)
    terms, ratio = given.new_zeros(draws), given.new_ones(draws)  # product / joint, so far
    for k in range(1, len(group.positions)):
        drawn = torch.multinomial(given, 1, generator=rng)[:, 0]
        ratio = ratio * group.marginals[k - 1, drawn] / given.gather(1, drawn[:, None])[:, 0]
        canvases[:, group.positions[k - 1]] = drawn
        given = law(canvases, group.positions[k].repeat(draws, 1))[:, 0]
        terms += _divergence(given, group.marginals[k])
    excess = (given - ratio[:, None] * group.marginals[-1]).clamp(min=0).sum(1)
    return terms, excess


def _divergence(given: Tensor, marginal: Tensor) -> Tensor:
    """KL(p(. | revealed) || p(.)) a row; a marginal that underflowed counts as 1e-300."""
    return kl(given, marginal.clamp(min=1e-300).expand_as(given))


def _log(p: Tensor, tokens: Tensor) -> float:
    """sum_i ln p_i(token_i); [G V], [G]."""
    return float(p.gather(-1, tokens[:, None]).clamp(min=1e-300).log().sum())
