"""Models: which files of BERT and its kin can be opened, and what is refused with one sentence."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertForPreTraining, BertModel

from dlmviz.models import load
from dlmviz.types import InputError
from tests.small_models import SPECIALS, WORDS, word_pieces, write_masked

Tensors = dict[str, torch.Tensor]


def refused(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        load(str(folder), device="cpu")
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def rewrite(folder: Path, change: Callable[[Tensors], Tensors]) -> None:
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})


def reconfigure(folder: Path, file: str = "config.json", **changes: object) -> None:
    path = folder / file
    fields = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in fields.items() if v is not None}))


def as_published(tensors: Tensors) -> Tensors:
    """BERT's old names, a buffer of position ids, and the tied matrix written out."""
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): tensor
        for name, tensor in tensors.items()
    }
    return old | {
        "bert.embeddings.position_ids": torch.arange(40)[None],
        "cls.predictions.decoder.weight": old["bert.embeddings.word_embeddings.weight"].clone(),
        "cls.predictions.decoder.bias": old["cls.predictions.bias"].clone(),
    }


@torch.no_grad()
def test_a_bert_as_it_was_published_is_opened(tmp_path: Path) -> None:
    write_masked(tmp_path, "bert")
    network = BertForPreTraining.from_pretrained(tmp_path).eval()
    network.save_pretrained(tmp_path)
    names = load_file(tmp_path / "model.safetensors")
    assert {"bert.pooler.dense.weight", "cls.seq_relationship.weight"} <= names.keys()
    rewrite(tmp_path, as_published)
    canvas = torch.randint(4, 17, (1, 12))
    logits = load(str(tmp_path), device="cpu").forward(canvas)[0].logits
    truth = network(canvas).prediction_logits[0]
    torch.testing.assert_close(logits[:, :17], truth[:, :17], atol=5e-5, rtol=0)


def test_a_vocabulary_that_is_a_list_of_words_is_read(tmp_path: Path) -> None:
    write_masked(tmp_path, "bert")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).unlink()
    (tmp_path / "vocab.txt").write_text("\n".join(SPECIALS + WORDS))
    model = load(str(tmp_path), device="cpu")
    assert model.encode("The cats [MASK:2] sat") == [2, 5, 6, 9, 4, 4, 8]
    assert model.closing == (3,)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "spare", "taken"),
    [
        ("roberta", "roberta.pooler.dense.weight", True),
        ("albert", "sop_classifier.classifier.weight", True),
        ("bert", "bert.pooler.dense.weight", True),
        ("bert", "bert.embeddings.token_type_ids", True),
        ("bert", "classifier.weight", False),
        ("bert", "bert.encoder.layer.3.output.dense.weight", False),
        ("bert", "pooler.dense.weight", False),
    ],
)
def test_only_the_heads_of_known_other_tasks_may_be_left_over(
    kind: str, spare: str, taken: bool, tmp_path: Path
) -> None:
    rewrite(write_masked(tmp_path, kind), lambda tensors: tensors | {spare: torch.zeros(2)})
    if taken:
        assert load(str(tmp_path), device="cpu").layers == 3
    else:
        assert f"1 unexpected (first {spare}) tensors" in refused(tmp_path)


def test_an_encoder_without_its_masked_lm_head_is_refused(tmp_path: Path) -> None:
    write_masked(tmp_path, "bert")
    BertModel.from_pretrained(tmp_path).save_pretrained(tmp_path)
    sentence = refused(tmp_path)
    assert "6 missing (first cls.predictions.bias)" in sentence
    assert "nothing was loaded" in sentence


def test_a_layer_that_is_lost_or_of_another_width_is_refused(tmp_path: Path) -> None:
    name = "bert.encoder.layer.1.output.dense.weight"
    lost = write_masked(tmp_path / "lost", "bert")
    rewrite(lost, lambda tensors: {k: v for k, v in tensors.items() if k != name})
    assert f"1 missing (first {name})" in refused(lost)
    wide = write_masked(tmp_path / "wide", "bert")
    reconfigure(wide, intermediate_size=56)
    assert "9 mis-shaped" in refused(wide)


def test_a_tokenizer_without_a_mask_is_refused(tmp_path: Path) -> None:
    write_masked(tmp_path, "bert")
    tokenizer = word_pieces()
    tokenizer.mask_token = None
    tokenizer.save_pretrained(tmp_path)
    assert "has no mask token: got none, and" in refused(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).unlink()
    assert "has no mask token: got no tokenizer, and" in refused(tmp_path)


def test_a_model_that_writes_from_left_to_right_is_refused(tmp_path: Path) -> None:
    write_masked(tmp_path / "bert", "bert")
    reconfigure(tmp_path / "bert", is_decoder=True)
    assert "a bert model that writes from left to right" in refused(tmp_path / "bert")
    reconfigure(tmp_path / "bert", is_decoder=None, model_type="bart")
    assert "a bart model that writes from left to right" in refused(tmp_path / "bert")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden_size": "wide"}, "expected int, got str (value: 'wide')"),
        ({"max_position_embeddings": 0}, "must be whole numbers >= 1: got [20, 0, 3]"),
        ({"num_attention_heads": 5}, "cannot be opened"),
        ({"vocab_size": 12}, "17 tokens, the model only 12"),
        ({"model_type": "funnel"}, "cannot be used"),
        ({"model_type": "t5"}, "model of type 't5'; only llada, Dream and masked language models"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(
    changes: dict[str, object], words: str, tmp_path: Path
) -> None:
    reconfigure(write_masked(tmp_path, "bert"), **changes)
    assert words in refused(tmp_path)


def test_an_architecture_that_needs_more_than_tokens_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from transformers import FNetForMaskedLM

    write_masked(tmp_path, "fnet")
    monkeypatch.setattr(FNetForMaskedLM, "forward", lambda self, x, pixels, **more: None)
    assert "the fnet model in" in (sentence := refused(tmp_path))
    assert "cannot be run on token ids alone" in sentence


def test_code_that_a_folder_names_is_not_run(tmp_path: Path) -> None:
    """For the weights transformers' own class is there; for the tokenizer nothing else may be."""
    write_masked(tmp_path, "bert")
    (tmp_path / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Model: pass\n")
    names = {"AutoModelForMaskedLM": "code.Model", "AutoConfig": "code.Model"}
    reconfigure(tmp_path, auto_map=names)
    assert load(str(tmp_path), device="cpu").layers == 3
    mapped = {"AutoTokenizer": ["code.Model", "code.Model"]}
    reconfigure(tmp_path, "tokenizer_config.json", auto_map=mapped, tokenizer_class="Model")
    with contextlib.suppress(InputError):
        load(str(tmp_path), device="cpu")
    assert not (tmp_path / "ran").exists()
