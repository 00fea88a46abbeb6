"""One look for the figures of studies: axes with units, categories, intervals, a legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dlmviz.figures.template import template
from dlmviz.figures.words import escaped

# Okabe and Ito's colours that are seen on light and dark; never colour alone: a mark each, too
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8678")
MARKS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "triangle-down")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "2px,6px")
HEIGHT = 460  # [px]


def style(index: int) -> dict[str, Any]:
    """Marker and line of the category with this index."""
    turn = index % len(COLOURS)
    other = (index + index // len(COLOURS)) % len(MARKS)  # where colours come again
    return {
        "marker": {"color": COLOURS[turn], "symbol": MARKS[other], "size": 9},
        "line": {"color": COLOURS[turn], "dash": DASHES[other], "width": 2},
    }


def chart(
    traces: Sequence[Mapping[str, Any]],
    title: str,
    x: str | Mapping[str, Any],
    y: str | Mapping[str, Any],
    height: int = HEIGHT,
    **layout: Any,
) -> go.Figure:
    """A figure in the house's look; an axis is its title, with the unit in brackets, or more."""
    axes = {
        name: {"title": {"text": axis}} if isinstance(axis, str) else dict(axis)
        for name, axis in (("xaxis", x), ("yaxis", y))
    }
    return go.Figure(
        data=[dict(trace) for trace in traces],
        layout={
            "title": {"text": escaped(title), "x": 0.01},
            "height": height,
            "margin": {"l": 64, "r": 24, "t": 56, "b": 56},
            "template": template(),
            "legend": {"orientation": "h", "y": -0.18, "yanchor": "top", "x": 0},
            "hovermode": "closest",
            **axes,
            **layout,
        },
    )


def points(
    name: str,
    x: Sequence[Any],
    y: Sequence[Any],
    index: int,
    low: Sequence[Any] = (),
    high: Sequence[Any] = (),
    mode: str = "markers",
    **more: Any,
) -> dict[str, Any]:
    """A category as marks or lines; `low` and `high` are the ends of intervals along y."""
    trace: dict[str, Any] = {
        "type": "scatter",
        "name": escaped(name),
        "mode": mode,
        "x": [*x],
        "y": [*y],
        **style(index),
    }
    if len(low):
        trace["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": _reach(high, y),
            "arrayminus": _reach(y, low),
            "thickness": 1,
            "width": 3,
        }
    return trace | more


def _reach(upper: Sequence[Any], lower: Sequence[Any]) -> list[float]:
    """upper - lower; 0 where one of them is not known."""
    pairs = zip(upper, lower, strict=True)
    return [0.0 if a is None or b is None or a != a or b != b else a - b for a, b in pairs]
