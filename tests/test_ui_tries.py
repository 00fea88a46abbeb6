"""What another page asks Inspect to try: a sampler with a head that was made here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dlmviz.tasks import TASKS
from dlmviz.ui import tries
from dlmviz.ui.head_result import made
from dlmviz.ui.shelves import Shelves

JOB = "5b122542"
HEADS = ["demask.head"]


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    place = tmp_path / "store" / "heads" / JOB
    place.mkdir(parents=True)
    (place / "head.json").write_text("{}")
    return Shelves(tmp_path / "gallery", tmp_path / "store", tmp_path / "spare")


def told(shelves: Shelves, **data: Any) -> list[Any]:
    knobs = {"demask.tau": 0.2, "demask.head": "old"}
    return tries.told(shelves, HEADS, knobs, data)


def kept(value: Any) -> bool:
    """Whether a field of the form stays as it is."""
    return isinstance(value, dict) and "value" not in value


def test_a_head_is_tried_with_its_sampler_its_model_and_a_prompt_of_its_task(
    shelves: Shelves,
) -> None:
    given = told(shelves, head=JOB, sampler="demask", model="tiny-early", task="trivia")
    model, other, _, adapter, prompt, length, block, example, sampler, knobs, head = given
    place = str((shelves.store / "heads" / JOB).absolute())
    assert (model, other, adapter) == ("tiny-early", "", "")
    assert (sampler, head) == ("demask", place)
    assert knobs == {"demask.tau": 0.2, "demask.head": place}
    assert (length, block) == (TASKS["trivia"].gen_length, TASKS["trivia"].block_length)
    assert example["prompt"] == prompt
    assert example["task"] == "trivia"


@pytest.mark.parametrize(
    "data",
    [
        {"head": "../5b122542", "sampler": "demask"},
        {"head": "/etc", "sampler": "demask"},
        {"head": "0badcafe", "sampler": "demask"},
        {"head": JOB, "sampler": "klass"},
        {"head": JOB, "sampler": "<b>"},
        {"adapter": "none"},
    ],
)
def test_no_page_names_a_path_or_a_sampler_that_there_is_not(
    shelves: Shelves, data: dict[str, Any]
) -> None:
    *_, sampler, knobs, head = told(shelves, model="tiny", **data)
    assert kept(sampler)
    assert kept(knobs)
    assert kept(head)


def test_a_head_is_found_by_the_name_of_its_job_alone(shelves: Shelves) -> None:
    assert made(shelves.store, JOB) == (shelves.store / "heads" / JOB).absolute()
    assert [made(shelves.store, name) for name in ("", "..", "a/b", "0badcafe")] == [None] * 4
