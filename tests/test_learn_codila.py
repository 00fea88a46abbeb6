"""CoDiLA's local model learns: pieces, marginals, laws of the paper, a toy whose pairs are tied."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

import dlmviz
from dlmviz.learn.codila.data import Text, copied, lesson, masked, text_of
from dlmviz.learn.codila.fit import begun, drawn, fit, losses, mean_loss, rate, scored
from dlmviz.learn.codila.settings import Fit
from dlmviz.models.exact import exact_model
from dlmviz.models.heads import save_head
from dlmviz.types import Example, InputError, RunSpec
from tests import small_models
from tests.small_models import EOS

TIED = exact_model({"heads heads": 1, "tails tails": 1}, name="tied")
PAIRS = [Text(np.array(TIED.encode(f"{w} {w}")), 0, 2) for w in ("heads", "tails")]
SMALL = Fit(sizes=(2,), width=16, inner=16, layers=2, heads=2, steps=150, batch=2, lr=1e-2)
ONES = dataclasses.replace(SMALL, copies=0.0, known=0.0)


class Quiet:
    """Listens, and wants it to stop at a step."""

    def __init__(self, until: int = 10**9) -> None:
        self.until, self.rows = until, list[dict[str, Any]]()

    def metric(self, **numbers: float | None) -> None:
        self.rows.append(numbers)

    def progress(self, done: int) -> None:
        self.done = done

    def stopping(self) -> bool:
        return self.done >= self.until

    def mark(self) -> int:
        return len(self.rows)

    def rewind(self, mark: int) -> None:
        del self.rows[mark:]


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Any:
    torch.set_num_threads(1)
    return fit(TIED, PAIRS, SMALL, tmp_path_factory.mktemp("fit"), Quiet())[0]


def broken(params: dict[str, Any], sampler: str, count: int = 100) -> float:
    runs = [
        dlmviz.decode(
            TIED,
            RunSpec(
                gen_length=2,
                block_length=2,
                sampler=sampler,
                params=params,
                temperature=1.0,
                seed=seed,
            ),
        ).final.tolist()
        for seed in range(count)
    ]
    assert len({tuple(run) for run in runs}) > 1, "they are drawn"
    return sum(a != b for a, b in runs) / count


def test_tied_pairs_break_half_the_time_apart_and_never_by_the_local_model(
    learned: Any, tmp_path: Path
) -> None:
    assert broken({"k": 2}, "top_k") == pytest.approx(0.5, abs=0.15)
    save_head(tmp_path, "codila", learned, TIED, {})
    local = {"head": str(tmp_path), "schedule": "static", "piece": 2, "temperature": 1.0}
    assert broken(local, "codila") < 0.02


def test_two_tied_bits_gain_their_total_correlation_of_ln_2(learned: Any) -> None:
    """Theorem 3.2: the bound falls by sum_j H(x_j) - H(b)."""
    canvas = np.array([TIED.special.mask] * 2)
    assert TIED.total_correlation(canvas, (0, 1)) == pytest.approx(math.log(2))
    of = lesson(TIED, PAIRS, 2, ONES, np.random.default_rng(0))
    apart = -of.soft.gather(-1, of.tokens[..., None]).log().sum((1, 2))
    with torch.no_grad():
        together = losses(learned, of).sum(-1)
    assert apart.tolist() == pytest.approx([2 * math.log(2)] * 2)
    assert float((apart - together).mean()) == pytest.approx(math.log(2), abs=0.05)


def test_one_hot_pieces_are_copied(learned: Any) -> None:
    score = scored(learned, TIED, PAIRS, SMALL)
    assert score.copied == 1.0
    assert score.nll < 0.6 * score.apart
    assert score.tokens == 4


def test_whole_pieces_are_masked_and_what_is_read_was_masked() -> None:
    rng = np.random.default_rng(0)
    text = Text(np.arange(100, 127), 3, 10)  # pieces of 4 at 3, 7, .. 23; three say something
    for _ in range(200):
        canvas, starts = masked(text, 4, 0, dataclasses.replace(ONES, most=2), rng)
        assert canvas[:3].tolist() == [100, 101, 102]
        hidden = (canvas[3:] == 0).reshape(6, 4)
        assert (hidden.all(1) == hidden.any(1)).all()
        assert 1 <= len(starts) <= 3
        assert all(hidden[(start - 3) // 4].all() for start in starts)
        assert sum(start < 15 for start in starts) <= 2


def test_known_tokens_stay_in_a_piece_but_never_all() -> None:
    rng = np.random.default_rng(0)
    text, shares = Text(np.arange(1, 9), 0, 8), []
    for _ in range(200):
        canvas, _ = masked(text, 8, 0, dataclasses.replace(ONES, known=1.0), rng)
        assert (canvas == 0).any()
        shares.append((canvas == 0).mean())
    assert 0.3 < float(np.mean(shares)) < 0.8


def test_a_lesson_holds_the_denoisers_marginals_and_one_hot_rows_where_it_was_told() -> None:
    known = dataclasses.replace(ONES, known=1.0)
    seen = set()
    for seed in range(9):
        of = lesson(TIED, PAIRS, 2, known, np.random.default_rng(seed))
        for soft, tokens, hidden in zip(of.soft, of.tokens, of.hidden, strict=True):
            seen.add(int(hidden.sum()))
            sure = 0.5 if hidden.all() else 1.0  # who knows one of two tied bits knows both
            assert soft.gather(-1, tokens[:, None])[:, 0].tolist() == pytest.approx([sure] * 2)
            assert soft.sum(-1).tolist() == pytest.approx([1.0, 1.0])
    assert seen == {1, 2}


def test_copies_are_one_hot_and_every_second_is_drawn_by_chance() -> None:
    rng = np.random.default_rng(0)
    of = copied(lesson(TIED, PAIRS, 2, ONES, rng), 400, TIED, rng)
    assert torch.equal(of.soft.argmax(-1), of.tokens)
    assert of.soft.sum() == of.soft.count_nonzero() == 800
    assert not of.hidden.any()
    assert TIED.special.mask not in of.tokens
    assert (of.tokens[1::2, 0] == of.tokens[1::2, 1]).all()  # text: tied
    assert not (of.tokens[::2, 0] == of.tokens[::2, 1]).all()


def denoiser(folder: Path) -> Any:
    return dlmviz.load(str(small_models.write_tokenizer(small_models.write(folder))), device="cpu")


def test_the_denoiser_is_frozen(tmp_path: Path) -> None:
    model = denoiser(tmp_path / "model")
    texts = [text_of(model, Example("t", "k", "ab", "cdefgh"), 8)]
    before = [p.clone() for p in model.network.parameters()]
    small = dataclasses.replace(SMALL, steps=2, width=32)
    head, _ = fit(model, [t for t in texts if t], small, tmp_path / "fit", Quiet())
    assert all(p.grad is None for p in model.network.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, model.network.parameters(), strict=True))
    assert not any(p.requires_grad for p in head.parameters())


def test_a_local_model_of_the_denoisers_width_begins_with_its_embedding(tmp_path: Path) -> None:
    model = denoiser(tmp_path)
    ours = begun(model, dataclasses.replace(SMALL, width=32)).network.get_input_embeddings().weight
    theirs = model.network.get_input_embeddings().weight
    assert torch.allclose(
        torch.nn.functional.cosine_similarity(ours[: len(theirs)], theirs), torch.ones(272)
    )
    assert len(begun(model, SMALL).network.get_input_embeddings().weight) == 274


def test_a_text_is_prompt_answer_and_ends(tmp_path: Path) -> None:
    model = denoiser(tmp_path)
    text = text_of(model, Example("t", "k", "ab", "cd"), 5)
    assert text is not None
    assert text.tokens[: text.start].tolist() == model.encode("ab")
    end = model.special.eos
    assert text.tokens[text.start :].tolist() == [*model.encode("cd", chat=False), end, end, end]
    assert text.said == 3
    assert text_of(model, Example("t", "k", "ab", "cdefg"), 5) is None, EOS


def test_a_training_that_stops_goes_on_to_the_same_weights_and_curve(tmp_path: Path) -> None:
    small = dataclasses.replace(SMALL, steps=6, every=4)
    whole = Quiet()
    wanted, _ = fit(TIED, PAIRS, small, tmp_path / "whole", whole)
    listener = Quiet(until=3)
    assert fit(TIED, PAIRS, small, tmp_path / "parts", listener)[1] == 3
    listener.until = 10**9
    found, done = fit(TIED, PAIRS, small, tmp_path / "parts", listener)
    assert done == 6
    assert listener.rows == whole.rows
    assert [row["step"] for row in whole.rows] == [1, 2, 3, 4, 5, 6]
    for a, b in zip(wanted.parameters(), found.parameters(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(InputError, match="made with other settings"):
        fit(TIED, PAIRS, dataclasses.replace(small, lr=0.5), tmp_path / "parts", listener)


def test_lessons_of_a_pool_come_again_and_a_resumed_training_draws_the_same(
    tmp_path: Path,
) -> None:
    asked: list[int] = []

    class Counted:
        """The tied model, which counts how often it is asked."""

        def __getattr__(self, name: str) -> Any:
            asked.extend([1] if name == "forward" else [])
            return getattr(TIED, name)

    small = dataclasses.replace(SMALL, steps=7, pool=2, every=3)
    whole, parts = Quiet(), Quiet(until=4)
    fit(cast(Any, Counted()), PAIRS, small, tmp_path / "whole", whole)
    assert len(asked) == 2
    fit(TIED, PAIRS, small, tmp_path / "parts", parts)
    parts.until = 10**9
    fit(TIED, PAIRS, small, tmp_path / "parts", parts)
    assert parts.rows == whole.rows


def test_the_rate_rises_and_falls() -> None:
    settings = Fit(steps=100, warmup=0.1, lr=1.0)
    told = [rate(settings, step) for step in range(100)]
    assert told[0] == pytest.approx(0.1)
    assert told[9] == pytest.approx(1.0)
    assert told[54] == pytest.approx(0.5)
    assert told[99] == pytest.approx(0.01)


def test_the_steps_of_a_seed_are_always_the_same_and_the_loss_is_their_mean() -> None:
    one, two, other = (drawn(TIED, PAIRS, SMALL, step) for step in (3, 3, 5))
    assert torch.equal(one.soft, two.soft)
    assert torch.equal(one.tokens, two.tokens)
    assert not torch.equal(one.tokens, other.tokens) or not torch.equal(one.hidden, other.hidden)
    head = begun(TIED, SMALL)
    each = losses(head, one)
    assert float(mean_loss(head, one).detach()) == pytest.approx(float(each.detach().mean()))
    assert each.shape == one.tokens.shape


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (lambda: Fit(sizes=()), "sizes must be numbers from 1 to 64"),
        (lambda: Fit(sizes=(65,)), "sizes must be numbers"),
        (lambda: Fit(pool=-1), "pool must be at least 0"),
        (lambda: Fit(steps=0), "steps must be at least 1"),
        (lambda: Fit(width=30, heads=4), "a multiple of twice the heads"),
        (lambda: Fit(known=2.0), "known must lie in"),
        (lambda: Fit(lr=0.0), "lr must be above 0"),
        (lambda: fit(TIED, [], Fit(), Path("nowhere"), Quiet()), "nothing to fit"),
    ],
)
def test_wrong_settings_are_refused(wrong: Callable[[], Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        wrong()
