"""The list of tasks and the way to get one by name."""

import pytest

from dlmviz.tasks import TASKS, get
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
