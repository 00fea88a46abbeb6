"""Models: what is written is what was read, and a fingerprint tells one model from another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from dlmviz.models import load
from dlmviz.models.llada import LladaForMaskedLM, new
from tests.small_models import DREAM, LLADA, config, copy, tokens, write_tokenizer


def cpu(folder: Path) -> Any:
    return load(str(folder), device="cpu")


@pytest.mark.parametrize("folder", [LLADA, DREAM], ids=["llada", "dream"])
def test_saving_what_was_loaded_gives_the_same_files(folder: Path, tmp_path: Path) -> None:
    AutoModelForCausalLM.from_pretrained(folder).save_pretrained(tmp_path)
    before, after = (load_file(f / "model.safetensors") for f in (folder, tmp_path))
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert tensor.dtype == after[name].dtype
        assert torch.equal(tensor.view(torch.uint8), after[name].view(torch.uint8)), name
    written = json.loads((tmp_path / "config.json").read_text())
    if folder == LLADA:
        given = json.loads((folder / "config.json").read_text())
        assert {key: written.get(key) for key in given} == given
    assert not (tmp_path / "generation_config.json").exists()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_half_precision_checkpoint_keeps_dtype_names_and_sizes(
    dtype: torch.dtype, tmp_path: Path
) -> None:
    new(config()).to(dtype).save_pretrained(tmp_path / "a")
    LladaForMaskedLM.from_pretrained(tmp_path / "a").save_pretrained(tmp_path / "b")
    a, b = (load_file(tmp_path / x / "model.safetensors") for x in "ab")
    assert all(torch.equal(a[k], b[k]) and b[k].dtype == dtype for k in a)
    assert a["model.transformer.wte.weight"].shape == (272, 32)
    fields = json.loads((tmp_path / "b" / "config.json").read_text())
    assert (fields["vocab_size"], fields["embedding_size"]) == (260, 272)
    assert "hidden_size" not in fields


@pytest.mark.parametrize("tied", [False, True])
def test_a_loaded_model_says_what_the_saved_one_said(tied: bool, tmp_path: Path) -> None:
    network = new(config(weight_tying=tied)).eval()
    network.save_pretrained(tmp_path)
    canvas = tokens(1, 12)
    with torch.no_grad():
        expected = network(canvas).logits[0, :, :260]
    assert torch.equal(cpu(tmp_path).forward(canvas)[0].logits[:, :260], expected)
    head = "model.transformer.ff_out.weight"
    assert (head in load_file(tmp_path / "model.safetensors")) is not tied


def test_the_fingerprint_follows_weights_config_and_vocabulary(tmp_path: Path) -> None:
    original = cpu(LLADA).fingerprint
    network = LladaForMaskedLM.from_pretrained(LLADA)
    network.save_pretrained(tmp_path / "same")
    assert cpu(tmp_path / "same").fingerprint == original
    network.save_pretrained(tmp_path / "shards", max_shard_size="300KB")
    assert (tmp_path / "shards" / "model.safetensors.index.json").is_file()
    assert cpu(tmp_path / "shards").fingerprint == original
    with torch.no_grad():
        network.lm_head.weight[3, 3] += 2**-10
    network.save_pretrained(tmp_path / "nudged")
    copy(LLADA, tmp_path / "theta", rope_theta=10000.0)
    write_tokenizer(copy(LLADA, tmp_path / "tokenizer"))
    others = {cpu(tmp_path / name).fingerprint for name in ("nudged", "theta", "tokenizer")}
    assert len(others | {original}) == 4
