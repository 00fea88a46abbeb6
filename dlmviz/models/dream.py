"""Dream (arXiv 2508.15487) on transformers' Qwen2, whose tensor and field names it shares.

Dream grew out of a left-to-right model: output row i - 1 predicts position i (position 0: row 0).
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2Tokenizer,
)

from dlmviz.models.transformer import Family
from dlmviz.types import InputError


class DreamConfig(Qwen2Config):  # type: ignore[no-untyped-call]
    """A Qwen2 config that looks both ways. InputError for sliding windows."""

    model_type = "Dream"
    is_causal: ClassVar[bool] = False
    use_cache: bool = False
    mask_token_id: int | None = None

    def __post_init__(self, **given: Any) -> None:
        if self.use_sliding_window:
            raise InputError(
                "Dream option use_sliding_window must be False: got True; "
                "open a checkpoint of the published Dream-7B architecture"
            )
        super().__post_init__(**given)  # type: ignore[no-untyped-call]


class DreamForMaskedLM(Qwen2ForCausalLM):  # type: ignore[no-untyped-call]
    """Logits [B T V] of all positions, row i for position i + 1. No `generate`."""

    config_class = DreamConfig

    def forward(self, *args: Any, labels: Tensor | None = None, **kwargs: Any) -> Any:
        """Qwen2's output; `labels` are refused, since its loss predicts the next token."""
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


FAMILY = Family(
    model_type="Dream",
    config=DreamConfig,
    network=DreamForMaskedLM,
    tokenizer=Qwen2Tokenizer,  # the published folder names a class in code we do not run
    required=("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"),
    shift=1,
)

# At import, before any Auto class is asked.
AutoConfig.register("Dream", DreamConfig, exist_ok=True)
AutoModelForCausalLM.register(DreamConfig, DreamForMaskedLM, exist_ok=True)
