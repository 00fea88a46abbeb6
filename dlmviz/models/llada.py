"""LLaDA (arXiv 2502.09992) on transformers' Llama: config, weight names and model, both ways.

The original config.json fields and tensor names are read and written; inside, they are Llama's.
LLaDA predicts the token at the masked position itself.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)
from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import WeightRenaming
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from dlmviz.models.probe import ATTENTION
from dlmviz.models.transformer import Family
from dlmviz.types import InputError

FIELDS = {  # LLaDA's name -> Llama's
    "d_model": "hidden_size",
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "n_kv_heads": "num_key_value_heads",
    "mlp_hidden_size": "intermediate_size",
    "max_sequence_length": "max_position_embeddings",
    "weight_tying": "tie_word_embeddings",
    "init_std": "initializer_range",
}
LAYER = {  # LLaDA's name in transformer.blocks.N -> Llama's in layers.N
    "attn_norm": "input_layernorm",
    "ff_norm": "post_attention_layernorm",
    "q_proj": "self_attn.q_proj",
    "k_proj": "self_attn.k_proj",
    "v_proj": "self_attn.v_proj",
    "attn_out": "self_attn.o_proj",
    "ff_proj": "mlp.gate_proj",
    "up_proj": "mlp.up_proj",
    "ff_out": "mlp.down_proj",
}
# Every name is anchored on its parents: `ff_out` is two things, and a rename that also matched
# its own result would turn adapters into names that fit nothing.
RENAMES = {
    r"model\.transformer\.wte\.": "model.embed_tokens.",
    r"model\.transformer\.ln_f\.": "model.norm.",
    r"model\.transformer\.ff_out\.": "lm_head.",
    **{
        rf"model\.transformer\.blocks\.(\d+)\.{name}\.": rf"model.layers.\1.{ours}."
        for name, ours in LAYER.items()
    },
}
ONLY = {  # field -> the one value that Llama's classes compute; what it is when absent, too
    "block_type": "llama",
    "layer_norm_type": "rms",
    "layer_norm_with_affine": True,
    "activation_type": "silu",
    "rope": True,
    "block_group_size": 1,
    "alibi": False,
    "attention_layer_norm": False,
    "input_emb_norm": False,
    "scale_logits": False,
    "include_bias": False,
    "include_qkv_bias": False,
    "bias_for_layer_norm": False,
    "multi_query_attention": False,
}
LLAMA_ONLY = (
    "rope_parameters",
    "head_dim",
    "hidden_act",
    "attention_bias",
    "mlp_bias",
    "pretraining_tp",
)


class LladaConfig(LlamaConfig):  # type: ignore[no-untyped-call]
    """A Llama config made from LLaDA's fields; `to_dict` gives LLaDA's fields back.

    `vocab_size` given is the true vocabulary; inside it is the number of embedding rows
    (`embedding_size`), and the true one is `true_vocab_size`. Raises InputError for an option
    that Llama's classes do not compute.
    """

    model_type = "llada"
    is_causal: ClassVar[bool] = False  # transformers reads it: no causal mask anywhere
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    use_cache: bool = False
    rms_norm_eps: float = 1e-5
    mask_token_id: int | None = None

    def __post_init__(self, **given: Any) -> None:
        _refuse(given)
        if given.get("mlp_hidden_size") is None:
            width = given.get("d_model", self.hidden_size)
            given["mlp_hidden_size"] = int(given.get("mlp_ratio", 4) * width)
        if "n_kv_heads" not in given:
            given["n_kv_heads"] = None  # as many as query heads
        for name, ours in FIELDS.items():
            if name in given:
                setattr(self, ours, given.pop(name))
        self.true_vocab_size = self.vocab_size
        self.vocab_size = given.pop("embedding_size", None) or self.vocab_size
        if self.num_key_value_heads is None:
            self.num_key_value_heads = self.num_attention_heads
        self._check_sizes()
        super().__post_init__(**given)  # type: ignore[no-untyped-call]

    def _check_sizes(self) -> None:
        names = {**FIELDS, "vocab_size": "true_vocab_size", "embedding_size": "vocab_size"}
        for name in ("weight_tying", "init_std"):
            names.pop(name)
        size = {name: getattr(self, ours) for name, ours in names.items()}
        for name, value in size.items():
            if not (isinstance(value, int) and value >= 1):
                raise InputError(
                    f"LLaDA field {name} must be a whole number >= 1: got {value!r}; "
                    "copy config.json again"
                )
        for whole, part in (
            ("d_model", "n_heads"),
            ("n_heads", "n_kv_heads"),
        ):
            if size[whole] % size[part]:
                raise InputError(
                    f"LLaDA field {part} must divide {whole}: got {size[part]} and {size[whole]}; "
                    "copy config.json again"
                )
        if size["vocab_size"] > size["embedding_size"]:
            raise InputError(
                "LLaDA field vocab_size must not exceed embedding_size: got "
                f"{size['vocab_size']} and {size['embedding_size']}; copy config.json again"
            )

    def to_dict(self) -> dict[str, Any]:
        """The fields as LLaDA's own config.json names them."""
        out = super().to_dict()
        theta = out["rope_parameters"]["rope_theta"]
        for name in LLAMA_ONLY:
            out.pop(name, None)
        for name, ours in FIELDS.items():
            out[name] = out.pop(ours)
        out["embedding_size"], out["vocab_size"] = out["vocab_size"], out.pop("true_vocab_size")
        out["torch_dtype"] = out.pop("dtype", None)
        out["architectures"] = ["LLaDAModelLM"]
        return {**ONLY, "rope_full_precision": True, **out, "rope_theta": theta}


