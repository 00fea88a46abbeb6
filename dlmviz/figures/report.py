"""A study as one HTML file: what was asked and found, its figures, and each table as a twin."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

from plotly.io import to_html
from plotly.offline import get_plotlyjs

from dlmviz.figures.template import CONFIG, FILE_POLICY, FONT, INKS, PAGE, template

DARK = """<style>
:root {{ color-scheme: light dark; }}
@media (prefers-color-scheme: dark) {{ body {{ color: {text}; background: {paper}; }} }}
</style>"""
TURN = """<script>
const dark = matchMedia("(prefers-color-scheme: dark)");
const turn = () => document.querySelectorAll(".plotly-graph-div").forEach((figure) =>
  Plotly.relayout(figure, {{ template: dark.matches ? {dark} : {light} }}));
dark.addEventListener("change", turn);
if (dark.matches) turn();
</script>"""
STYLE = """<style>
table { border-collapse: collapse; font-size: 13px; } th { text-align: left; }
summary { cursor: pointer; }
td, th { padding: 2px 10px 2px 0; border-bottom: 1px solid #8884; } td { white-space: nowrap; }
.wide { overflow-x: auto; margin: 12px 0 28px; }
</style>"""
OPEN = 20  # rows of a table that is unfolded from the start
LONGEST = 200  # rows of a table that are shown; its CSV has all


def report(
    title: str,
    paragraphs: Sequence[str],
    figures: Mapping[str, Any],
    tables: Mapping[str, Any],
) -> str:
    """The page: it opens from disk, offline, asks nobody anything, and is dark where the reader's
    other pages are.
    """
    parts = [f"<h1>{html.escape(title)}</h1>", STYLE, DARK.format(**INKS[True])]
    parts += [f"<p>{html.escape(text)}</p>" for text in paragraphs]
    parts.append(f"<script>{get_plotlyjs()}</script>" if figures else "")
    for name, figure in figures.items():
        parts.append(
            to_html(
                figure,
                config=CONFIG,
                include_plotlyjs=False,
                include_mathjax=False,
                full_html=False,
                div_id="".join(c if c.isalnum() else "-" for c in name),
            )
        )
    if figures:
        looks = {look: json.dumps(template(look == "dark")) for look in ("dark", "light")}
        parts.append(TURN.format(**looks))
    parts += [_table(name, frame) for name, frame in tables.items()]
    return PAGE.format(
        policy=FILE_POLICY,
        title=html.escape(title),
        caption="",
        figure="\n".join(parts),
        font=FONT,
        language="en",
        **{name: INKS[False][name] for name in ("text", "paper")},
    )


def _table(name: str, frame: Any) -> str:
    head = "".join(f"<th>{html.escape(str(column))}</th>" for column in frame.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell(value))}</td>" for value in row) + "</tr>"
        for row in frame.head(LONGEST).itertuples(index=False)
    )
    more = f" (the first {LONGEST} of {len(frame)} rows)" if len(frame) > LONGEST else ""
    told = f"<summary>{html.escape(name + more)}</summary>"
    table = f'<div class="wide"><table><tr>{head}</tr>{rows}</table></div>'
    return f"<details{' open' if len(frame) <= OPEN else ''}>{told}{table}</details>"


def cell(value: Any) -> str:
    """A value as a table shows it; "undefined" where there is none."""
    if value is None or value != value:
        return "undefined"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
