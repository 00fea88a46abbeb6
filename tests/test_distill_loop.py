"""Distillation: a run that is stopped and resumed is the run that never stopped."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel

from dlmviz.learn.distill.loop import train
from dlmviz.learn.distill.saving import newest
from dlmviz.learn.distill.schedule import chosen, learning_rate
from dlmviz.learn.distill.settings import Pair, Settings
from dlmviz.models import load
from dlmviz.types import InputError
from tests.small_models import LLADA

SETTINGS = Settings(
    steps=6, batch=2, lr=0.05, block_length=4, rank=2, alpha=4, dropout=0.2, tau_tr=0.5, save=2
)


@dataclass
class Told:
    """A listener that keeps what it hears, and asks for an end after `most` steps."""

    most: int = 10**9
    rows: list[dict[str, Any]] = field(default_factory=list)
    done: int = 0

    def metric(self, **numbers: Any) -> None:
        self.rows.append(numbers)

    def progress(self, done: int) -> None:
        self.done = done

    def stopping(self) -> bool:
        return self.done >= self.most

    def mark(self) -> int:
        return len(self.rows)

    def rewind(self, mark: int) -> None:
        del self.rows[mark:]

    def curve(self, name: str) -> dict[int, float]:
        return {row["step"]: row[name] for row in self.rows if name in row}


def opened() -> Any:
    return load(str(LLADA), device="cpu", dtype="float32")


def pairs(count: int, seed: int = 0) -> list[Pair]:
    rng = np.random.default_rng(seed)
    lengths = [(3, 12), (5, 12), (2, 8)]
    return [
        Pair(*(rng.integers(0, 250, n).astype(np.int32) for n in lengths[i % 3]))
        for i in range(count)
    ]


def run(out: Path, settings: Settings = SETTINGS, most: int = 10**9) -> tuple[Told, Any]:
    told = Told(most)
    end = train(opened(), pairs(5), pairs(3, 1), settings, out, told)
    return told, end


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return PeftModel.from_pretrained(opened().network, folder).state_dict()


@dataclass(frozen=True)
class Whole:
    """A run that never stopped: its settings, what it told, how it ended, and its adapter."""

    settings: Settings
    told: Told
    ended: Any
    adapter: Path


@pytest.fixture(scope="module", params=[1, 2])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """One for each number of micro-batches a step."""
    torch.manual_seed(0)
    out = tmp_path_factory.mktemp("whole")
    settings = dataclasses.replace(SETTINGS, accumulation=request.param)
    return Whole(settings, *run(out, settings), out / "adapter")


@pytest.mark.parametrize("stop", [1, 2, 5])
def test_a_resumed_run_has_the_losses_and_the_adapter_of_one_that_never_stopped(
    tmp_path: Path, stop: int, whole: Whole
) -> None:
    settings, ended = whole.settings, whole.ended
    first, cut = run(tmp_path / "cut", settings, most=stop)
    rest, again = run(tmp_path / "cut", settings)
    assert (cut.step, cut.whole) == (stop, False)
    assert (ended.step, ended.whole) == (again.step, again.whole) == (6, True)
    assert not whole.adapter.samefile(tmp_path / "cut" / "adapter")
    for name in ("loss", "kl", "norm", "lr"):
        joined = first.curve(name) | rest.curve(name)
        expected = whole.told.curve(name)
        assert joined.keys() == expected.keys() == set(range(1, 7))
        for step, value in expected.items():
            assert math.isclose(joined[step], value, rel_tol=1e-6, abs_tol=1e-6), (name, step)
    one, two = weights(whole.adapter), weights(tmp_path / "cut" / "adapter")
    torch.testing.assert_close(one, two, rtol=1e-6, atol=1e-6)


def test_training_lowers_the_kl_of_draws_that_it_did_not_see(tmp_path: Path) -> None:
    settings = dataclasses.replace(
        SETTINGS, steps=80, batch=8, rank=8, alpha=8, dropout=0.0, lr=2e-3, save=80
    )
    told = Told()
    end = train(opened(), pairs(4), pairs(4) * 4, settings, tmp_path, told)
    assert end.kl is not None
    assert end.kl < 0.7 * told.curve("held")[0]


def test_held_out_kl_is_zero_on_k_before_the_first_step_and_told_at_every_save(
    tmp_path: Path,
) -> None:
    told, end = run(tmp_path)
    assert list(told.curve("held")) == [0, 2, 4, 6]
    assert told.curve("held_on")[0] == 0.0
    assert told.curve("held_off")[0] > 0
    assert told.curve("held")[6] == end.kl


def test_one_whole_checkpoint_is_kept_and_a_half_written_one_is_not_used(tmp_path: Path) -> None:
    run(tmp_path, most=3)
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-0000003"]
    half = tmp_path / "checkpoint-0000005.new"
    half.mkdir()
    (half / "index.json").write_text("{")
    found = newest(tmp_path)
    assert found is not None
    assert found.name == "checkpoint-0000003"
    _, end = run(tmp_path)
    assert end.whole
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-0000006"]


def test_a_checkpoint_of_other_settings_is_refused_and_left_alone(tmp_path: Path) -> None:
    run(tmp_path, most=2)
    with pytest.raises(InputError, match="made with other settings; start a new job"):
        run(tmp_path, dataclasses.replace(SETTINGS, rank=4))
    assert newest(tmp_path) == tmp_path / "checkpoint-0000002"


def test_a_damaged_checkpoint_is_refused_in_a_sentence(tmp_path: Path) -> None:
    run(tmp_path, most=2)
    for path in (tmp_path / "checkpoint-0000002").glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="no checkpoint can be read"):
        run(tmp_path)


def test_nothing_to_learn_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to learn from"):
        train(opened(), [], [], SETTINGS, tmp_path, Told())


def test_a_loss_that_is_no_number_ends_the_run_with_its_last_checkpoint(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, steps=50, lr=1e30, clip=1e30, save=1)
    with pytest.raises(InputError, match="the loss is not a number at step"):
        run(tmp_path, settings)
    assert newest(tmp_path) is not None


def test_the_model_without_lora_is_kept_whole(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, rank=0, lr=1e-3)
    run(tmp_path, settings)
    assert (tmp_path / "model" / "model.safetensors").is_file()


def test_every_pair_is_taken_once_an_epoch_in_a_new_order() -> None:
    epochs = [[chosen(SETTINGS, 7 * e + i, 7) for i in range(7)] for e in range(3)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_the_rate_rises_stays_and_falls() -> None:
    settings = dataclasses.replace(SETTINGS, steps=10, lr=1.0, warmup=3, cooldown=0.4)
    rates = [learning_rate(settings, step) for step in range(10)]
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1, 0.75, 0.5, 0.25])
    assert learning_rate(SETTINGS, 0) == SETTINGS.lr