def _refuse(given: dict[str, Any]) -> None:
    for name, allowed in ONLY.items():
        value = given.get(name, allowed)
        if value != allowed and not (allowed is False and value is None):
            raise InputError(
                f"LLaDA option {name} must be {allowed!r}: got {value!r}; "
                "open a checkpoint of the published LLaDA-8B architecture"
            )


class WideRotaryEmbedding(LlamaRotaryEmbedding):
    """cos and sin in float32 whatever the model's dtype (`rope_full_precision`).

    transformers fills the frequencies of a loaded model where the class is called so.
    """

    def forward(self, x: Tensor, position_ids: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(x.float(), position_ids)  # type: ignore[no-any-return]


class LladaForMaskedLM(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    """Logits [B T V] at every position at once, from all positions. No labels, no `generate`."""

    config_class = LladaConfig

    def __init__(self, config: LladaConfig) -> None:
        if config._attn_implementation is None:
            config._attn_implementation = ATTENTION  # casts what the float32 rotation widened
        super().__init__(config)
        # The pad id is the eos id, which is learned; Llama would zero its row and freeze it.
        self.model.embed_tokens.padding_idx = None
        if getattr(config, "rope_full_precision", True):
            self.model.rotary_emb = WideRotaryEmbedding(config)

    def forward(self, *args: Any, labels: Tensor | None = None, **kwargs: Any) -> Any:
        """Llama's output; `labels` are refused, since its loss predicts the next token."""
        if labels is not None:
            raise TypeError("no labels here: a masked language model has no next-token loss")
        return super().forward(*args, **kwargs)

    @classmethod
    def can_generate(cls) -> bool:
        """False: there is no next token, and no generation_config.json is written."""
        return False

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        """Nothing: raises TypeError, because left-to-right decoding would be silently wrong."""
        raise TypeError("a masked language model has no next token: use dlmviz.decode instead")


def new(config: LladaConfig) -> LladaForMaskedLM:
    """A model with fresh random float32 weights (from torch's global generator), in train mode."""
    model = LladaForMaskedLM(config)
    torch.nn.Module.to(model, torch.float32)
    # Again, with the pad row, which Llama's own initialisation left at zero.
    torch.nn.init.normal_(model.model.embed_tokens.weight, std=config.initializer_range)
    model.train()
    return model


FAMILY = Family(
    model_type="llada",
    config=LladaConfig,
    network=LladaForMaskedLM,
    tokenizer=PreTrainedTokenizerFast,
    required=("d_model", "n_layers", "n_heads", "vocab_size"),
)

# At import, before any Auto class is asked.
AutoConfig.register("llada", LladaConfig, exist_ok=True)
AutoModelForCausalLM.register(LladaConfig, LladaForMaskedLM, exist_ok=True)
register_checkpoint_conversion_mapping(
    "llada", [WeightRenaming(old, ours) for old, ours in RENAMES.items()], overwrite=True
)
