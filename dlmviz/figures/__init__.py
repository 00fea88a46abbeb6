"""Pictures of runs: a trace becomes Data, Data becomes a Plotly figure. One panel a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from plotly.offline import get_plotlyjs, get_plotlyjs_version

from dlmviz.figures import order
from dlmviz.figures.template import CONFIG, standalone, template
from dlmviz.types import Trace

__all__ = ["PANELS", "Panel", "bundle", "bundle_version", "drawn", "standalone"]


@dataclass(frozen=True)
class Panel:
    """A picture: its title, what it says below, and the two functions that make it."""

    title: str
    caption: str
    data: Callable[[Trace], Any]
    figure: Callable[..., Any]  # (data, ...) -> plotly.graph_objects.Figure


PANELS = {"order": Panel("Unmasking order", order.CAPTION, order.data, order.figure)}


def bundle() -> str:
    """Plotly's script, 4.8 MB: the only one that our figures are drawn with."""
    return str(get_plotlyjs())


def bundle_version() -> str:
    """What `Plotly.version` says once that script has run."""
    return str(get_plotlyjs_version())


def drawn(figure: Any) -> str:
    """JSON of what the page needs to draw a figure: data, layout, frames, config, two templates."""
    told = json.loads(figure.to_json())
    return json.dumps(
        {
            "version": bundle_version(),
            "config": CONFIG,
            "templates": {"light": template(), "dark": template(dark=True)},
            **told,
        },
        separators=(",", ":"),
        allow_nan=False,
    )
