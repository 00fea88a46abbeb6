"""Models: everything that cannot be opened is refused with one sentence, and nothing is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file

from dlmviz.models import checkpoint, load
from dlmviz.models.llada import LladaConfig
from dlmviz.types import InputError
from tests.small_models import DREAM, LLADA, config, copy, write, write_tokenizer


def refused(name: str | Path, **options: Any) -> str:
    """The sentence `load` refuses with: one line, and no stop but the last."""
    with pytest.raises(InputError) as caught:
        load(str(name), **({"device": "cpu"} | options))
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert ". " not in sentence
    return sentence


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("block_type", "sequential"),
        ("activation_type", "swiglu"),
        ("layer_norm_type", "low_precision"),
        ("layer_norm_with_affine", False),
        ("rope", False),
        ("block_group_size", 2),
        ("alibi", True),
        ("attention_layer_norm", True),
        ("input_emb_norm", True),
        ("scale_logits", True),
        ("include_bias", True),
        ("include_qkv_bias", True),
        ("bias_for_layer_norm", True),
        ("multi_query_attention", True),
    ],
)
def test_an_option_llama_does_not_compute_is_refused_by_name(option: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"{option} must be .*: got {value!r}; open"):
        config(**{option: value})


def test_an_option_that_is_null_counts_as_off() -> None:
    assert config(bias_for_layer_norm=None, multi_query_attention=None).num_hidden_layers == 2


def test_missing_sizes_follow_the_original_rules() -> None:
    given = config(mlp_hidden_size=None, n_kv_heads=None, embedding_size=None)
    assert (given.intermediate_size, given.num_key_value_heads, given.vocab_size) == (128, 4, 260)
    assert LladaConfig(**given.to_dict()).to_dict() == given.to_dict()


def test_dream_with_sliding_windows_is_refused(tmp_path: Path) -> None:
    folder = copy(DREAM, tmp_path / "m", use_sliding_window=True, sliding_window=4)
    assert "use_sliding_window must be False" in refused(folder)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("tinny", "tiny"),
        ("exakt", "exact"),
        ("", "tiny"),
        ("  ", "tiny"),
        ("~no/such", "tiny"),
        ("\0", "tiny"),
        ("x" * 5000, "tiny"),
    ],
)
def test_an_unknown_name_lists_what_there_is_and_the_nearest(name: str, near: str) -> None:
    sentence = refused(name)
    assert "tiny, tiny-early, exact, a local folder" in sentence
    assert sentence.endswith(near) or sentence.endswith(f"{near}?")


def test_a_built_in_model_that_is_not_there_says_how_to_make_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(checkpoint.BUILT_IN, "tiny", ("tiny-nowhere", "tiny"))
    assert "python -m dlmviz.learn.pretrain --preset tiny --out assets/tiny-nowhere" in refused(
        "tiny"
    )


def test_a_hub_id_without_network_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    sentence = refused("nobody/nothing-8B")
    assert "neither a local folder nor downloaded" in sentence


def test_a_folder_without_config_or_weights_is_refused(tmp_path: Path) -> None:
    assert "holds no config.json" in refused(tmp_path)
    (tmp_path / "config.json").write_bytes((LLADA / "config.json").read_bytes())
    assert "holds no model.safetensors" in refused(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "is no JSON"), ("[]", "must hold one JSON object"), ("{}", "model of type None")],
)
def test_a_config_that_is_none_is_refused(text: str, words: str, tmp_path: Path) -> None:
    folder = copy(LLADA, tmp_path / "m")
    (folder / "config.json").write_text(text)
    assert words in refused(folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "gpt2"}, "model of type 'gpt2'; only llada, Dream and masked"),
        ({"d_model": None}, "lacks d_model"),
        ({"d_model": "wide"}, "expected int, got str (value: 'wide')"),
        ({"n_heads": 0}, "n_heads must be a whole number >= 1: got 0"),
        ({"n_heads": 5}, "n_heads must divide d_model: got 5 and 64"),
        ({"n_kv_heads": 3}, "n_kv_heads must divide n_heads: got 3 and 4"),
        ({"embedding_size": 300}, "vocab_size must not exceed embedding_size: got 512 and 300"),
        ({"rms_norm_eps": "small"}, "cannot be opened"),
        ({"pad_token_id": 9999}, "cannot be opened"),
        ({"alibi": True}, "alibi must be False: got True"),
        ({"mask_token_id": None}, "mask_token_id"),
        ({"mask_token_id": 512}, "one of the 512 token ids: got 512"),
        ({"n_layers": 5}, "9 missing (first model.layers.4."),
        ({"n_layers": 3}, "9 unexpected (first model.layers.3."),
        ({"mlp_hidden_size": 80}, "12 mis-shaped"),
        ({"embedding_size": 576}, "2 mis-shaped"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    assert words in refused(copy(LLADA, tmp_path / "m", **changes))


@pytest.mark.parametrize("keep", [0, 7, 100, 400_000, -1])
def test_weights_cut_short_are_refused(keep: int, tmp_path: Path) -> None:
    weights = copy(LLADA, tmp_path / "m") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    assert "cut short or no safetensors file" in refused(tmp_path / "m")


@pytest.mark.parametrize(
    "junk", [b"not weights at all", b"\x04" + bytes(7) + b"null", b"\xff" * 64]
)
def test_a_file_that_is_no_safetensors_is_refused(junk: bytes, tmp_path: Path) -> None:
    folder = copy(LLADA, tmp_path / "m")
    (folder / "model.safetensors").write_bytes(junk)
    assert "no safetensors file" in refused(folder)


def test_a_lost_or_a_foreign_tensor_is_refused(tmp_path: Path) -> None:
    tensors = load_file(LLADA / "model.safetensors")
    name = "model.transformer.blocks.1.ff_out.weight"
    lost = {key: value for key, value in tensors.items() if key != name}
    for folder, kept, words in (
        ("lost", lost, "1 missing (first model.layers.1.mlp.down_proj.weight)"),
        ("more", tensors | {"stranger": torch.zeros(3)}, "1 unexpected (first stranger)"),
    ):
        path = copy(LLADA, tmp_path / folder)
        save_file(kept, path / "model.safetensors")
        assert words in refused(path)


def test_a_lost_shard_is_named(tmp_path: Path) -> None:
    folder = copy(LLADA, tmp_path / "m")
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"x": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "lacks model-00001-of-00002.safetensors" in refused(folder)
    (folder / "model.safetensors.index.json").write_text("[1]")
    assert "is no index of shards" in refused(folder)


def test_a_tokenizer_that_is_broken_or_too_big_is_refused(tmp_path: Path) -> None:
    broken = copy(LLADA, tmp_path / "broken")
    (broken / "tokenizer.json").write_text("{}")
    assert "tokenizer in" in refused(broken)
    small = write(tmp_path / "small", vocab_size=259, embedding_size=None)
    assert "260 tokens, the model only 259" in refused(write_tokenizer(small))


def test_the_exact_model_takes_no_adapter() -> None:
    assert "exact takes no adapter: got 'somewhere'" in refused("exact", adapter="somewhere")


def test_a_device_or_dtype_that_is_none_is_refused() -> None:
    assert "device must be cpu or cuda" in refused(LLADA, device="abacus")
    assert "dtype must be float32" in refused(LLADA, dtype="int64")
    assert "dtype must be float32" in refused(LLADA, dtype="nothing")
    if not torch.cuda.is_available():
        assert "no CUDA device is usable" in refused(LLADA, device="cuda")
