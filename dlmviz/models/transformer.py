"""A Denoiser over a transformers network: logits at asked rows, attention, hidden states.

Letters: B sequences, T canvas positions, W window, R asked rows, n rows of all sequences, D hidden
width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dlmviz.models import checkpoint
from dlmviz.models.probe import probe
from dlmviz.models.vocabulary import Vocabulary, open_vocabulary
from dlmviz.models.windows import Kept, Window, window
from dlmviz.types import InputError, Prediction, Special

Pick = Callable[[Tensor], Tensor]  # [B T D] -> [n D], the rows that are asked


def read_decoder(
    network: Any, tokens: Tensor, padding: Tensor | None, pick: Pick, **extra: Any
) -> tuple[Tensor, Tensor]:
    """(hidden states [n D], logits [n V]) of a network with `.model` and `.lm_head`.

    `padding`: bool [B T], true at real tokens. `extra` goes to the attention function.
    """
    mask = None if padding is None else padding[:, None, None, :]
    out = network.model(tokens, attention_mask=mask, use_cache=False, **extra)
    read = pick(out.last_hidden_state)
    return read, network.lm_head(read)


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
    read: Callable[..., tuple[Tensor, Tensor]] = read_decoder  # how the network is asked
    shift: int = 0
    windows: bool = False
    attends: bool = True
    closing: tuple[int, ...] = ()

    def encode(self, prompt: str, chat: bool = True) -> list[int]:
        """See types.Denoiser. InputError for a blank prompt or a model without a tokenizer."""
        return self.vocabulary.encode(prompt, chat, self.special.mask, self.context_length)

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
        keep: bool = False,
        cache: Kept | None = None,
        start: int = 0,
    ) -> list[Prediction]:
        """See types.Denoiser. Attention of padded keys is zero; `keep` works in a window, too.

        In a window of a shifted model the first position has no row before it and reads its own.
        """
        tokens = tokens.to(self.device)
        stop = start + tokens.shape[1]
        if rows is None:
            rows = [torch.arange(start, stop)] * len(tokens)
        rows = [asked.to(self.device) for asked in rows]
        assert len(rows) == len(tokens), "one list of rows for each sequence"
        assert all(0 <= layer < self.layers for layer in layers), f"layers {layers}"
        assert self.attends or not layers, f"{self.name} gives no attention"
        assert start == 0 or cache is not None, "only a window starts elsewhere"
        extra: dict[str, Any] = {}
        watch, part = probe(layers), window(start, cache, keep)
        if watch is not None:
            extra["probe"] = watch
        if part is not None:
            self._check_window(tokens, rows, layers, padding, part)
            extra["window"] = part
            extra["position_ids"] = torch.arange(start, stop, device=self.device)[None]
        # One product for all sequences, whose numbers of rows differ; the first reads row 0.
        places = [(asked - start - self.shift).clamp(min=0) for asked in rows]
        read, logits = self.read(
            self.network,
            tokens,
            None if padding is None else padding.to(self.device),
            lambda states: torch.cat([s[r] for s, r in zip(states, places, strict=True)]),
            **extra,
        )
        logits[:, self.true_vocab_size :] = float("-inf")
        sizes = [len(asked) for asked in rows]
        attention = [None] * len(tokens) if watch is None else watch.mean()
        parts = zip(
            rows, torch.split(logits, sizes), attention, torch.split(read, sizes), strict=True
        )
        kept = None if part is None else part.keep()
        return [Prediction(r, z, a, h if hidden else None, kept) for r, z, a, h in parts]

    def _check_window(
        self,
        tokens: Tensor,
        rows: Sequence[Tensor],
        layers: Sequence[int],
        padding: Tensor | None,
        part: Window,
    ) -> None:
        assert self.windows, f"{self.name} keeps no keys and values"
        assert len(tokens) == 1, "keys and values are kept of one sequence"
        assert padding is None, "a canvas with kept keys and values has no padding"
        if part.kept is not None:
            assert not layers, "a window sees a part of the attention only"
            inside = (part.start <= rows[0]) & (rows[0] < part.start + tokens.shape[1])
            assert bool(inside.all()), "a window predicts its own positions only"


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
    network = checkpoint.open_network(family.network, folder, lambda: family.config(**given), dtype)
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
        windows=True,
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
