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
    """The figures, of tables as the study makes them."""
    every, by_size = tables["Slack of every position"], tables["By size of the set"]
    by_size = by_size.assign(of=by_size["sets"] + " sets, " + by_size["arm"])
    first = by_size["arm"] == by_size["arm"].iloc[0]
    made = {
        f"Distribution of slack, {sets} sets": _distribution(some, str(sets))
        for sets, some in every.groupby("sets", sort=False)
    }
    made["Mean slack"] = spread.grouped(
        by_size[first & (by_size["sets"] == "random")],
        *("size", "task", "slack"),
        "Mean slack of random sets",
        "slack [TV]",
        None,
        "size of the set",
    )
    if len(by_size["of"].unique()) > 1:
        made["Random and chosen sets"] = spread.grouped(
            by_size[by_size["task"] == "all"],
            *("size", "of", "slack"),
            "Mean slack by how the set was made",
            "slack [TV]",
            None,
            "size of the set",
        )
    return made


def _distribution(every: pd.DataFrame, sets: str) -> Any:
    """The share of positions up to each slack; a line a size."""
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
    return chart(traces, f"Slack by size of the set: {sets} sets", x, y)
