"""Reading GSM8K's own file, and grading numbers however they are written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dlmviz import tasks
from dlmviz.studies import prompts
from dlmviz.tasks import gsm8k
from dlmviz.types import Example, InputError

OFFICIAL = Path(__file__).parents[1] / ".." / "shared" / "data" / "gsm8k"
ROWS = [
    {"question": "What is 2 dozen and 1? ", "answer": "2*12 = <<2*12=24>>24\n#### 25"},
    {"question": "How much is a house?", "answer": "Much.\n#### 70,000"},
    {"question": "How much below?", "answer": "#### -3"},
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "test.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS) + "\n")
    return path


def test_problems_are_read_in_order(file: Path) -> None:
    found = gsm8k.read(file)
    assert [one.data for one in found] == [{"number": n} for n in ("25", "70,000", "-3")]
    assert found[0].prompt == f"What is 2 dozen and 1?\n{gsm8k.ASK}"
    assert gsm8k.read(file.parent) == found


@pytest.mark.parametrize(
    ("number", "text", "right"),
    [
        ("25", "2*12=24, 24+1=25\n#### 25", True),
        ("25", "So the answer is $25.00.", True),
        ("25", "It is 25. That is 5 more than 20", False),  # the last number counts
        ("25", "#### 25 and not 26", True),  # unless one is marked
        ("25", "#### 24\n25", False),
        ("25", "#### twenty-five", False),
        ("25", "", False),
        ("25", "####", False),
        ("70,000", "#### 70000", True),
        ("70,000", "70,000.0", True),
        ("70,000", "70", False),
        ("-3", "#### -3", True),
        ("-3", "3", False),
        ("0.5", "it is 0.50", True),
    ],
)
def test_numbers_are_graded_as_numbers(number: str, text: str, right: bool) -> None:
    assert gsm8k.score(Example("gsm8k", "problem", "", "", {"number": number}), text) is right


def test_every_right_answer_is_right(file: Path) -> None:
    assert all(gsm8k.score(one, one.answer) for one in gsm8k.read(file))


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"question": "x"}', '{"question": 1, "answer": "#### 1"}', '"x"']
)
def test_a_bad_line_is_named(line: str, file: Path) -> None:
    file.write_text(json.dumps(ROWS[0]) + "\n" + line + "\n")
    with pytest.raises(InputError, match="line 2 is no problem of GSM8K"):
        gsm8k.read(file)


def test_a_missing_file_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"give the official test\.jsonl of GSM8K"):
        gsm8k.read(tmp_path)
    with pytest.raises(InputError, match="splits train and test: got 'dev'"):
        gsm8k.read(tmp_path, "dev")


def test_the_hubs_copy_is_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gsm8k, "_from_hub", lambda split: ROWS if split == "train" else [])
    assert [one.data["number"] for one in gsm8k.read("hub", "train")] == ["25", "70,000", "-3"]


def test_a_study_asks_a_users_own_files(file: Path) -> None:
    found = prompts.named(f"gsm8k@{file.parent}", 2)
    assert [one.task for one in found] == ["gsm8k", "gsm8k"]
    assert prompts.task_of(f"gsm8k@{file.parent}").gen_length == 256
    with pytest.raises(InputError, match="gsm8k is read from files: say where, as gsm8k@FOLDER"):
        prompts.named("gsm8k", 2)
    with pytest.raises(InputError, match="words makes its own prompts"):
        prompts.named("words@here", 2)


def test_what_a_run_kept_of_its_problem_grades_another_answer(file: Path) -> None:
    example = gsm8k.read(file)[1]
    kept = tasks.verdict(example, "#### 1")
    assert kept["correct"] is False
    again = tasks.regraded(kept, example.prompt, "#### 70000")
    assert again is not None
    assert again["correct"] is True


@pytest.mark.skipif(not OFFICIAL.is_dir(), reason="the official files are not here")
def test_the_official_file_is_read_whole() -> None:
    found = gsm8k.read(OFFICIAL)
    assert len(found) == 1319
    assert all(gsm8k.score(one, one.answer) for one in found)
    assert not any(gsm8k.score(one, "") for one in found)
