"""BERT and its kin: any masked language model that transformers knows, decoded like the others.

A prompt has no turns: [CLS] and the text, then the masks, then `closing` ([SEP]). The model
predicts the token at the masked position itself. Letters: B sequences, T canvas positions, n asked
rows, D hidden width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import CONFIG_MAPPING, MODEL_FOR_MASKED_LM_MAPPING, AutoTokenizer
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

from dlmviz.models import checkpoint
from dlmviz.models.probe import ATTENTION
from dlmviz.models.transformer import Pick, TransformerDenoiser
from dlmviz.models.vocabulary import Vocabulary, open_vocabulary
from dlmviz.types import InputError, Special

KINDS = frozenset(MODEL_FOR_MASKED_LM_MAPPING_NAMES)  # model_type in config.json
# model_type -> the head, from hidden states of rows to logits. These models are asked for rows and
# can be watched; of any other one the whole output is computed and nothing can be watched.
HEADS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "bert": lambda network, states: network.cls(states),
    "ernie": lambda network, states: network.cls(states),
    "roberta": lambda network, states: network.lm_head(states),
    "xlm-roberta": lambda network, states: network.lm_head(states),
    "camembert": lambda network, states: network.lm_head(states),
    "modernbert": lambda network, states: network.decoder(network.head(states)),
}
SPARE = (  # heads of other tasks, and a buffer, that published files hold besides a masked LM
    r"\w+\.pooler\.",
    r"cls\.seq_relationship\.",  # BERT: is it the next sentence
    r"sop_classifier\.",  # ALBERT: the order of two sentences
    r"\w+\.embeddings\.token_type_ids$",
)


def read_rows(
    network: Any, tokens: Tensor, padding: Tensor | None, pick: Pick, **extra: Any
) -> tuple[Tensor, Tensor]:
    """(hidden states [n D], logits [n V]); the states are those before the head's own layers."""
    # Not a ready mask: layers that look around themselves only make another one of it.
    mask = None if padding is None else padding.long()
    offset = _offset(network)
    if offset:  # else a pad token that was decoded would shift all positions behind it
        places = torch.arange(tokens.shape[1], device=tokens.device) + offset
        extra["position_ids"] = places.expand(len(tokens), -1)
    out = network.base_model(tokens, attention_mask=mask, **extra)
    read = pick(out.last_hidden_state)
    return read, HEADS[network.config.model_type](network, read)


def read_whole(
    network: Any, tokens: Tensor, padding: Tensor | None, pick: Pick
) -> tuple[Tensor, Tensor]:
    """The same of an architecture whose parts are not known: all logits are computed.

    Padded sequences are run one by one, since not every architecture can leave padding out.
    """
    alone = [tokens]
    if padding is not None:
        alone = [x[None, real] for x, real in zip(tokens, padding, strict=True)]
    outs = [network(x, output_hidden_states=True) for x in alone]
    states = [state for out in outs for state in out.hidden_states[-1]]
    logits = [rows for out in outs for rows in out.logits]
    read = pick(pad_sequence(states, batch_first=True))
    return read, pick(pad_sequence(logits, batch_first=True))


def _offset(network: Any) -> int:
    """Position id of the first token: RoBERTa counts from its padding row on, BERT from 0."""
    embeddings = getattr(network.base_model, "embeddings", None)
    padding_row = getattr(embeddings, "padding_idx", None)
    return 0 if padding_row is None else padding_row + 1


def open_masked_lm(
    name: str, folder: Path, device: torch.device, dtype: torch.dtype
) -> TransformerDenoiser:
    """The model in a checkpoint folder, all its tensors accounted for. Raises InputError."""
    given = checkpoint.read_config(folder)
    kind = given["model_type"]
    config = _config(folder, kind, given)
    vocabulary = _vocabulary(folder, config.vocab_size)
    fingerprint = checkpoint.fingerprint(folder, given, vocabulary.fingerprint)
    known = kind in HEADS
    network = checkpoint.open_network(
        MODEL_FOR_MASKED_LM_MAPPING[type(config)],  # not the Auto class, which may run code
        folder,
        lambda: config,
        dtype,
        ATTENTION if known else None,
        SPARE,
    ).eval()
    if not known:
        _try_out(folder, network, vocabulary)
    tokenizer = vocabulary.tokenizer
    end = tokenizer.sep_token_id
    return TransformerDenoiser(
        name=name,
        fingerprint=fingerprint,
        special=Special(tokenizer.mask_token_id, tokenizer.eos_token_id if end is None else end),
        vocab_size=config.vocab_size,
        true_vocab_size=vocabulary.size,
        context_length=config.max_position_embeddings - _offset(network),
        layers=config.num_hidden_layers,
        device=device,
        network=network.to(device),
        vocabulary=vocabulary,
        read=read_rows if known else read_whole,
        attends=known,
        closing=vocabulary.closing,
    )


def _config(folder: Path, kind: str, given: dict[str, Any]) -> Any:
    """transformers' config of an encoder; InputError where it is none."""
    try:
        config = CONFIG_MAPPING[kind](**given)
        sizes = [config.vocab_size, config.max_position_embeddings, config.num_hidden_layers]
    except checkpoint.UNREADABLE as error:
        raise InputError(
            f"{folder / 'config.json'} cannot be used ({checkpoint.first_line(error)}); "
            "copy config.json of a masked language model again"
        ) from error
    if not all(isinstance(size, int) and size >= 1 for size in sizes):
        raise InputError(
            f"vocab_size, max_position_embeddings and num_hidden_layers in {folder}/config.json "
            f"must be whole numbers >= 1: got {sizes}; copy config.json again"
        )
    if getattr(config, "is_encoder_decoder", False) or getattr(config, "is_decoder", False):
        raise InputError(
            f"{folder} holds a {kind} model that writes from left to right; only encoders fill "
            "masks everywhere at once; give the folder or hub id of one, such as a BERT"
        )
    return config


def _vocabulary(folder: Path, rows: int) -> Vocabulary:
    """The vocabulary, with what its tokenizer puts around a text; InputError without a mask."""
    plain = open_vocabulary(folder, AutoTokenizer, rows)
    tokenizer = plain.tokenizer
    mask = None if tokenizer is None else tokenizer.mask_token_id
    if mask is None:
        raise InputError(
            f"the tokenizer in {folder} has no mask token: got "
            f"{'no tokenizer' if tokenizer is None else 'none'}, and a masked language model is "
            "run on masks; copy tokenizer.json and tokenizer_config.json of its checkpoint"
        )
    tokenizer.chat_template = None  # an encoder never saw turns
    around = list(tokenizer(tokenizer.mask_token)["input_ids"])  # a text of one token
    at = around.index(mask)
    return Vocabulary(tokenizer, plain.byte_level, tuple(around[:at]), tuple(around[at + 1 :]))


@torch.no_grad()
def _try_out(folder: Path, network: Any, vocabulary: Vocabulary) -> None:
    """InputError unless the network can be run on token ids alone."""
    tokens = torch.full((2, 3), vocabulary.tokenizer.mask_token_id)
    try:
        read, logits = read_whole(network, tokens, None, lambda states: states[0])
        if len(read) != 3 or len(logits) != 3:
            raise ValueError(f"{len(logits)} rows of logits for 3 tokens")
    except Exception as error:  # any architecture, so any error
        raise InputError(
            f"the {network.config.model_type} model in {folder} cannot be run on token ids alone "
            f"({checkpoint.first_line(error)}); give the folder or hub id of a text encoder"
        ) from error
