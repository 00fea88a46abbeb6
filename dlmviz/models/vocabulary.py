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

TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "vocab.txt")
SPAN = re.compile(r"\[MASK(?::([^\]\n]*))?\]")  # [MASK] or [MASK:12]
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
    opening: tuple[int, ...] = ()  # ids that go before every text
    closing: tuple[int, ...] = ()  # and behind it, when it is whole

    @property
    def size(self) -> int:
        """One more than the highest id."""
        return max(map(int, self.tokenizer.get_vocab().values()), default=-1) + 1

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

    def encode(self, prompt: str, chat: bool, mask_id: int, longest: int) -> list[int]:
        """Ids of a prompt; see Denoiser.encode. InputError for a blank one.

        `longest`: how many masks it may hold. `closing` is left to who puts masks behind it.
        """
        if not prompt.strip():
            raise InputError("the prompt is empty; type a question or a sentence")
        if self.tokenizer is None:
            raise InputError(
                "this model has no tokenizer, so it cannot read text; put the tokenizer.json of "
                "its vocabulary into the model's folder"
            )
        masks = sum(_count(span, longest) for span in SPAN.finditer(prompt))
        if masks > longest:
            raise InputError(
                f"the prompt holds {masks} masks, the model's context {longest} tokens; "
                "write fewer or shorter [MASK:n]"
            )
        if chat and self.tokenizer.chat_template:
            turns = [{"role": "user", "content": prompt}]
            prompt = self.tokenizer.apply_chat_template(
                turns, add_generation_prompt=True, tokenize=False
            )
        return [*self.opening, *self._fill(prompt, mask_id, longest)]

    def _fill(self, text: str, mask_id: int, longest: int) -> list[int]:
        """Ids of a text whose spans stand for masks."""
        word = self.tokenizer.added_tokens_decoder.get(mask_id)
        if word is not None:  # as the model was trained: some masks take the space before them
            return self._ids(SPAN.sub(lambda span: word.content * _count(span, longest), text))
        ids: list[int] = []
        end = 0
        for span in SPAN.finditer(text):
            ids += self._ids(text[end : span.start()]) + [mask_id] * _count(span, longest)
            end = span.end()
        return ids + self._ids(text[end:])

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

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


def _count(span: re.Match[str], longest: int) -> int:
    """How many masks a span stands for; InputError where that is no number from 1 to `longest`."""
    given = "1" if span[1] is None else span[1]
    count = int(given) if re.fullmatch("[0-9]{1,9}", given) else 0
    if not 1 <= count <= longest:
        raise InputError(
            f"[MASK:n] must stand for 1 to {longest} masks, as many as the model's context holds: "
            f"got {given[:20]!r} for n; write [MASK] or [MASK:8]"
        )
    return count


def open_vocabulary(folder: Path, tokenizer_class: Any, rows: int) -> Vocabulary:
    """The vocabulary of a model folder with `rows` embedding rows; no files, no tokenizer.

    Raises InputError for files that cannot be read and for more tokens than rows.
    """
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        return Vocabulary(None)
    try:
        tokenizer = tokenizer_class.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # the tokenizers library raises bare Exception
        raise InputError(
            f"the tokenizer in {folder} cannot be read ({first_line(error)}); "
            "copy tokenizer.json and tokenizer_config.json again"
        ) from error
    backend = getattr(tokenizer, "backend_tokenizer", None)  # tokenizers in Python have none
    decoder = None if backend is None else backend.decoder
    byte_level = decoder is not None and b"ByteLevel" in decoder.__getstate__()
    vocabulary = Vocabulary(tokenizer, byte_level)
    if vocabulary.size > rows:
        raise InputError(
            f"the tokenizer in {folder} has {vocabulary.size} tokens, the model only {rows}; "
            "use the tokenizer the model was trained with"
        )
    return vocabulary
