"""Optimiser, schedule, checkpoint and whole training runs at toy size."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dlmviz.learn import checkpoint, pretrain
from dlmviz.learn.journal import thin
from dlmviz.learn.muon import Muon, orthogonalise
from dlmviz.learn.trainer import Settings, learning_rate
from dlmviz.types import InputError

FLAGS = ["--preset=toy", "--only=pairs", "--fixed-data=64", "--tokens=256", "--warmup=2"]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("words")
    flags = ["--preset", "toy", "--only", "pairs", "--tokenizer-only", "--texts", "500"]
    assert pretrain.main([*flags, "--out", str(out)]) == 0
    return out


def run(words: Path, out: Path, *more: str) -> dict:
    flags = [*FLAGS, "--tokenizer", str(words), "--out", str(out), *more]
    assert pretrain.main(flags) == 0
    return json.loads((out / "train_log.json").read_text())


def losses(log: dict) -> dict[int, float]:
    return {point["step"]: point["loss"] for point in log["curve"]}


def test_orthogonalise_gives_u_v_transposed_with_singular_values_near_one() -> None:
    matrices = torch.randn(3, 24, 40, generator=torch.Generator().manual_seed(0))
    out = orthogonalise(matrices, steps=5).double()
    u, _, vt = torch.linalg.svd(matrices.double(), full_matrices=False)
    rotated = u.mT @ out @ vt.mT  # diagonal if the singular vectors are kept
    diagonal = torch.diagonal(rotated, dim1=1, dim2=2)
    assert diagonal.min() > 0.65
    assert diagonal.max() < 1.25
    assert (rotated - torch.diag_embed(diagonal)).abs().max() < 0.05


@pytest.mark.parametrize("shape", [(32, 32), (48, 16), (16, 48)])
def test_muon_takes_the_steps_of_torch_muon(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(1)
    ours = [torch.randn(shape, generator=generator).requires_grad_() for _ in range(3)]
    theirs = [w.detach().clone().requires_grad_() for w in ours]
    muon = Muon({str(i): w for i, w in enumerate(ours)}, momentum=0.9, weight_decay=0.1)
    reference = torch.optim.Muon(
        theirs, lr=0.02, weight_decay=0.1, momentum=0.9, adjust_lr_fn="match_rms_adamw"
    )
    for _ in range(4):
        for w, v in zip(ours, theirs, strict=True):
            w.grad = torch.randn(shape, generator=generator)
            v.grad = w.grad.clone()
        muon.step(0.02)
        reference.step()
    for w, v in zip(ours, theirs, strict=True):
        moved = float(
            (w - v).detach().norm() / (4 * 0.02 * 0.2 * max(shape) ** 0.5 * min(shape) ** 0.5)
        )
        assert moved < 0.02  # bfloat16 rounding of a batched and a single product


def test_rate_warms_up_holds_then_falls_to_the_floor() -> None:
    settings = Settings(lr=1.0, warmup=10, hold=0.5, floor=0.1)
    assert learning_rate(settings, 0, 0.0) == pytest.approx(0.1)
    assert learning_rate(settings, 9, 0.5) == pytest.approx(1.0)
    assert learning_rate(settings, 99, 0.75) == pytest.approx(0.55)
    assert learning_rate(settings, 99, 1.0) == pytest.approx(0.1)
    curved = replace(settings, decay="sqrt")
    assert learning_rate(curved, 99, 0.75) == pytest.approx(1 - 0.9 * 0.5**0.5)


def test_checkpoint_comes_back_exactly_in_shards_below_the_limit(tmp_path: Path) -> None:
    tensors = {f"w{i}": torch.randn(10, 10) for i in range(5)}
    checkpoint.write(tmp_path / "c", {"old": torch.ones(3)}, {})
    checkpoint.write(tmp_path / "c", tensors, {"step": 3}, limit=900)
    back, meta = checkpoint.read(tmp_path / "c")
    assert meta == {"step": 3}
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[n], tensors[n]) for n in tensors)
    files = sorted(p.name for p in (tmp_path / "c").iterdir())
    assert files == [
        "index.json",
        "part-00.safetensors",
        "part-01.safetensors",
        "part-02.safetensors",
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["c"]
    with pytest.raises(InputError, match="w0 has 400 bytes"):
        checkpoint.write(tmp_path / "c", tensors, {}, limit=300)
    assert checkpoint.read(tmp_path / "c")[1] == {"step": 3}


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    checkpoint.write(tmp_path / "c", {"w": torch.ones(3)}, {})
    (tmp_path / "c" / "part-00.safetensors").write_bytes(b"not a tensor")
    with pytest.raises(InputError, match="no checkpoint can be read"):
        checkpoint.read(tmp_path / "c")


def test_a_thinned_curve_keeps_its_last_point() -> None:
    curve = [{"step": float(i)} for i in range(1001)]
    assert thin(curve, 100)[-1] == curve[-1]
    assert len(thin(curve, 100)) <= 101
    assert thin(curve[:5]) == curve[:5]


@pytest.mark.slow
def test_loss_falls_and_the_model_folder_opens(words: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    start = run(words, tmp_path / "start", "--steps", "1", "--tokens", "1024")
    log = run(words, tmp_path / "m", "--steps", "40", "--tokens", "1024")
    scores = log["held_out"][-2]
    assert scores["mean"] < start["held_out"][-2]["mean"] / 2
    curve = [point["loss"] for point in log["curve"]]
    assert sum(curve[-10:]) < sum(curve[:10]) / 4
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "m", dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "m")
    assert model.config.mask_token_id == tokenizer.mask_token_id
    stored = load_file(tmp_path / "m" / "model.safetensors")
    assert "model.transformer.blocks.0.q_proj.weight" in stored
    assert {t.dtype for t in stored.values()} == {torch.float16}
    saved, _ = checkpoint.read(tmp_path / "m" / "checkpoint")
    kept = "model" if log["held_out"][-1]["mean"] >= scores["mean"] else "ema"
    name = "model.layers.0.mlp.down_proj.weight"
    assert torch.equal(model.get_parameter(name), saved[f"{kept}.{name}"].half().float())
    assert log["samples"]["made"] == 64
    assert log["steps"] == 40


@pytest.mark.slow
def test_a_resumed_run_has_the_losses_of_an_uninterrupted_one(words: Path, tmp_path: Path) -> None:
    whole = run(words, tmp_path / "whole", "--steps", "8")
    run(words, tmp_path / "half", "--steps", "8", "--stop-after", "3")
    rest = run(words, tmp_path / "half", "--steps", "8", "--resume", str(tmp_path / "half"))
    assert losses(rest) == losses(whole)
    assert len(losses(whole)) == 8
    first, second = (load_file(tmp_path / n / "model.safetensors") for n in ("whole", "half"))
    assert all(torch.equal(first[n], second[n]) for n in first)
    assert rest["tokens"] == whole["tokens"]


@pytest.mark.slow
def test_weights_alone_resume_with_a_new_warm_up(words: Path, tmp_path: Path) -> None:
    run(words, tmp_path, "--steps", "6", "--stop-after", "3", "--weights-only-checkpoint")
    names = checkpoint.read(tmp_path / "checkpoint")[0]
    assert all(name.startswith("model.") for name in names)
    log = run(words, tmp_path, "--steps", "6", "--resume", str(tmp_path))
    rates = [point["lr"] for point in log["curve"]]
    assert rates[3] == pytest.approx(learning_rate(Settings(lr=5e-3, warmup=2), 0, 3 / 6))


@pytest.mark.slow
def test_workers_feed_a_run_that_ends_on_time(words: Path, tmp_path: Path) -> None:
    flags = ["--preset", "toy", "--only", "pairs", "--tokenizer", str(words), "--seconds", "2"]
    more = ["--workers", "1", "--fill", "500", "--out", str(tmp_path), "--tokens", "256"]
    assert pretrain.main([*flags, *more]) == 0
    log = json.loads((tmp_path / "train_log.json").read_text())
    assert 2 <= log["seconds"] < 4
    assert log["samples"]["unique"] == log["samples"]["used"] > 0


def test_bad_flags_are_one_sentence(
    words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = [*FLAGS, "--out", str(tmp_path)]
    for extra, message in (
        (["--resume", str(tmp_path / "none")], "no checkpoint can be read"),
        (["--weights", "stories"], "--weights must look like"),
        (["--tokenizer", str(tmp_path)], "no tokenizer can be read"),
    ):
        assert pretrain.main([*base, *extra]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_stay_in_step(words: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "dlmviz.learn.pretrain", *FLAGS, "--steps", "4"]
    command += ["--tokenizer", str(words), "--out", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, timeout=240, env=environment)
    log = json.loads((tmp_path / "train_log.json").read_text())
    assert log["largest_difference_between_processes"] == 0.0
    assert log["machine"].startswith("2 process")
    alone = run(words, tmp_path / "alone", "--steps", "4")
    assert log["tokens"] == pytest.approx(2 * alone["tokens"], rel=0.2)
    assert losses(log)[1] == losses(alone)[1]  # rank 0's first batch is the same
    assert losses(log)[4] != losses(alone)[4]  # and the other rank's gradient moved the weights
