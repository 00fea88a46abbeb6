"""Figures of the study frontier: forwards at equal accuracy; then each task, its front ringed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from dlmviz.figures import spread
from dlmviz.figures.chart import chart, points
from dlmviz.figures.template import EDGE

if TYPE_CHECKING:
    import pandas as pd

TICKS = [m * 10**e for e in range(4) for m in (1, 1.5, 2, 3, 4, 6, 8)]


def figures(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Forwards at equal accuracy, and a figure a task, of the tables as the study makes them."""
    table = tables["Arms"]
    samplers = list(dict.fromkeys(table["sampler"]))  # one colour each, in all figures
    gains = tables["Speed-ups at equal accuracy"]
    start = {"Forwards at equal accuracy": _gains(gains, table, samplers)} if len(gains) else {}
    return start | {
        f"Accuracy against forwards, {task}": _figure(str(task), part, samplers)
        for task, part in table.groupby("task", sort=False)
    }


def _gains(gains: pd.DataFrame, table: pd.DataFrame, samplers: list[str]) -> go.Figure:
    """How many times fewer forwards than greedy each sampler needs where it is as often right."""
    of = gains[gains["base"] == "greedy"].set_index(["sampler", "task"])
    every = [(name, task) for name in samplers for task in dict.fromkeys(table["task"])]
    whole = of.reindex(every).reset_index()
    whole["told"] = [
        "" if line["speedup"] != line["speedup"] else _told(line)
        for line in whole.to_dict("records")
    ]
    unit = "times fewer forwards than greedy"
    title = "Forwards at equal accuracy"
    made = spread.grouped(whole, "task", "sampler", "speedup", title, unit, about="told")
    return made.update_yaxes(type="log", tickvals=TICKS)


def _told(line: Mapping[Any, Any]) -> str:
    """Which settings were compared, how often each was right, and the interval."""
    return (
        f"{line['task']}: {line['arm']} ({line['accuracy']:.0f} % right)<br>"
        f"against {line['base_arm']} ({line['base_accuracy']:.0f} %)<br>"
        f"95 % interval {line['speedup_low']:.2f} to {line['speedup_high']:.2f}"
    )


def _figure(task: str, table: pd.DataFrame, samplers: list[str]) -> go.Figure:
    front = table[table["front"]].sort_values("nfe")
    ring = {
        "type": "scatter",
        "mode": "markers+lines",
        "name": "front",
        "x": front["nfe"].tolist(),
        "y": front["accuracy"].tolist(),
        "marker": {"symbol": "circle-open", "size": 17, "color": EDGE, "line": {"width": 2}},
        "line": {"color": EDGE, "width": 1, "shape": "hv"},
        "hoverinfo": "skip",
    }
    traces = [ring]
    for sampler, part in table.groupby("sampler", sort=False):
        some = part.sort_values("nfe")
        traces.append(
            points(
                str(sampler),
                some["nfe"].tolist(),
                some["accuracy"].tolist(),
                samplers.index(str(sampler)),
                some["accuracy_low"].tolist(),
                some["accuracy_high"].tolist(),
                "lines+markers",
                customdata=some["arm"].tolist(),
                hovertemplate="%{customdata}<br>%{y:.1f} % right<br>%{x:.2f} forwards"
                "<extra></extra>",
            )
        )
    x = {"title": {"text": "mean forwards a run [NFE]"}, "type": "log", "tickvals": TICKS}
    y = {"title": {"text": "right answers [%]"}, "range": [-4, 104]}
    return chart(traces, f"Accuracy against forwards: {task}", x, y, height=520)
