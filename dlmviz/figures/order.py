"""The order in which tokens were written, as an animation: words on a grid, and step by position.

Steps count from 1; frame s shows what stood after s steps, frame 0 the canvas before the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dlmviz.figures.commits import Commit, changes
from dlmviz.figures.grid import Grid, fitting, layout
from dlmviz.figures.template import BACK, CIVIDIS, EDGE, NEW, UNKNOWN, ink_on, template
from dlmviz.figures.words import HOVER, escaped, label, visible
from dlmviz.types import InputError, Trace

CELLS = 2**17  # blocks in all frames together: 0.7 MB of confidences
CAPTION = (
    "Every block is a position, read like text; it is grey while the token is unknown. Its colour "
    "is the model's confidence when it wrote the token; the outlined ones were written at this "
    "step. Below, every token stands at its position and the step that wrote it."
)


@dataclass(frozen=True)
class Data:
    """All that the animation shows of a run."""

    title: str
    steps: int
    start: int  # first canvas position shown: the first mask of the initial canvas
    count: int  # positions shown, up to the end of the canvas
    given: tuple[tuple[int, str], ...]  # (position, piece) of tokens that were never masked
    commits: tuple[Commit, ...]  # by step, then position
    returns: tuple[tuple[int, int], ...]  # (step, position) of tokens that were taken back

    def confidence(self, step: int) -> np.ndarray:
        """float32 [count]: with which each position that stands after `step` steps was written.

        NaN where it is masked or given; -0.05 where the confidence was not recorded.
        """
        out = np.full(self.count, np.nan, np.float32)
        for commit in self.commits:
            if commit.stands(step):
                unknown = commit.confidence is None
                out[commit.position - self.start] = -0.05 if unknown else commit.confidence
        return out


def data(trace: Trace) -> Data:
    """The Data of a run. Raises InputError for one that had nothing to write."""
    start, count = trace.offset, len(trace.initial) - trace.offset
    if not count:
        raise InputError(
            "the order needs a run that writes: this canvas of "
            f"{len(trace.initial)} tokens has no mask; give a gen_length, or a prompt with masks"
        )
    commits, returns = changes(trace)
    given = tuple(
        (position, trace.pieces.get(int(trace.initial[position]), ""))
        for position in range(start, len(trace.initial))
        if trace.initial[position] != trace.mask_id
    )
    title = str(trace.info.get("title") or _rule(trace))
    return Data(title, len(trace.steps), start, count, given, commits, returns)


def _rule(trace: Trace) -> str:
    knobs = "".join(f" · {name} {value}" for name, value in trace.spec.params.items())
    return f"{trace.spec.sampler}{knobs} · {trace.spec.model}"


def figure(data: Data, width: int = 1200, controls: bool = True, dark: bool = False) -> go.Figure:
    """The animation: words on a grid, below it the step of every token; `width` in pixels.

    `controls` are Plotly's own Play button and slider; the page has better ones. Frames carry the
    step they show as their name; there is one for every step, unless that were too many.
    """
    if not 240 <= width <= 4000:
        raise InputError(f"width must lie in 240..4000 pixels: got {width}; try 1200")
    grid = fitting(data.start, data.count, width)
    rewritten = len({c.position for c in data.commits}) < len(data.commits)
    unknown = any(c.confidence is None for c in data.commits)
    shown = frame_steps(data)
    still, first = _still(grid, data), [*_moving(grid, data, 0, 0, rewritten), {}]
    frames = [
        {
            "name": str(step),
            "data": _moving(grid, data, step, before, rewritten),
            "traces": list(range(len(still) - 1)),
            "layout": {"title": {"subtitle": {"text": _said(data, step, before)}}},
        }
        for before, step in zip([0, *shown], shown, strict=False)
    ]
    look = layout(grid, data.title, shown, unknown, controls)
    look["title"]["subtitle"] = {"text": _said(data, 0, 0)}
    return go.Figure(
        data=[trace | moved for trace, moved in zip(still, first, strict=True)],
        layout={**look, "template": template(dark)},
        frames=frames,
    )


def frame_steps(data: Data) -> list[int]:
    """The steps that have a frame: all of 0..steps, or as many, evenly spaced, as CELLS allows."""
    count = max(2, min(data.steps + 1, CELLS // data.count))
    return sorted({round(i * data.steps / (count - 1)) for i in range(count)})


def _still(grid: Grid, data: Data) -> list[dict[str, Any]]:
    """What every trace keeps through all frames; the last one, tokens that were given, is whole."""
    commits = data.commits
    words = {
        "type": "scatter",
        "mode": "text",
        "textfont": {"size": grid.letter},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    legend = {"type": "scatter", "mode": "lines", "hoverinfo": "skip"}
    return [
        {
            "type": "heatmap",
            "coloraxis": "coloraxis",
            "xgap": 2,
            "ygap": 2,
            "hoverongaps": False,
            "customdata": _told(grid, data, data.steps),
            "hovertemplate": HOVER,
        },
        {
            **words,
            "y": [grid.place(c.position)[1] for c in commits],
            "text": [escaped(label(c.piece, grid.letters)) for c in commits],
            "textfont": {
                "size": grid.letter,
                "color": [ink_on(_colour(c.confidence)) for c in commits],
            },
        },
        {**legend, "name": "written at this step", "line": {"color": NEW, "width": 3}},
        {
            **legend,
            "name": "taken back",
            "showlegend": bool(data.returns),
            "line": {"color": BACK, "width": 3, "dash": "dot"},
        },
        *_below(data),
        {
            **words,
            "x": [grid.place(position)[0] for position, _ in data.given],
            "y": [grid.place(position)[1] for position, _ in data.given],
            "text": [escaped(label(piece, grid.letters)) for _, piece in data.given],
        },
    ]


def _below(data: Data) -> list[dict[str, Any]]:
    """Traces of the second plot: what was written and taken back by step, and the cursor."""
    commits = data.commits
    below = {"type": "scatter", "xaxis": "x2", "yaxis": "y2", "showlegend": False}
    size = 8 if data.count <= 64 else 6
    dots = {"symbol": "square", "size": size, "line": {"color": EDGE, "width": 1}}
    return [
        {
            **below,
            "mode": "markers",
            "y": [c.step for c in commits],
            "marker": {**dots, "coloraxis": "coloraxis", "color": [_sure(c) for c in commits]},
            "customdata": [_hover(c) for c in commits],
            "hovertemplate": HOVER,
        },
        {
            **below,
            "mode": "markers",
            "y": [step for step, _ in data.returns],
            "marker": {"symbol": "x-thin", "size": 8, "line": {"color": BACK, "width": 2}},
            "hovertemplate": "position %{x}<br>taken back at step %{y}<extra></extra>",
        },
        {
            **below,
            "mode": "lines",
            "x": [data.start - 0.5, data.start + data.count - 0.5],
            "line": {"color": NEW, "width": 1.5},
            "hoverinfo": "skip",
        },
    ]


def _moving(
    grid: Grid, data: Data, step: int, before: int, rewritten: bool
) -> list[dict[str, Any]]:
    """What the frame of `step` changes of every trace but the last: one row of the run, no map.

    Traces list every commit in order; a frame says for which there is an x, so it stays small.
    """
    confidence = np.array(grid.spread(data.confidence(step).tolist(), np.nan), np.float32)
    cells: dict[str, Any] = {"type": "heatmap", "z": confidence}
    if rewritten:  # a position's token is not the same in all frames
        cells["customdata"] = _told(grid, data, step)
    past = [c for c in data.commits if c.step <= step]
    returns = [position for at, position in data.returns if at <= step]
    back = [position for at, position in data.returns if before < at <= step]
    return [
        cells,
        {"x": [grid.place(c.position)[0] if c.stands(step) else None for c in past]},
        grid.outlines({c.position for c in past if c.step > before and c.stands(step)}),
        grid.outlines(set(back)),
        {"x": [c.position for c in past]},
        {"x": returns},
        {"y": [step, step] if step else [None, None]},
    ]


def _told(grid: Grid, data: Data, step: int) -> list[list[Any]]:
    """What pointing at a block says after `step` steps, for every block."""
    found: list[Any] = [None] * data.count
    for commit in data.commits:
        if commit.stands(step):
            found[commit.position - data.start] = _hover(commit)
    return grid.spread(found, None)


def _hover(commit: Commit) -> list[Any]:
    sure = "not recorded" if commit.confidence is None else f"{commit.confidence:.1%}"
    return [escaped(visible(commit.piece)), commit.position, commit.step, sure]


def _sure(commit: Commit) -> float:
    return -0.05 if commit.confidence is None else round(commit.confidence, 4)


def _colour(confidence: float | None) -> str:
    return UNKNOWN if confidence is None else CIVIDIS[max(0, min(9, int(confidence * 10)))]


def _said(data: Data, step: int, before: int) -> str:
    """ "Step 3 of 14: 2 written, 9 of 64 decided"; "Steps 3-4 of 14" where one has no frame."""
    open_ = data.count - len(data.given)
    if not step:
        return f"Before the first of {data.steps} steps: {open_} unknown"
    new = sum(before < c.step <= step for c in data.commits)
    back = sum(before < at <= step for at, _ in data.returns)
    stands = sum(c.stands(step) for c in data.commits)
    which = f"Step {step}" if step == before + 1 else f"Steps {before + 1}–{step}"
    taken = f", {back} taken back" if back else ""
    return f"{which} of {data.steps}: {new} written{taken}, {stands} of {open_} decided"
