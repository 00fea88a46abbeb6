"""The waiting-line task: its answers are right, its grader is strict, its wording is ours."""

import functools
import json
import random
import re
from pathlib import Path

import pytest

from dlmviz.tasks.lists import FREE, OPERATIONS, TASK, examples, graph, score
from dlmviz.tasks.tables import column
from dlmviz.tasks.tables.phrases import expand, phrases
from dlmviz.types import Example

BENCH = Path(__file__).parents[1] / ".." / "shared" / "data" / "parallel_bench"
ANN, BO, CY, DI = "Ann Ray", "Bo Lee", "Cy Dunn", "Di Fox"
NAMES = [BO, CY, ANN]

RIGHT_AND_WRONG = {  # kind -> (right answers, wrong answers)
    "copy": ([NAMES], [NAMES[::-1], [*NAMES, DI], NAMES[:2]]),
    "reverse": ([[ANN, CY, BO]], [NAMES, [ANN, BO, CY]]),
    "sort": ([[ANN, BO, CY]], [NAMES, [CY, BO, ANN]]),
    "shuffle": ([[ANN, BO, CY], [ANN, CY, BO]], [NAMES, [ANN, ANN, BO], [ANN, BO], [*NAMES, DI]]),
    "insert_index": ([[BO, DI, CY, ANN]], [[DI, BO, CY, ANN], NAMES]),
    "insert_random": (
        [[DI, *NAMES], [BO, DI, CY, ANN], [BO, CY, DI, ANN], [*NAMES, DI]],
        [NAMES, [DI, DI, *NAMES], [DI, CY, BO, ANN], [DI, BO, CY], [BO, CY, ANN, ANN]],
    ),
    "remove_index": ([[BO, ANN]], [[CY, ANN], NAMES]),
    "remove_random": ([[CY, ANN], [BO, ANN], [BO, CY]], [NAMES, [ANN, BO], [BO], [BO, BO]]),
    "replace_index": ([[BO, DI, ANN]], [[DI, CY, ANN], NAMES]),
    "replace_random": (
        [[DI, CY, ANN], [BO, DI, ANN], [BO, CY, DI]],
        [NAMES, [*NAMES, DI], [DI, DI, ANN], [DI, BO, ANN], [CY, DI, ANN]],
    ),
}
MALFORMED = ["", " ", "Ann Ray", "null", "{}", "[1, 2, 3]", '["Ann Ray"', "[" * 100_000]


def hand_made(kind: str) -> Example:
    answer = json.dumps(RIGHT_AND_WRONG[kind][0][0])
    return Example("lists", kind, "", answer, {"input": NAMES, "word": DI, "index": 1})


@functools.cache
def pool() -> list[Example]:
    return examples(5000, 1)


def of_kind(kind: str, count: int) -> list[Example]:
    found = [example for example in pool() if example.kind == kind][:count]
    assert len(found) == count
    return found


def text(names: list[str]) -> str:
    return json.dumps(names)


@pytest.mark.parametrize("kind", OPERATIONS)
def test_right_answers_pass_and_wrong_ones_fail(kind: str) -> None:
    right, wrong = RIGHT_AND_WRONG[kind]
    assert [score(hand_made(kind), text(names)) for names in right] == [True] * len(right)
    assert [score(hand_made(kind), text(names)) for names in wrong] == [False] * len(wrong)


@pytest.mark.parametrize("kind", OPERATIONS)
def test_malformed_empty_and_trailing_text_is_wrong_but_white_space_is_not(kind: str) -> None:
    example = hand_made(kind)
    assert not any(score(example, bad) for bad in MALFORMED)
    assert not score(example, example.answer + " done")
    assert not score(example, example.answer + example.answer)
    assert score(example, f" \n{example.answer}\n")


@pytest.mark.parametrize("kind", OPERATIONS)
def test_three_hundred_generated_answers_score_true(kind: str) -> None:
    for example in of_kind(kind, 300):
        assert score(example, example.answer)
        assert text(json.loads(example.answer)) == example.answer


def recomputed(example: Example) -> list[str]:
    """The determined result, worked out again from what the prompt shows."""
    names = json.loads(re.search(r"\[.*\]", example.prompt)[0])  # type: ignore[index]
    kind, place, word = example.kind, example.data.get("index"), example.data.get("word", "")
    if kind.startswith("insert"):
        names.insert(place, word)
    elif kind.startswith("remove"):
        del names[place]
    elif kind.startswith("replace"):
        names[place] = word
    return {"reverse": names[::-1], "sort": sorted(names)}.get(kind, names)


