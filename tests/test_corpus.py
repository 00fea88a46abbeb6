"""Tokenizer, layout, mixture, and the processes that make samples."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from dlmviz.learn import tokenizer as words
from dlmviz.learn.corpus import (
    FIRST_SEED,
    Buckets,
    Encoder,
    Source,
    check_skipped,
    draw,
    held_out,
    mixture,
    pack,
    vocabulary,
)
from dlmviz.learn.feed import FixedFeed, Ring, Rows, WorkerFeed
from dlmviz.types import Example, InputError, Task


def sums(n: int, seed: int) -> list[Example]:
    rng = np.random.default_rng(seed)
    pairs = rng.integers(0, 50, (n, 2)).tolist()
    return [Example("sums", "add", f"What is {a} + {b}?", f"{a} + {b} = {a + b}") for a, b in pairs]


def broken(n: int, seed: int) -> list[Example]:
    raise ZeroDivisionError("the task is broken")


def endless(n: int, seed: int) -> list[Example]:
    time.sleep(60)
    return []


def task(make=sums) -> Task:
    return Task("sums", "Sums", "Adds.", make, lambda e, t: True, lambda e: None, 32, 32)


TASKS = {"sums": task()}
TOKENIZER = words.train((t for e in sums(300, 0) for t in (e.prompt, e.answer)), 320)
ENCODER = Encoder(TOKENIZER)


def source(make=sums, tokenizer: Tokenizer = TOKENIZER) -> Source:
    return Source({"sums": task(make)}, {"sums": 1.0}, tokenizer, Buckets((24, 32), (0.7, 0.3)))


@given(st.text())
def test_any_text_encodes_and_decodes_to_itself(text: str) -> None:
    if any(s in text for s in words.SPECIALS):
        return
    ids = TOKENIZER.encode(text, add_special_tokens=False).ids
    assert TOKENIZER.decode(ids, skip_special_tokens=False) == text


@given(st.text(st.sampled_from("ab 1\n\t.,'<|é\u3000")))
def test_the_encoder_says_what_the_tokenizer_says(text: str) -> None:
    assert ENCODER(text) == TOKENIZER.encode(text, add_special_tokens=False).ids


def test_the_encoder_forgets_when_full_and_is_still_right() -> None:
    small = Encoder(TOKENIZER, most=2)
    for text in ("one two three four", "one two three four"):
        assert small(text) == TOKENIZER.encode(text, add_special_tokens=False).ids
    assert len(small.known) <= 2


def test_a_digit_is_one_token_with_or_without_its_space() -> None:
    assert TOKENIZER.encode("17 * 6\n", add_special_tokens=False).tokens == [
        *("1", "7", "Ġ", "*", "Ġ6", "Ċ")
    ] or TOKENIZER.encode("17 * 6\n", add_special_tokens=False).tokens == [
        *("1", "7", "Ġ*", "Ġ6", "Ċ")
    ]


def test_specials_have_the_highest_ids_in_order() -> None:
    size = TOKENIZER.get_vocab_size()
    assert list(words.ids(TOKENIZER).values()) == list(range(size - 5, size))
    assert vocabulary(TOKENIZER) % 64 == 0
    assert vocabulary(TOKENIZER) >= size


def test_chat_template_gives_the_training_layout(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    words.save(TOKENIZER, tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    text = loaded.apply_chat_template(
        [{"role": "user", "content": "What is 1 + 2?"}], tokenize=False
    )
    rows = source().make(1, 5)
    tokens = next(r.tokens[0, : r.start[0]] for r in rows.rows.values() if len(r))
    example = draw(TASKS, {"sums": 1.0}, 1, 5)[0]
    asked = loaded.apply_chat_template(
        [{"role": "user", "content": example.prompt}], tokenize=False
    )
    assert text == "<|user|>What is 1 + 2?<|assistant|>"
    assert loaded.encode(asked, add_special_tokens=False) == tokens.tolist()
    assert (loaded.mask_token, loaded.eos_token, loaded.pad_token) == (
        words.MASK,
        words.EOS,
        words.PAD,
    )
    assert words.load(tmp_path).get_vocab() == TOKENIZER.get_vocab()


def test_a_missing_or_foreign_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no tokenizer can be read"):
        words.load(tmp_path)
    from tokenizers import models

    (tmp_path / "tokenizer.json").write_text(Tokenizer(models.BPE()).to_str())
    with pytest.raises(InputError, match="mask"):
        words.load(tmp_path)


def test_rows_are_prompt_answer_and_eos_to_the_end() -> None:
    eos = 7
    packed = pack([([1, 2], [3, 4, 5]), ([1], [2])], eos, Buckets((6, 8), (0.5, 0.5)))
    assert packed.rows[6].tokens.tolist() == [[1, 2, 3, 4, 5, 7], [1, 2, 7, 7, 7, 7]]
    assert packed.rows[6].start.tolist() == [2, 1]
    assert packed.skipped == len(packed.rows[8]) == 0


def test_every_bucket_that_fits_is_used_and_none_without_room_for_eos() -> None:
    samples = [([1], [2] * (n % 8)) for n in range(4000)]
    packed = pack(samples, 9, Buckets((4, 8, 16), (0.5, 0.3, 0.2)), np.random.default_rng(0))
    for rows in packed.rows.values():
        assert (rows.tokens[:, -1] == 9).all()
    short = sum(int((rows.tokens[:, 3] == 9).sum()) for rows in packed.rows.values())
    assert short == 1500  # 1 + answer <= 3
    where = {n: int((r.tokens[:, 3] == 9).sum()) / short for n, r in packed.rows.items()}
    assert all(abs(where[n] - s) < 0.05 for n, s in ((4, 0.5), (8, 0.3), (16, 0.2)))


def test_a_sample_that_fits_nowhere_is_counted_and_many_are_an_error() -> None:
    packed = pack([([1], [2] * 8), ([1], [2])], 9, Buckets((8,), (1.0,)), np.random.default_rng(0))
    assert (packed.skipped, len(packed)) == (1, 1)
    check_skipped(10, 10_000)
    with pytest.raises(InputError, match="11 of 10000"):
        check_skipped(11, 10_000)


def test_mixture_is_normalised_and_unknown_names_are_refused() -> None:
    tasks = {"a": task(), "b": task()}
    assert mixture(tasks, {"a": 1, "b": 3}) == {"a": 0.25, "b": 0.75}
    assert mixture(tasks, {"a": 1, "b": 3}, only=["b"]) == {"b": 1.0}
    with pytest.raises(InputError, match="no task is called c"):
        mixture(tasks, {"a": 1}, only=["c"])
    with pytest.raises(InputError, match="weights must be"):
        mixture(tasks, {"a": 0, "b": 0})


def test_the_same_seed_gives_the_same_rows_and_another_seed_others() -> None:
    first, again, other = (source().make(50, s).rows[24].tokens for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_held_out_rows_take_the_shortest_bucket() -> None:
    rows = held_out(source(), "sums", 40).rows
    for row in rows[32].tokens:
        assert (row != words.ids(TOKENIZER)[words.EOS]).sum() >= 24
    assert len(rows[24]) + len(rows[32]) == 40


def test_a_ring_hands_out_each_row_once_in_order_before_any_again() -> None:
    ring, rng = Ring(2, 4), np.random.default_rng(0)
    seen = []
    for block in range(3):
        ring.put(Rows(np.full((2, 2), block, np.uint16), np.array([0, 1], np.uint16)))
        rows, again = ring.take(2, rng)
        assert again == 0
        seen += rows.tokens[:, 0].tolist()
    assert seen == [0, 0, 1, 1, 2, 2]
    rows, again = ring.take(3, rng)
    assert again == 3
    assert set(rows.tokens.ravel().tolist()) <= {1, 2}


def test_a_fixed_feed_depends_on_step_and_rank_only() -> None:
    one, two = (FixedFeed(source(), 40, 100, seed=3) for _ in range(2))
    one.take(0)
    assert np.array_equal(one.take(5).tokens, two.take(5).tokens)
    other = FixedFeed(source(), 40, 100, seed=3, rank=1)
    assert not all(np.array_equal(one.take(s).tokens, other.take(s).tokens) for s in range(4))


def test_workers_bring_training_samples_that_differ_between_ranks() -> None:
    feeds = [WorkerFeed(source(), 1, 960, seed=0, rank=r) for r in range(2)]
    try:
        for feed in feeds:
            feed.fill(1024, timeout=30)
        takes = [feed.take(0) for feed in feeds]
        assert feeds[0].counts().unique == len(takes[0])
        assert takes[0].tokens.tolist() != takes[1].tokens.tolist()
    finally:
        for feed in feeds:
            feed.close()
    expected = source().make(1024, FIRST_SEED).rows[takes[0].tokens.shape[1]]
    assert np.array_equal(takes[0].tokens, expected.tokens[: len(takes[0])])


def test_a_failing_worker_stops_the_trainer_with_its_traceback() -> None:
    feed = WorkerFeed(source(broken), 1, 960, seed=0)
    with pytest.raises(RuntimeError, match="the task is broken"):
        feed.fill(10, timeout=30)
    feed.close()


def test_a_killed_worker_is_an_error() -> None:
    feed = WorkerFeed(source(endless), 1, 960, seed=0)
    os.kill(feed.processes[0].pid or 0, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="1 workers died"):
        feed.fill(10, timeout=30)
    feed.close()
