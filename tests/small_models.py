"""Checkpoint folders for tests: random weights with well spread logits, and a small tokenizer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)
from transformers import CONFIG_MAPPING, AutoModelForMaskedLM, PreTrainedTokenizerFast

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


WORDS = ["the", "cat", "dog", "sat", "##s", "##ing", "on", "mat", ".", ",", "a", "b"]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]  # ids 0..4
SLIDING = {"local_attention": 6, "global_attn_every_n_layers": 2}  # three tokens to either side
IDS = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}


def word_pieces() -> PreTrainedTokenizerFast:
    """A tokenizer as BERT's: 17 pieces in lower case, [CLS] and [SEP] around a text."""
    pieces = {piece: i for i, piece in enumerate(SPECIALS + WORDS)}
    tokenizer = Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **dict(zip(names, SPECIALS, strict=True))
    )


def spaced_bytes() -> PreTrainedTokenizerFast:
    """A tokenizer as RoBERTa's: bytes, and a <mask> that takes the space before it."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = {piece: i for i, piece in enumerate(["<s>", "<pad>", "</s>", *letters])}
    tokenizer = Tokenizer(models.BPE(vocab=pieces, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", AddedToken("<mask>", lstrip=True)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        cls_token="<s>",
        pad_token="<pad>",
        sep_token="</s>",
        eos_token="</s>",
        mask_token=AddedToken("<mask>", lstrip=True),
    )


def write_masked(folder: Path, kind: str, **changes: Any) -> Path:
    """`folder`, holding a fresh random masked language model of three layers and its tokenizer."""
    tokenizer = spaced_bytes() if kind == "roberta" else word_pieces()
    fields: dict[str, Any] = {
        "vocab_size": len(tokenizer) + 3,
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": 40,
        "initializer_range": 0.3,
    }
    if kind == "modernbert":
        fields |= IDS | SLIDING | {"cls_token_id": 2, "sep_token_id": 3}
    if kind == "distilbert":
        fields |= {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48}
    network = AutoModelForMaskedLM.from_config(CONFIG_MAPPING[kind](**(fields | changes)))
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tokens(*shape: int, high: int = 250) -> torch.Tensor:
    return torch.randint(0, high, shape)
