"""Distillation: the canvases, the target, the loss and its laws."""

from __future__ import annotations

import copy
import dataclasses
import functools
from typing import Any

import numpy as np
import pytest
import torch

from dlmviz.learn.distill.noise import Noised, noised
from dlmviz.learn.distill.settings import Pair, Settings
from dlmviz.learn.distill.target import Distiller, leaders, two_step_target
from dlmviz.models import load
from dlmviz.types import InputError
from tests.small_models import LLADA

MASK, EOS = 90, 91
SETTINGS = Settings(block_length=4, batch=3, rank=2, alpha=4, dropout=0.0)


def pair(prompt: int = 3, answer: int = 12, content: int = 12) -> Pair:
    """A pair of unlike tokens; behind `content` of the answer stand ends of sequence."""
    words = np.arange(10, 10 + answer, dtype=np.int32)
    words[content:] = EOS
    return Pair(np.arange(1, 1 + prompt, dtype=np.int32), words)


def canvases(settings: Settings, one: Pair, count: int = 300) -> Noised:
    return noised([one] * count, range(count), MASK, EOS, settings)


@pytest.fixture
def model() -> Any:
    return load(str(LLADA), device="cpu", dtype="float32")


def distiller(model: Any, settings: Settings) -> Distiller:
    torch.manual_seed(0)
    return Distiller(
        model.network, model.special.mask, model.true_vocab_size, model.shift, settings
    )


def batch_of(model: Any, settings: Settings, longer: int = 0) -> Noised:
    rng = np.random.default_rng(0)
    pairs = [
        Pair(
            rng.integers(0, model.special.mask, n).astype(np.int32),
            rng.integers(0, model.special.mask, 12).astype(np.int32),
        )
        for n in (3, 5, 2 + 4 * longer)
    ]
    return noised(pairs, range(3), model.special.mask, model.special.eos, settings)


