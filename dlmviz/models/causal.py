"""Any small causal model of transformers as CoDiLA's local model, if it shares the denoiser's ids.

The paper takes Qwen3-0.6B for Dream. Such a model is asked as it is; see learn/codila for training.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from dlmviz.models import checkpoint
from dlmviz.models.local_ar import LocalAR
from dlmviz.types import Denoiser, InputError

THINK = ("<think>", "</think>")
TELL = 3  # tokens that are shown where the ids differ


def open_causal(place: str, model: Denoiser) -> LocalAR:
    """The causal model in a folder or on the hub, to read what `model` says.

    Raises InputError where it cannot be opened, or its ids are not the denoiser's.
    """
    folder = checkpoint.find(place)
    try:
        network, known = _loaded(folder, str(model.device))
    except Exception as error:  # the tokenizers library raises bare Exception
        raise InputError(
            f"{place} holds neither a head of dlmviz nor a causal language model that transformers "
            f"can open ({checkpoint.first_line(error)}); give a folder that dlmviz train codila "
            "made, or a folder or hub id such as Qwen/Qwen3-0.6B"
        ) from error
    _check(place, model, known, len(network.get_input_embeddings().weight))
    missing = [word for word in THINK if word not in known]
    if missing:
        raise InputError(
            f"the tokenizer of {place} has no {' and no '.join(missing)}, between which the "
            "marginals are read; take a model that thinks, such as Qwen/Qwen3-0.6B"
        )
    return LocalAR(network, known[THINK[0]], known[THINK[1]])


@lru_cache(maxsize=1)  # a batch opens a run for every prompt
def _loaded(folder: Path, device: str) -> tuple[Any, dict[str, int]]:
    """(frozen network, token -> id). No remote code is run."""
    given = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(folder, **given)
    dtype = torch.float32 if device == "cpu" else "auto"
    network: Any = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, use_safetensors=True, **given
    )
    return network.eval().requires_grad_(False).to(device), tokenizer.get_vocab()


def _check(place: str, model: Denoiser, known: dict[str, int], rows: int) -> None:
    """Raises InputError unless every token of the denoiser has the same id in `known`.

    Added tokens (masks, ends of turns) may differ: no local model writes them.
    """
    tokenizer: Any = getattr(getattr(model, "vocabulary", None), "tokenizer", None)
    if tokenizer is None:
        raise InputError(
            f"the model {model.name} has no tokenizer to compare with that of {place}; "
            "train a local model for it: dlmviz train codila"
        )
    ours = tokenizer.get_vocab()
    added = set(tokenizer.added_tokens_decoder)
    apart = [w for w, i in ours.items() if i not in added and (known.get(w) != i or i >= rows)]
    if apart:
        some = ", ".join(repr(word) for word in sorted(apart)[:TELL])
        raise InputError(
            f"{place} does not share the vocabulary of {model.name}: {len(apart)} of {len(ours)} "
            f"tokens have other ids or none ({some}); take a model of the same family, or train "
            f"one: dlmviz train codila --model {model.name}"
        )
