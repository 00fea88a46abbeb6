import json
from collections import Counter

import pytest

from dlmviz.tasks.words import (
    ADJECTIVES,
    ADVERBS,
    FORMS,
    GROUPS,
    PHRASES,
    PLACES,
    TASK,
    parse,
    vocabulary,
)
from dlmviz.types import Example

SAMPLE = TASK.examples(4000, 0)
SENTENCE = "The old dog sleeps quietly at the market in the morning."


def given(*words: str) -> Example:
    return Example("words", f"w{len(words)}", "", SENTENCE, {"words": list(words)})


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
def test_generated_answers_are_right_and_hold_the_given_words(count):
    found = [example for example in SAMPLE if example.kind == f"w{count}"][:300]
    assert len(found) == 300
    for example in found:
        words = example.data["words"]
        assert len(set(words)) == count
        assert ", ".join(words).lower() in example.prompt.lower()
        assert set(words) < set(example.answer[:-1].split())
        assert TASK.score(example, f" {example.answer}\n")
        assert not TASK.score(example, "")
        assert not TASK.score(example, example.answer + " The")


@pytest.mark.parametrize(
    "text",
    [
        SENTENCE,
        "The old dog runs alone at the market on Monday.",
        "The old dog waits again at the market at night.",
    ],
)
def test_any_sentence_of_the_grammar_with_the_words_is_right(text):
    assert TASK.score(given("market", "old", "dog"), text)


@pytest.mark.parametrize(
    "text",
    [
        "The old dog sleeps quietly at the market in the morning",
        "The old dog sleeps quietly at the market in the morning!",
        "The old dog sleeps quietly in the market in the morning.",
        "The old dog swims quietly at the market in the morning.",
        "The old dog sleeps quietly at the market in the night.",
        "The old dog sleeps quietly at the market at Monday.",
        "The old old dog sleeps quietly at the market in the morning.",
        "the old dog sleeps quietly at the market in the morning.",
        "The old dog sleeps quietly at the market.",
        "The old dog  sleeps quietly at the market in the morning.",
        "The purple dog sleeps quietly at the market in the morning.",
        "The old dog sleeps banana at the market in the morning.",
        "market, old, dog",
        "",
        ".",
    ],
)
def test_text_outside_the_grammar_is_wrong(text):
    assert parse(text) is None
    assert not TASK.score(given("dog"), text)


def test_a_missing_given_word_is_wrong_and_part_of_a_word_does_not_count():
    assert not TASK.score(given("market", "young"), SENTENCE)
    assert not TASK.score(given("mark"), SENTENCE)


def test_parsing_gives_back_the_content_words():
    assert parse(SENTENCE) == ("old", "dog", "sleeps", "quietly", "market", "morning")


def test_no_word_belongs_to_two_slots_and_there_are_about_150():
    slots = (
        *(set(ADJECTIVES), set(ADVERBS), {noun for nouns in GROUPS for noun in nouns}),
        *({verb for verbs in GROUPS.values() for verb in verbs}, set().union(*PLACES.values())),
        set().union(*PHRASES.values()),
    )
    counted = Counter(word for slot in slots for word in slot)
    assert max(counted.values()) == 1
    assert 120 <= len(counted) <= 180


def test_every_place_and_time_has_one_opening_and_every_noun_one_group():
    for groups in (PLACES.values(), PHRASES.values(), GROUPS.keys()):
        counted = Counter(word for group in groups for word in group)
        assert max(counted.values()) == 1


def test_the_graph_joins_exactly_what_the_grammar_couples():
    graph = TASK.graph(given("dog"))
    assert graph is not None
    words = [SENTENCE[start:end] for start, end in graph.spans]
    assert words == SENTENCE[:-1].split()
    joined = {(words[a], words[b]) for a, b in graph.edges}
    assert joined == {
        *(("dog", "sleeps"), ("at", "market")),
        *(("in", "the"), ("in", "morning"), ("the", "morning")),
    }
    assert all(a < b for a, b in graph.edges)


def test_prompts_are_many_and_their_word_order_is_free():
    assert len(FORMS) >= 12
    assert all(form.count("{}") == 1 for form in FORMS)
    assert len({example.prompt for example in SAMPLE}) > 3000
    first = Counter(
        example.answer.index(example.data["words"][0])
        < example.answer.index(example.data["words"][1])
        for example in SAMPLE
        if example.kind == "w2"
    )
    assert 0.4 < first[True] / sum(first.values()) < 0.6


def test_seeds_decide_the_examples_and_the_data_is_plain_json():
    assert TASK.examples(50, 3) == TASK.examples(80, 3)[:50]
    assert not set(map(str, TASK.examples(50, 3))) & set(map(str, TASK.examples(50, 4)))
    for example in SAMPLE[:50]:
        assert json.loads(json.dumps(example.data)) == example.data


def test_the_vocabulary_is_what_is_given_in_a_large_sample():
    given_words = {word for example in SAMPLE for word in example.data["words"]}
    assert vocabulary() == given_words
