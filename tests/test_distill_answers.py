"""Distillation: prompts from files, and answers that are made once."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from dlmviz.learn.distill.answers import generate, kept, place
from dlmviz.learn.distill.prompts_file import read_prompts
from dlmviz.models import load
from dlmviz.samplers import make
from dlmviz.types import InputError, RunSpec

SAMPLER = make("fast_dllm", {"tau": 0.5})
SPECS = [
    RunSpec(prompt="their", model="exact", gen_length=8, block_length=8, temperature=1.0, seed=i)
    for i in range(5)
]


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def test_prompts_of_both_fields_are_read_once_each_in_order(tmp_path: Path) -> None:
    rows = [{"question": "b", "answer": "#### 1"}, {"prompt": "a"}, {"prompt": "b"}]
    text = "\n".join(map(json.dumps, rows)) + "\n\n"
    assert read_prompts(written(tmp_path / "a.jsonl", text)) == ["b", "a"]


def test_a_file_of_another_system_is_read_and_breaks_within_a_prompt_stay(tmp_path: Path) -> None:
    text = '\ufeff{"prompt": "a\u2028b"}\r\n{"prompt": "c"}\r\n'
    assert read_prompts(written(tmp_path / "a.jsonl", text)) == ["a\u2028b", "c"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no prompt"),
        ("\n \n", "holds no prompt"),
        ('{"prompt": "a"}\n{"prompt": "b"', "line 2 of p.jsonl is not JSON"),
        ('{"prompt": "a"}\n{"text": "b"}', "line 2 of p.jsonl has no prompt"),
        ('{"prompt": 3}', "line 1 of p.jsonl has no prompt"),
        ('{"prompt": " "}', "line 1 of p.jsonl has no prompt"),
        ('["prompt"]', "line 1 of p.jsonl has no prompt"),
        ("[" * 100_000, "line 1 of p.jsonl is not JSON"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_line_and_reason(
    tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        read_prompts(written(tmp_path / "p.jsonl", text))


def test_files_that_are_missing_or_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere.jsonl cannot be read"):
        read_prompts(tmp_path / "nowhere.jsonl")
    (tmp_path / "b.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"b.jsonl cannot be read .*UTF-8"):
        read_prompts(tmp_path / "b.jsonl")


def test_answers_that_were_cut_off_go_on_where_they_were(tmp_path: Path) -> None:
    model = load("exact")
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    assert list(generate(model, SAMPLER, SPECS, whole, 2)) == [1, 2, 3, 4, 5]
    list(itertools.islice(generate(model, SAMPLER, SPECS, cut, 2), 2))
    with cut.open("a") as file:
        file.write('{"number": 4, "prom')  # a kill in the middle of a line
    assert list(generate(model, SAMPLER, SPECS, cut, 2))[-1] == 5
    rows = [
        {row["number"]: row for row in map(json.loads, lines)}
        for lines in (
            whole.read_text().splitlines(),
            [line for line in cut.read_text().splitlines() if line.endswith("}")],
        )
    ]
    assert rows[0] == rows[1]
    assert list(generate(model, SAMPLER, SPECS, cut, 2)) == []


def test_the_place_of_answers_says_model_prompts_and_settings(tmp_path: Path) -> None:
    one = place(tmp_path, "aa", SPECS)
    assert one == place(tmp_path, "aa", list(SPECS))
    assert len({one, place(tmp_path, "bb", SPECS), place(tmp_path, "aa", SPECS[1:])}) == 3


def test_answers_without_an_end_or_too_long_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [
        {"number": 2, "prompt": [1], "answer": [5, 9]},
        {"number": 0, "prompt": [1, 2], "answer": [5, 6]},
        {"number": 1, "prompt": [1, 2, 3, 4], "answer": [9, 9]},
    ]
    path = written(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    pairs, counts = kept(path, eos_id=9, longest=5)
    assert [pair.answer.tolist() for pair in pairs] == [[5, 9]]
    assert (counts.answers, counts.kept, counts.unfinished, counts.long) == (3, 1, 1, 1)
