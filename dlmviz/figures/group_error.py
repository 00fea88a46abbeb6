"""What parallel steps lose: bits a run, bits over the decode, bits of a group against a proxy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from dlmviz.figures.chart import chart, points
from dlmviz.figures.frontier import TICKS
from dlmviz.figures.spread import grouped

if TYPE_CHECKING:
    import pandas as pd

ENOUGH = 10  # groups, to be worth a figure
LOST = "KL(joint ‖ product) [bits]"


def figures(
    runs: pd.DataFrame, curve: pd.DataFrame, groups: pd.DataFrame, proxies: Mapping[str, str]
) -> dict[str, go.Figure]:
    """Title -> figure; a proxy that fewer than `ENOUGH` groups have is left out."""
    made = {
        "Bits a run": _bits(runs),
        "Over the decode": grouped(
            curve, "part", "arm", "lost", "Where in the decode bits are lost", f"{LOST} a run"
        ),
    }
    for name, told in proxies.items():
        if len(groups) and groups[name].notna().sum() >= ENOUGH:
            made[f"Groups by {told}"] = _against(groups, name, told, runs["arm"].tolist())
    return made


def _bits(runs: pd.DataFrame) -> go.Figure:
    """Bits against forwards: the rules that lose little and are quick stand at the lower left.

    CoDiLA, whose tokens are not written apart, is left out.
    """
    traces = [
        points(
            line["arm"],
            [line["nfe"]],
            [line["lost"]],
            index,
            [line["lost_low"]],
            [line["lost_high"]],
            hovertemplate=f"%{{x:.1f}} forwards<br>%{{y:.3f}} bits<extra>{line['arm']}</extra>",
        )
        for index, line in enumerate(runs.to_dict("records"))
        if line["sampler"] != "codila"
    ]
    x = {"title": {"text": "NFE [forwards/run]"}, "type": "log", "tickvals": TICKS}
    return chart(traces, "What a run loses", x, f"{LOST} a run")


def _against(groups: pd.DataFrame, name: str, told: str, arms: list[str]) -> go.Figure:
    """A mark a group; an arm has the colour that it has in the other figures."""
    traces = []
    for index, arm in enumerate(arms):
        known = groups[(groups["arm"] == arm) & groups[name].notna()]
        if len(known):
            x, y = known[name].tolist(), known["lost"].tolist()
            traces.append(points(arm, x, y, index, opacity=0.6))
    return chart(traces, f"Groups by {told}", told, f"{LOST} a group")
