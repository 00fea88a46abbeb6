"""CoDiLA's decoder: a small causal model that reads a piece's marginals (arXiv 2603.20216).

It sees [think, e_1 .. e_B, /think] and then writes the piece token by token, where e_j = sum_v
pi_j(v) E(v) is the expected embedding of position j under the denoiser's marginal pi_j. It knows
neither prompt nor other pieces. Letters: n pieces, B tokens of a piece, V vocabulary, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from dlmviz.pieces import FREE, Piece


class LocalAR(nn.Module):
    """A causal model of transformers whose ids are the denoiser's, with two ids to think by."""

    def __init__(
        self, network: Any, opening: int, closing: int, sizes: dict[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.network, self.opening, self.closing = network, opening, closing
        told = {"config": network.config.to_dict(), "opening": opening, "closing": closing}
        self.sizes = sizes or told  # what `untrained` takes

    def prefix(self, soft: Tensor) -> Tensor:
        """[n B V] -> embeddings [n B+2 D]; of a one-hot row it is the token's own."""
        table = self.network.get_input_embeddings().weight
        seen = soft[..., : len(table)].to(table.dtype) @ table[: soft.shape[-1]]
        think = table[[self.opening, self.closing]].expand(len(soft), 2, -1)
        return torch.cat([think[:, :1], seen, think[:, 1:]], 1)

    def logits(self, soft: Tensor, tokens: Tensor) -> Tensor:
        """ln p(x_j | pi, x_<j) up to a constant, for given tokens; [n B V], [n B] -> [n B V]."""
        prefix = self.prefix(soft)
        written = self.network.get_input_embeddings()(tokens[:, :-1])
        hidden = torch.cat([prefix, written], 1)
        out = self.network(inputs_embeds=hidden, use_cache=False, logits_to_keep=tokens.shape[1])
        return _wide(out.logits, soft.shape[-1])

    def agrees(self, pieces: Sequence[Piece], proposal: Tensor) -> Tensor:
        """Whether each proposed token is this model's best one behind those before it; bool [T].

        Ties go to the lower id; true where no piece lies.
        """
        out = torch.ones_like(proposal, dtype=torch.bool)
        with torch.no_grad():
            for some in _alike(pieces):
                tokens = torch.stack(
                    [proposal[p.at].where(p.forced == FREE, p.forced) for p in some]
                )
                top = self.logits(torch.stack([p.soft for p in some]), tokens).argmax(-1)
                out[torch.stack([p.at for p in some])] = top == tokens
        return out

    @torch.no_grad()
    def decode(
        self,
        pieces: Sequence[Piece],
        never: int,
        temperature: float = 0.0,
        rng: torch.Generator | None = None,
        floor: float = 0.0,
    ) -> tuple[list[Tensor], list[Tensor]]:
        """(tokens [B], entropies [B] of each before it was written, nats) of every piece.

        What is forced is written as it is. `never` is no token: the mask. Temperature 0 takes the
        most probable token, ties go to the lower id; entropies are untempered. Above it only
        tokens v are drawn with pi_j(v) >= floor * max pi_j, the largest of those that it can write,
        and any where pi_j has none of these: an expected embedding does not tell which tokens it
        was made of, so this model gives some weight to others. That is ours.
        """
        found: dict[int, tuple[Tensor, Tensor]] = {}
        for some in _alike(pieces):
            soft, forced = (
                torch.stack([getattr(p, of) for p in some]) for of in ("soft", "forced")
            )
            written = self._written(soft, forced, never, temperature, rng, floor)
            pairs = zip(*written, strict=True)
            found |= {id(piece): pair for piece, pair in zip(some, pairs, strict=True)}
        told = [found[id(piece)] for piece in pieces]
        return [tokens for tokens, _ in told], [entropy for _, entropy in told]

    def _written(
        self,
        soft: Tensor,
        forced: Tensor,
        never: int,
        temperature: float,
        rng: torch.Generator | None,
        floor: float,
    ) -> tuple[Tensor, Tensor]:
        """(tokens, entropies) of pieces of one length; [n B V], [n B] -> [n B], [n B]."""
        inputs, kept = self.prefix(soft), None
        tokens, entropies = [], []
        banned = [i for i in (never, self.opening, self.closing) if i < soft.shape[-1]]
        for place in range(soft.shape[1]):
            out = self.network(
                inputs_embeds=inputs, past_key_values=kept, use_cache=True, logits_to_keep=1
            )
            kept, z = out.past_key_values, _wide(out.logits[:, -1], soft.shape[-1])
            z[:, banned] = -torch.inf
            entropies.append(torch.special.entr(z.softmax(-1)).sum(-1))
            if temperature > 0:
                pi = soft[:, place].masked_fill(z == -torch.inf, 0)  # of what it can write
                z = z.masked_fill(pi < floor * pi.amax(-1, keepdim=True), -torch.inf)
            token = z.argmax(-1) if temperature == 0 else _drawn(z / temperature, rng)
            tokens.append(token.where(forced[:, place] == FREE, forced[:, place]))
            inputs = self.network.get_input_embeddings()(tokens[-1])[:, None]
        return torch.stack(tokens, 1), torch.stack(entropies, 1)


def _wide(logits: Tensor, width: int) -> Tensor:
    """The logits of the denoiser's ids: cut, or padded by -inf; [... V'] -> float32 [... V]."""
    lacking = max(0, width - logits.shape[-1])
    return F.pad(logits[..., :width].float(), (0, lacking), value=-torch.inf)


def _drawn(z: Tensor, rng: torch.Generator | None) -> Tensor:
    return torch.multinomial(z.softmax(-1), 1, generator=rng)[:, 0]


def _alike(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """The pieces in groups of one length, in order of length."""
    for length in sorted({len(piece.at) for piece in pieces}):
        yield [piece for piece in pieces if len(piece.at) == length]


def untrained(**sizes: Any) -> LocalAR:
    """A local model of these sizes with random weights; see LocalAR.sizes. TypeError for others."""
    if "config" not in sizes:
        return fresh(**sizes)
    config = AutoConfig.for_model(**sizes["config"])
    kinds: Any = AutoModelForCausalLM
    network = kinds.from_config(config, trust_remote_code=False)
    return LocalAR(network, sizes["opening"], sizes["closing"])


def fresh(
    vocabulary: int, width: int = 256, inner: int = 512, layers: int = 3, heads: int = 4
) -> LocalAR:
    """A decoder with random weights, for a denoiser of `vocabulary` ids; two more are its own."""
    config = LlamaConfig(
        vocab_size=vocabulary + 2,
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )
    sizes = {"vocabulary": vocabulary, "width": width, "inner": inner, "layers": layers}
    network: Any = LlamaForCausalLM(config)
    nn.init.normal_(network.get_input_embeddings().weight, std=width**-0.5)  # learns faster by far
    return LocalAR(network, vocabulary, vocabulary + 1, {**sizes, "heads": heads})
