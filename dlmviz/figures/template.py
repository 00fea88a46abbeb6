"""How every figure looks, light and dark, and how it is written down: JSON, script, one HTML file.

A figure names no colour of paper or ink; those come from its template, so that the page can turn a
light figure dark with one relayout.
"""

from __future__ import annotations

import html
from typing import Any

from plotly.io import to_html

CIVIDIS = (
    "#00224e",
    "#123570",
    "#3b496c",
    "#575d6d",
    "#707173",
    "#8a8678",
    "#a59c74",
    "#c3b369",
    "#e1cc55",
    "#fee838",
)
UNKNOWN = "#9aa5b0"  # a number that was not recorded
EDGE = "#707173"  # of small marks: seen on light and dark
NEW, BACK = "#d55e00", "#cc79a7"  # written at this step; taken back at this step
FONT = "IBM Plex Sans, ui-sans-serif, system-ui, sans-serif"
# the vendor's cloud button would send the figure away, and with it what the model wrote
CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "showSendToCloud": False,
    "responsive": True,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
}
# what the file may do when it is opened from disk: run its own script, and ask nobody anything
FILE_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:"
)
PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ max-width: 1280px; margin: 0 auto; padding: 16px; font: 15px/1.5 {font};
  color: {text}; background: {paper}; }}
</style>
</head>
<body>
{figure}
<p>{caption}</p>
</body>
</html>
"""


def template(dark: bool = False) -> dict[str, Any]:
    """The template, as plain values: only what our figures use."""
    ink = INKS[dark]
    axis = {
        "gridcolor": ink["paper"],
        "minor": {"gridcolor": ink["paper"]},
        "linecolor": ink["rule"],
        "tickcolor": ink["rule"],
        "tickfont": {"size": 11, "color": ink["muted"]},
        "title": {"font": {"size": 12, "color": ink["muted"]}, "standoff": 8},
        "zeroline": False,
    }
    button = {"bgcolor": ink["well"], "bordercolor": ink["rule"], "font": {"color": ink["text"]}}
    label = {"bgcolor": ink["text"], "bordercolor": ink["paper"], "font": {"color": ink["paper"]}}
    return {
        "layout": {
            "font": {"family": FONT, "size": 12, "color": ink["text"]},
            "paper_bgcolor": ink["paper"],
            "plot_bgcolor": ink["well"],
            "title": {"font": {"size": 17}, "subtitle": {"font": {"color": ink["muted"]}}},
            "hoverlabel": {**label, "align": "left"},
            "legend": {"bgcolor": "rgba(0,0,0,0)"},
            "coloraxis": {"colorbar": {"outlinewidth": 0, "tickfont": {"color": ink["muted"]}}},
            "xaxis": axis,
            "yaxis": axis,
            "shapedefaults": {"fillcolor": ink["paper"], "line": {"width": 0}},
            "updatemenudefaults": button,
            "sliderdefaults": {**button, "activebgcolor": ink["muted"]},
        }
    }


INKS = {
    False: {
        "paper": "#ffffff",
        "well": "#e6e8e6",
        "text": "#1b1f24",
        "muted": "#59636e",
        "rule": "#d9dcdf",
    },
    True: {
        "paper": "#181c20",
        "well": "#2b3239",
        "text": "#e6e9ec",
        "muted": "#9aa5b0",
        "rule": "#343b42",
    },
}


def ink_on(colour: str) -> str:
    """Black or white, whichever is easier to read on a colour "#rrggbb" (WCAG contrast)."""
    share = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in share)
    luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b
    return "#000000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#ffffff"


def stepped(colours: tuple[str, ...]) -> list[list[Any]]:
    """A colour scale of equal bands, one a colour."""
    n = len(colours)
    return [[(i + end) / n, colour] for i, colour in enumerate(colours) for end in (0, 1)]


def standalone(
    figure: Any, title: str, caption: str, dark: bool = False, language: str = "en"
) -> str:
    """One HTML file with the figure and all of Plotly in it: it plays from disk, offline."""
    body = to_html(
        figure,
        config=CONFIG,
        include_plotlyjs=True,
        include_mathjax=False,
        full_html=False,
        auto_play=False,
    )
    return PAGE.format(
        policy=FILE_POLICY,
        title=html.escape(title),
        caption=html.escape(caption),
        figure=body,
        font=FONT,
        language=language,
        **{name: INKS[dark][name] for name in ("text", "paper")},
    )
