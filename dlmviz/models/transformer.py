"""A Denoiser over a transformers network: logits at asked rows, attention, hidden states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import Tensor
from transformers.utils import logging

from dlmviz.models import checkpoint
from dlmviz.models.probe import ATTENTION, probe
from dlmviz.models.vocabulary import Vocabulary, open_vocabulary
from dlmviz.types import InputError, Prediction, Special

UNREADABLE = (
    *(OSError, SafetensorError, StrictDataclassError),
    *(ValueError, TypeError, KeyError, AttributeError, AssertionError),
)


@dataclass(frozen=True)
class Family:
    """How checkpoints with one `model_type` are opened."""

    model_type: str  # in config.json
    config: Any  # transformers config class
    network: Any  # transformers model class with `.model` and `.lm_head`
    tokenizer: Any  # tokenizer class
    required: tuple[str, ...]  # config fields without which the shape would be a guess
    shift: int = 0  # output row i - shift predicts position i


@dataclass(eq=False)
class TransformerDenoiser:
    """types.Denoiser over a network in evaluation mode; every forward stands alone."""

    name: str
    fingerprint: str
    special: Special
    vocab_size: int  # V, the rows of the embedding
    true_vocab_size: int  # ids from here to V - 1 are padding: logits -inf
    context_length: int
    layers: int
    device: torch.device
    network: Any
    vocabulary: Vocabulary
    shift: int = 0

    def encode(self, prompt: str, chat: bool = True) -> list[int]:
        """See types.Denoiser. InputError for a blank prompt or a model without a tokenizer."""
        return self.vocabulary.encode(prompt, chat)

    def text(self, ids: Sequence[int]) -> str:
        """See types.Denoiser."""
        return self.vocabulary.text(ids)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """See types.Denoiser."""
        return self.vocabulary.pieces(ids)

    @torch.no_grad()
    def forward(
        self,
        tokens: Tensor,
        rows: Sequence[Tensor] | None = None,
        layers: Sequence[int] = (),
        hidden: bool = False,
        padding: Tensor | None = None,
    ) -> list[Prediction]:
        """See types.Denoiser. Attention of padded keys is zero."""
        assert all(0 <= layer < self.layers for layer in layers), f"layers {layers}"
        tokens = tokens.to(self.device)
        if rows is None:
            rows = [torch.arange(tokens.shape[1])] * len(tokens)
        rows = [asked.to(self.device) for asked in rows]
        assert len(rows) == len(tokens), "one list of rows for each sequence"

        watch = probe(layers)
        mask = None if padding is None else padding.to(self.device)[:, None, None, :]
        extra = {} if watch is None else {"probe": watch}
        states = self.network.model(
            tokens, attention_mask=mask, use_cache=False, **extra
        ).last_hidden_state
        attention = [None] * len(tokens) if watch is None else watch.mean()
        # One product for all sequences, whose numbers of rows differ; position 0 reads row 0.
        pairs = zip(states, rows, strict=True)
        read = torch.cat([state[(asked - self.shift).clamp(min=0)] for state, asked in pairs])
        logits = self.network.lm_head(read)
        logits[:, self.true_vocab_size :] = float("-inf")
        sizes = [len(asked) for asked in rows]
        parts = zip(
            rows, torch.split(logits, sizes), attention, torch.split(read, sizes), strict=True
        )
        return [Prediction(r, z, a, h if hidden else None) for r, z, a, h in parts]


def open_denoiser(
    family: Family, name: str, folder: Path, device: torch.device, dtype: torch.dtype
) -> TransformerDenoiser:
    """The model in a checkpoint folder, all its tensors accounted for. Raises InputError."""
    given = checkpoint.read_config(folder)
    absent = [field for field in family.required if given.get(field) is None]
    if absent:
        raise InputError(f"{folder / 'config.json'} lacks {', '.join(absent)}; copy it again")
    vocabulary = open_vocabulary(
        folder, family.tokenizer, given.get("embedding_size") or given["vocab_size"]
    )
    fingerprint = checkpoint.fingerprint(folder, given, vocabulary.fingerprint)
    network = _open_network(family, folder, given, dtype)
    true_size = getattr(network.config, "true_vocab_size", network.config.vocab_size)
    return TransformerDenoiser(
        name=name,
        fingerprint=fingerprint,
        special=_special(folder, network.config, vocabulary, true_size),
        vocab_size=network.config.vocab_size,
        true_vocab_size=true_size,
        context_length=network.config.max_position_embeddings,
        layers=network.config.num_hidden_layers,
        device=device,
        network=network.to(device).eval(),
        vocabulary=vocabulary,
        shift=family.shift,
    )


def _open_network(family: Family, folder: Path, given: dict[str, Any], dtype: torch.dtype) -> Any:
    """The network with the folder's weights, or InputError; never one that is loaded half."""
    try:
        with _quiet():
            network, report = family.network.from_pretrained(
                folder,
                config=family.config(**given),
                dtype=dtype,
                attn_implementation=ATTENTION,
                use_safetensors=True,
                local_files_only=True,
                ignore_mismatched_sizes=True,  # reported below, with the rest
                output_loading_info=True,
            )
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(
            f"the checkpoint in {folder} cannot be opened ({checkpoint.first_line(error)}); "
            "its config.json and weights must be of one published LLaDA or Dream model"
        ) from error
    _check_report(folder, report)
    return network


@contextmanager
def _quiet() -> Iterator[None]:
    """transformers without its progress bar and its table of misfits, which we report."""
    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _check_report(folder: Path, report: dict[str, Any]) -> None:
    """InputError where the file's tensors and the config's are not the same set and shapes."""
    misfits = []
    for kind in ("missing", "unexpected", "mismatched"):
        keys = sorted(k if isinstance(k, str) else k[0] for k in report[f"{kind}_keys"])
        if keys:
            word = "mis-shaped" if kind == "mismatched" else kind
            misfits.append(f"{len(keys)} {word} (first {keys[0]})")
    if misfits:
        raise InputError(
            f"the weights in {folder} do not fit its config.json: {', '.join(misfits)} tensors; "
            "nothing was loaded, copy both from one checkpoint"
        )


def _special(folder: Path, config: Any, vocabulary: Vocabulary, size: int) -> Special:
    """The token ids with a meaning; InputError where the mask is not one of the vocabulary."""
    mask, eos, eot = config.mask_token_id, config.eos_token_id, vocabulary.end_of_turn
    if not isinstance(mask, int) or isinstance(mask, bool) or not 0 <= mask < size:
        raise InputError(
            f"mask_token_id in {folder / 'config.json'} must be one of the {size} token ids: got "
            f"{mask!r}; a masked diffusion model cannot be run without its mask token"
        )
    eos = eos[0] if isinstance(eos, list) else eos
    return Special(mask=mask, eos=eos, eot=None if eot == eos else eot)
