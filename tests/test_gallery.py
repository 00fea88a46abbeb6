"""The bundled runs: they open without torch, and end as their exhibits say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.exhibits import EXHIBITS
from benchmarks.gallery import GALLERY, recorded, spec
from benchmarks.showcase import Exhibit
from dlmviz import open_trace
from dlmviz.models.heads import BUNDLED, read_note
from dlmviz.samplers import SAMPLERS, make
from dlmviz.tasks import TASKS
from dlmviz.types import Trace
from dlmviz.ui.learn import LESSONS

ROOT = Path(__file__).parent.parent
BY_NAME = {exhibit.name: exhibit for exhibit in EXHIBITS}
CONTROLS = {"random", "left_to_right", "top_k"}


def shipped(name: str) -> Trace:
    return open_trace(GALLERY / f"{name}.npz")


def test_the_folder_holds_the_exhibits_in_order_and_nothing_else() -> None:
    names = [exhibit.name for exhibit in EXHIBITS]
    assert [path.stem for path in sorted(GALLERY.glob("*"))] == names
    assert names == sorted(names)
    assert len(set(names)) == len(names) >= 12


def test_the_folder_stays_small() -> None:
    assert sum(path.stat().st_size for path in GALLERY.iterdir()) < 6_000_000


def test_every_family_is_shown_at_its_best_and_at_its_worst() -> None:
    seen = {(exhibit.sampler, exhibit.right) for exhibit in EXHIBITS}
    kept = {read_note(folder)["kind"] for folder in BUNDLED.glob("*/")}
    lacking = {name for name in SAMPLERS if make(name).needs.head not in {"", *kept}}
    for name in SAMPLERS.keys() - CONTROLS - lacking - {"dapd"}:
        assert {(name, True), (name, False)} <= seen, name
    assert len([e for e in EXHIBITS if e.sampler == "dapd"]) >= 2  # its worst is right, but slow


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=lambda exhibit: exhibit.name)
def test_a_shipped_run_is_what_its_exhibit_says(exhibit: Exhibit) -> None:
    trace, example = shipped(exhibit.name), exhibit.example
    assert trace.spec == spec(exhibit)
    assert (trace.info["title"], trace.info["look"]) == (exhibit.title, exhibit.look)
    assert trace.info["example"]["correct"] is exhibit.right
    assert TASKS[example.task].score(example, trace.text) is exhibit.right
    assert TASKS[example.task].score(example, example.answer)
    assert not np.any(trace.final == trace.mask_id)


def test_all_open_without_torch() -> None:
    code = (
        "import sys; from pathlib import Path; from dlmviz import open_trace; "
        "assert all(open_trace(p).steps for p in Path(sys.argv[1]).glob('*.npz')); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(GALLERY)], cwd=ROOT, check=True)


def test_the_edit_really_repairs_and_really_breaks() -> None:
    for name, right_before in (("07-edit-repairs", False), ("08-edit-breaks", True)):
        trace, exhibit = shipped(name), BY_NAME[name]
        first = next(i for i, record in enumerate(trace.steps) if len(record.remasked))
        before = trace.canvas_at(first)[trace.prompt_length :].tolist()
        if trace.eos_id in before:
            before = before[: before.index(trace.eos_id)]
        draft = "".join(trace.pieces[token] for token in before)
        task = TASKS[exhibit.example.task]
        assert task.score(exhibit.example, draft) is right_before
        assert exhibit.right is not right_before


def test_drafts_ahead_are_accepted() -> None:
    for name in ("22-psd-accepted", "23-psd-wrong"):
        depths = np.concatenate([record.signals["depth"] for record in shipped(name).steps])
        assert np.nansum(depths > 0) >= 3


def test_country_and_capital_are_written_together_or_one_after_the_other() -> None:
    country, capital = 14, 16
    for name, together in (
        ("03-capital-one-by-one", False),
        ("04-capital-four-a-step", True),
        ("12-dream-last-step", True),
        ("19-dapd-capital", False),
        ("26-demask-capital", False),
    ):
        steps = shipped(name).finalized_at
        assert (steps[country] == steps[capital]) is np.bool_(together), name


def test_the_independent_set_leaves_out_what_conflicts() -> None:
    first = shipped("19-dapd-capital").steps[0]
    assert first.edges is not None
    assert first.why[16] == "independent"
    assert first.why[14] == "conflicts with 16"


def test_the_budget_leaves_out_what_would_cost_too_much() -> None:
    first = shipped("26-demask-capital").steps[0]
    assert len(first.positions) == 30
    assert first.why[14].startswith("over budget")
    assert first.why[16].startswith("over budget")
    assert first.edges is not None
    others = [i for i in range(32) if i not in (14 - 11, 16 - 11)]
    assert first.edges[3, 5] > 0.3 > first.edges[np.ix_(others, others)].max()


def test_slow_tokens_are_held_where_a_block_opens() -> None:
    held = [
        record.index
        for record in shipped("17-slow-fast").steps
        if any(reason.startswith("slow set") for reason in record.why.values())
    ]
    assert held[0] == 2  # the page's step 3, which the tour names
    assert len(held) >= 3


def test_the_clashing_digits_of_the_early_model_come_in_pairs() -> None:
    trace = shipped("25-sudoku-early-model")
    digits = [token.strip() for token in trace.text.split()]
    rows = [digits[start : start + 4] for start in range(0, 16, 4)]
    columns = ["".join(column) for column in zip(*rows, strict=True)]
    assert [len(set(column)) for column in columns] == [4, 4, 3, 3]
    at = trace.finalized_at
    assert (at[30 + 5], at[30 + 15]) == (2, 2)  # the two 2s of the third column
    assert (at[31 + 0], at[31 + 15]) == (1, 1)  # the two 3s of the last one


def test_the_runs_of_the_tour_are_bundled() -> None:
    assert {run for lesson in LESSONS for run in lesson.runs} <= BY_NAME.keys()


def test_a_run_that_does_not_end_as_said_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    exhibit = BY_NAME["04-capital-four-a-step"]
    monkeypatch.setattr("dlmviz.decode", lambda model, spec: shipped("03-capital-one-by-one"))
    with pytest.raises(ValueError, match="04-capital-four-a-step should be wrong"):
        recorded(exhibit, None)  # type: ignore[arg-type]
