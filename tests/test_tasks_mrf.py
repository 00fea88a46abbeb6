"""Triangle chains: generator, grader and graph."""

from __future__ import annotations

import re

from dlmviz.tasks.mrf import TASK
from dlmviz.types import Example

SAMPLE = TASK.examples(3000, 9)


def chain(clues: str = "_________", mod: int = 4) -> Example:
    return Example("mrf", "chain", "", "2 1 3 3 0 1 1 3 2", {"mod": mod, "clues": clues})


def test_generated_answers_are_right() -> None:
    assert all(TASK.score(e, e.answer) and TASK.score(e, f" {e.answer}\n") for e in SAMPLE)


def test_generated_answers_keep_the_four_sums_and_the_clues_of_the_prompt() -> None:
    for e in SAMPLE:
        x = [int(digit) for digit in e.answer.split(" ")]
        k = int(e.data["mod"])
        assert [x[1], x[3], x[5], x[7]] == [
            (x[0] + x[2]) % k,
            (x[2] + x[4]) % k,
            (x[4] + x[6]) % k,
            (x[6] + x[8]) % k,
        ]
        shown = re.search(r"[\d_]( [\d_]){8}", e.prompt)
        assert shown is not None, e.prompt
        clues = shown.group().split(" ")
        assert "".join(clues) == e.data["clues"]
        assert all(c == "_" or int(c) == v for c, v in zip(clues, x, strict=True))
        assert f"mod {k}" in e.prompt.lower() or f"modulus {k}" in e.prompt.lower()


def test_the_worked_example_is_right_and_each_broken_digit_is_wrong() -> None:
    right = list("213301132")
    assert TASK.score(chain("__3___1__"), " ".join(right))
    for place in range(9):
        for digit in "0123":
            text = " ".join([*right[:place], digit, *right[place + 1 :]])
            assert TASK.score(chain(), text) == (digit == right[place])


def test_another_chain_that_keeps_the_clues_is_right_too() -> None:
    assert TASK.score(chain("0________"), "0 0 0 0 0 0 0 0 0")
    assert not TASK.score(chain("1________"), "0 0 0 0 0 0 0 0 0")
    assert not TASK.score(chain("_1_______"), "0 0 0 0 0 0 0 0 0")


def test_malformed_and_empty_texts_are_wrong() -> None:
    right = "2 1 3 3 0 1 1 3 2"
    bad = ("", right + " 0", right[:-2], right.replace(" ", ""), right.replace(" ", ", "))
    bad += (right + ".", right.replace("0", "_"), right.replace(" 0", "  0"), "x " + right)
    assert not any(TASK.score(chain(), text) for text in bad)
    assert not TASK.score(chain(), "4 0 0 0 0 0 0 0 0")
    assert not TASK.score(chain(mod=3), "0 3 3 3 0 0 0 0 0")


def test_same_seed_same_examples_and_other_seeds_other_examples() -> None:
    assert TASK.examples(50, 3) == TASK.examples(50, 3)
    assert TASK.examples(50, 3) != TASK.examples(50, 4)


def test_moduli_and_clue_counts_are_as_stated_and_prompts_are_many() -> None:
    assert {e.data["mod"] for e in SAMPLE} == {3, 4, 5}
    assert sum(e.data["mod"] == 4 for e in SAMPLE) > 0.6 * len(SAMPLE)
    odd = {sum(c != "_" for c in e.data["clues"][::2]) for e in SAMPLE}
    even = {sum(c != "_" for c in e.data["clues"][1::2]) for e in SAMPLE}
    assert odd == {0, 1, 2, 3, 4}
    assert even == {0, 1}
    assert len({e.prompt for e in SAMPLE}) > 2000


def test_the_graph_is_the_twelve_pairs_of_the_four_triangles() -> None:
    graph = TASK.graph(SAMPLE[0])
    assert graph is not None
    digits = [SAMPLE[0].answer[a:b] for a, b in graph.spans]
    assert digits == SAMPLE[0].answer.split(" ")
    assert graph.edges == {
        *((0, 1), (1, 2), (0, 2)),
        *((2, 3), (3, 4), (2, 4)),
        *((4, 5), (5, 6), (4, 6)),
        *((6, 7), (7, 8), (6, 8)),
    }
