"""Figures of the study slack: how slack is distributed, and how often it is broken, by set size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dlmviz.figures import spread
from dlmviz.figures.chart import chart, points

if TYPE_CHECKING:
    import pandas as pd

SHARES = np.linspace(0, 1, 201)


def figures(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """The two figures, of tables as the study makes them."""
    every, by_size = tables["Slack of every position"], tables["By size of the set"]
    traces = [
        points(
            f"set of {size}",
            np.quantile(some["slack"], SHARES).tolist(),
            SHARES.tolist(),
            index,
            mode="lines",
            hovertemplate="%{y:.0%} of the positions have a slack of %{x:.3f} or less",
        )
        for index, (size, some) in enumerate(every.groupby("size"))
    ]
    x = "slack [TV]; below 0 the bound does not hold"
    y = {"title": {"text": "share of positions"}, "range": [-0.02, 1.02], "tickformat": ".0%"}
    title = "Slack by size of the set"
    return {
        "Distribution of slack": chart(traces, title, x, y),
        "Mean slack": spread.grouped(
            by_size, "size", "task", "slack", "Mean slack", "slack [TV]", None, "size of the set"
        ),
    }
