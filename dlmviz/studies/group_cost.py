"""What each step of a run lost by writing its group at once, and what the rule could go by.

*Lost* is KL(joint || product of the marginals) of the group, the total correlation of arXiv
2601.15593, with the joint law as the model's own chain rule gives it; *overstated* is
ln prod p_i(y_i) - ln p(y_1..y_m) of the tokens that were written. Both in bits. *tv* is the total
variation distance of the same two laws. The order of the chain rule is that of falling confidence.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from dlmviz.studies import chain_rule
from dlmviz.studies.chain_rule import WHOLE, Effort, Law
from dlmviz.studies.study import Row
from dlmviz.types import Denoiser, StepRecord, Trace

BITS = 1 / math.log(2)  # a nat

#: what a rule goes by, larger for a group that it thinks is worse -> its name in tables; the last
#: is what a rule with a budget of predicted dependence has spent on the group (DEMASK's bound)
PROXY = {
    "doubt": "sum of 1 - confidence",
    "least": "1 - least confidence",
    "budget": "entropies but the largest [nats]",
    "kl": "greatest KL to the step before [nats]",
    "jsd": "greatest JSD to reduced context [nats]",
    "edge": "greatest edge score",
    "edges": "sum of edge scores",
    "bound": "predicted dependence spent [TV]",
}


def costs(trace: Trace, model: Denoiser) -> list[Row]:
    """A row a step: what it committed, what that lost, and what rules could go by.

    Groups of one lose nothing, and no forward is spent on them. Groups are seen from the canvas
    before the step and by full forwards, whatever the run used: what a rule has saved by verifying
    a draft with more forwards (psd), or lost by stale windows, is not told apart.
    """
    visible = torch.from_numpy(trace.initial != trace.mask_id).to(model.device)
    law = chain_rule.law_of(model, trace.spec, visible)
    masks = int((trace.initial == trace.mask_id).sum())
    effort = WHOLE if hasattr(model, "joint") else Effort()
    rng = torch.Generator(model.device).manual_seed(trace.spec.seed)
    tokens, rows = trace.initial.copy(), []
    for record in trace.steps:
        left = int((tokens == trace.mask_id).sum())
        row: Row = {
            "step": record.index + 1,
            "progress": 1 - left / masks,
            "size": len(record.positions),
        }
        if len(record.positions):
            cost = _cost(law, effort, tokens, record, rng)
            rows.append(row | cost | proxies(record, trace.offset))
        tokens[record.positions] = record.tokens
        tokens[record.remasked] = trace.mask_id
    return rows


def _cost(
    law: Law,
    effort: Effort,
    tokens: np.ndarray,
    record: StepRecord,
    rng: torch.Generator,
) -> Row:
    """What the group of a step lost and overstated, bits."""
    nothing = {"open": 0, "lost": 0.0, "overstated": 0.0, "error": 0.0, "left_out": 0.0, "tv": 0.0}
    if len(record.positions) == 1:
        return nothing | {"method": "one"}
    canvas, positions, written = (
        torch.from_numpy(values.astype(np.int64)).to(rng.device)
        for values in (tokens, record.positions, record.tokens)
    )
    group = chain_rule.opened(law, canvas, positions, written, effort.certain)
    cost = nothing | {"open": len(group.positions), "left_out": group.left_out * BITS}
    if len(group.positions) < 2:
        return cost | {"method": "certain"}
    lost = chain_rule.loss(law, group, effort, rng)
    return cost | {
        "lost": lost.nats * BITS,
        "error": lost.error * BITS,
        "tv": lost.tv,
        "method": lost.method,
        "overstated": (group.log_product - chain_rule.log_joint(law, group)) * BITS,
    }


def proxies(record: StepRecord, offset: int) -> dict[str, float | None]:
    """What rules go by, of the group as a whole; None where it was not recorded."""
    at = record.positions - offset
    known = len(record.confidence) > 0
    doubt = 1 - record.confidence[at].astype(float) if known else np.array([])
    found: dict[str, float | None] = dict.fromkeys(PROXY)
    if len(doubt) and np.isfinite(doubt).all():
        entropy = record.entropy[at].astype(float)
        found |= {"doubt": float(doubt.sum()), "least": float(doubt.max())}
        found["budget"] = float(entropy.sum() - entropy.max())
    for name, signal in (("kl", "kl"), ("jsd", "jsd"), ("bound", "spent")):
        values = record.signals[signal][at] if signal in record.signals else np.array([])
        if np.isfinite(values).any():
            found[name] = float(np.nanmax(values))
    if record.links is not None and len(at) > 1:
        scores = np.asarray(record.edges, float)[np.ix_(at, at)]
        found |= {"edge": float(scores.max()), "edges": float(scores.sum() / 2)}
    return found
