"""Text to ids and back, for models with a tokenizer and for those that have none."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlmviz.models.checkpoint import first_line
from dlmviz.types import InputError

TOKENIZER_FILES = ("tokenizer.json", "vocab.json")
END_OF_TURN = ("<|eot_id|>", "<|im_end|>")  # LLaDA, Dream


def _byte_alphabet() -> dict[str, int]:
    """Character -> byte of byte-level BPE: printable ones stand for themselves, others from 256."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    alphabet = {chr(byte): byte for byte in printable}
    return alphabet | {chr(256 + i): byte for i, byte in enumerate(others)}


BYTES = _byte_alphabet()


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """A tokenizer, or None for a model without one: then ids are shown as numbers."""

    tokenizer: Any
    byte_level: bool = False

    @property
    def end_of_turn(self) -> int | None:
        """Id of the token that ends a turn, or None."""
        if self.tokenizer is None:
            return None
        known = self.tokenizer.get_added_vocab()
        return next((int(known[name]) for name in END_OF_TURN if name in known), None)

    @property
    def fingerprint(self) -> str:
        """Hexadecimal SHA-256 of all (token, id) pairs; empty without a tokenizer."""
        if self.tokenizer is None:
            return ""
        pairs = sorted(self.tokenizer.get_vocab().items())
        return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()

    def encode(self, prompt: str, chat: bool) -> list[int]:
        """Ids of a prompt; see Denoiser.encode. InputError for a blank one."""
        if not prompt.strip():
            raise InputError("the prompt is empty; type a question or a sentence")
        if self.tokenizer is None:
            raise InputError(
                "this model has no tokenizer, so it cannot read text; put the tokenizer.json of "
                "its vocabulary into the model's folder"
            )
        if chat and self.tokenizer.chat_template:
            turns = [{"role": "user", "content": prompt}]
            prompt = self.tokenizer.apply_chat_template(
                turns, add_generation_prompt=True, tokenize=False
            )
        return list(self.tokenizer(prompt, add_special_tokens=False)["input_ids"])

    def text(self, ids: Sequence[int]) -> str:
        """The ids as text; special tokens and ids outside the vocabulary are left out."""
        if self.tokenizer is None:
            return " ".join(str(i) for i in ids)
        known = [int(i) for i in ids if 0 <= int(i) < len(self.tokenizer)]
        return str(
            self.tokenizer.decode(
                known, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        )

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Each id alone: a special token's name, a token's text, bytes that are none as <0xNN>."""
        if self.tokenizer is None:
            return [str(int(i)) for i in ids]
        added = self.tokenizer.added_tokens_decoder
        return [
            added[i].content
            if i in added
            else self._piece(self.tokenizer.convert_ids_to_tokens(i))
            if 0 <= i < len(self.tokenizer)
            else f"<{i}>"
            for i in map(int, ids)
        ]

    def _piece(self, token: str) -> str:
        if not self.byte_level:
            return token.replace("▁", " ")
        # A surrogate stands for each byte that is no part of a whole character.
        text = bytes(BYTES[c] for c in token).decode("utf-8", errors="surrogateescape")
        return re.sub("[\udc80-\udcff]", lambda m: f"<0x{ord(m[0]) - 0xDC00:02X}>", text)


def open_vocabulary(folder: Path, tokenizer_class: Any, rows: int) -> Vocabulary:
    """The vocabulary of a model folder with `rows` embedding rows; no files, no tokenizer.

    Raises InputError for files that cannot be read and for more tokens than rows.
    """
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        return Vocabulary(None)
    try:
        tokenizer = tokenizer_class.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the tokenizers library raises bare Exception
        raise InputError(
            f"the tokenizer in {folder} cannot be read ({first_line(error)}); "
            "copy tokenizer.json and tokenizer_config.json again"
        ) from error
    if len(tokenizer) > rows:
        raise InputError(
            f"the tokenizer in {folder} has {len(tokenizer)} tokens, the model only {rows}; "
            "use the tokenizer the model was trained with"
        )
    decoder = tokenizer.backend_tokenizer.decoder
    return Vocabulary(tokenizer, decoder is not None and b"ByteLevel" in decoder.__getstate__())
