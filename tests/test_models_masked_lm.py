"""Models: BERT and its kin say what transformers says, and their tokenizers frame the canvas."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForMaskedLM, AutoTokenizer

from dlmviz.models import load
from dlmviz.models.masked_lm import HEADS
from dlmviz.models.transformer import TransformerDenoiser
from tests.small_models import write_masked

MAIN = ["bert", "roberta", "modernbert"]
Made = Callable[[str], Path]  # kind -> a checkpoint folder
OTHERS = ["distilbert", "mpnet", "fnet"]  # have no head of their own here: run whole
KNOWN = pytest.mark.parametrize("kind", MAIN)
EVERY = pytest.mark.parametrize("kind", [*sorted(HEADS), *OTHERS])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Each kind's checkpoint is written once."""

    @functools.cache
    def make(kind: str) -> Path:
        return write_masked(tmp_path_factory.mktemp(kind), kind)

    return make


def cpu(folder: Path) -> TransformerDenoiser:
    model = load(str(folder), device="cpu")
    assert isinstance(model, TransformerDenoiser)
    return model


def reference(folder: Path) -> Any:
    """The same checkpoint as transformers opens and computes it."""
    return AutoModelForMaskedLM.from_pretrained(folder, attn_implementation="eager").eval()


def tokens(*shape: int) -> torch.Tensor:
    return torch.randint(4, 17, shape)  # no pad token, which RoBERTa's own code does not count


@EVERY
@torch.no_grad()
def test_logits_are_those_of_transformers_at_asked_rows(kind: str, made: Made) -> None:
    model, canvas = cpu(made(kind)), tokens(2, 16)
    rows = [torch.tensor([0, 5, 15]), torch.tensor([7])]
    truth = reference(made(kind))(canvas).logits
    true = model.true_vocab_size
    for answer, asked, whole in zip(model.forward(canvas, rows), rows, truth, strict=True):
        assert answer.rows.tolist() == asked.tolist()
        assert answer.logits.shape == (len(asked), model.vocab_size)
        torch.testing.assert_close(answer.logits[:, :true], whole[asked, :true], atol=5e-5, rtol=0)
        assert (answer.logits[:, true:] == float("-inf")).all()
    assert model.vocab_size == true + 3


@pytest.mark.parametrize("kind", [*MAIN, *OTHERS])
def test_padding_changes_no_real_row(kind: str, made: Made) -> None:
    model, long, short = cpu(made(kind)), tokens(1, 16), tokens(1, 9)
    batch = torch.cat([long, torch.cat([short, torch.zeros(1, 7, dtype=torch.int64)], 1)])
    padding = torch.arange(16) < torch.tensor([[16], [9]])
    whole, padded = (answer.logits for answer in model.forward(batch, padding=padding))
    assert whole.shape == padded.shape
    alone, apart = model.forward(short)[0].logits, model.forward(long)[0].logits
    torch.testing.assert_close(padded[:9], alone, atol=5e-5, rtol=0)
    torch.testing.assert_close(whole, apart, atol=5e-5, rtol=0)
    assert (model.forward(batch)[1].logits[:9] - alone)[:, :17].abs().max() > 1e-3


@KNOWN
@torch.no_grad()
def test_hidden_states_are_what_the_head_reads(kind: str, made: Made) -> None:
    model, canvas = cpu(made(kind)), tokens(1, 12)
    answer = model.forward(canvas, [torch.tensor([3, 8])], hidden=True)[0]
    states = reference(made(kind)).base_model(canvas).last_hidden_state[0]
    assert answer.hidden is not None
    torch.testing.assert_close(answer.hidden, states[[3, 8]], atol=5e-5, rtol=0)
    assert model.forward(canvas)[0].hidden is None


@torch.no_grad()
def test_hidden_states_of_an_unknown_architecture_are_its_last(made: Made) -> None:
    folder, canvas = made("distilbert"), tokens(1, 12)
    answer = cpu(folder).forward(canvas, [torch.tensor([3, 8])], hidden=True)[0]
    states = reference(folder)(canvas, output_hidden_states=True).hidden_states[-1][0]
    assert answer.hidden is not None
    torch.testing.assert_close(answer.hidden, states[[3, 8]], atol=5e-5, rtol=0)


@pytest.mark.parametrize("kind", sorted(HEADS))
@torch.no_grad()
def test_watched_attention_is_eager_attention(kind: str, made: Made) -> None:
    """ModernBERT's layer 1 sees three tokens to either side, its layers 0 and 2 see all."""
    model, canvas = cpu(made(kind)), tokens(2, 14)
    answers = model.forward(canvas, layers=[1, 2])
    layers = reference(made(kind))(canvas, output_attentions=True).attentions
    expected = (layers[1].mean(1) + layers[2].mean(1)) / 2
    for answer, truth in zip(answers, expected, strict=True):
        torch.testing.assert_close(answer.attention, truth, atol=1e-6, rtol=0)
    assert torch.equal(answers[0].logits, model.forward(canvas)[0].logits)


