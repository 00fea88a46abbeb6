import json
from collections import Counter
from itertools import combinations

import pytest

from dlmviz.tasks.pairs import (
    FACT_FORMS,
    FEWEST,
    KINDS,
    LETTERS,
    NAMES,
    PARTS,
    QUESTIONS,
    TASK,
    facts,
    sentence,
)
from dlmviz.tasks.tables import rows
from dlmviz.types import Example

SAMPLE = TASK.examples(6000, 0)


def of_kind(kind: str) -> list[Example]:
    return [example for example in SAMPLE if example.kind == kind]


def asked(kind: str, **data: object) -> Example:
    return Example("pairs", kind, "", "", data)


@pytest.mark.parametrize("kind", KINDS)
def test_generated_answers_are_right_and_trailing_text_is_not(kind):
    found = of_kind(kind)[:300]
    assert len(found) == 300
    assert all(TASK.score(example, f"\n{example.answer} ") for example in found)
    assert not any(TASK.score(example, example.answer + " and") for example in found)
    assert not any(TASK.score(example, "") for example in found)


@pytest.mark.parametrize(
    ("example", "right", "wrong"),
    [
        (
            asked("capital", continent="Africa"),
            ("The capital of Kenya is Nairobi.", "The capital of Sierra Leone is Freetown."),
            (
                *("The capital of Kenya is Oslo.", "The capital of Norway is Oslo."),
                *("The capital of Kenya is Nairobi", "Kenya Nairobi", "Nairobi"),
            ),
        ),
        (
            asked("capital", second="N"),
            ("The capital of Kenya is Nairobi.",),
            ("The capital of Norway is Oslo.",),
        ),
        (
            asked("currency"),
            ("The currency of Japan is the yen.", "The currency of France is the euro."),
            ("The currency of Japan is yen.", "The currency of Japan is the euro."),
        ),
        (
            asked("language", first="J"),
            ("The official language of Japan is Japanese.",),
            ("The official language of Germany is German.", "The language of Japan is Japanese."),
        ),
        (
            asked("element", first="I"),
            ("The symbol of iron is Fe.",),
            ("The symbol of iron is Pb.", "The symbol of lead is Pb.", "The symbol of is Fe."),
        ),
        (
            asked("same_name", count=3, first="A"),
            ("Aaron Aaron Aaron",),
            ("Aaron Aaron", "Aaron Aaron Abigail", "Xxx Xxx Xxx", "Thomas Thomas Thomas"),
        ),
        (
            asked("digits", sum=9),
            ("4 + 5 = 9", "9 + 0 = 9"),
            ("4 + 4 = 9", "4+5=9", "4 + 5 = 8", "10 + -1 = 9", "5 4 9", "a + b = 9"),
        ),
        (
            asked("coin", count=5),
            ("heads heads heads heads heads", "tails tails tails tails tails"),
            (
                "heads heads tails heads heads",
                "heads heads heads heads",
                "edge edge edge edge edge",
            ),
        ),
    ],
)
def test_right_wrong_and_malformed_answers_are_told_apart(example, right, wrong):
    for text in right:
        assert TASK.score(example, text), text
    for text in wrong:
        assert not TASK.score(example, text), text


def test_every_question_leaves_at_least_twelve_right_answers_of_one_word_parts():
    for kind, questions in QUESTIONS.items():
        for question in questions:
            assert len(question.answers) >= FEWEST == 12
            assert set(question.answers) <= set(facts(kind, question.constraint))
            assert all(part.isalpha() for fact in question.answers for part in fact)
    assert all(len(NAMES[letter]) >= 12 for letter in LETTERS)


def test_two_right_answers_can_never_be_mixed_into_a_third():
    for questions in QUESTIONS.values():
        for question in questions:
            for part in (0, 1):
                assert max(Counter(fact[part] for fact in question.answers).values()) == 1


def test_facts_meet_the_constraint_that_the_phrase_states():
    country = {row["country"]: row for row in rows("countries")}
    for kind, questions in QUESTIONS.items():
        for question in questions:
            place, first, second = map(question.constraint.get, ("continent", "first", "second"))
            for fact in question.answers:
                assert place is None or country[fact[0]]["continent"] == place
                assert first is None or fact[0][0].upper() == first
                assert second is None or fact[1][0].upper() == second
            for phrase in question.phrases:
                assert place is None or place in phrase
                last = phrase.split(" ")[-1]
                assert (first or second or "") == (last if len(last) == 1 else "")
                assert ("whose" in phrase and "name" not in phrase) == (second is not None), kind


def test_prompts_state_sum_and_count():
    words = {2: "two", 3: "three", 4: "four", 8: "eight"}
    for example in of_kind("digits"):
        assert f" {example.data['sum']}" in example.prompt
        a, plus, b, equals, total = example.answer.split()
        assert (plus, equals) == ("+", "=")
        assert int(a) + int(b) == int(total) == example.data["sum"]
        assert max(int(a), int(b)) <= 9
    for example in of_kind("coin") + of_kind("same_name"):
        assert f" {words[example.data['count']]} times" in example.prompt.lower()


def test_answers_are_drawn_evenly_from_the_right_ones():
    nines = Counter(e.answer for e in TASK.examples(60_000, 5) if e.data.get("sum") == 9)
    assert len(nines) == 10
    assert max(nines.values()) < 1.5 * min(nines.values())


def test_every_answer_fits_even_at_one_token_a_letter_of_a_name():
    for example in of_kind("same_name"):
        assert len(example.answer.replace(" ", "")) < TASK.gen_length


def test_every_sum_has_eight_solutions_at_least():
    sums = {example.data["sum"] for example in of_kind("digits")}
    assert sums == set(range(7, 12))


def test_the_whole_task_has_eight_hundred_prompts_without_noise():
    phrases = sum(len(q.phrases) for found in QUESTIONS.values() for q in found)
    assert phrases * len(FACT_FORMS) >= 800
    assert len({example.prompt for example in SAMPLE}) >= 800


def test_spans_are_the_open_parts_and_all_pairs_of_them_interact():
    for example in SAMPLE[:1500]:
        graph = TASK.graph(example)
        assert graph is not None
        parts = [example.answer[start:end] for start, end in graph.spans]
        assert graph.edges == set(combinations(range(len(parts)), 2))
        if example.kind in PARTS:
            assert sentence(example.kind, (parts[0], parts[1])) == example.answer
        elif example.kind == "digits":
            assert f"{parts[0]} + {parts[1]} = {example.data['sum']}" == example.answer
        else:
            assert parts == example.answer.split()


def test_seeds_decide_the_examples_and_the_data_is_plain_json():
    assert TASK.examples(50, 3) == TASK.examples(80, 3)[:50]
    assert TASK.examples(50, 3) != TASK.examples(50, 4)
    for example in SAMPLE[:50]:
        assert json.loads(json.dumps(example.data)) == example.data
