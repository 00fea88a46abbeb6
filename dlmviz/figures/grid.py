"""Positions on a grid, read like text, with a second plot of steps below: places and axes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dlmviz.figures.template import CIVIDIS, UNKNOWN, stepped
from dlmviz.figures.words import escaped

TOP, GAP, ORDER, BOTTOM, CONTROLS = 84, 62, 190, 112, 104  # heights [px]
LEFT, RIGHT = 64, 18
ROW = (20, 40)  # lowest and highest row [px]
ROWS = 480  # what all rows may take before they get lower [px]
COLUMNS = (4, 6, 8, 12, 16, 24)
BLOCK = 44  # narrowest block [px]
NARROW = 600  # below it, scales have few numbers [px]


@dataclass(frozen=True)
class Grid:
    """`count` positions from `start` on, row by row, `columns` wide."""

    start: int
    count: int
    columns: int
    width: int  # [px] of the picture

    @property
    def block(self) -> float:
        """Width of a block [px]."""
        return (self.width - LEFT - RIGHT) / self.columns

    @property
    def letter(self) -> int:
        """Size of the words [px]."""
        return 13 if self.block >= 56 else 11

    @property
    def letters(self) -> int:
        """How many a block has room for; they are about half as wide as high."""
        return max(3, int((self.block - 4) / (0.56 * self.letter)))

    @property
    def rows(self) -> int:
        return -(-self.count // self.columns)

    @property
    def height(self) -> int:
        """Of all rows [px]."""
        return self.rows * max(ROW[0], min(ROW[1], ROWS // self.rows))

    def place(self, position: int) -> tuple[int, int]:
        """(column, row)."""
        row, column = divmod(position - self.start, self.columns)
        return column, row

    def spread(self, values: Sequence[Any], empty: Any) -> list[list[Any]]:
        """[count] -> [rows][columns], the rest of the last row `empty`."""
        full = [*values, *[empty] * (self.rows * self.columns - len(values))]
        return [full[i : i + self.columns] for i in range(0, len(full), self.columns)]

    def outlines(self, positions: Iterable[int]) -> dict[str, Any]:
        """x and y of one line around every block, in one trace: None lifts the pen."""
        x: list[float | None] = []
        y: list[float | None] = []
        for column, row in map(self.place, positions):
            left, right, top, bottom = column - 0.46, column + 0.46, row - 0.44, row + 0.44
            x += [left, right, right, left, left, None]
            y += [top, top, bottom, bottom, top, None]
        return {"x": x or [None], "y": y or [None]}  # an empty trace would leave the legend


def fitting(start: int, count: int, width: int) -> Grid:
    """The grid for a picture of this width [px]: like a page of text, 16 columns at most.

    A long run gets 24 where there is room, and no run more columns than it has positions.
    """
    most = COLUMNS[-1] if count > 512 else 16
    fits = [n for n in COLUMNS if n <= most and n * BLOCK <= width - LEFT - RIGHT] or COLUMNS[:1]
    return Grid(start, count, min(fits[-1], count), width)


def layout(
    grid: Grid, title: str, shown: Sequence[int], unknown: bool, controls: bool
) -> dict[str, Any]:
    """Title, axes, colour scale, sizes; `unknown` adds a colour for what was not recorded."""
    lines = textwrap.wrap(title, max(20, grid.width // 9)) or [""]
    top = TOP + 22 * (len(lines) - 1)
    bottom = BOTTOM + (CONTROLS if controls else 0)
    inside = grid.height + GAP + ORDER
    split = ORDER / inside
    axes = _grid_axes(grid, 1 - grid.height / inside) | _step_axes(grid, shown[-1], split)
    return {
        **axes,
        "title": {
            "text": "<br>".join(map(escaped, lines)),
            "x": 0.01,
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 14},
        },
        "height": top + inside + bottom,
        "margin": {"l": LEFT, "r": RIGHT, "t": top, "b": bottom, "autoexpand": False},
        "coloraxis": _scale(unknown, grid.width < NARROW, -58 / inside),
        "legend": {
            "orientation": "v" if grid.width < NARROW else "h",
            "x": 1,
            "xanchor": "right",
            "y": -58 / inside,
            "yanchor": "top",
            "itemclick": False,
            "itemdoubleclick": False,
        },
        "shapes": _beyond(grid),
        "hovermode": "closest",
        "dragmode": False,
        **(_controls(shown, inside) if controls else {}),
    }


def _grid_axes(grid: Grid, floor: float) -> dict[str, Any]:
    every = max(1, grid.columns // 8)
    across = list(range(0, grid.columns, every))
    down = list(range(0, grid.rows, max(1, -(-grid.rows // 16))))
    lines = {"tick0": -0.5, "dtick": 1, "showgrid": True, "gridwidth": 2}
    fixed = {"fixedrange": True, "showgrid": False, "minor": lines}
    return {
        "xaxis": {
            **fixed,
            "range": [-0.5, grid.columns - 0.5],
            "tickvals": across,
            "ticktext": [f"+{column}" for column in across],
            "title": {"text": "place in the row [tokens]"},
            "anchor": "y",
        },
        "yaxis": {
            **fixed,
            "range": [grid.rows - 0.5, -0.5],
            "domain": [floor, 1],
            "tickvals": down,
            "ticktext": [str(grid.start + row * grid.columns) for row in down],
            "title": {"text": "row starts at"},
        },
    }


def _step_axes(grid: Grid, steps: int, ceiling: float) -> dict[str, Any]:
    return {
        "xaxis2": {
            "fixedrange": True,
            "range": [grid.start - 0.5, grid.start + grid.count - 0.5],
            "title": {"text": "position on the canvas [tokens]"},
            "anchor": "y2",
            "nticks": 12,
        },
        "yaxis2": {
            "fixedrange": True,
            "range": [max(1, steps) + 0.5, 0.5],
            "domain": [0, ceiling],
            "title": {"text": "written at step"},
            "tick0": 0,
            "dtick": next((n for n in (1, 2, 5, 10, 20, 50, 100, 200) if steps <= 5 * n), 500),
            "anchor": "x2",
        },
    }


def _scale(unknown: bool, few: bool, y: float) -> dict[str, Any]:
    ticks = [0, 1] if few else [0, 0.25, 0.5, 0.75, 1]
    texts = ["0", *(f"{tick * 100:g} %" for tick in ticks[1:])]
    return {
        "cmin": -0.1 if unknown else 0,
        "cmax": 1,
        "colorscale": stepped((UNKNOWN, *CIVIDIS) if unknown else CIVIDIS),
        "colorbar": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "len": 0.46,
            "y": y,
            "yanchor": "top",
            "thickness": 10,
            "tickangle": 0,
            "xpad": 0,
            "ypad": 0,
            "title": {"text": "confidence when written", "side": "top", "font": {"size": 12}},
            "tickvals": [-0.05, *ticks] if unknown else ticks,
            "ticktext": ["?", *texts] if unknown else texts,
        },
    }


def _beyond(grid: Grid) -> list[dict[str, Any]]:
    """Paper over the places of the last row that are no positions."""
    used = grid.count % grid.columns
    if not used:
        return []
    right, bottom = grid.columns - 0.5, grid.rows - 0.5
    corner = {"x0": used - 0.5, "x1": right, "y0": bottom - 1, "y1": bottom}
    return [{"type": "rect", **corner, "layer": "above"}]


def _controls(shown: Sequence[int], inside: int) -> dict[str, Any]:
    """Plotly's own Play button and slider, for a file that stands alone."""
    pace = max(80, min(800, 8000 // len(shown)))  # [ms] a step: about eight seconds in all
    still = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}}
    play = {"fromcurrent": True, "frame": {"duration": pace, "redraw": True}}
    calm = {"transition": {"duration": 0}}
    y = -(BOTTOM + 14) / inside
    return {
        "updatemenus": [
            {
                "type": "buttons",
                "direction": "left",
                "showactive": False,
                "x": 0,
                "xanchor": "left",
                "y": y,
                "yanchor": "top",
                "pad": {"t": 6},
                "buttons": [
                    {"label": "▶ Play", "method": "animate", "args": [None, play | calm]},
                    {"label": "❚❚ Pause", "method": "animate", "args": [[None], still | calm]},
                ],
            }
        ],
        "sliders": [
            {
                "x": 0.24,
                "len": 0.76,
                "y": y,
                "yanchor": "top",
                "pad": {"t": 0, "b": 0},
                "currentvalue": {"prefix": "Step "},
                "steps": [
                    {
                        "label": str(step),
                        "method": "animate",
                        "args": [[str(step)], still | calm],
                    }
                    for step in shown
                ],
            }
        ],
    }
