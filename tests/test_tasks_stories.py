"""Word problems and drills: their arithmetic, their grader and their known dependencies."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from fractions import Fraction

import pytest

from dlmviz.tasks.stories import TASK
from dlmviz.types import Example

KINDS = ("steps1", "steps2", "steps3", "steps4", "steps5", "steps6", "drill")
SHARES = {2: "half|50 percent", 3: "third", 4: "quarter|25 percent", 5: "fifth|20 percent"}
WORDS = {**SHARES, 10: "10 percent"}
SAMPLE = TASK.examples(4000, 11)


def of_kind(kind: str) -> list[Example]:
    return [e for e in SAMPLE if e.kind == kind][:300]


def equations(answer: str) -> list[tuple[int, str, int, int]]:
    found = re.findall(r"(\d+) ([-+*/]) (\d+) = (\d+)", answer)
    return [(int(a), sign, int(b), int(c)) for a, sign, b, c in found]


def tokens(text: str) -> int:
    return len(re.findall(r"[A-Za-z]+|\d|[^\w\s]|\n", text))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_occurs_and_its_own_answers_are_right(kind: str) -> None:
    examples = of_kind(kind)
    assert len(examples) == 300
    assert all(TASK.score(e, e.answer) and TASK.score(e, f"\n {e.answer} \n") for e in examples)


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_result_is_wrong_however_good_the_working(kind: str) -> None:
    for e in of_kind(kind)[:50]:
        assert not TASK.score(e, e.answer + "0")
        head, result = e.answer.rsplit(" ", 1)
        assert not TASK.score(e, f"{head} {int(result) + 1}")
        assert not TASK.score(e, f"{head} 0{result}")


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_last_line_counts(kind: str) -> None:
    e = of_kind(kind)[0]
    assert TASK.score(e, f"nonsense\n#### {e.data['result']}")
    assert TASK.score(e, f"#### {e.data['result']}")


@pytest.mark.parametrize("kind", KINDS)
def test_malformed_and_empty_texts_are_wrong(kind: str) -> None:
    e = of_kind(kind)[0]
    n = e.data["result"]
    bad = ("", "\n", "####", f"{n}", f"#### {n} eggs", f"#### {n}.", f"####{n}", f"#### {n}\nDone.")
    assert not any(TASK.score(e, text) for text in bad)
    assert not TASK.score(e, f"#### 7\n#### {n}")
    assert not TASK.score(e, f"{e.answer} <0x00>")


def test_same_seed_same_examples_and_other_seeds_other_examples() -> None:
    assert TASK.examples(50, 3) == TASK.examples(50, 3)
    assert TASK.examples(20, 3) == TASK.examples(50, 3)[:20]
    first, second = ({e.prompt for e in TASK.examples(500, s)} for s in (3, 4))
    assert len(first & second) < 10


def test_every_equation_is_true_and_within_school_numbers() -> None:
    for e in SAMPLE:
        found = equations(e.answer)
        assert e.answer.count("=") == len(found)
        for a, sign, b, result in found:
            exact = {"+": a + b, "-": a - b, "*": a * b, "/": Fraction(a, b)}[sign]
            assert exact == result, e.answer
            assert 2 <= result <= 999, e.answer
            if sign == "*":
                small, large = sorted((a, b))
                assert large <= 60, e.answer
                assert small in (2, 3, 4, 5, 6, 7, 8, 9, 10, 12) or large in (10, 12), e.answer


def test_the_number_of_equations_is_the_kind_and_the_last_result_is_the_answer() -> None:
    for e in SAMPLE:
        found = equations(e.answer)
        assert e.answer.endswith(f"\n#### {found[-1][3]}")
        assert len(e.answer.split("\n")) == len(found) + 1
        if e.kind != "drill":
            assert len(found) == int(e.kind.removeprefix("steps"))


def test_every_operand_is_told_in_the_prompt_or_an_earlier_result() -> None:
    for e in SAMPLE:
        told = {int(n) for n in re.findall(r"\d+", e.prompt)}
        low = e.prompt.lower()
        told |= {n for n, words in WORDS.items() if re.search(words, low)}
        told |= {2} if re.search("twice|halve|share the cost equally", low) else set()
        told |= {12} if "dozen" in low else set()
        for a, _, b, result in equations(e.answer):
            assert {a, b} <= told, (e.prompt, e.answer)
            told.add(result)


def test_no_equation_is_idle_every_result_leads_to_the_answer() -> None:
    for e in SAMPLE:
        uses = e.data["uses"]
        found = equations(e.answer)
        for at, earlier in enumerate(uses):
            assert all(use < at and found[use][3] in found[at][:3:2] for use in earlier)
        assert {use for earlier in uses for use in earlier} == set(range(len(uses) - 1)), e.answer


def test_operands_that_the_prompt_does_not_tell_are_marked_as_uses() -> None:
    for e in SAMPLE:
        told = {int(n) for n in re.findall(r"\d+", e.prompt)} | {2, 3, 4, 5, 10, 12}
        found = equations(e.answer)
        for (a, _, b, _), uses in zip(found, e.data["uses"], strict=True):
            assert {a, b} - told <= {found[use][3] for use in uses}, (e.prompt, e.answer)


def test_the_graph_of_a_known_story_has_the_edges_of_its_equations() -> None:
    answer = "So 2 * 3 = 6 are sold.\nThen 33 - 6 = 27 are left.\nThat is 27 / 3 = 9.\n#### 9"
    data = {"result": 9, "uses": [[], [0], [1]]}
    graph = TASK.graph(Example("stories", "steps3", "", answer, data))
    assert graph is not None
    assert [answer[a:b] for a, b in graph.spans] == ["6", "27", "9", "9"]
    assert graph.edges == {(0, 1), (1, 2), (2, 3)}


def test_graphs_of_generated_examples_cover_all_results_and_the_final_number() -> None:
    for e in SAMPLE[:500]:
        graph = TASK.graph(e)
        assert graph is not None
        shown = [int(e.answer[a:b]) for a, b in graph.spans]
        assert shown == [eq[3] for eq in equations(e.answer)] + [e.data["result"]]
        assert all(0 <= a < b < len(shown) for a, b in graph.edges)


def test_numbered_steps_appear_exactly_when_the_prompt_asks_for_them() -> None:
    asked = "number the steps|a number|numbered steps"
    both = {(bool(re.search(asked, e.prompt.lower())), "Step 1: " in e.answer) for e in SAMPLE}
    assert both == {(True, True), (False, False)}


def test_prompts_and_answers_fit_and_the_longest_kinds_pass_a_hundred_tokens() -> None:
    assert max(tokens(e.prompt) for e in SAMPLE) <= 110
    assert max(tokens(e.answer) for e in SAMPLE) <= 120
    long = [tokens(e.answer) >= 100 for e in SAMPLE if e.kind == "steps6"]
    assert sum(long) / len(long) > 0.35


def test_prompts_hardly_repeat_and_the_mix_is_as_stated() -> None:
    assert len({e.prompt for e in SAMPLE}) > 0.99 * len(SAMPLE)
    share = {kind: n / len(SAMPLE) for kind, n in Counter(e.kind for e in SAMPLE).items()}
    stated = dict(zip(KINDS, (0.12, 0.20, 0.20, 0.16, 0.10, 0.10, 0.12), strict=True))
    assert all(abs(share[kind] - stated[kind]) < 0.03 for kind in KINDS)


def test_no_template_slot_is_left_open() -> None:
    for e in SAMPLE:
        assert not set("{}|") & set(e.prompt + e.answer)
        assert "  " not in e.prompt + e.answer
        assert (e.prompt + e.answer).isascii()


def test_score_needs_only_the_result_so_another_answer_text_is_still_gradeable() -> None:
    e = of_kind("steps2")[0]
    other = dataclasses.replace(e, answer="")
    assert TASK.score(other, e.answer)
