"""Figures of the study segments: counts by progress, and strips of the first prompts' order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from dlmviz.figures.chart import chart, points
from dlmviz.figures.template import CIVIDIS, stepped
from dlmviz.figures.words import escaped

if TYPE_CHECKING:
    import pandas as pd

STRIP, NAME = 36, 16  # height of a strip with its name, and of the name alone [px]


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
    """A strip for each prompt and arm, under its name; colour is when a position was written."""
    some = table.sort_values("prompt", kind="stable")
    rows = list(some.groupby(["prompt", "arm"], sort=False))
    told = [
        [
            f"step {step + 1} of {last}"
            for step, last in zip(part["step"], part["steps"], strict=True)
        ]
        for _, part in rows
    ]
    trace = {
        "type": "heatmap",
        "z": [(part["step"] / (part["steps"] - 1).clip(lower=1)).tolist() for _, part in rows],
        "y": list(range(len(rows))),
        "text": told,
        "hovertemplate": "position %{x}<br>%{text}<extra></extra>",
        "zmin": 0,
        "zmax": 1,
        "colorscale": stepped(CIVIDIS),
        "ygap": NAME,
        "colorbar": {
            **{"orientation": "h", "y": 1, "yanchor": "bottom", "thickness": 12},
            "title": {"text": "written at", "side": "top"},
            "tickvals": [0, 0.5, 1],
            "ticktext": ["first step", "half-way", "last step"],
            "outlinewidth": 0,
        },
    }
    names = [
        {
            "text": escaped(f"prompt {prompt}: {arm}"),
            **{"x": 0, "xref": "paper", "xanchor": "left", "align": "left", "showarrow": False},
            **{"y": place - 0.5, "yanchor": "middle", "font": {"size": 11}},
        }
        for place, ((prompt, arm), _) in enumerate(rows)
    ]
    y = {"showticklabels": False, "showgrid": False, "range": [len(rows) - 0.5, -0.75]}
    return chart(
        [trace],
        "When each position was written",
        "position in the generated part [tokens]",
        y | {"zeroline": False},
        height=190 + STRIP * len(rows),
        margin={"l": 24, "r": 24, "t": 130, "b": 56},
        annotations=names,
    )
