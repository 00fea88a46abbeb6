"""Figures: exact data of small runs, what frames hold, and what figures may not import."""

from __future__ import annotations

import ast
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlmviz import figures
from dlmviz.figures import chart, order
from dlmviz.figures.commits import Commit
from dlmviz.figures.grid import fitting
from dlmviz.figures.template import CIVIDIS, ink_on, template
from dlmviz.figures.words import escaped, label, visible
from dlmviz.types import InputError, RunSpec, StepRecord, Trace
from tests.traces import CAT, MASK, SAT, three_steps

ROOT = Path(__file__).parent.parent
HOSTILE = "<img src=x onerror=alert(1)>&amp;"


def taken_back() -> Trace:
    """The three-step run, then: " cat" is replaced and "the" taken back; at last "dog" is there."""
    trace = three_steps()
    last = trace.steps[-1]
    nothing = np.full(4, np.nan, np.float32)
    fourth = dataclasses.replace(
        last,
        index=3,
        positions=np.array([3], np.int32),
        tokens=np.array([SAT], np.int32),
        remasked=np.array([2], np.int32),
        confidence=nothing,
    )
    fifth = dataclasses.replace(
        last,
        index=4,
        positions=np.array([2], np.int32),
        tokens=np.array([CAT], np.int32),
        confidence=np.array([0.25, np.nan, np.nan, np.nan], np.float32),
    )
    return dataclasses.replace(trace, steps=(*trace.steps, fourth, fifth))


def shuffled(length: int, steps: int) -> Trace:
    """A run that writes `length` long tokens in a random order, evenly over `steps`."""
    rng = np.random.default_rng(0)
    none = np.array([], np.int32)
    records = []
    for index, part in enumerate(np.array_split(rng.permutation(length) + 1, steps)):
        at = np.sort(part).astype(np.int32)
        sure = rng.random(length).astype(np.float32)
        ids = rng.integers(2, 900, len(at)).astype(np.int32)
        top, probs = np.full((length, 1), 3, np.int32), sure[:, None].astype(np.float16)
        block = (1, length + 1)
        records.append(
            StepRecord(index, block, at, ids, none, sure, sure, sure, top, probs, 1, 1, seconds=0.1)
        )
    pieces = {0: "[mask]", 1: "<eos>"} | {i: f" token{i}" for i in range(2, 900)}
    initial = np.array([7] + [0] * length, np.int32)
    spec = RunSpec(prompt="Q", gen_length=length, block_length=length)
    return Trace(spec, initial, 1, 0, 1, tuple(records), "", pieces)


def drawn(trace: Trace, **options: Any) -> dict[str, Any]:
    told = json.loads(figures.drawn(order.figure(order.data(trace), **options)))
    assert isinstance(told, dict)
    return told


def numbers(packed: dict[str, str]) -> np.ndarray:
    """A typed array as the JSON carries it."""
    import base64

    kinds = {"f4": np.float32, "f8": np.float64}
    flat = np.frombuffer(base64.b64decode(packed["bdata"]), kinds[packed["dtype"]])
    return flat.reshape([int(n) for n in packed["shape"].split(",")])


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for part in value.values() for text in strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in strings(part)]
    return [value] if isinstance(value, str) else []


def test_the_data_of_the_three_step_run_are_its_commits_in_order() -> None:
    assert order.data(three_steps()) == order.Data(
        title="fast_dllm · tau 0.9 · hand",
        steps=3,
        start=2,
        count=4,
        given=(),
        commits=(
            Commit(1, 3, " cat", 0.9375),
            Commit(1, 5, "<eos>", 0.9375),
            Commit(2, 2, "the", 0.96875),
            Commit(3, 4, " sat", 0.8125),
        ),
        returns=(),
    )


def test_confidences_are_those_of_the_step_that_wrote_the_token() -> None:
    data, nan = order.data(three_steps()), np.nan
    told = [data.confidence(step) for step in range(4)]
    expected = [
        [nan, nan, nan, nan],
        [nan, 0.9375, nan, 0.9375],
        [0.96875, 0.9375, nan, 0.9375],
        [0.96875, 0.9375, 0.8125, 0.9375],
    ]
    np.testing.assert_array_equal(told, np.array(expected, np.float32))


def test_what_is_taken_back_or_replaced_ends_there() -> None:
    data = order.data(taken_back())
    assert data.returns == ((4, 2),)
    assert data.commits == (
        Commit(1, 3, " cat", 0.9375, until=4),
        Commit(1, 5, "<eos>", 0.9375),
        Commit(2, 2, "the", 0.96875, until=4),
        Commit(3, 4, " sat", 0.8125),
        Commit(4, 3, " sat", None),
        Commit(5, 2, " cat", 0.25),
    )
    np.testing.assert_array_equal(
        data.confidence(4), np.array([np.nan, -0.05, 0.8125, 0.9375], np.float32)
    )


