"""Numbers with their intervals side by side: a place for each group, a mark for each category."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from dlmviz.figures.chart import chart, points

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 0.6  # of a group, in which its categories stand side by side


def grouped(
    table: pd.DataFrame,
    group: str,
    category: str,
    value: str,
    title: str,
    unit: str,
    ticks: Mapping[Any, str] | None = None,
    axis_title: str = "",
    about: str = "",
) -> go.Figure:
    """Column `value` with `value`_low and `value`_high by `group`; what is undefined is left out.

    Categories are moved a little to either side, so that intervals do not hide each other. `ticks`:
    what stands under each group, where its name is too long for a narrow screen. `about`: a column
    with what is told of a mark that is pointed at, instead of its group.
    """
    places = {name: i for i, name in enumerate(dict.fromkeys(table[group]))}
    names = list(dict.fromkeys(table[category]))
    traces = []
    for index, name in enumerate(names):
        some = table[(table[category] == name) & table[value].notna()]
        shift = WIDTH * ((index + 0.5) / len(names) - 0.5)
        traces.append(
            points(
                str(name),
                [places[one] + shift for one in some[group]],
                some[value].tolist(),
                index,
                some[f"{value}_low"].tolist(),
                some[f"{value}_high"].tolist(),
                customdata=some[about or group].tolist(),
                hovertemplate=f"%{{customdata}}<br>{unit}: %{{y:.3f}}<extra>{name}</extra>",
            )
        )
    axis = {
        "title": {"text": axis_title},
        "tickvals": list(places.values()),
        "ticktext": [*places] if ticks is None else [ticks[name] for name in places],
        "tickangle": None if ticks is None else 0,
        "range": [-0.6, len(places) - 0.4],
        "showgrid": False,
    }
    return chart(traces, title, axis, unit)