@pytest.mark.parametrize("kind", [kind for kind in OPERATIONS if kind not in FREE])
def test_determined_answers_follow_from_the_prompt(kind: str) -> None:
    for example in of_kind(kind, 200):
        assert json.loads(example.answer) == recomputed(example)


def test_every_prompt_says_the_list_the_word_and_the_position() -> None:
    for example in pool():
        data, rest = example.data, re.sub(r"\[.*\]", "", example.prompt)
        assert text(data["input"]) in example.prompt
        assert data.get("word", "") in rest
        if "index" in data:
            assert re.search(rf"\b{data['index']}\b", rest)
        assert not re.search(r"[{}|()]", rest)


def test_positions_reach_both_ends() -> None:
    ends = {"insert_index": 0, "remove_index": -1, "replace_index": -1}
    for kind, last in ends.items():
        places = {(e.data["index"], len(e.data["input"])) for e in of_kind(kind, 300)}
        assert {(0, 4), (4 + last, 4)} <= places
        assert (5 + last, 4) not in places


def test_no_name_occurs_twice_and_lengths_stay_between_three_and_eight() -> None:
    for example in pool():
        names = [*example.data["input"], example.data.get("word", "")]
        assert len(set(names)) == len(names)
        assert 3 <= len(example.data["input"]) <= 8
        assert len(json.loads(example.answer)) <= 8


def test_lists_with_made_up_names_say_so_and_hold_two_at_most() -> None:
    known = set(column("first_names", "name")), set(column("last_names", "name"))

    def unknown(name: str) -> bool:
        return any(part not in table for part, table in zip(name.split(), known, strict=True))

    counts = [sum(map(unknown, e.data["input"])) for e in pool()]
    assert max(counts) == 2
    for example, count in zip(pool(), counts, strict=True):
        assert example.data["unseen"] or not count
    share = sum(e.data["unseen"] for e in pool()) / len(pool())
    assert 0.04 < share < 0.08


def test_same_seed_same_examples_and_other_seeds_differ() -> None:
    assert examples(50, 3) == examples(50, 3)
    assert not {e.prompt for e in examples(200, 3)} & {e.prompt for e in examples(200, 4)}
    assert len({e.prompt for e in pool()}) == 5000


def test_generating_does_not_touch_the_global_random_state() -> None:
    state = random.getstate()
    examples(20, 1)
    assert random.getstate() == state


@pytest.mark.parametrize("kind", OPERATIONS)
def test_graph_spans_are_the_names_and_only_free_kinds_have_edges(kind: str) -> None:
    for example in of_kind(kind, 30):
        truth = graph(example)
        names = [example.answer[a:b] for a, b in truth.spans]
        assert names == json.loads(example.answer)
        pairs = len(names) * (len(names) - 1) // 2
        assert len(truth.edges) == (pairs if kind in FREE else 0)
        assert all(0 <= a < b < len(names) for a, b in truth.edges)


def test_templates_expand_to_every_choice() -> None:
    assert expand("a (b|c) d") == ("a b d", "a c d")
    assert expand("(a|b)(c|)") == ("ac", "a", "bc", "b")
    assert expand("plain") == ("plain",)


def test_each_operation_has_many_wordings_of_each_part() -> None:
    table = phrases("list_phrases")
    for kind in OPERATIONS:
        for part in ("intro", "request"):
            assert sum(map(len, table[kind, part])) >= 15
    bad = [
        f for forms in table.values() for forms_ in forms for f in forms_ if re.search(r"[()|]", f)
    ]
    assert bad == []


def test_no_sentence_of_parallel_bench_stands_in_our_wording() -> None:
    yaml = pytest.importorskip("yaml")
    config = BENCH / "waiting_line" / "task_config.yaml"
    if not config.is_file():
        pytest.skip("no ../shared/data/parallel_bench beside the repository")

    def sentences(prompt: str) -> set[str]:
        parts = re.split(r"[.:!?\n]", re.sub(r"\[.*\]|\"[^\"]*\"", "", prompt))
        return {" ".join(p.lower().split()) for p in parts if len(p.split()) > 3}

    entries = yaml.safe_load(config.read_text()).values()
    theirs = set().union(*(sentences(entry["prompt"]) for entry in entries))
    ours = set().union(*(sentences(e.prompt) for e in pool()))
    assert len(theirs) > 20
    assert not theirs & ours


def test_answers_fit_the_generation_length() -> None:
    """Counted as a tokenizer with whole-word names would, with room for names of more pieces."""
    longest = max(len(re.findall(r'\["|", "|"\]|\w+', example.answer)) for example in pool())
    assert longest <= TASK.gen_length // 2
    assert TASK.gen_length % TASK.block_length == 0