@pytest.mark.parametrize("trace", [three_steps(), taken_back()])
def test_every_frame_colours_exactly_the_tokens_of_the_replayed_canvas(trace: Trace) -> None:
    told = drawn(trace)
    frames = told["frames"]
    assert [frame["name"] for frame in frames] == [str(s) for s in range(len(trace.steps) + 1)]
    assert len(frames) == len(trace.steps) + 1
    for step, frame in enumerate(frames):
        cells, words, new = (frame["data"][i] for i in (0, 1, 2))
        decided = trace.canvas_at(step)[trace.offset :] != MASK
        assert (~np.isnan(numbers(cells["z"]))).ravel().tolist() == decided.tolist()
        standing = [x for x in words["x"] if x is not None]
        assert sorted(standing) == np.flatnonzero(decided).tolist()
        written = trace.steps[step - 1].positions.tolist() if step else []
        assert sum(x is None for x in new["x"]) == max(1, len(written))  # one pen stroke a block


def test_words_and_pointers_follow_a_token_that_is_rewritten() -> None:
    frames = drawn(taken_back())["frames"]
    cells = [frame["data"][0]["customdata"][0] for frame in frames]
    assert cells[3][0] == ["the", 2, 2, "96.9%"]
    assert cells[4][0] is None
    assert cells[4][1] == [" sat", 3, 4, "not recorded"]
    assert cells[5][0] == [" cat", 2, 5, "25.0%"]


def test_a_position_that_was_given_is_a_word_without_a_colour() -> None:
    trace = three_steps()
    initial = trace.initial.copy()
    initial[4] = SAT
    told = order.data(dataclasses.replace(trace, initial=initial, steps=trace.steps[:2]))
    assert told.given == ((4, " sat"),)
    words = order.figure(told).data[-1]
    assert (list(words.x), list(words.y), list(words.text)) == ([2], [0], ["sat"])


def test_hostile_text_is_text_everywhere() -> None:
    trace = three_steps()
    pieces = {**trace.pieces, SAT: HOSTILE, CAT: "<b>x"}
    trace = dataclasses.replace(trace, pieces=pieces, info={"title": HOSTILE})
    told = drawn(trace)
    ours = {"<b>%{customdata[0]}</b>", "<br>", "<extra></extra>"}
    for text in strings([told["data"], told["layout"], told["frames"]]):
        for markup in ours:
            text = text.replace(markup, "")
        text = text.replace("<br>", "")
        assert "<" not in text
        assert ">" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;&amp;amp;" in strings(told["data"])


def test_a_closing_script_tag_in_a_token_does_not_end_the_script() -> None:
    trace = three_steps()
    trace = dataclasses.replace(trace, pieces={**trace.pieces, SAT: "</script><script>x()"})
    page = figures.standalone(order.figure(order.data(trace)), "</title><script>", "<script>")
    plain = figures.standalone(order.figure(order.data(three_steps())), "t", "c")
    for tag in ("<script", "</script", "</title"):
        assert page.lower().count(tag) == plain.lower().count(tag)


@pytest.mark.parametrize(
    ("piece", "short", "whole"),
    [
        (" cat", "cat", " cat"),
        ("<|endoftext|>", "endo…", "<|endoftext|>"),
        ("<eos>", "eos", "<eos>"),
        ("<0x0A>", "0A", "<0x0A>"),
        ("\n", "↵", "↵"),
        ("  ", "␣", "␣␣"),
        ("", "∅", "∅"),
        (" extraordinary", "extr…", " extraordinary"),
    ],
)
def test_tokens_are_named_briefly_and_in_full(piece: str, short: str, whole: str) -> None:
    assert (label(piece, 5), visible(piece)) == (short, whole)


def test_escaping_undoes_nothing_that_was_escaped_before() -> None:
    assert escaped("&lt;b>") == "&amp;lt;b&gt;"


def test_sixty_four_steps_of_256_positions_stay_within_a_third_of_a_megabyte() -> None:
    text = figures.drawn(order.figure(order.data(shuffled(256, 64)), controls=False))
    assert len(text) <= 330_000


