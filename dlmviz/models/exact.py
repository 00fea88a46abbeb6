"""A model that cannot be wrong: conditionals of an explicit law over a few weighted sentences.

So the true joint law of any positions is known; dependence is DEMASK's (arXiv 2604.02560), total
correlation that of arXiv 2601.15593. Letters: S sentences, A of them allowed, T canvas
positions, V vocabulary, B batch. Computed on the CPU: the same numbers on every device.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlmviz.types import InputError, Prediction, Special, Trace

CONTEXT = 512  # longest canvas, unless a sentence is longer
FLOOR = 1e-30  # stands for probability zero in the logits, which stay finite in every dtype
CPU = torch.device("cpu")
SPAN = re.compile(r"\[MASK(?::([1-9]\d{0,3}))?\]")
Tokens = Sequence[int] | np.ndarray | Tensor  # a whole canvas, [T]


class Exact:
    """types.Denoiser with P(Y = s | canvas) = w_s / sum w over the sentences the canvas allows.

    A sentence starts the canvas, prompt included, and eos fills the rest; a shorter canvas sees
    its beginning. Allowed are the sentences that differ from the canvas in the fewest positions
    not masked: in none, unless someone wrote what no sentence says. Ids: the words, eos, mask.
    """

    layers = 4  # all with the same attention
    windows = False

    def __init__(
        self,
        sentences: Sequence[Sequence[int]],  # S rows; eos follows each
        weights: Sequence[float],  # [S], above zero; they need not sum to one
        words: Sequence[str],
        name: str = "exact",
        device: torch.device = CPU,
    ) -> None:
        _check(sentences, weights, len(words))
        self.name, self.device = name, device
        self.words = (*words, "<eos>", "<mask>")
        self.vocab_size = len(self.words)
        self.special = Special(mask=len(words) + 1, eos=len(words))
        self.context_length = T = max(CONTEXT, *map(len, sentences))
        rows = [[*sentence, *[len(words)] * (T - len(sentence))] for sentence in sentences]
        self.sentences = torch.tensor(rows, dtype=torch.int64)  # [S T]
        self.weights = torch.tensor([float(w) for w in weights], dtype=torch.float64)
        law = json.dumps([self.words, rows, self.weights.tolist()])
        self.fingerprint = hashlib.sha256(law.encode()).hexdigest()

    def encode(self, prompt: str, chat: bool = True) -> list[int]:
        """See types.Denoiser; there is no chat template. A blank prompt allows every sentence."""
        words = SPAN.sub(r" \g<0> ", prompt).split()
        return [token for word in words for token in self._encode_one(word)]

    def _encode_one(self, word: str) -> list[int]:
        if word in self.words:
            return [self.words.index(word)]
        span = SPAN.fullmatch(word)
        if span is None:
            near = difflib.get_close_matches(word, self.words, 1, cutoff=0)[0]
            raise InputError(
                f"{word!r} is not one of the {self.vocab_size} words of the model {self.name}; the "
                f"nearest is {near!r}; write its words with spaces between them, or [MASK]"
            )
        return [self.special.mask] * int(span[1] or 1)

    def text(self, ids: Sequence[int]) -> str:
        """See types.Denoiser: words with spaces between them."""
        return " ".join(self.words[i] for i in ids if 0 <= i < self.vocab_size - 2)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """See types.Denoiser."""
        return [self.words[i] if 0 <= i < self.vocab_size else f"<{i}>" for i in ids]

    def forward(
        self,
        tokens: Tensor,
        rows: Sequence[Tensor] | None = None,
        layers: Sequence[int] = (),
        hidden: bool = False,
        padding: Tensor | None = None,
        keep: bool = False,
        cache: Any = None,
        start: int = 0,
    ) -> list[Prediction]:
        """See types.Denoiser. Logits are ln max(p, FLOOR) in float64; a hidden state is p.

        Attention off the diagonal is D_ij / T, so it *is* the dependence of the two positions;
        the diagonal has the rest of its row. Rows and columns of padding are zero.
        """
        assert (keep, cache, start) == (False, None, 0), "an exact model has no windows"
        assert all(0 <= layer < self.layers for layer in layers), f"layers {layers}"
        tokens = tokens.to(CPU)
        lengths = [tokens.shape[1]] * len(tokens) if padding is None else padding.sum(1).tolist()
        asked = [torch.arange(tokens.shape[1])] * len(tokens) if rows is None else rows
        laws = self._laws(self.sentences[:, : tokens.shape[1]], self._allowed(tokens, lengths))
        out = []
        for x, length, row, law in zip(tokens, lengths, asked, laws, strict=True):
            p = law[row.to(CPU)]
            logits = p.clamp(min=FLOOR).log().to(self.device)
            attention = self._attention(x, length).to(self.device) if layers else None
            states = p.float().to(self.device) if hidden else None
            out.append(Prediction(row.to(self.device), logits, attention, states))
        return out

    def _attention(self, tokens: Tensor, length: int) -> Tensor:
        """float32 [T T] of a canvas whose first `length` tokens are not padding."""
        shares = self.dependence(tokens[:length]) / length
        out = torch.zeros(len(tokens), len(tokens))
        out[:length, :length] = shares + (1 - shares.sum(1)).diag()
        return out

    def _allowed(self, tokens: Tensor, lengths: Sequence[int]) -> Tensor:
        """Weights of the allowed sentences, zero for the others; [B T] -> float64 [B S]."""
        real = torch.arange(tokens.shape[1]) < torch.tensor(lengths)[:, None]
        differs = self.sentences[:, : tokens.shape[1]] != tokens[:, None]  # a mask: from all alike
        wrong = (differs & real[:, None]).sum(-1)  # [B S]
        return torch.where(wrong == wrong.amin(1, keepdim=True), self.weights, 0.0)

    def _laws(self, sentences: Tensor, weights: Tensor) -> Tensor:
        """p(Y_i = v) of weighted sentences; [S T], [... S] -> float64 [... T V]."""
        shape = (*weights.shape[:-1], *sentences.T.shape)
        mass = weights.new_zeros(*shape[:-1], self.vocab_size)
        mass.scatter_add_(-1, sentences.T.expand(shape), weights[..., None, :].expand(shape))
        return mass / mass.sum(-1, keepdim=True)  # here, so that what is certain is exactly 1

    def _given(self, tokens: Tokens) -> tuple[Tensor, Tensor]:
        """Allowed sentences [A T] and their weights [A], of one canvas."""
        canvas = torch.as_tensor(tokens, dtype=torch.int64, device=CPU)
        weights = self._allowed(canvas[None], [len(canvas)])[0]
        return self.sentences[weights > 0, : len(canvas)], weights[weights > 0]

    def marginals(self, tokens: Tokens) -> Tensor:
        """p(Y_i = v | canvas), zeros included; [T] -> float64 [T V]."""
        return self._laws(*self._given(tokens))

    def joint(self, tokens: Tokens, positions: Sequence[int]) -> dict[tuple[int, ...], float]:
        """P(Y_G = values | canvas) of a group G of positions, in its order; no zeros."""
        sentences, weights = self._given(tokens)
        table: dict[tuple[int, ...], float] = defaultdict(float)
        for sentence, weight in zip(sentences.tolist(), weights.tolist(), strict=True):
            table[tuple(sentence[i] for i in positions)] += weight
        total = sum(table.values())
        return {values: mass / total for values, mass in table.items()}

    def dependence(self, tokens: Tokens) -> Tensor:
        """D_ij = TV(P_ij, P_i P_j) given the canvas, 0 where i = j; [T] -> float64 [T T].

        This is E_y TV(P(Y_i | Y_j = y), P(Y_i)): both ways the same, as there is one joint law.
        """
        sentences, weights = self._given(tokens)
        p = self._laws(sentences, weights)
        at, word = ((p > 0) & (p < 1)).nonzero(as_tuple=True)  # each uncertain position's words
        says = (sentences[:, at] == word).double()
        single, share = p[at, word], weights / weights.sum()
        # TV is the mass by which the joint law exceeds the product.
        excess = (says.T @ (says * share[:, None]) - single[:, None] * single).clamp(min=0)
        by_row = p.new_zeros(len(p), len(at)).index_add_(0, at, excess)
        return p.new_zeros(len(p), len(p)).index_add_(1, at, by_row).fill_diagonal_(0)

    def total_correlation(self, tokens: Tokens, positions: Sequence[int]) -> float:
        """KL(P_G || prod_{i in G} P_i) given the canvas, nats: what committing G at once loses."""
        laws = [self.joint(tokens, group).values() for group in (*zip(positions), positions)]
        *apart, together = (-sum(p * math.log(p) for p in law) for law in laws)
        return max(0.0, sum(apart) - together)


def group_error(model: Exact, trace: Trace) -> list[float]:
    """Total correlation of what each step committed, given the canvas before it; nats a step.

    Zero for one token, or several that are independent; what a rule saves by verifying its group
    with more forwards is not seen. InputError for another model's trace.
    """
    if trace.info.get("fingerprint", model.fingerprint) != model.fingerprint:
        raise InputError(f"the trace is not of the model {model.name}: decode with it first")
    groups = [record.positions.tolist() for record in trace.steps]
    return [model.total_correlation(trace.canvas_at(i), group) for i, group in enumerate(groups)]


def exact_model(
    sentences: Mapping[str, float], name: str = "exact", device: torch.device = CPU
) -> Exact:
    """A model of weighted sentences, words split at spaces; ids are in alphabetical order."""
    split = [sentence.split() for sentence in sentences]
    words = sorted({word for sentence in split for word in sentence} - {"<eos>"})
    if "<mask>" in words:
        raise InputError("a sentence must have words only: got one with <mask>; leave it out")
    rows = [[[*words, "<eos>"].index(word) for word in sentence] for sentence in split]
    return Exact(rows, list(sentences.values()), words, name, device)


def _check(sentences: Sequence[Sequence[int]], weights: Sequence[float], words: int) -> None:
    """InputError unless sentences and weights can be a law."""
    if not 0 < len(sentences) == len(weights):
        raise InputError(f"give sentences and their weights: got {len(sentences)}, {len(weights)}")
    strange = {i for sentence in sentences for i in sentence if not 0 <= i <= words}
    if strange:
        raise InputError(f"ids must lie in 0..{words} (eos): got {min(strange)}; change the id")
    bad = [w for w in weights if not (isinstance(w, int | float) and 0 < w < math.inf)]
    if bad:
        raise InputError(f"weights must be numbers above 0: got {bad[0]!r}; drop that sentence")


# One line a family: parts at ";", alternatives at "/", the r-th of them with weight 1 / r.
FAMILIES = (
    "the/one;dog;waits/barks;at home/in front of the house;/all day long",
    "two/the;dogs;wait/bark;at home/in front of the house;/all day long",
    "the/one;cat/mouse;sleeps/waits;at home/under the table;at night/",
    "two/the;cats/mice;sleep/wait;at home/under the table;at night/",
    "the/one;duck/frog;swims/rests;in the pond/near the river;/every morning",
    "two/the;ducks/frogs;swim/rest;in the pond/near the river;/every morning",
    "the/one;bird;sings/rests;in the old tree/on the roof;every morning/",
    "two/the;birds;sing/rest;in the old tree/on the roof;every morning/",
    "anna/maria;reads/loves;her book;at home/in the park;/every morning/after lunch",
    "tom/ben;rides/loves;his bike;in the park/near the river;/every morning/after lunch",
    "anna and tom;play/love;their piano;at home/at school;/every morning/after lunch",
)
CAPITALS = (
    "france:paris/costa rica:san jose/italy:rome/argentina:buenos aires/japan:tokyo/peru:lima/"
    "india:new delhi/kenya:nairobi/el salvador:san salvador/norway:oslo/malaysia:kuala lumpur/"
    "mexico:mexico city/south korea:seoul/ethiopia:addis ababa/panama:panama city/spain:madrid"
)


def open_exact(name: str, device: torch.device) -> Exact:
    """The built-in model: 284 sentences of 6 to 12 words; try "two" or "the capital of"."""
    pairs = [pair.split(":") for pair in CAPITALS.split("/")]
    forms = ("the capital of {} is {}", "{1} is the capital of {0}")
    facts = ["/".join(form.format(*pair) for pair in pairs) for form in forms]
    sentences: dict[str, float] = {}
    for family in [*FAMILIES, *facts]:
        for choice in product(*(enumerate(part.split("/"), 1) for part in family.split(";"))):
            text = " ".join([*(words for _, words in choice), "."])
            # Whole numbers: their sums have no rounding, so ties are ties.
            sentences[text] = 288 // math.prod(rank for rank, _ in choice)
    return exact_model(sentences, name, device)
