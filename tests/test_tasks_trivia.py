import json
import re

import pytest

from dlmviz.tasks.tables import rows
from dlmviz.tasks.trivia import FACTS, PARTS, QUESTIONS, TASK, sentence
from dlmviz.types import Example

SAMPLE = TASK.examples(1600, 0)


def of_kind(kind: str) -> list[Example]:
    return [example for example in SAMPLE if example.kind == kind]


@pytest.mark.parametrize("kind", ["single", "bundle"])
def test_generated_answers_are_right_and_fit(kind):
    found = of_kind(kind)
    assert len(found) >= 300
    assert all(TASK.score(example, f" {example.answer}\n") for example in found)
    for example in found:  # a digit, a mark or a line break is one token, a word 1.3 on average
        words = len(re.findall(r"[A-Za-z]+", example.answer))
        marks = len(re.findall(r"\d|\n|[^\sA-Za-z\d]", example.answer))
        assert 1.3 * words + marks < 88 < TASK.gen_length


def test_an_answer_that_is_false_malformed_empty_or_too_long_is_wrong():
    single = Example("trivia", "single", "Capital of Kenya?", "The capital of Kenya is Nairobi.")
    assert TASK.score(single, "The capital of Kenya is Nairobi.")
    for text in (
        *("", "Nairobi", "The capital of Kenya is Oslo.", "The capital of Kenya is Nairobi"),
        *("The capital of Kenya is Nairobi. Yes.", "the capital of kenya is nairobi."),
    ):
        assert not TASK.score(single, text)


def test_one_wrong_missing_or_swapped_sentence_spoils_a_bundle():
    bundle = of_kind("bundle")[0]
    lines = bundle.answer.split("\n")
    assert not TASK.score(bundle, "")
    assert not TASK.score(bundle, "\n".join(lines[:4]))
    assert not TASK.score(bundle, "\n".join([lines[1], lines[0], *lines[2:]]))
    assert not TASK.score(bundle, bundle.answer + "\n" + lines[0])
    value = bundle.data["facts"][2][2]
    assert not TASK.score(bundle, bundle.answer.replace(value, "nothing", 1))


def test_answers_state_facts_of_the_tables():
    country = {row["country"]: row for row in rows("countries")}
    element = {row["element"]: row for row in rows("elements")}
    forms = (
        (r"The (capital|currency) of (.+) is (?:the )?(.+)\.", country),
        (r"The official (language) of (.+) is (.+)\.", country),
        (r"The (symbol) of (.+) is (.+)\.", element),
        (r"The atomic (number) of (.+) is (.+)\.", element),
        (r"The country with the (capital) (.+) is (.+)\.", country),
        (r"The element with the (symbol) (.+) is (.+)\.", element),
        (r"The element with atomic (number) (.+) is (.+)\.", element),
        (r"()(.+) is in (.+)\.", country),
    )
    for example in of_kind("bundle")[:300]:
        for number, line in enumerate(example.answer.split("\n"), 1):
            text = line.removeprefix(f"[{number}] ")
            match, table = next((m, t) for form, t in forms if (m := re.fullmatch(form, text)))
            column, subject, value = match[1] or "continent", match[2], match[3]
            if "with" in text:
                subject, value = value, subject
            assert table[subject][column] == value


def test_a_question_names_its_subject_and_never_its_value_unless_they_share_words():
    for example in of_kind("single"):
        [(relation, subject, value)] = example.data["facts"]
        assert subject.lower() in example.prompt.lower()
        asked = example.prompt.replace(subject, "")
        if relation in {"capital", "language", "symbol"} and asked != example.prompt:
            assert f" {value}" not in asked


def test_every_relation_determines_its_value():
    for relation, facts in FACTS.items():
        assert len({subject for subject, _ in facts}) == len(facts), relation
        assert relation in PARTS
        assert len(set(QUESTIONS[relation])) >= 6
        assert all(form.count("{}") == 1 for form in QUESTIONS[relation])


def test_there_are_five_thousand_single_questions_even_without_noise():
    assert sum(len(facts) * len(QUESTIONS[relation]) for relation, facts in FACTS.items()) >= 5000


def test_a_bundle_asks_about_five_different_things():
    turned = {"country", "element", "numbered"}
    for example in of_kind("bundle"):
        topics = [v if relation in turned else s for relation, s, v in example.data["facts"]]
        assert len(set(topics)) == 5


def test_the_graph_of_a_bundle_joins_subject_and_value_of_each_sentence_only():
    for example in of_kind("bundle")[:300]:
        graph = TASK.graph(example)
        assert graph is not None
        spans = [example.answer[start:end] for start, end in graph.spans]
        assert spans == [part for fact in example.data["facts"] for part in fact[1:]]
        assert graph.edges == {(0, 1), (2, 3), (4, 5), (6, 7), (8, 9)}


def test_a_single_question_has_no_graph():
    assert TASK.graph(of_kind("single")[0]) is None


def test_the_sentences_read_as_documented():
    assert sentence("capital", "Kenya", "Nairobi") == "The capital of Kenya is Nairobi."
    assert sentence("currency", "Japan", "yen") == "The currency of Japan is the yen."
    assert sentence("element", "Fe", "iron") == "The element with the symbol Fe is iron."
    assert sentence("continent", "Peru", "South America") == "Peru is in South America."


def test_seeds_decide_the_examples_and_the_data_is_plain_json():
    assert TASK.examples(50, 3) == TASK.examples(80, 3)[:50]
    fresh = {example.prompt for example in TASK.examples(50, 4)}
    assert len(fresh & {example.prompt for example in TASK.examples(50, 3)}) < 5
    for example in SAMPLE[:50]:
        assert json.loads(json.dumps(example.data)) == example.data
