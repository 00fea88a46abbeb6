"""The built-in model's tokenizer: lossless byte-level BPE where a digit is one token.

` ?\\d` and newlines stand alone, so "17 * 6" is four tokens and a grid line is what it looks like.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from dlmviz.types import InputError

MASK, EOS, USER, ASSISTANT, PAD = SPECIALS = (
    "<|mask|>",
    "<|eos|>",
    "<|user|>",
    "<|assistant|>",
    "<|pad|>",
)
TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}<|user|>{{ message['content'] }}<|assistant|>"
    "{% else %}{{ message['content'] }}<|eos|>{% endif %}"
    "{% endfor %}"
)


def train(texts: Iterable[str], size: int) -> Tokenizer:
    """A tokenizer of at most `size` entries; the specials have the highest ids, in SPECIALS order.

    All 256 byte symbols are in the alphabet, so any text encodes and decodes to itself.
    """
    if size < 256 + len(SPECIALS):
        raise InputError(f"vocabulary size must be at least 261: got {size}; try 3072")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" ?\d|\n"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens(list(SPECIALS))
    return tokenizer


def wrap(tokenizer: Tokenizer, context: int = 1024) -> PreTrainedTokenizerFast:
    """The same tokenizer for transformers, with its chat template and named specials."""
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        eos_token=EOS,
        pad_token=PAD,
        mask_token=MASK,
        additional_special_tokens=[USER, ASSISTANT],
        chat_template=TEMPLATE,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )


def save(tokenizer: Tokenizer, folder: Path, context: int = 1024) -> None:
    """Nothing returned; tokenizer.json, its config and the chat template are written."""
    folder.mkdir(parents=True, exist_ok=True)
    wrap(tokenizer, context).save_pretrained(folder)


def load(folder: Path) -> Tokenizer:
    """The tokenizer of `folder`/tokenizer.json; InputError if it is not one of ours."""
    path = folder / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_str(path.read_text("utf-8"))
    except Exception as error:  # the library raises bare Exception
        raise InputError(
            f"no tokenizer can be read from {path}: {error}; make one with --tokenizer-only"
        ) from error
    missing = [name for name in SPECIALS if tokenizer.token_to_id(name) is None]
    if missing:
        raise InputError(
            f"{path} has no {', '.join(missing)}; all of {', '.join(SPECIALS)} are needed: "
            "make one with --tokenizer-only"
        )
    return tokenizer


def ids(tokenizer: Tokenizer) -> dict[str, int]:
    """special -> id, as in SPECIALS."""
    found = {name: tokenizer.token_to_id(name) for name in SPECIALS}
    assert None not in found.values(), "train() and load() see to the specials"
    return {name: number for name, number in found.items() if number is not None}


def describe(tokenizer: Tokenizer) -> str:
    """One line for a log: entries, and how many of them are merges."""
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return f"{tokenizer.get_vocab_size()} entries, {len(merges)} merges"
