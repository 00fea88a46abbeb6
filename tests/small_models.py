"""Checkpoint folders for tests: random weights with well spread logits, and a small tokenizer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from dlmviz.models.llada import LladaConfig, new

VECTORS = Path(__file__).parent / "vectors" / "models"
LLADA, DREAM = VECTORS / "llada_a", VECTORS / "dream_a"
MASK, EOS, EOT = "<|mdm_mask|>", "<|endoftext|>", "<|eot_id|>"
TEMPLATE = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}<answer>"


def config(**changes: Any) -> LladaConfig:
    """A two-layer LLaDA config: 260 true tokens in 272 embedding rows, two KV heads."""
    fields: dict[str, Any] = {
        "d_model": 32,
        "n_layers": 2,
        "n_heads": 4,
        "n_kv_heads": 2,
        "mlp_hidden_size": 48,
        "vocab_size": 260,
        "embedding_size": 272,
        "max_sequence_length": 64,
        "rope_theta": 10000.0,
        "mask_token_id": 257,
        "eos_token_id": 258,
        "pad_token_id": 258,
        "init_std": 0.3,
    }
    return LladaConfig(**(fields | changes))


def write(folder: Path, **changes: Any) -> Path:
    """`folder`, holding a fresh random LLaDA checkpoint of that config."""
    new(config(**changes)).save_pretrained(folder)
    return folder


def copy(source: Path, folder: Path, **changes: Any) -> Path:
    """`folder`, a copy of a checkpoint with some fields of config.json changed (None: removed)."""
    shutil.copytree(source, folder)
    path = folder / "config.json"
    fields = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in fields.items() if v is not None}))
    return folder


def byte_tokenizer() -> Tokenizer:
    """Byte-level BPE with every byte, one merge (" a") and the three special tokens on top."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: i for i, letter in enumerate(letters)} | {"Ġa": 256}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[("Ġ", "a")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([MASK, EOS, EOT])
    return tokenizer


def write_tokenizer(folder: Path, template: str | None = TEMPLATE) -> Path:
    """`folder`, now with tokenizer files."""
    wrapped = PreTrainedTokenizerFast(tokenizer_object=byte_tokenizer(), chat_template=template)
    wrapped.save_pretrained(folder)
    return folder


def tokens(*shape: int, high: int = 250) -> torch.Tensor:
    return torch.randint(0, high, shape)
