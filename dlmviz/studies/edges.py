"""How well scores of pairs find the edges of a known graph, and how well they order its nodes.

After DAPD (arXiv 2603.12996, 3.2): AUC, edge / non-edge ratio, degree order violation rate. NumPy
only. Letters: N nodes, M pairs.
"""

from __future__ import annotations

import numpy as np


def auc(scores: np.ndarray, edges: np.ndarray) -> float | None:
    """P(score of an edge > score of a non-edge), a tie counting half; [M], bool [M].

    The area under the ROC curve: Mann-Whitney's U over the number of pairs it compares. None
    where there is no edge or no non-edge.
    """
    positive, negative = int(edges.sum()), int((~edges).sum())
    if not positive or not negative:
        return None
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # of each distinct value, ties averaged
    above = float(ranks[place][edges].sum()) - positive * (positive + 1) / 2
    return above / (positive * negative)


def ratio(scores: np.ndarray, edges: np.ndarray) -> float | None:
    """Mean score of edges over mean score of non-edges; [M], bool [M].

    None where there are none of a kind, or the non-edges have no score at all.
    """
    if not edges.any() or edges.all():
        return None
    rest = float(scores[~edges].mean())
    return float(scores[edges].mean()) / rest if rest > 0 else None


def violations(degrees: np.ndarray, truth: np.ndarray) -> float | None:
    """The degree order violation rate (OVR); [N], [N] -> 0..1.

    Of the pairs of nodes whose true degrees differ, the share that the degrees found put in the
    other order, a tie counting half. None where all true degrees are the same.
    """
    a, b = np.triu_indices(len(truth), 1)
    known = np.sign(truth[a] - truth[b])
    found = np.sign(degrees[a] - degrees[b])
    decided = known != 0
    if not decided.any():
        return None
    return float(((1 - known * found) / 2)[decided].mean())


def pairs(matrix: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """[M]: the entries of a symmetric matrix for each pair of the nodes once, row by row."""
    a, b = np.triu_indices(len(nodes), 1)
    return np.asarray(matrix[nodes[a], nodes[b]])


def compared(
    scores: np.ndarray, edges: np.ndarray, nodes: np.ndarray
) -> dict[str, float | int | None]:
    """AUC, ratio and OVR among some of the nodes, with how many pairs and edges there were.

    `scores` [N N] and `edges` bool [N N] are symmetric. True degrees count the edges to these
    nodes only, as the degrees that a sampler sums do.
    """
    found, true = pairs(scores, nodes), pairs(edges, nodes)
    inside = np.ix_(nodes, nodes)
    off = ~np.eye(len(nodes), dtype=bool)
    degrees = (scores[inside] * off).sum(1)
    return {
        "auc": auc(found, true),
        "ratio": ratio(found, true),
        "ovr": violations(degrees, (edges[inside] & off).sum(1)),
        "pairs": len(true),
        "edges": int(true.sum()),
    }


def nearness(count: int) -> np.ndarray:
    """[N N]: -|i - j|, the score that knows nothing but distance, shifted to be above zero."""
    place = np.arange(count)
    return np.asarray(count - np.abs(place[:, None] - place[None]), float)
