"""Figures of the study predicted: calibration, mean error beside constants, rank correlation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dlmviz.figures import spread
from dlmviz.figures.chart import chart, points

if TYPE_CHECKING:
    import pandas as pd

#: column -> whose mean error it is
ERRORS = {"mae": "predictor", "constant_mae": "best constant, the median", "mean_mae": "the mean"}
LEAST = 1e-4  # where the axes begin [TV]
TICKS = ("0.0001", "0.001", "0.01", "0.1", "1")
LOG = {"type": "log", "range": [-4.05, 0.05], "tickvals": [*map(float, TICKS)], "ticktext": TICKS}


def figures(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """The three figures, of tables as the study makes them."""
    by_task = tables["By task"]
    by_task = by_task[by_task["arm"] == "all"]
    made = {
        "Calibration": _calibration(tables["Calibration"]),
        "Mean error": _errors(by_task),
    }
    if by_task["spearman"].notna().any():
        made["Rank correlation"] = spread.grouped(
            by_task.assign(of="predictor"),
            "task",
            "of",
            "spearman",
            "Predicted against measured influence",
            "Spearman's rho",
        )
    return made


def _calibration(bins: pd.DataFrame) -> Any:
    """Mean measured influence of the pairs of each bin; the thin line is a predictor that knows."""
    known = bins[bins["pairs"] > 0]
    x, y, low, high = (
        known[name].clip(lower=LEAST).tolist()
        for name in ("predicted", "true", "true_low", "true_high")
    )
    traces = [
        points("equal", [LEAST, 1], [LEAST, 1], 6, mode="lines", hoverinfo="skip"),
        points(
            "pairs, by what is predicted",
            x,
            y,
            0,
            low,
            high,
            "lines+markers",
            customdata=known["pairs"].tolist(),
            hovertemplate="predicted %{x:.3g}, measured %{y:.3g} in the mean<br>%{customdata} pairs"
            "<extra></extra>",
        ),
    ]
    x_axis, y_axis = (
        {"title": {"text": text}} | LOG
        for text in ("predicted influence [TV]", "mean measured influence [TV]")
    )
    return chart(traces, "Calibration", x_axis, y_axis)


def _errors(by_task: pd.DataFrame) -> Any:
    """Mean errors side by side; the constants have no intervals."""
    import pandas as pd

    parts = []
    for name, told in ERRORS.items():
        ends = {
            f"error_{end}": by_task[f"mae_{end}"] if name == "mae" else None
            for end in ("low", "high")
        }
        parts.append(by_task[["task"]].assign(of=told, error=by_task[name], **ends))
    table = pd.concat(parts, ignore_index=True)
    return spread.grouped(table, "task", "of", "error", "Mean error", "mean |error| [TV]")
