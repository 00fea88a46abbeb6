"""A denoiser whose joint law is known: a few weighted sentences, conditionals computed exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dlmviz.types import Prediction, Special

WORDS = ["the", "cat", "dog", "sat", "ran", "fast", "home", ".", "<eos>", "<mask>"]
MASK, EOS = WORDS.index("<mask>"), WORDS.index("<eos>")
SENTENCES = {
    "the cat sat home . <eos> <eos> <eos>": 0.5,
    "the dog ran fast . <eos> <eos> <eos>": 0.3,
    "the dog sat home . <eos> <eos> <eos>": 0.2,
}


def ids(text: str) -> list[int]:
    return [WORDS.index(word) for word in text.split()]


def near(length: int) -> Tensor:
    """[T T]: attention that falls with distance, alike for every longer T."""
    place = torch.arange(length).float()
    return torch.exp(-(place[:, None] - place[None]).abs())


@dataclass(eq=False)
class Toy:
    """p(Y_i | shown positions) over the sentences, repeated to any multiple of eight positions.

    `calls` collects the batch size of every forward, so that a test can count what was really run.
    A canvas that no sentence agrees with gets the unconditional law.
    """

    smoothing: float = 1e-4
    mask_logit: float = -9.0
    calls: list[int] = field(default_factory=list)

    name = "toy"
    fingerprint = "toy"
    special = Special(mask=MASK, eos=EOS)
    vocab_size = len(WORDS)
    context_length = 64
    layers = 2
    device = torch.device("cpu")

    def encode(self, prompt: str, chat: bool = True) -> list[int]:
        return ids(prompt)

    def text(self, tokens: Sequence[int]) -> str:
        return " ".join(WORDS[token] for token in tokens)

    def pieces(self, tokens: Sequence[int]) -> list[str]:
        return [WORDS[token] for token in tokens]

    def forward(
        self,
        tokens: Tensor,
        rows: Sequence[Tensor] | None = None,
        layers: Sequence[int] = (),
        hidden: bool = False,
        padding: Tensor | None = None,
        keep: bool = False,
        cache: object = None,
        start: int = 0,
    ) -> list[Prediction]:
        assert not keep, "the toy keeps no keys and values"
        self.calls.append(len(tokens))
        every = torch.arange(tokens.shape[1])
        asked = [every] * len(tokens) if rows is None else rows
        lengths = [tokens.shape[1]] * len(tokens) if padding is None else padding.sum(1).tolist()
        attention = near(tokens.shape[1]) if layers else None  # padded, as a real batch's is
        made = [self._logits(x[:n])[r] for x, n, r in zip(tokens, lengths, asked, strict=True)]
        states = made if hidden else [None] * len(made)
        return [
            Prediction(*each)
            for each in zip(asked, made, [attention] * len(made), states, strict=True)
        ]

    def _logits(self, tokens: Tensor) -> Tensor:
        """[T] -> [T V]; each group of eight positions after the prompt word is one sentence."""
        out = torch.full((len(tokens), len(WORDS)), self.smoothing).log()
        start = len(tokens) % 8
        for group in range(start, len(tokens), 8):
            out[group : group + 8] = self._group(tokens[group : group + 8])
        out[:, MASK] = self.mask_logit
        return out

    def _group(self, tokens: Tensor) -> Tensor:
        laws = torch.zeros(8, len(WORDS)) + self.smoothing
        for sentence, weight in SENTENCES.items():
            words = torch.tensor(ids(sentence))
            if bool(((tokens == words) | (tokens == MASK)).all()):
                laws[torch.arange(8), words] += weight
        return (laws / laws.sum(-1, keepdim=True)).log()
