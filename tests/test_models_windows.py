"""Models: windows over kept keys and values, for the prefix and the dual cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from dlmviz.models import load
from dlmviz.models.transformer import TransformerDenoiser
from dlmviz.models.windows import place
from tests.small_models import DREAM, LLADA, config, tokens, write

BOTH = pytest.mark.parametrize("folder", [LLADA, DREAM], ids=["llada", "dream"])
LENGTH = 24
START, STOP = 8, 16  # a block in the middle


def cpu(folder: Path, dtype: str = "float32") -> TransformerDenoiser:
    model = load(str(folder), device="cpu", dtype=dtype)
    assert isinstance(model, TransformerDenoiser)
    return model


def logits(model: Any, canvas: torch.Tensor, rows: range, **options: Any) -> torch.Tensor:
    answer = model.forward(canvas, [torch.tensor(rows)], **options)[0]
    assert answer.rows.tolist() == list(rows)
    return answer.logits  # type: ignore[no-any-return]


@BOTH
@pytest.mark.parametrize(("start", "stop"), [(0, LENGTH), (START, LENGTH), (START, STOP), (5, 6)])
def test_a_window_over_an_unchanged_canvas_says_what_the_whole_said(
    folder: Path, start: int, stop: int
) -> None:
    model, canvas = cpu(folder), tokens(1, LENGTH)
    whole = model.forward(canvas, hidden=True, keep=True)[0]
    part = model.forward(canvas[:, start:stop], hidden=True, cache=whole.cache, start=start)[0]
    assert part.rows.tolist() == list(range(start, stop))
    seen = slice(start + model.shift if start else 0, stop)  # the row before a window is outside
    here = slice(seen.start - start, None)
    torch.testing.assert_close(part.logits[here], whole.logits[seen], atol=1e-4, rtol=0)
    torch.testing.assert_close(part.hidden[here], whole.hidden[seen], atol=1e-4, rtol=0)


@BOTH
def test_keeping_changes_no_logit(folder: Path) -> None:
    model, canvas = cpu(folder), tokens(1, LENGTH)
    plain = model.forward(canvas)[0]
    kept = model.forward(canvas, keep=True, layers=[1])[0]
    assert torch.equal(plain.logits, kept.logits)
    assert plain.cache is None
    assert kept.attention is not None
    assert [tuple(k.shape[:1] + k.shape[2:3]) for k, _ in kept.cache] == [(1, LENGTH)] * 4


def test_row_0_of_a_dream_window_repeats() -> None:
    model, canvas = cpu(DREAM), tokens(1, LENGTH)
    cache = model.forward(canvas, keep=True)[0].cache
    part = model.forward(canvas[:, START:STOP], cache=cache, start=START)[0].logits
    assert torch.equal(part[0], part[1])
    assert not torch.equal(part[1], part[2])
    asked = logits(model, canvas[:, START:STOP], range(START + 3, START + 5), cache=cache, start=8)
    torch.testing.assert_close(asked, part[3:5], atol=1e-5, rtol=0)


@BOTH
def test_fresh_keys_and_values_stand_in_the_window_only(folder: Path) -> None:
    """A window of a changed canvas is the whole forward where what is outside did not change."""
    model, canvas = cpu(folder), tokens(1, LENGTH)
    cache = model.forward(canvas, keep=True)[0].cache
    network, after = model.network, canvas.clone()
    after[0, START:STOP] = 3
    part = logits(model, after[:, START:STOP], range(START + 1, STOP), cache=cache, start=START)

    # By hand: all layers on the whole canvas, what is outside the window reset after each.
    with torch.no_grad():
        states = network.model.embed_tokens(after)
        stale = network.model.embed_tokens(canvas)
        turn = network.model.rotary_emb(states, torch.arange(LENGTH)[None])
        for layer in network.model.layers:
            outside = torch.ones(LENGTH, dtype=torch.bool)
            outside[START:STOP] = False
            states[:, outside] = stale[:, outside]
            states = layer(states, position_embeddings=turn)
            stale = layer(stale, position_embeddings=turn)
        by_hand = network.lm_head(network.model.norm(states))[0]
    expected = by_hand[START + 1 - model.shift : STOP - model.shift]
    torch.testing.assert_close(part, expected, atol=1e-4, rtol=0)


@BOTH
def test_prefix_and_dual_differ_once_later_positions_changed(folder: Path) -> None:
    model, canvas = cpu(folder), tokens(1, LENGTH)
    cache, rows = model.forward(canvas, keep=True)[0].cache, range(START + 1, STOP)
    changed = canvas.clone()
    changed[0, STOP:] += 1
    prefix = logits(model, changed[:, START:], rows, cache=cache, start=START)
    dual = logits(model, changed[:, START:STOP], rows, cache=cache, start=START)
    same = logits(model, canvas, rows)
    torch.testing.assert_close(dual, same, atol=1e-4, rtol=0)  # it cannot see the change
    assert (prefix - same).abs().max() > 1e-2


@BOTH
def test_a_window_leaves_the_cache_as_it_was(folder: Path) -> None:
    model, canvas = cpu(folder), tokens(1, LENGTH)
    cache = model.forward(canvas, keep=True)[0].cache
    before = [(k.clone(), v.clone()) for k, v in cache]
    answer = model.forward(tokens(1, 8), cache=cache, start=START, keep=True)[0]
    for (k, v), (old_k, old_v), (new_k, new_v) in zip(cache, before, answer.cache, strict=True):
        assert torch.equal(k, old_k)
        assert torch.equal(v, old_v)
        for new, old in ((new_k, old_k), (new_v, old_v)):
            assert torch.equal(new[:, :, :START], old[:, :, :START])
            assert torch.equal(new[:, :, STOP:], old[:, :, STOP:])
            assert not torch.equal(new[:, :, START:STOP], old[:, :, START:STOP])


def test_a_cache_kept_in_a_window_is_that_of_the_canvas_so_far() -> None:
    model, canvas = cpu(LLADA), tokens(1, LENGTH)
    cache = model.forward(canvas, keep=True)[0].cache
    again = model.forward(canvas[:, START:], cache=cache, start=START, keep=True)[0].cache
    for (k, v), (new_k, new_v) in zip(cache, again, strict=True):
        torch.testing.assert_close(k, new_k, atol=1e-4, rtol=0)
        torch.testing.assert_close(v, new_v, atol=1e-4, rtol=0)


def test_keys_that_were_rotated_in_float32_are_kept_in_the_models_dtype() -> None:
    model, canvas = cpu(LLADA, "bfloat16"), tokens(1, LENGTH)
    whole = model.forward(canvas, keep=True)[0]
    assert {t.dtype for pair in whole.cache for t in pair} == {torch.bfloat16}
    part = model.forward(canvas[:, START:], cache=whole.cache, start=START)[0]
    torch.testing.assert_close(part.logits, whole.logits[START:], atol=0.1, rtol=0)


def test_grouped_heads_and_a_padded_vocabulary_work_in_a_window(tmp_path: Path) -> None:
    model, canvas = cpu(write(tmp_path)), tokens(1, LENGTH)
    whole = model.forward(canvas, keep=True)[0]
    assert whole.cache[0][0].shape == (1, 2, LENGTH, 8)  # two key heads for four query heads
    part = model.forward(canvas[:, START:STOP], cache=whole.cache, start=START)[0]
    torch.testing.assert_close(part.logits, whole.logits[START:STOP], atol=1e-4, rtol=0)
    assert config().true_vocab_size == 260
    assert (part.logits[:, 260:] == float("-inf")).all()


def test_what_a_window_cannot_give_is_a_failed_promise() -> None:
    model, canvas = cpu(LLADA), tokens(1, LENGTH)
    cache = model.forward(canvas, keep=True)[0].cache
    window, rows = canvas[:, START:STOP], [torch.tensor([START])]
    two, padding = tokens(2, LENGTH), torch.ones(1, LENGTH, dtype=torch.bool)
    with pytest.raises(AssertionError, match="part of the attention"):
        model.forward(window, rows, layers=[3], cache=cache, start=START)
    for outside in (START - 1, STOP):
        with pytest.raises(AssertionError, match="its own positions"):
            model.forward(window, [torch.tensor([outside])], cache=cache, start=START)
    with pytest.raises(AssertionError, match="of one sequence"):
        model.forward(two, keep=True)
    with pytest.raises(AssertionError, match="no padding"):
        model.forward(canvas, padding=padding, keep=True)
    with pytest.raises(AssertionError, match="only a window"):
        model.forward(window, rows, start=START)
    with pytest.raises(AssertionError, match="a window to 28 in a canvas of 24"):
        model.forward(window, cache=cache, start=20)


def test_placing_makes_a_new_tensor() -> None:
    old, new = torch.arange(6.0).view(1, 1, 6, 1), torch.full((1, 1, 2, 1), 9.0)
    assert place(old, new, 3).flatten().tolist() == [0, 1, 2, 9, 9, 5]
    assert old.flatten().tolist() == [0, 1, 2, 3, 4, 5]


@BOTH
def test_both_families_have_windows_and_attention_and_no_closing(folder: Path) -> None:
    model = cpu(folder)
    assert (model.windows, model.attends, model.closing) == (True, True, ())