def test_before_the_active_block_all_is_clean_and_after_it_all_is_masked() -> None:
    batch = canvases(SETTINGS, pair())
    answer = batch.masked[:, 3:]
    first = [int(row.nonzero()[0]) // 4 for row in answer]
    for row, block in zip(answer, first, strict=True):
        assert not row[: 4 * block].any()
        assert row[4 * block + 4 :].all()
    assert not batch.masked[:, :3].any()
    assert (batch.tokens == MASK).equal(batch.masked)
    assert set(first) == {0, 1, 2}


def test_the_active_block_is_uniform_and_its_rate_is_uniform() -> None:
    batch = canvases(SETTINGS, pair(), 4000)
    answer = batch.masked[:, 3:]
    last = ~answer[:, :8].any(1)  # nothing before the third block: it is active, or all after are
    counts = answer[last][:, 8:].sum(1)
    # k of 4 masked at rate t ~ U(0, 1): uniform on 0..4; 0 is drawn again, and 4 may be the rest
    # of the second block with nothing of its own, which comes from a fifth of its draws
    shares = torch.bincount(counts, minlength=5)[1:4] / last.sum()
    assert shares.std() < 0.03
    assert not (counts == 0).any()


def test_a_draw_depends_on_its_number_and_the_seed_alone() -> None:
    one = noised([pair(), pair(5)], [7, 8], MASK, EOS, SETTINGS)
    two = noised([pair(5)], [8], MASK, EOS, SETTINGS)
    assert one.tokens[1].equal(two.tokens[0])
    other = canvases(dataclasses.replace(SETTINGS, seed=1), pair(), 20)
    assert not other.masked.equal(canvases(SETTINGS, pair(), 20).masked)


def test_shorter_rows_are_padded_and_the_padding_is_neither_masked_nor_seen() -> None:
    batch = noised([pair(2), pair(6)], [0, 1], MASK, EOS, SETTINGS)
    assert batch.real is not None
    assert batch.real.sum(1).tolist() == [14, 18]
    assert not (batch.masked & ~batch.real).any()
    assert canvases(SETTINGS, pair(), 2).real is None


def test_scope_block_asks_in_the_active_block_only() -> None:
    batch = canvases(dataclasses.replace(SETTINGS, scope="block"), pair())
    for row in batch.asked[:, 3:]:
        at = row.nonzero()[:, 0] // 4
        assert len(set(at.tolist())) == 1
    assert (batch.asked & batch.masked).equal(batch.asked)
    assert batch.masked.sum() > batch.asked.sum()


def test_without_eos_nothing_behind_the_first_end_of_sequence_is_asked() -> None:
    batch = canvases(dataclasses.replace(SETTINGS, eos=False), pair(content=6))
    assert batch.asked[:, 3 + 6].any()  # the first one is part of the answer
    assert not batch.asked[:, 3 + 7 :].any()
    assert batch.masked[:, 3 + 7 :].any()


@pytest.mark.parametrize("changed", [{}, {"scope": "block"}, {"eos": False}])
def test_the_places_are_those_masks_that_are_asked(changed: dict[str, Any]) -> None:
    batch = canvases(dataclasses.replace(SETTINGS, **changed), pair(content=6), 20)
    assert torch.equal(batch.masks, torch.stack(batch.masked.nonzero(as_tuple=True)))
    told = torch.zeros_like(batch.asked)
    row, position = batch.masks[:, batch.places]
    told[row, position] = True
    assert told.equal(batch.asked)
    assert len(batch.places) == int(batch.asked.sum())


def test_the_weights_make_a_sum_over_asked_positions_l_times_their_mean() -> None:
    for scope in ("masks", "block"):
        batch = canvases(dataclasses.replace(SETTINGS, scope=scope), pair(), 20)  # type: ignore[arg-type]
        values = torch.rand(batch.tokens.shape)
        for weight, asked, value in zip(batch.weights, batch.asked, values, strict=True):
            torch.testing.assert_close(weight * value[asked].sum(), 12 * value[asked].mean())


def test_the_target_is_the_first_look_on_k_and_the_second_elsewhere() -> None:
    first, second = torch.zeros(3, 2), torch.ones(3, 2)
    target = two_step_target(first, second, torch.tensor([True, False, True]))
    assert target.tolist() == [[0, 0], [1, 1], [0, 0]]


def test_a_fresh_student_differs_nowhere_on_k_and_by_the_second_look_elsewhere(model: Any) -> None:
    settings = dataclasses.replace(SETTINGS, tau_tr=0.5)
    network = copy.deepcopy(model.network)
    batch = batch_of(model, settings)
    assert batch.real is not None
    told = distiller(model, settings)(batch)

    def law(tokens: torch.Tensor) -> torch.Tensor:
        out = network(tokens, attention_mask=batch.real[:, None, None, :])
        return out.logits[..., : model.true_vocab_size].float().log_softmax(-1)

    with torch.no_grad():
        first = law(batch.tokens)
        best = first.exp()
        best[..., model.special.mask] = 0
        sure, token = best.max(-1)
        kept = (sure > 0.5) & batch.masked
        second = law(torch.where(kept, token, batch.tokens))
        kl = (second.exp() * (second - first)).sum(-1)
    off = batch.asked & ~kept
    assert 0 < int(told.kept) < int(told.asked), "the case must have both kinds"
    assert float(told.on) == 0.0
    assert int(told.kept) == int((batch.asked & kept).sum())
    torch.testing.assert_close(told.off, kl[off].double().sum(), rtol=1e-4, atol=1e-6)
    rows = [
        weight * value[ask].sum() for weight, value, ask in zip(batch.weights, kl, off, strict=True)
    ]
    torch.testing.assert_close(told.loss, torch.stack(rows).mean(), rtol=1e-4, atol=1e-6)
    assert float(told.loss.detach()) > 0


def test_with_more_looks_the_teacher_goes_on_as_fast_dllm_and_each_law_is_that_of_its_commit(
    model: Any,
) -> None:
    settings = dataclasses.replace(SETTINGS, tau_tr=0.6, looks=4, best=True)
    network = copy.deepcopy(model.network)
    batch = batch_of(model, settings)
    told = distiller(model, settings)(batch)
    assert batch.real is not None
    by_hand = []
    for row, real, ask in zip(batch.tokens, batch.real, batch.asked, strict=True):
        start, canvas, laws = int(real.sum()) - 12, row[real][None], {}
        first = None
        for look in range(4):
            with torch.no_grad():
                law = network(canvas).logits[0, :, : model.true_vocab_size].float().log_softmax(-1)
            first = law if first is None else first
            masks = [i for i in range(canvas.shape[1]) if canvas[0, i] == model.special.mask]
            laws |= {i: law[i] for i in masks}
            if look == 3 or not masks:
                break
            guess = law.exp()
            guess[:, model.special.mask] = 0
            sure, token = guess.max(-1)
            inside = [i for i in masks if (i - start) // 4 == (masks[0] - start) // 4]
            chosen = {i for i in masks if sure[i] > 0.6} | {max(inside, key=lambda i: sure[i])}
            for i in chosen:
                canvas[0, i] = token[i]
        assert first is not None
        kl = [(laws[i].exp() * (laws[i] - first[i])).sum() for i in ask.nonzero()[:, 0].tolist()]
        by_hand.append(12 * torch.stack(kl).mean())
    torch.testing.assert_close(told.loss, torch.stack(by_hand).mean(), rtol=1e-4, atol=1e-6)


def test_the_leader_is_the_best_of_the_first_block_that_has_masks_left() -> None:
    batch = canvases(SETTINGS, pair(), 1)
    masked = torch.zeros(1, 15, dtype=torch.bool)
    masked[0, [4, 5, 7, 12]] = True  # the prompt is 3 long: blocks 0, 0, 1 and 2
    batch = dataclasses.replace(batch, masked=masked)
    at = masked.nonzero(as_tuple=True)
    best = torch.tensor([0.3, 0.3, 0.9, 0.8])
    left = torch.tensor([True, True, True, True])
    assert leaders(batch, at, best, left).tolist() == [True, False, False, False]
    left[:2] = False
    assert leaders(batch, at, best, left).tolist() == [False, False, True, False]
    assert not leaders(batch, at, best, left & False).any()


@pytest.mark.parametrize("tau", [1.0, 0.0])
def test_the_loss_is_zero_when_k_is_empty_or_everything(model: Any, tau: float) -> None:
    settings = dataclasses.replace(SETTINGS, tau_tr=tau)
    told = distiller(model, settings)(batch_of(model, settings))
    assert float(told.loss) == 0.0
    assert int(told.kept) == (int(told.asked) if tau == 0 else 0)


def test_gradients_touch_lora_parameters_only(model: Any) -> None:
    settings = dataclasses.replace(SETTINGS, tau_tr=0.5)
    student = distiller(model, settings)
    student(batch_of(model, settings)).loss.backward()
    with_gradient = {n for n, p in student.named_parameters() if p.grad is not None}
    assert with_gradient
    assert all("lora_" in name for name in with_gradient)
    moved = [p.grad.abs().sum() for n, p in student.named_parameters() if "lora_B" in n]
    assert float(torch.stack(moved).sum()) > 0


def test_with_the_adapter_off_the_model_is_the_base_bit_for_bit(model: Any) -> None:
    before = copy.deepcopy(model.network)
    student = distiller(model, SETTINGS)
    with torch.no_grad():
        for name, weight in student.named_parameters():
            if "lora_B" in name:
                weight.normal_()
    canvas = torch.arange(12)[None]
    with student.teaching() as teacher:
        off = teacher(canvas).logits
    on = student.student(canvas).logits
    assert off.equal(before(canvas).logits)
    assert not on.equal(off)


def test_the_vocabulary_in_pieces_gives_the_same_loss_and_gradients(model: Any) -> None:
    settings = dataclasses.replace(SETTINGS, tau_tr=0.5)
    found = []
    for chunk in (1, 1024):
        student = distiller(
            dataclasses.replace(model, network=copy.deepcopy(model.network)),
            dataclasses.replace(settings, chunk=chunk),
        )
        losses = student(batch_of(model, settings))
        losses.loss.backward()
        grads = [p.grad for n, p in student.named_parameters() if "lora_B" in n]
        found.append((losses.loss, grads))
    torch.testing.assert_close(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1])


def test_rank_zero_trains_all_weights_against_a_frozen_copy(model: Any) -> None:
    settings = dataclasses.replace(SETTINGS, tau_tr=0.5, rank=0)
    student = distiller(model, settings)
    losses = student(batch_of(model, settings))
    losses.loss.backward()
    assert float(losses.loss) > 0
    assert all(p.requires_grad for p in student.parameters())
    assert float(losses.on) == 0.0
    with torch.no_grad():
        for weight in student.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    assert float(student(batch_of(model, settings)).on) > 0, "the teacher must not move along"


def test_layers_that_are_recomputed_give_the_same_gradients(model: Any) -> None:
    settings = dataclasses.replace(SETTINGS, tau_tr=0.5)
    found = []
    for again in (False, True):
        student = distiller(
            dataclasses.replace(model, network=copy.deepcopy(model.network)),
            dataclasses.replace(settings, checkpointing=again),
        ).train()
        student(batch_of(model, settings)).loss.backward()
        found.append([p.grad for n, p in student.named_parameters() if "lora_B" in n])
    torch.testing.assert_close(found[0], found[1])


def test_compiled_layers_give_the_same_gradients_and_names(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This backend traces all that a GPU's does and needs no compiler of C++.
    made: list[Any] = []
    whole = functools.partial(torch.compile, backend="aot_eager")
    monkeypatch.setattr(torch, "compile", lambda call: made.append(call) or whole(call))
    settings = dataclasses.replace(SETTINGS, tau_tr=0.5, dropout=0.0)
    found = []
    for compiled in (False, True):
        student = distiller(
            dataclasses.replace(model, network=copy.deepcopy(model.network)),
            dataclasses.replace(settings, compile=compiled),
        ).train()
        for number in range(2):  # another length: compiled once more, with the length left open
            student(batch_of(model, settings, number)).loss.backward()
        found.append({n: p.grad for n, p in student.named_parameters() if "lora_B" in n})
    assert len(made) == model.network.config.num_hidden_layers
    assert list(found[0]) == list(found[1])
    torch.testing.assert_close(found[0], found[1])


def test_a_network_without_the_seven_matrices_is_refused() -> None:
    bare = torch.nn.Sequential(torch.nn.Linear(2, 2))
    with pytest.raises(InputError, match=r"cannot be adapted: it has no q_proj.*distil a model"):
        Distiller(bare, 0, 2, 0, SETTINGS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"lr": 0.0},
        {"looks": 1},
        {"tau_tr": 1.1},
        {"scope": "all"},
        {"rank": -1},
        {"dropout": -0.1},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        dataclasses.replace(SETTINGS, **wrong)
