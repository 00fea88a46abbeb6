"""Models: text to ids, ids to text, and how each id is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dlmviz.models import load
from dlmviz.models.vocabulary import BYTES
from dlmviz.types import InputError
from tests.small_models import (
    DREAM,
    EOS,
    EOT,
    LLADA,
    MASK,
    byte_tokenizer,
    copy,
    write,
    write_tokenizer,
)


@pytest.fixture
def model(tmp_path: Path) -> Any:
    return load(str(write_tokenizer(write(tmp_path))), device="cpu")


def test_text_goes_to_ids_and_back(model: Any) -> None:
    text = "  an apple\n€ 5 – naïve 数\t"
    assert model.text(model.encode(text, chat=False)) == text
    assert model.encode(" a", chat=False) == [256]


def test_chat_wraps_the_prompt_in_the_template_once(model: Any) -> None:
    assert model.text(model.encode("Hi")) == "<user>Hi<answer>"
    assert model.encode("Hi", chat=False) == [BYTE_IDS["H"], BYTE_IDS["i"]]


BYTE_IDS = {letter: i for i, letter in enumerate(sorted(BYTES))}


def test_without_a_template_the_prompt_stands_alone(tmp_path: Path) -> None:
    bare = load(str(write_tokenizer(write(tmp_path), template=None)), device="cpu")
    assert bare.encode("Hi") == bare.encode("Hi", chat=False)


def test_a_mask_in_the_prompt_is_the_mask(model: Any) -> None:
    assert model.encode(f"a{MASK}", chat=False)[-1] == model.special.mask


@pytest.mark.parametrize("chat", [True, False])
def test_a_span_stands_for_so_many_masks_anywhere(model: Any, chat: bool) -> None:
    """The ids are those of the text with the model's own mask token written out."""
    for prompt, spelled in (
        ("x[MASK]", f"x{MASK}"),
        ("[MASK:12] a", f"{MASK * 12} a"),
        ("  an a[MASK:2]\n a [MASK] a[MASK]", f"  an a{MASK * 2}\n a {MASK} a{MASK}"),
        ("[MASK][MASK:3]", MASK * 4),
        ("[MASK:007]", MASK * 7),
    ):
        ids = model.encode(prompt, chat=chat)
        assert ids == model.encode(spelled, chat=chat)
        assert ids.count(model.special.mask) == spelled.count(MASK)


def test_the_space_behind_a_span_stays_with_its_word(model: Any) -> None:
    assert model.encode("[MASK] a[MASK]a", chat=False) == [257, 256, 257, BYTE_IDS["a"]]


@pytest.mark.parametrize(
    "prompt", ["[mask]", "[MASK", "[MASKED]", "MASK:3", "[MASK:3\n]", "[ MASK]"]
)
def test_what_is_no_span_is_text(model: Any, prompt: str) -> None:
    ids = model.encode(prompt, chat=False)
    assert model.special.mask not in ids
    assert model.text(ids) == prompt


@pytest.mark.parametrize("number", ["0", "x", "", "-1", "1.5", " 3", "٣", "65", "9" * 5000])
def test_a_span_that_is_no_number_of_masks_is_refused(model: Any, number: str) -> None:
    with pytest.raises(InputError, match=r"stand for 1 to 64 masks, .*: got .* for n; write"):
        model.encode(f"a [MASK:{number}] b")


def test_more_masks_than_the_context_holds_are_refused(model: Any) -> None:
    assert len(model.encode("[MASK:64]", chat=False)) == model.context_length == 64
    with pytest.raises(InputError, match=r"holds 65 masks, the model's context 64 tokens; write"):
        model.encode("[MASK:64][MASK]", chat=False)


def test_a_span_is_a_mask_where_the_tokenizer_does_not_know_the_mask(tmp_path: Path) -> None:
    model = load(str(write_tokenizer(write(tmp_path, mask_token_id=13))), device="cpu")
    a, letter = 256, BYTE_IDS["x"]
    assert model.encode(" a[MASK:2] ax[MASK]", chat=False) == [a, 13, 13, a, letter, 13]
    chat = model.encode("x[MASK]")
    assert chat == [*model.encode("<user>x", chat=False), 13, *model.encode("<answer>", chat=False)]


@pytest.mark.parametrize("prompt", ["", " ", "\n\t "])
def test_a_blank_prompt_is_refused(model: Any, prompt: str) -> None:
    with pytest.raises(InputError, match="prompt is empty; type"):
        model.encode(prompt)


def test_end_of_turn_comes_from_the_tokenizer(model: Any) -> None:
    assert (model.special.mask, model.special.eos, model.special.eot) == (257, 258, 259)


def test_special_tokens_are_left_out_of_text_and_named_in_pieces(model: Any) -> None:
    ids = [257, *model.encode("ok", chat=False), 258, 259]
    assert model.text(ids) == "ok"
    assert model.pieces(ids) == [MASK, "o", "k", EOS, EOT]


def test_a_piece_keeps_its_space_and_shows_bytes_that_are_no_character(model: Any) -> None:
    ids = model.encode("b a €", chat=False)
    assert model.pieces(ids) == ["b", " a", " ", "<0xE2>", "<0x82>", "<0xAC>"]


def test_every_byte_has_its_letter() -> None:
    assert sorted(BYTES.values()) == list(range(256))
    assert len(BYTES) == 256
    assert set(BYTES) == set(byte_tokenizer().get_vocab()) - {"Ġa", MASK, EOS, EOT}


def test_ids_beyond_the_tokenizer_are_shown_and_not_text(model: Any) -> None:
    assert model.pieces([265, -1]) == ["<265>", "<-1>"]
    assert model.text([265, -1]) == ""


def test_a_model_without_a_tokenizer_shows_ids() -> None:
    bare = load(str(LLADA), device="cpu")
    assert bare.text([3, 510]) == "3 510"
    assert bare.pieces([3, 510]) == ["3", "510"]
    with pytest.raises(InputError, match=r"no tokenizer, .*; put"):
        bare.encode("Hi")


def test_dreams_vocabulary_files_are_read_without_its_code(tmp_path: Path) -> None:
    folder = copy(DREAM, tmp_path / "m")
    tokenizer = byte_tokenizer()
    plain = {k: v for k, v in tokenizer.get_vocab().items() if v <= 256}
    (folder / "vocab.json").write_text(json.dumps(plain))
    (folder / "merges.txt").write_text("#version: 0.2\nĠ a\n")
    specials = {257: EOS, 258: "<|im_start|>", 259: "<|im_end|>", 260: "<|mask|>"}
    added = {str(i): {"content": s, "special": True} for i, s in specials.items()}
    fields = {
        "tokenizer_class": "DreamTokenizer",
        "auto_map": {"AutoTokenizer": ["tokenization_dream.DreamTokenizer", None]},
        "added_tokens_decoder": added,
        "eos_token": EOS,
        "pad_token": EOS,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(fields))
    dream = load(str(folder), device="cpu")
    text = "It's a <|mask|> day\t数"
    ids = dream.encode(text, chat=False)
    assert 260 in ids
    assert 256 in ids
    assert dream.text(ids) == "It's a  day\t数"
    assert dream.special.eot == 259