def test_a_sliding_window_and_padding_together_attend_real_tokens_only(made: Made) -> None:
    model, canvas = cpu(made("modernbert")), tokens(1, 16)
    padding = torch.arange(16)[None] < 5
    near = model.forward(canvas, layers=[1], padding=padding)[0].attention
    assert near is not None
    assert near.isfinite().all()  # positions 9 and on see no real token
    assert near[:, 5:].max() == 0
    assert near[0, :4].min() > 0
    assert near[0, 4] == 0
    torch.testing.assert_close(near[:5].sum(-1), torch.ones(5))


def test_an_unknown_architecture_gives_no_attention_and_none_gives_windows(made: Made) -> None:
    model, canvas = cpu(made("fnet")), tokens(1, 6)
    assert not model.attends
    with pytest.raises(AssertionError, match="gives no attention"):
        model.forward(canvas, layers=[0])
    known = cpu(made("bert"))
    assert known.attends
    for one in (model, known):
        assert not one.windows
        with pytest.raises(AssertionError, match="keeps no keys and values"):
            one.forward(canvas, keep=True)


def test_the_tokenizer_frames_the_text_and_names_the_mask(made: Made) -> None:
    bert = cpu(made("bert"))
    assert (bert.special.mask, bert.special.eos, bert.special.eot) == (4, 3, None)
    assert bert.closing == (3,)
    assert bert.encode("The cats sat") == [2, 5, 6, 9, 8] == bert.encode("the cats sat", chat=False)
    assert bert.text([2, 5, 6, 9, 8, 3]) == "the cats sat"
    assert bert.pieces([2, 6, 9, 4, 18]) == ["[CLS]", "cat", "##s", "[MASK]", "<18>"]
    roberta = cpu(made("roberta"))
    assert (roberta.special.mask, roberta.special.eos) == (259, 2)
    assert (roberta.encode("a")[0], roberta.closing) == (0, (2,))
    assert roberta.text(roberta.encode(" é")) == " é"


@KNOWN
def test_a_framed_text_is_what_the_tokenizer_makes_of_it(kind: str, made: Made) -> None:
    model = cpu(made(kind))
    tokenizer = AutoTokenizer.from_pretrained(made(kind))
    mask = tokenizer.mask_token
    for ours, theirs in (
        ("the cat sat.", "the cat sat."),
        ("the [MASK] sat on [MASK:3], a cat", f"the {mask} sat on {mask * 3}, a cat"),
        ("[MASK]", mask),
        ("cat[MASK:2]cat", f"cat{mask}{mask}cat"),
    ):
        assert [*model.encode(ours), *model.closing] == tokenizer(theirs)["input_ids"]


def test_a_chat_template_is_not_for_an_encoder(tmp_path: Path) -> None:
    write_masked(tmp_path, "bert")
    (tmp_path / "chat_template.jinja").write_text("the dog {{ messages[0]['content'] }}")
    assert AutoTokenizer.from_pretrained(tmp_path).chat_template
    assert cpu(tmp_path).encode("cat") == [2, 6]


@pytest.mark.parametrize(("kind", "length"), [("bert", 40), ("roberta", 38), ("modernbert", 40)])
def test_the_longest_canvas_can_be_run(kind: str, length: int, made: Made) -> None:
    model = cpu(made(kind))
    assert model.context_length == length  # RoBERTa's positions begin behind its padding row
    assert model.forward(tokens(1, length))[0].logits[:, :17].isfinite().all()


@torch.no_grad()
def test_a_pad_token_that_was_decoded_moves_no_position(made: Made) -> None:
    model, canvas = cpu(made("roberta")), tokens(1, 10)
    canvas[0, 4] = 1
    places = torch.arange(2, 12)[None]
    truth = reference(made("roberta"))(canvas, position_ids=places).logits[0, :, :260]
    torch.testing.assert_close(model.forward(canvas)[0].logits[:, :260], truth, atol=5e-5, rtol=0)


def test_an_adapter_goes_on_top_of_a_bert(made: Made, tmp_path: Path) -> None:
    base, canvas = made("bert"), tokens(1, 10)
    wrapped = get_peft_model(
        reference(base), LoraConfig(r=2, target_modules=["query", "value"], init_lora_weights=False)
    )
    wrapped.save_pretrained(tmp_path)
    model = cpu(base)
    adapted = load(str(base), adapter=str(tmp_path), device="cpu")
    with torch.no_grad():
        truth = wrapped.eval()(canvas).logits[0, :, :17]
    logits = adapted.forward(canvas)[0].logits[:, :17]
    torch.testing.assert_close(logits, truth, atol=5e-5, rtol=0)
    assert (logits - model.forward(canvas)[0].logits[:, :17]).abs().max() > 1e-2
    assert adapted.closing == model.closing  # type: ignore[attr-defined]
