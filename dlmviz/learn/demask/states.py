"""What the predictor learns from: influences measured by reveal passes (arXiv 2604.02560).

D_ij = E_{y ~ p_j} TV(p_i given y at j, p_i). One reveal gives a whole column: y is written in place
of the mask, and all other masks are asked again. The S - 1 most probable y are all revealed, with
their probabilities as weights, and one more is drawn from the rest for all of these: unbiased, and
next to exact where p_j is peaked. Letters: M masked positions of a state, K revealed ones of them,
S reveals a revealed position, T canvas, D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dlmviz.forward import stack
from dlmviz.learn.demask.settings import Fit
from dlmviz.types import Denoiser, Trace


@dataclass(frozen=True, eq=False)
class State:
    """One canvas as the predictor sees it, and what it should have said."""

    hidden: Tensor  # float16 [M D], at the masked positions
    sources: Tensor  # int64 [K], indices into M
    columns: Tensor  # float32 [M K], the influence of each source; undefined on itself


def canvases(traces: Sequence[Trace], seed: int) -> Iterator[Tensor]:
    """Two canvases a run, int64 [T]: as it was before some step, and with random masks.

    Random masks: the answer's positions are masked each with a rate t ~ U(0, 1).
    """
    for number, trace in enumerate(traces):
        rng = np.random.default_rng((seed, number))
        steps = [s for s in range(len(trace.steps)) if _masks(trace.canvas_at(s), trace) > 1]
        if steps:
            yield torch.from_numpy(trace.canvas_at(int(rng.choice(steps))).astype(np.int64))
        final = trace.final.astype(np.int64)
        open_ = trace.initial == trace.mask_id
        hidden = open_ & (rng.random(len(final)) < rng.random())
        if hidden.sum() > 1:
            yield torch.from_numpy(np.where(hidden, trace.mask_id, final))


def _masks(canvas: np.ndarray, trace: Trace) -> int:
    return int((canvas == trace.mask_id).sum())


@torch.no_grad()
def measured(
    model: Denoiser, tokens: Sequence[Tensor], settings: Fit, rng: torch.Generator
) -> list[State]:
    """The states of some canvases; one forward for what they say, one for all reveals."""
    mask = model.special.mask
    rows = [(canvas == mask).nonzero()[:, 0].to(model.device) for canvas in tokens]
    together, padding = stack([canvas.to(model.device) for canvas in tokens])
    first = model.forward(together, rows, hidden=True, padding=padding)
    laws = [_law(prediction.logits, mask) for prediction in first]
    sources, weights, revealed, asked = [], [], [], []
    for canvas, at, p in zip(tokens, rows, laws, strict=True):
        chosen = _sources(p, settings.sources, rng)
        drawn, weight = _reveals(p[chosen].cpu(), settings.draws, rng)  # [K S] each
        copies = canvas.to(model.device).repeat(drawn.numel(), 1)
        places = at[chosen].repeat_interleave(weight.shape[1])
        copies[torch.arange(len(copies)), places] = drawn.reshape(-1).to(model.device)
        sources.append(chosen)
        weights.append(weight.to(p.device))
        revealed += list(copies)
        asked += [at] * len(copies)
    together, padding = stack(revealed)
    again = iter(model.forward(together, asked, padding=padding))
    states = []
    for one, p, chosen, weight in zip(first, laws, sources, weights, strict=True):
        told = torch.stack([next(again).logits for _ in range(weight.numel())])  # [KS M V]
        moved = (_law(told, mask) - p).abs().sum(-1) / 2
        columns = (moved.T.reshape(len(p), *weight.shape) * weight).sum(-1)
        assert one.hidden is not None, "hidden states were asked for"
        states.append(State(one.hidden.half().cpu(), chosen.cpu(), columns.float().cpu()))
    return states


def _reveals(p: Tensor, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """(tokens, weights) [K S] with sum_s w f(y) an unbiased estimate of E_{y ~ p} f(y); [K V]."""
    top = p.topk(min(count, p.shape[-1]) - 1, -1)
    rest = p.scatter(-1, top.indices, 0.0)
    mass = rest.sum(-1, keepdim=True)
    # Where nothing is left, what is drawn has no weight; any token will do.
    drawn = torch.multinomial(torch.where(mass > 0, rest, p), 1, generator=rng)
    return torch.cat([top.indices, drawn], -1), torch.cat([top.values, mass], -1)


def _law(logits: Tensor, mask: int) -> Tensor:
    """p_i without the mask token, which no sampler writes; [... V] -> float64 [... V].

    Most influences are tiny: the rounding of float32 would be all that is left of them.
    """
    z = logits.double()
    z[..., mask] = -torch.inf
    return z.softmax(-1)


def _sources(p: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """Which masked positions are revealed, [K]: half any, half of the 32 most confident."""
    count = min(count, len(p))
    sure = p.max(-1).values.argsort(descending=True, stable=True)[:32].cpu()
    some = sure[torch.randperm(len(sure), generator=rng)[: count // 2]]
    rest = torch.ones(len(p), dtype=torch.bool)
    rest[some] = False
    others = rest.nonzero()[:, 0]
    more = others[torch.randperm(len(others), generator=rng)[: count - len(some)]]
    return torch.cat([some, more]).to(p.device)
