"""Figures of the study jsd_order: rho by block, mean step by quantile of JSD, rho of every run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from dlmviz.figures import spread
from dlmviz.figures.chart import chart, points

if TYPE_CHECKING:
    import pandas as pd


def figures(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """The three figures, of tables as the study makes them."""
    rho = tables["Correlation"]
    named = rho.assign(series=rho["tokens"] + ", " + rho["arm"])
    return {
        "Correlation by block": spread.grouped(
            named,
            "block",
            "series",
            "rho",
            "JSD against order, by block",
            "rho(JSD, −step); above 0: JSD early",
        ),
        "Step by quantile of JSD": _quantiles(tables["Step by quantile"]),
        "Every run": _strip(tables["Runs"]),
    }


def _quantiles(table: pd.DataFrame) -> go.Figure:
    whole = table["block"] == "all blocks"  # the ends of sequence not block by block: too many
    several = table[~whole & (table["tokens"] == "answer")]["block"].nunique() > 1
    answer = (table["tokens"] == "answer") & (whole | several)  # one block alone is all of them
    some = table[answer | (whole & (table["tokens"] == "eos"))]
    series = some.groupby(["arm", "tokens", "block"], sort=False)
    traces = [
        points(
            f"{tokens}, {block if block == 'all blocks' else f'block {block}'}, {arm}",
            part["quantile"].tolist(),
            part["step"].tolist(),
            index,
            part["step_low"].tolist(),
            part["step_high"].tolist(),
            "lines+markers",
            customdata=part["jsd"].tolist(),
            hovertemplate="JSD %{customdata:.4f} nats<br>step %{y:.2f}<extra></extra>",
        )
        for index, ((arm, tokens, block), part) in enumerate(series)
    ]
    x = {"title": {"text": "quantile of JSD"}, "range": [0, 1], "tickformat": ".0%"}
    return chart(
        traces, "When tokens are written, by JSD", x, "mean step in the block [steps]", height=540
    )


def _strip(table: pd.DataFrame) -> go.Figure:
    """A dot a run; its id is the dot's customdata, so that a page can open it."""
    arms = list(dict.fromkeys(table["arm"]))
    traces: list[dict[str, Any]] = []
    for arm, tokens in ((arm, tokens) for arm in arms for tokens in ("answer", "eos")):
        part = table[(table["arm"] == arm) & table[f"rho, {tokens}"].notna()]
        if not len(part):
            continue
        index = len(traces)
        places = [index + 0.7 * ((i * 0.618034) % 1 - 0.5) for i in range(len(part))]
        traces.append(
            points(
                f"{tokens}, {arm}",
                part[f"rho, {tokens}"].tolist(),
                places,
                index,
                customdata=part[["run", "unit", f"n, {tokens}"]].values.tolist(),
                hovertemplate="%{customdata[1]}<br>rho %{x:.3f}, n %{customdata[2]}<extra></extra>",
            )
        )
    y = {"showticklabels": False, "showgrid": False}
    return chart(traces, "Every run", "rho(JSD, −step) of the run", y, height=360)
