"""Reading a ParallelBench folder: its prompts, its metrics, and clear words about bad input."""

import json
from pathlib import Path
from typing import Any

import pytest

from dlmviz.tasks.parallel_bench import CHECKOUT, GRADERS, read, score
from dlmviz.types import Example, InputError

BENCH = Path(__file__).parents[1] / ".." / "shared" / "data" / "parallel_bench"
CONFIG = """
line/keep:
  metric: list_match_score
  prompt: 'Hold on to

    {context}

    '
line/put:
  metric: list_random_insert_score
  prompt: 'Squeeze {word} into\\n{context}'
line/odd:
  metric: unheard_of_score
  prompt: '{context}'
"""
ANN, BO, CY, DI = "Ann Ray", "Bo Lee", "Cy Dunn", "Di Fox"
GIVEN = [BO, CY, ANN]
TRUTH = {"input": GIVEN, "word": DI}
KEEP = {
    "input": {
        "context": '["Bo Lee", "Ann Ray"]',
        "icl_examples": [{"input": {"context": '["Cy Dunn"]'}, "answer": '["Cy Dunn"]'}],
    },
    "answer": '["Bo Lee", "Ann Ray"]',
    "metadata": {"length": 2},
}
PUT = {
    "input": {"context": '["Bo Lee"]', "word": ANN},
    "answer": {"input": [BO], "word": ANN, "example": '["Ann Ray", "Bo Lee"]'},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A benchmark folder of our own with two good tasks and one with an unknown metric."""
    group = tmp_path / "line"
    group.mkdir()
    (group / "task_config.yaml").write_text(CONFIG)
    (group / "keep.jsonl").write_text(json.dumps(KEEP) + "\n" + json.dumps(KEEP) + "\n")
    (group / "put.jsonl").write_text(json.dumps(PUT) + "\n")
    (group / "odd.jsonl").write_text(json.dumps(KEEP) + "\n")
    return tmp_path


def graded(metric: str, truth: Any, text: str, strict: bool = False) -> bool:
    example = Example("parallel_bench", "x", "", "", {"metric": metric, "truth": truth})
    return score(example, text, strict=strict)


def text(names: list[str]) -> str:
    return json.dumps(names)


def test_a_row_becomes_the_filled_template_and_its_answer(folder: Path) -> None:
    first, second = read(folder, "line/keep")
    assert first == second
    assert first.prompt == 'Hold on to\n["Bo Lee", "Ann Ray"]\n'
    assert first.answer == '["Bo Lee", "Ann Ray"]'
    assert (first.task, first.kind) == ("parallel_bench", "line/keep")
    assert first.data["metadata"] == {"length": 2}


def test_an_answer_with_several_right_forms_shows_its_example(folder: Path) -> None:
    (example,) = read(folder, "line/put")
    assert example.prompt == 'Squeeze Ann Ray into\n["Bo Lee"]'
    assert example.answer == '["Ann Ray", "Bo Lee"]'
    assert score(example, '["Bo Lee", "Ann Ray"]')
    assert not score(example, '["Bo Lee"]')


def test_worked_examples_stand_before_the_question(folder: Path) -> None:
    example = read(folder, "line/keep", examples_in_prompt=1)[0]
    shown, _, question = example.prompt.partition("\n\n")
    assert shown == 'Hold on to\n["Cy Dunn"]\n["Cy Dunn"]'
    assert question == read(folder, "line/keep")[0].prompt


@pytest.mark.parametrize("count", [-1, 2])
def test_more_worked_examples_than_the_row_has_are_refused(folder: Path, count: int) -> None:
    with pytest.raises(InputError, match=rf"0\.\.1: got {count} .*line 1\); use"):
        read(folder, "line/keep", examples_in_prompt=count)


def test_a_whole_checkout_is_found_too(folder: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / CHECKOUT).mkdir(parents=True)
    (folder / "line").rename(checkout / CHECKOUT / "line")
    assert len(read(checkout, "line/keep")) == 2


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder .*nowhere: give a ParallelBench checkout"):
        read(tmp_path / "nowhere", "line/keep")


@pytest.mark.parametrize("task", ["line/sing", "keep", "", "line/", "../line/keep", "/etc/passwd"])
def test_a_missing_task_lists_those_that_are_there(folder: Path, task: str) -> None:
    with pytest.raises(InputError, match="found there: line/keep, line/odd, line/put"):
        read(folder, task)


def test_a_task_without_config_entry_and_an_unknown_metric_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"unheard_of_score.*list_match_score"):
        read(folder, "line/odd")
    (folder / "line" / "new.jsonl").write_text("")
    with pytest.raises(InputError, match=r"no prompt for 'line/new': it names line/keep, line/put"):
        read(folder, "line/new")
    (folder / "line" / "task_config.yaml").write_text("a: [")
    with pytest.raises(InputError, match="is not YAML"):
        read(folder, "line/keep")


BAD_ROWS = [
    "{",
    "7",
    '{"answer": "[]"}',
    '{"input": {}, "answer": "[]"}',
    '{"input": {"context": "[]"}}',
    '{"input": {"context": "[]"}, "answer": 3}',
    '{"input": {"context": "[]"}, "answer": {"input": []}}',
    '{"input": {"context": "[]"}, "answer": {"example": ["a"]}}',
]


@pytest.mark.parametrize("row", BAD_ROWS)
def test_a_malformed_row_is_named_by_file_and_line(folder: Path, row: str) -> None:
    path = folder / "line" / "keep.jsonl"
    path.write_text(json.dumps(KEEP) + "\n\n" + row + "\n")
    with pytest.raises(InputError, match=r"keep\.jsonl, line 3 is no ParallelBench row"):
        read(folder, "line/keep")


def test_an_answer_without_what_its_grader_needs_is_a_malformed_row(folder: Path) -> None:
    row = {**PUT, "answer": {"input": [BO], "example": "[]"}}
    (folder / "line" / "put.jsonl").write_text(json.dumps(row))
    with pytest.raises(InputError, match="line 1 is no ParallelBench row"):
        read(folder, "line/put")


RIGHT_AND_WRONG = {
    "list_match_score": ([GIVEN], [GIVEN[::-1], GIVEN[:2], [*GIVEN, DI]]),
    "list_shuffle_score": ([[ANN, BO, CY]], [GIVEN, [ANN, BO], [ANN, ANN, BO]]),
    "list_random_insert_score": (
        [[DI, *GIVEN], [*GIVEN, DI], [BO, DI, CY, ANN]],
        [GIVEN, [DI, DI, *GIVEN], [DI, CY, BO, ANN]],
    ),
    "list_random_remove_score": ([[CY, ANN], [BO, CY]], [GIVEN, [ANN, CY], [BO], [BO, DI]]),
    "list_random_replace_score": (
        [[DI, CY, ANN], [BO, CY, DI]],
        [GIVEN, [*GIVEN, DI], [DI, BO, ANN], [DI, DI, ANN]],
    ),
}


@pytest.mark.parametrize("metric", RIGHT_AND_WRONG)
@pytest.mark.parametrize("strict", [False, True])
def test_list_metrics_accept_right_lists_only(metric: str, strict: bool) -> None:
    truth: Any = text(GIVEN) if metric == "list_match_score" else TRUTH
    right, wrong = RIGHT_AND_WRONG[metric]
    assert [graded(metric, truth, text(names), strict) for names in right] == [True] * len(right)
    assert [graded(metric, truth, text(names), strict) for names in wrong] == [False] * len(wrong)
    assert not graded(metric, truth, "", strict)


def test_only_the_strict_form_insists_on_brackets_and_quotes() -> None:
    for loose in (
        "[Bo Lee, Cy Dunn,Ann Ray]",
        "Bo Lee, Cy Dunn, Ann Ray",
        '["Bo Lee", "Cy Dunn", Ann Ray',
    ):
        assert graded("list_match_score", text(GIVEN), loose)
        assert not graded("list_match_score", text(GIVEN), loose, strict=True)
    talk = f"[Sure] Here it is: {text(GIVEN)} and that is all."
    assert graded("list_match_score", text(GIVEN), talk)
    assert graded("list_match_score", text(GIVEN), talk, strict=True)


def test_a_latin_square_has_every_symbol_once_in_each_row_and_column() -> None:
    truth = {"symbols": ["A", "7", "K"]}

    def latin(square: str, **more: Any) -> bool:
        return graded("latin_square_score", {**truth, **more}, square)

    assert latin("A,7,K\n7,K,A\nK,A,7")
    assert latin("Here you are:\n\n A, 7, K\n7,K,A\nK,A,7\nDone")
    assert not latin("A,7,K\n7,K,A")
    assert not latin("A,7,K\nA,7,K\nA,7,K")
    assert not latin("A,7,K\n7,A,K\nK,A,7")
    assert not latin("A,7,7\n7,K,A\nK,A,7")
    assert not latin("")
    assert latin("A,7,K\n7,K,A\nK,A,7", first_row=["A", "7", "K"])
    assert not latin("A,7,K\n7,K,A\nK,A,7", first_row=["7", "K", "A"])


def test_a_sudoku_is_the_stored_grid_and_only_the_strict_form_minds_the_layout() -> None:
    truth = "1234\n3412\n2143\n4321"
    for strict in (False, True):
        assert graded("sudoku_score", truth, f"\n{truth}\n", strict)
        assert not graded("sudoku_score", truth, "1234\n3412\n2143\n4312", strict)
        assert not graded("sudoku_score", truth, "1234\n3412\n2143", strict)
        assert not graded("sudoku_score", truth, "", strict)
    spaced = "Solution:\n1 2 3 4\n3,4,1,2\n2143\n4321"
    assert graded("sudoku_score", truth, spaced)
    assert not graded("sudoku_score", truth, spaced, strict=True)


def test_every_metric_is_tested_here() -> None:
    assert set(GRADERS) == {*RIGHT_AND_WRONG, "latin_square_score", "sudoku_score"}


def test_a_real_copy_reads_and_all_its_own_answers_score() -> None:
    if not BENCH.is_dir():
        pytest.skip("no ../shared/data/parallel_bench beside the repository")
    tasks = [p.relative_to(BENCH).with_suffix("").as_posix() for p in BENCH.glob("*/*.jsonl")]
    assert {"waiting_line/sort", "puzzle/latin_square_n4"} <= set(tasks)
    for task in tasks:
        found = read(BENCH, task)
        assert len(found) == 100
        assert all(score(example, example.answer) for example in found)
        assert all(score(example, example.answer, strict=True) for example in found)
        assert all("{" not in example.prompt for example in found)
        assert len(read(BENCH, task, examples_in_prompt=1)) == 100
