"""The list of tasks and the way to get one by name."""

import json
from typing import Any

import pytest

from dlmviz.tasks import TASKS, get, regraded, verdict
from dlmviz.types import InputError


def test_tasks_stand_in_menu_order_under_their_own_names() -> None:
    assert list(TASKS) == ["stories", "trivia", "lists", "puzzles", "words", "pairs", "mrf"]
    assert all(task.name == name for name, task in TASKS.items())


@pytest.mark.parametrize("name", ["stories", "trivia", "lists", "puzzles", "words", "pairs", "mrf"])
def test_every_task_makes_examples_of_its_own_that_score_and_fit_its_blocks(name: str) -> None:
    task = get(name)
    for example in task.examples(20, 12):
        assert example.task == name
        assert task.score(example, example.answer)
        assert not task.score(example, "")
        truth = task.graph(example)
        if truth is not None:
            assert all(0 <= a < b <= len(example.answer) for a, b in truth.spans)
            assert all(0 <= a < b < len(truth.spans) for a, b in truth.edges)
    assert task.gen_length % task.block_length == 0


@pytest.mark.parametrize(("given", "nearest"), [("list", "lists"), ("Puzzle", "puzzles"), ("", "")])
def test_an_unknown_task_names_the_known_ones_and_the_nearest(given: str, nearest: str) -> None:
    with pytest.raises(InputError, match=rf"{given}.*stories, trivia.*did you mean '{nearest}"):
        get(given)


@pytest.mark.parametrize("name", list(TASKS))
def test_what_a_run_keeps_of_its_example_grades_another_answer(name: str) -> None:
    for example in get(name).examples(20, 5):
        kept = json.loads(json.dumps(verdict(example, "nonsense")))
        assert kept["correct"] is False
        again = regraded(kept, example.prompt, example.answer)
        assert again == {**kept, "correct": True}


KEPT = json.loads(json.dumps(verdict(get("pairs").examples(1, 5)[0], "")))


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        {"task": "pairs", "kind": "capital", "answer": "x", "correct": True},  # of an older run
        {**KEPT, "task": "magic"},
        {**KEPT, "task": ["pairs"]},
        {**KEPT, "kind": "coin", "data": {"count": 10**9}},  # would fill the memory
        {**KEPT, "kind": "coin", "data": {"count": -(10**9)}},
        {**KEPT, "kind": "digits", "data": {"sum": float("inf")}},
        {**KEPT, "kind": "digits", "data": {"sum": "many"}},
        {"task": "mrf", "kind": "chain", "answer": "", "data": {"mod": [[10**8]], "clues": ""}},
        {**KEPT, "data": {"first": "a" * 3000}},
    ],
)
def test_what_a_stranger_kept_of_an_example_is_not_graded(given: Any) -> None:
    assert regraded(given, "prompt", "0 0 0 0 0 0 0 0 0") is None
