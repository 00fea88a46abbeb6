"""One look at a canvas of a run: scores of pairs against a known graph and measured influence.

A predictor is a matrix of scores of pairs. Letters: N nodes, T canvas positions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from dlmviz.forward import forward
from dlmviz.models.heads import PairHead, open_head
from dlmviz.studies.chain_rule import law_of
from dlmviz.studies.edges import compared, nearness
from dlmviz.studies.graph_nodes import Nodes, between
from dlmviz.studies.influence import influence
from dlmviz.studies.statistics import spearman
from dlmviz.studies.study import Row
from dlmviz.types import Denoiser, InputError, Needs, RunSpec, Trace

LOOKS = 7  # steps of a run that are looked at, evenly spaced
FEWEST = 3  # masked nodes that a look needs
MASS, MOST = 0.95, 4  # of a revealed position's law, to measure influence; tokens at most
NOTHING = 1e-3  # mean influence below which its asymmetry is noise
WIDEST = 24  # masked positions whose influence is still measured
LAST, ALL, DISTANCE, MEASURED = "attention, last 30 %", "attention, all", "distance", "influence"

PREDICTED = "DEMASK's D"

#: (model, canvas int64 [T], spec) -> scores [T T], larger for pairs that depend more on each other
Predictor = Callable[[Denoiser, Tensor, RunSpec], np.ndarray]


def attention(share: float) -> Predictor:
    """R_ij = (A_ij + A_ji) / 2, A the mean over heads and this share of the layers, the last."""

    def scores(model: Denoiser, canvas: Tensor, spec: RunSpec) -> np.ndarray:
        visible = canvas != model.special.mask
        needs = Needs(attention=share)
        (made,) = forward(model, canvas[None], None, [visible], spec, needs)
        assert made.attention is not None, "attention was asked for"
        return ((made.attention + made.attention.T) / 2).double().cpu().numpy()

    return scores


def distance(model: Denoiser, canvas: Tensor, spec: RunSpec) -> np.ndarray:
    """T - |i - j|: a score that has seen nothing."""
    return nearness(len(canvas))


PREDICTORS: Mapping[str, Predictor] = {
    LAST: attention(0.3),
    ALL: attention(1.0),
    DISTANCE: distance,
}


def predictors(model: Denoiser, head: str = "") -> Mapping[str, Predictor]:
    """PREDICTORS, and DEMASK's where the model has a head: `head`, or one that came along.

    Raises InputError for a `head` that is none of this model's.
    """
    try:
        net = open_head("demask", model, head)
    except InputError:
        if head:
            raise
        return PREDICTORS
    return {**PREDICTORS, PREDICTED: predicted(net)}


def predicted(net: PairHead) -> Predictor:
    """(D_ij + D_ji) / 2 among all masked positions, D as the predictor reads it; 0 elsewhere."""

    def scores(model: Denoiser, canvas: Tensor, spec: RunSpec) -> np.ndarray:
        masked = (canvas == model.special.mask).nonzero()[:, 0]
        needs = Needs(hidden=True)
        (made,) = forward(
            model, canvas[None], [masked], [canvas != model.special.mask], spec, needs
        )
        assert made.hidden is not None, "hidden states were asked for"
        D = torch.zeros(len(canvas), len(canvas), dtype=torch.float64)
        at = masked.cpu()
        with torch.no_grad():
            D[at[:, None], at] = net(made.hidden).double().cpu()
        return ((D + D.T) / 2).numpy()

    return scores


def each_layer(trace: Trace, model: Denoiser, nodes: Nodes, at: int) -> list[Row]:
    """A row a layer, 1 the lowest: its own attention, and no other, on the canvas step `at` found.

    Guidance needs no second forward: attention is that of the canvas as it stands.
    """
    tokens = trace.canvas_at(at)
    masked = nodes.masked(tokens, trace.mask_id)
    kept = np.flatnonzero([bool(node) for node in masked])
    canvas = torch.from_numpy(tokens.astype(np.int64)).to(model.device)[None]
    nothing = [torch.zeros(0, dtype=torch.int64, device=model.device)]
    rows: list[Row] = []
    for layer in range(model.layers):
        (made,) = model.forward(canvas, nothing, (layer,))
        assert made.attention is not None, "attention was asked for"
        scores = ((made.attention + made.attention.T) / 2).double().cpu().numpy()
        rows.append({"layer": layer + 1, **compared(between(scores, masked), nodes.edges, kept)})
    return rows


def looks_of(trace: Trace, nodes: Nodes) -> list[int]:
    """Steps of the run, evenly spaced, that find nodes enough masked."""
    able = [
        index
        for index in range(len(trace.steps))
        if sum(map(bool, nodes.masked(trace.canvas_at(index), trace.mask_id))) >= FEWEST
    ]
    picks = np.linspace(0, len(able) - 1, min(LOOKS, len(able))).round().astype(int)
    return [able[pick] for pick in dict.fromkeys(picks.tolist())]


def look(
    trace: Trace,
    model: Denoiser,
    nodes: Nodes,
    at: int,
    truth: bool,
    asked: Mapping[str, Predictor] = PREDICTORS,
) -> list[Row]:
    """A row a predictor on the canvas that step `at` (0..S-1) found; with `truth`, influence too.

    `rho`: Spearman of the predictor's scores with the measured influence, over pairs of nodes.
    """
    tokens = trace.canvas_at(at)
    masked = nodes.masked(tokens, trace.mask_id)
    kept = np.flatnonzero([bool(node) for node in masked])
    canvas = torch.from_numpy(tokens.astype(np.int64)).to(model.device)
    found = {
        name: between(predictor(model, canvas, trace.spec), masked)
        for name, predictor in asked.items()
    }
    measured = _influence(trace, model, canvas, masked) if truth else None
    asymmetry = None
    if measured is not None:
        total = float(measured.sum())
        if total / len(kept) ** 2 > NOTHING:
            asymmetry = float(np.abs(measured - measured.T).sum()) / total
        measured = (measured + measured.T) / 2
        found[MEASURED] = measured
    rows = []
    for name, scores in found.items():
        row: Row = {"scores": name, **compared(scores, nodes.edges, kept)}
        row |= {"rho": None, "asymmetry": asymmetry if name == MEASURED else None}
        if measured is not None and name != MEASURED:
            upper = np.triu_indices(len(kept), 1)
            both = [matrix[np.ix_(kept, kept)][upper].tolist() for matrix in (scores, measured)]
            row["rho"] = spearman(*both).rho
        rows.append(row)
    return rows


def _influence(
    trace: Trace, model: Denoiser, canvas: Tensor, masked: list[list[int]]
) -> np.ndarray | None:
    """D [N N], its greatest entry for nodes of several tokens; None where that takes too long."""
    positions = sorted({i for node in masked for i in node})
    if len(positions) > WIDEST:
        return None
    visible = torch.from_numpy(trace.initial != trace.mask_id).to(model.device)
    law = law_of(model, trace.spec, visible)
    where = torch.tensor(positions, device=model.device)
    made = influence(law, canvas, where, MASS, MOST).matrix.cpu().numpy()
    index = {position: at for at, position in enumerate(positions)}
    return between(made, [[index[i] for i in node] for node in masked])


def revealed(trace: Trace, nodes: Nodes, at: int) -> float:
    """Share of the graph's nodes that are written already."""
    masked = nodes.masked(trace.canvas_at(at), trace.mask_id)
    return 1 - sum(map(bool, masked)) / len(masked)
