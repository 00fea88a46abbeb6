"""Signals that are recorded because RunSpec.record asks, whatever the sampler looked at.

Letters: T canvas positions, R asked rows, V vocabulary.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dlmviz.forward import forward
from dlmviz.opening import Run
from dlmviz.signals import degree, edge_scores, jsd, kl, margin, ranked
from dlmviz.types import Choice, Needs, Prediction, Step


@dataclass(frozen=True, eq=False)
class Asked:
    """What was recorded on request."""

    signals: dict[str, Tensor] = field(default_factory=dict)  # name -> [T]
    edges: Tensor | None = None  # [T T]
    probes: int = 0  # forward calls made for it


def requested(run: Run, step: Step, choice: Choice, before: Prediction | None) -> Asked:
    """The signals of RunSpec.record that the choice does not carry already.

    `before`: the last step's prediction with probabilities as its logits; None at the first step.
    """
    names = [name for name in run.spec.record if name not in choice.signals]
    if not names or not run.keep or not len(step.prediction.rows):
        return Asked()
    makers: dict[str, Callable[[], Tensor]] = {
        "margin": lambda: step.spread(margin(step.probs())),
        "kl": lambda: _to_previous(step, before),
        "jsd": lambda: to_reduced_context(run, step),
        "degree": lambda: _defined(step, degree(_edges(step))),
        "rank": lambda: _ranks(step, choice),
    }
    signals = {name: makers[name]() for name in names if name != "edges"}
    edges = _edges(step) if "edges" in names and choice.edges is None else None
    return Asked(signals, edges, probes=int("jsd" in names and step.block_index > 0))


def _edges(step: Step) -> Tensor:
    """R over all masked positions that were asked."""
    masked = torch.zeros_like(step.candidates)
    masked[step.prediction.rows] = True
    assert step.prediction.attention is not None, "the run asked for attention"
    return edge_scores(step.prediction.attention, masked)


def _defined(step: Step, values: Tensor) -> Tensor:
    return step.spread(values[step.prediction.rows])


def _to_previous(step: Step, before: Prediction | None) -> Tensor:
    """KL(p_t || p_(t-1)) where both are known; NaN elsewhere, and everywhere at the first step."""
    rows, p = step.prediction.rows, step.probs()
    empty: Tensor = step.spread(p.new_full((len(rows),), float("nan")))
    if before is None:
        return empty
    earlier = torch.full_like(step.canvas.tokens, -1)
    earlier[before.rows] = torch.arange(len(before.rows), device=rows.device)
    known = earlier[rows] >= 0
    empty[rows[known]] = kl(p[known], before.logits[earlier[rows[known]]])
    return empty


def to_reduced_context(run: Run, step: Step) -> Tensor:
    """JSD of each prediction with and without the block before; NaN in the first block.

    The reduced context is the canvas with the preceding block masked again (OpenReview
    0ZSLZWAmWo, section 5.1); one forward call, counted as a probe.
    """
    rows, p = step.prediction.rows, step.probs()
    if step.block_index == 0:
        return step.spread(p.new_full((len(rows),), float("nan")))
    reduced, hidden = step.canvas.tokens.clone(), step.canvas.block(step.block_index - 1)
    reduced[hidden][~step.fixed[hidden]] = step.canvas.mask_id
    other = forward(run.model, reduced[None], [rows], [run.visible], run.spec, Needs())[0]
    before = step.rng.get_state()  # looking must not change what is drawn later
    blind = step.at(dataclasses.replace(step.canvas, tokens=reduced), other)
    step.rng.set_state(before)
    return step.spread(jsd(p, blind.probs()))


def _ranks(step: Step, choice: Choice) -> Tensor:
    """Rank of each candidate by the rule's own score, 1 for the first; NaN elsewhere."""
    order = ranked(choice.score, step.candidates)
    out = torch.full(step.candidates.shape, float("nan"), device=order.device)
    out[order] = torch.arange(1, len(order) + 1, device=order.device, dtype=out.dtype)
    return out
