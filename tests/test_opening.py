import dataclasses

import numpy as np
import pytest

from dlmviz import decoding
from dlmviz.opening import begin, first_canvas, open_run
from dlmviz.samplers import make
from dlmviz.types import InputError, RunSpec
from tests.toy import EOS, MASK, Toy, ids


def spec_of(**given) -> RunSpec:
    return RunSpec(**{"prompt": "the", "gen_length": 8, "block_length": 4} | given)


def canvas_of(toy, spec, **given):
    start = begin(toy, spec, **given)
    return first_canvas(open_run(toy, make(spec.sampler), spec, start, 5, None))


def test_a_prompt_without_masks_is_followed_by_the_masks_to_fill() -> None:
    start = begin(Toy(), spec_of(prompt="the cat"))
    assert start.initial.tolist() == ids("the cat") + [MASK] * 8
    assert start.prompt_length == 2
    assert start.offset == 2


def test_a_prompt_text_with_masks_ends_at_its_first_mask() -> None:
    canvas = canvas_of(Toy(), spec_of(prompt="the <mask> sat home . <mask> fast"))
    assert canvas.prompt_length == 1
    assert canvas.gen_length == 14
    assert [canvas.block(i) for i in range(canvas.blocks)] == [
        slice(1, 5),
        slice(5, 9),
        slice(9, 13),
        slice(13, 15),
    ]


def test_text_behind_the_last_mask_belongs_to_no_block() -> None:
    canvas = canvas_of(Toy(), spec_of(prompt="the <mask> sat <mask> home . fast", gen_length=0))
    assert canvas.tail == 3
    assert canvas.gen_length == 3
    assert canvas.blocks == 1
    assert canvas.block(0) == slice(1, 4)


def test_closing_tokens_of_a_model_follow_the_masks_and_are_never_written() -> None:
    toy = Toy()
    toy.closing = (EOS,)
    canvas = canvas_of(toy, spec_of())
    assert canvas.tokens.tolist() == ids("the") + [MASK] * 8 + [EOS]
    assert canvas.tail == 1
    trace = decoding.decode(toy, make("llada"), spec_of())
    assert trace.final[-1] == EOS
    assert trace.nfe == 8


def test_raw_ids_with_masks_keep_the_published_reading() -> None:
    canvas = canvas_of(Toy(), spec_of(), prompt_ids=ids("the <mask> sat"))
    assert canvas.prompt_length == 3
    assert canvas.block(0) == slice(3, 7)
    assert canvas.tail == 0


def test_a_sampler_without_blocks_gets_one_over_the_whole_generation() -> None:
    canvas = canvas_of(Toy(), spec_of(sampler="dream"))
    assert canvas.block_length == 8
    assert canvas.blocks == 1


def test_the_text_of_an_infilled_run_is_the_whole_canvas() -> None:
    spec = spec_of(prompt="the <mask> sat home . <eos> <eos> <eos>", gen_length=0)
    toy = Toy()
    trace = decoding.decode(toy, make("llada"), dataclasses.replace(spec, block_length=1))
    assert trace.text.startswith("the cat sat home .")
    assert trace.nfe == 1


def test_nothing_to_fill_is_refused() -> None:
    with pytest.raises(InputError, match=r"nothing to fill.*gen_length is 0.*\[MASK\]"):
        begin(Toy(), spec_of(gen_length=0))


def test_a_prompt_that_does_not_fit_is_refused_with_its_closing_counted() -> None:
    toy = Toy()
    toy.closing = (EOS,) * 3
    begin(toy, spec_of(prompt="the " * 53))
    with pytest.raises(InputError, match=r"54 tokens and 8 to generate.*context holds 64"):
        begin(toy, spec_of(prompt="the " * 54))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"forward": "prefix"}, "forward prefix needs a model that keeps keys.*toy.*full"),
        ({"top_p": 0.9}, "top_p and top_k belong to categorical draws.*llada.*categorical"),
        ({"top_k": 3}, "top_p and top_k belong to categorical draws"),
    ],
)
def test_what_does_not_go_together_is_refused(given, message) -> None:
    spec = spec_of(**given)
    with pytest.raises(InputError, match=message):
        decoding.decode(Toy(), make("llada"), spec)


def test_windows_are_refused_where_the_whole_canvas_is_needed() -> None:
    toy = Toy()
    toy.windows = True
    with pytest.raises(InputError, match=r"prefix runs a part.*dapd.*full"):
        decoding.decode(toy, make("dapd"), spec_of(sampler="dapd", forward="prefix"))
    with pytest.raises(InputError, match=r"dual runs a part.*guidance.*full"):
        decoding.decode(toy, make("llada"), spec_of(forward="dual", cfg_scale=1.0))


def test_attention_is_refused_where_the_model_gives_none() -> None:
    toy = Toy()
    toy.attends = False
    with pytest.raises(InputError, match="dapd reads attention, which toy does not give"):
        decoding.decode(toy, make("dapd"), spec_of(sampler="dapd"))
    with pytest.raises(InputError, match="leave edges and degree out of record"):
        decoding.decode(toy, make("llada"), spec_of(record=("edges",)))


def test_a_canvas_replaces_prompt_and_masks() -> None:
    start = begin(Toy(), spec_of(), canvas=ids("the the cat") + [MASK] * 6)
    assert start.prompt_length == 1
    assert start.offset == 3
    assert np.array_equal(start.initial[:3], ids("the the cat"))
