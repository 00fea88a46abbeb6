"""Figures of the study segments: counts by progress, and strips of the first prompts' order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from dlmviz.figures.chart import chart, points
from dlmviz.figures.template import CIVIDIS, stepped

if TYPE_CHECKING:
    import pandas as pd

STRIP = 22  # height of a strip [px]


def figures(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """The two figures, of tables as the study makes them."""
    return {
        "Segments by progress": _curves(tables["Segments by progress"]),
        "Order of the first prompts": _strips(tables["Order of the first prompts"]),
    }


def _curves(table: pd.DataFrame) -> go.Figure:
    traces = [
        points(
            str(arm),
            part["progress"].tolist(),
            part["segments"].tolist(),
            index,
            part["segments_low"].tolist(),
            part["segments_high"].tolist(),
            "lines+markers",
            hovertemplate="%{x:.0%} decided<br>%{y:.2f} segments<extra></extra>",
        )
        for index, (arm, part) in enumerate(table.groupby("arm", sort=False))
    ]
    x = {"title": {"text": "decided positions [share]"}, "range": [0, 1], "tickformat": ".0%"}
    return chart(traces, "Segments against progress", x, "segments", height=540)


def _strips(table: pd.DataFrame) -> go.Figure:
    """A row for each prompt and arm; colour is when a position was written, first to last."""
    some = table.sort_values("prompt", kind="stable")
    rows = list(some.groupby(["prompt", "arm"], sort=False))
    names = [f"{prompt}: {arm}" for (prompt, arm), _ in rows]
    z = [((part["step"] + 1) / part["steps"]).tolist() for _, part in rows]
    told = [
        [
            f"step {step + 1} of {last}"
            for step, last in zip(part["step"], part["steps"], strict=True)
        ]
        for _, part in rows
    ]
    trace = {
        "type": "heatmap",
        "z": z,
        "y": list(range(len(names))),
        "text": told,
        "hovertemplate": "position %{x}<br>%{text}<extra></extra>",
        "zmin": 0,
        "zmax": 1,
        "colorscale": stepped(CIVIDIS),
        "ygap": 2,
        "colorbar": {
            "title": {"text": "written at<br>[share of steps]"},
            "tickformat": ".0%",
            "outlinewidth": 0,
        },
    }
    y = {"tickvals": list(range(len(names))), "ticktext": names, "autorange": "reversed"}
    return chart(
        [trace],
        "When each position was written",
        "position in the generated part [tokens]",
        y,
        height=120 + STRIP * len(names),
        margin={"l": 220, "r": 24, "t": 56, "b": 56},
    )