def test_a_long_run_gets_fewer_frames_and_says_which_steps_they_show() -> None:
    data = order.data(shuffled(1024, 600))
    shown = order.frame_steps(data)
    assert (shown[0], shown[-1], len(shown)) == (0, 600, 128)
    figure = order.figure(data, controls=False)
    assert len(figure.frames) == 128
    said = figure.frames[1].layout.title.subtitle.text
    assert said.startswith(f"Steps 1–{shown[1]} of 600: ")
    assert len(figures.drawn(figure)) <= 2_000_000


def test_axes_have_titles_and_no_template_of_plotly_is_left() -> None:
    figure = order.figure(order.data(three_steps()))
    titles = [figure.layout[name].title.text for name in ("xaxis", "yaxis", "xaxis2", "yaxis2")]
    assert titles == [
        "place in the row [tokens]",
        "row starts at",
        "position on the canvas [tokens]",
        "written at step",
    ]
    assert len(json.dumps(template())) < 3000
    assert figure.layout.template.layout.colorway is None


def test_the_file_has_controls_and_the_page_has_its_own() -> None:
    data = order.data(three_steps())
    (menu,) = order.figure(data).layout.updatemenus
    assert [button.label for button in menu.buttons] == ["▶ Play", "❚❚ Pause"]
    (slider,) = order.figure(data).layout.sliders
    assert [step.label for step in slider.steps] == ["0", "1", "2", "3"]
    assert not order.figure(data, controls=False).layout.sliders


def test_no_figure_can_be_sent_to_the_cloud() -> None:
    told = drawn(three_steps())
    assert told["config"]["showSendToCloud"] is False
    assert told["config"]["displaylogo"] is False
    page = figures.standalone(order.figure(order.data(three_steps())), "t", "c")
    assert '"showSendToCloud": false' in page
    assert "default-src 'none'" in page


def test_a_run_that_writes_nothing_is_refused_with_what_to_do() -> None:
    trace = three_steps()
    full = dataclasses.replace(trace, initial=trace.final, steps=())
    with pytest.raises(InputError, match="canvas of 6 tokens has no mask; give a gen_length"):
        order.data(full)


@pytest.mark.parametrize("width", [239, 4001])
def test_an_impossible_width_is_refused(width: int) -> None:
    with pytest.raises(InputError, match=r"width must lie in 240\.\.4000 pixels: got"):
        order.figure(order.data(three_steps()), width=width)


def test_a_stopped_run_is_drawn_as_far_as_it_went() -> None:
    stopped = dataclasses.replace(three_steps(), steps=())
    assert [frame["name"] for frame in drawn(stopped)["frames"]] == ["0"]


@pytest.mark.parametrize(
    ("count", "width", "columns"),
    [(64, 1200, 16), (64, 390, 6), (64, 240, 4), (1024, 1200, 24), (3, 1200, 3)],
)
def test_the_grid_fits_the_width(count: int, width: int, columns: int) -> None:
    assert fitting(10, count, width).columns == columns


def test_words_are_readable_on_every_colour() -> None:
    def light(colour: str) -> float:
        share = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in share)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    for colour in CIVIDIS:
        low, high = sorted([light(colour), light(ink_on(colour))])
        assert (high + 0.05) / (low + 0.05) >= 4.5, colour


def test_figures_import_neither_torch_nor_gradio() -> None:
    code = (
        "import sys; from dlmviz import figures; from tests.traces import three_steps; "
        "p = figures.PANELS['order']; figures.drawn(p.figure(p.data(three_steps()))); "
        "bad = {'torch', 'gradio', 'transformers'} & set(sys.modules); assert not bad, bad"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_ruff_refuses_plotly_outside_the_figures() -> None:
    for folder, expected in (("dlmviz", 1), ("dlmviz/figures", 0)):
        stray = str(ROOT / folder / "stray.py")
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "ruff",
                "check",
                "--select=TID251",
                "--stdin-filename",
                stray,
                "-",
            ],
            input="import plotly.graph_objects as go\n",
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == expected, done.stdout


def test_only_figures_import_plotly() -> None:
    """Ruff lets the UI import what is banned, as it needs gradio: so this looks for itself."""
    strays = []
    for path in [ROOT / "app.py", *(ROOT / "dlmviz").rglob("*.py")]:
        if (ROOT / "dlmviz" / "figures") in path.parents:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            strays += [path.name for name in names if name.split(".")[0] == "plotly"]
    assert strays == []


def test_twice_seven_categories_differ_in_mark_and_line_where_their_colours_are_alike() -> None:
    looks = [chart.style(index) for index in range(14)]
    assert len({one["marker"]["color"] for one in looks}) == 7
    assert len({(one["marker"]["color"], one["marker"]["symbol"]) for one in looks}) == 14
    assert len({(one["line"]["color"], one["line"]["dash"]) for one in looks}) == 14
