"""One toy model as a LLaDA folder, so that it opens like any other model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from dlmviz.learn.toy.chain import LENGTH
from dlmviz.learn.toy.stack import EPS, Shape, Weights

MASK, OPENING = "<|mask|>", "<|start|>"
TEMPLATE = "{% for message in messages %}<|start|>{{ message['content'] }}{% endfor %}"
CONTEXT = 32


def only(weights: Weights, seed: int) -> Weights:
    """A stack of one: the model at this place of the stack."""
    axes = {"square": 2, "wide": 2, "norms": 2}
    return {n: w.narrow(axes.get(n, 0), seed, 1).clone() for n, w in weights.items()}


def llama(shape: Shape, weights: Weights) -> dict[str, Tensor]:
    """The tensors of a stack of one, by Llama's names."""
    out = {"model.embed_tokens.weight": weights["embedding"][0]}
    out["lm_head.weight"] = out["model.embed_tokens.weight"]
    out["model.norm.weight"] = weights["last"][0]
    for layer in range(shape.layers):
        name = f"model.layers.{layer}."
        square, wide, norms = (weights[kind][layer] for kind in ("square", "wide", "norms"))
        for at, letter in enumerate("qkvo"):
            out[f"{name}self_attn.{letter}_proj.weight"] = square[at, 0]
        out[f"{name}mlp.gate_proj.weight"] = wide[0, 0]
        out[f"{name}mlp.up_proj.weight"] = wide[1, 0]
        out[f"{name}mlp.down_proj.weight"] = wide[2, 0].T
        out[f"{name}input_layernorm.weight"] = norms[0, 0]
        out[f"{name}post_attention_layernorm.weight"] = norms[1, 0]
    return out


def network(shape: Shape, weights: Weights) -> Any:
    """A stack of one as dlmviz.models.llada's network, float32."""
    from dlmviz.models.llada import LladaConfig, new

    fields: dict[str, Any] = {
        "d_model": shape.width,
        "n_layers": shape.layers,
        "n_heads": shape.heads,
        "n_kv_heads": shape.heads,
        "mlp_hidden_size": shape.inner,
        "max_sequence_length": CONTEXT,
        "vocab_size": shape.vocabulary,
        "embedding_size": shape.vocabulary,
        "weight_tying": True,
        "rope_theta": shape.theta,
        "rms_norm_eps": EPS,
        "mask_token_id": shape.mask,
        "eos_token_id": None,
        "pad_token_id": None,
    }
    made = new(LladaConfig(**fields))
    made.load_state_dict(llama(shape, weights))
    made.train(False)
    return made


def tokenizer(shape: Shape) -> PreTrainedTokenizerFast:
    """Digits with spaces between them or none; every prompt begins with the opening mark."""
    vocabulary = {str(symbol): symbol for symbol in range(shape.symbols)}
    vocabulary |= {MASK: shape.mask, OPENING: shape.opening}
    words = Tokenizer(models.BPE(vocabulary, []))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.add_special_tokens([MASK, OPENING])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=words,
        mask_token=MASK,
        additional_special_tokens=[OPENING],
        chat_template=TEMPLATE,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def save(shape: Shape, weights: Weights, folder: Path, order: Tensor, about: Any) -> None:
    """Nothing; `folder` opens with dlmviz.load, and order.json says where each place stands."""
    with torch.no_grad():
        network(shape, weights).save_pretrained(folder)
    tokenizer(shape).save_pretrained(folder)
    told = {"symbols": shape.symbols, "order": order.tolist(), "about": about}
    assert len(told["order"]) == LENGTH, "nine places"
    (folder / "order.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")
