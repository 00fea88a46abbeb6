"""Models: what goes in and comes out, on tiny random networks and the golden ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from dlmviz.models import load
from dlmviz.models.exact import Exact
from dlmviz.models.llada import new
from tests.small_models import DREAM, LLADA, config, copy, tokens, write

BOTH = pytest.mark.parametrize("folder", [LLADA, DREAM], ids=["llada", "dream"])


def cpu(folder: Path, dtype: str = "float32") -> Any:
    return load(str(folder), device="cpu", dtype=dtype)


def test_the_pad_token_which_is_eos_is_a_token_like_any_other() -> None:
    network = new(config())
    rows = network.model.embed_tokens.weight
    assert rows[258].abs().max() > 0
    network(torch.full((1, 3), 258)).logits.square().sum().backward()
    assert rows.grad is not None
    assert rows.grad[258].abs().max() > 0


# First six masked positions of the first forward of `llada-one-block` and `dream-maskgit-full`.
@pytest.mark.parametrize(
    ("folder", "prompt", "best", "confidence"),
    [
        (
            LLADA,
            [214, 371, 494, 118, 130, 209, 222, 321],
            [331, 331, 331, 420, 420, 332],
            [0.311867, 0.195093, 0.394002, 0.567386, 0.650427, 0.423781],
        ),
        (
            DREAM,
            [211, 175, 245, 494, 113, 355, 348, 6],
            [354, 228, 389, 414, 414, 414],
            [0.532393, 0.378413, 0.128333, 0.175481, 0.113861, 0.187963],
        ),
    ],
    ids=["llada", "dream"],
)
def test_predictions_are_those_of_the_published_models(
    folder: Path, prompt: list[int], best: list[int], confidence: list[float]
) -> None:
    model = cpu(folder)
    canvas = torch.tensor([prompt + [model.special.mask] * 32])
    top = model.forward(canvas, rows=[torch.arange(8, 14)])[0].logits.softmax(-1).max(-1)
    assert top.indices.tolist() == best
    torch.testing.assert_close(top.values, torch.tensor(confidence), atol=1e-5, rtol=0)


@BOTH
def test_row_r_of_asked_rows_is_that_row_of_all_rows(folder: Path) -> None:
    model, canvas = cpu(folder), tokens(2, 20)
    whole = model.forward(canvas, hidden=True)
    rows = [torch.tensor([0, 5, 19]), torch.tensor([7])]
    for part, full, asked in zip(
        model.forward(canvas, rows, hidden=True), whole, rows, strict=True
    ):
        assert part.rows.tolist() == asked.tolist()
        torch.testing.assert_close(part.logits, full.logits[asked], atol=1e-5, rtol=0)
        assert torch.equal(part.hidden, full.hidden[asked])
        assert part.attention is None
    assert model.forward(canvas)[0].hidden is None


def test_no_rows_asked_gives_no_rows() -> None:
    empty = torch.empty(0, dtype=torch.int64)
    one, none = cpu(LLADA).forward(tokens(2, 9), [torch.tensor([3]), empty])
    assert (one.logits.shape, none.logits.shape) == ((1, 512), (0, 512))


@pytest.mark.parametrize(("folder", "source"), [(LLADA, [0, 1, 2, 3]), (DREAM, [0, 0, 1, 2])])
def test_position_i_is_read_from_its_own_row_or_dreams_row_before(
    folder: Path, source: list[int]
) -> None:
    model, canvas = cpu(folder), tokens(1, 4)
    answer = model.forward(canvas, hidden=True)[0]
    with torch.no_grad():
        raw = model.network(canvas).logits[0]
        torch.testing.assert_close(answer.logits, raw[source], atol=1e-5, rtol=0)
        torch.testing.assert_close(
            model.network.lm_head(answer.hidden), answer.logits, atol=1e-5, rtol=0
        )


@BOTH
def test_the_first_position_sees_the_last_token(folder: Path) -> None:
    model, canvas = cpu(folder), tokens(1, 10)
    changed = canvas.clone()
    changed[0, -1] += 1
    first = torch.tensor([0])
    a, b = (model.forward(c, [first])[0].logits for c in (canvas, changed))
    assert (a - b).abs().max() > 1e-3


@BOTH
def test_watched_attention_is_eager_attention(folder: Path) -> None:
    model, canvas = cpu(folder), tokens(2, 16)
    answers = model.forward(canvas, layers=[1, 3])
    model.network.set_attn_implementation("eager")
    with torch.no_grad():
        layers = model.network(canvas, output_attentions=True).attentions
    expected = (layers[1].mean(1) + layers[3].mean(1)) / 2
    for answer, truth in zip(answers, expected, strict=True):
        assert answer.attention.dtype == torch.float32
        torch.testing.assert_close(answer.attention, truth, atol=1e-6, rtol=0)
        torch.testing.assert_close(answer.attention.sum(-1), torch.ones(16))


@BOTH
def test_watching_changes_no_logit_and_none_is_plain_sdpa(folder: Path) -> None:
    model, canvas = cpu(folder), tokens(1, 16)
    plain = model.forward(canvas)[0].logits
    assert torch.equal(plain, model.forward(canvas, layers=[0, 1, 2, 3])[0].logits)
    model.network.set_attn_implementation("sdpa")
    assert torch.equal(plain, model.forward(canvas)[0].logits)


@BOTH
def test_padding_changes_no_real_row_and_is_not_attended(folder: Path) -> None:
    model, long, short = cpu(folder), tokens(1, 14), tokens(1, 9)
    batch = torch.cat([long, torch.cat([short, torch.full((1, 5), 3)], 1)])
    padding = torch.arange(14) < torch.tensor([[14], [9]])
    whole, padded = model.forward(batch, layers=[3], padding=padding)
    alone = model.forward(short, layers=[3])[0]
    torch.testing.assert_close(padded.logits[:9], alone.logits, atol=5e-5, rtol=0)
    torch.testing.assert_close(padded.attention[:9, :9], alone.attention, atol=1e-5, rtol=0)
    assert padded.attention[:, 9:].max() == 0
    unpadded = model.forward(long)[0]
    torch.testing.assert_close(whole.logits, unpadded.logits, atol=5e-5, rtol=0)
    assert (model.forward(batch)[1].logits[:9] - alone.logits).abs().max() > 1e-3


@BOTH
def test_the_network_itself_honours_a_mask_of_real_tokens(folder: Path) -> None:
    network, short = cpu(folder).network, tokens(1, 9)
    padded = torch.cat([short, torch.full((1, 5), 3)], 1)
    with torch.no_grad():
        alone = network(short).logits
        masked = network(padded, attention_mask=(torch.arange(14) < 9).long()[None]).logits
    torch.testing.assert_close(masked[:, :9], alone, atol=5e-5, rtol=0)


@BOTH
def test_a_caller_cannot_make_it_causal(folder: Path) -> None:
    network, canvas = cpu(folder).network, tokens(1, 9)
    with torch.no_grad():
        assert torch.equal(network(canvas, is_causal=True).logits, network(canvas).logits)


def test_padding_rows_of_the_vocabulary_are_minus_infinity(tmp_path: Path) -> None:
    model = cpu(write(tmp_path))
    logits = model.forward(tokens(1, 6))[0].logits
    assert model.vocab_size == logits.shape[1] == 272
    assert logits[:, :260].isfinite().all()
    assert (logits[:, 260:] == float("-inf")).all()


def test_facts_of_a_model_come_from_its_config() -> None:
    model = cpu(LLADA)
    assert (model.special.mask, model.special.eos, model.special.eot) == (510, 500, None)
    assert (model.vocab_size, model.context_length, model.layers) == (512, 256, 4)
    assert model.device == torch.device("cpu")


def test_bfloat16_rotates_in_float32_as_the_published_code_does() -> None:
    model = cpu(LLADA, "bfloat16")
    inner, seen = model.network.model, {}
    layer = inner.layers[0].self_attn
    layer.register_forward_hook(
        lambda _, args, kwargs, out: seen.update(kwargs, out=out[0]), with_kwargs=True
    )
    canvas = tokens(1, 40)
    logits = model.forward(canvas)[0].logits
    assert logits.dtype == torch.bfloat16

    x, angle = seen["hidden_states"], torch.arange(40)[:, None] * inner.rotary_emb.inv_freq
    wave = torch.cat([angle, angle], -1)

    def rotated(projection: torch.nn.Module) -> torch.Tensor:
        q = projection(x).view(40, 4, 16).transpose(0, 1).float()
        half = torch.cat([-q[..., 8:], q[..., :8]], -1)
        return (q * wave.cos() + half * wave.sin()).bfloat16()

    v = layer.v_proj(x).view(40, 4, 16).transpose(0, 1)
    out = torch.nn.functional.scaled_dot_product_attention(
        rotated(layer.q_proj)[None], rotated(layer.k_proj)[None], v[None]
    )
    expected = layer.o_proj(out[0].transpose(0, 1).reshape(1, 40, 64))
    assert torch.equal(seen["out"], expected)


def test_rotation_in_the_models_dtype_where_the_config_says_so(tmp_path: Path) -> None:
    folder = copy(LLADA, tmp_path / "m", rope_full_precision=False)
    cos, _ = cpu(folder, "bfloat16").network.model.rotary_emb(
        torch.zeros(1, 3, 64, dtype=torch.bfloat16), torch.arange(3)[None]
    )
    assert cos.dtype == torch.bfloat16


@BOTH
def test_left_to_right_use_is_refused(folder: Path) -> None:
    network = cpu(folder).network
    with pytest.raises(TypeError, match=r"dlmviz\.decode"):
        network.generate(tokens(1, 4))
    with pytest.raises(TypeError, match="no next-token loss"):
        network(tokens(1, 4), labels=tokens(1, 4))


def test_the_exact_model_is_opened_by_name() -> None:
    model = load("exact", device="cpu")
    assert isinstance(model, Exact)
    assert (model.name, model.device) == ("exact", torch.device("cpu"))


@pytest.mark.gpu
@BOTH
def test_cuda_gives_the_cpu_numbers(folder: Path) -> None:
    canvas = tokens(2, 20)
    here, there = cpu(folder), load(str(folder))
    assert there.device.type == "cuda"
    for a, b in zip(here.forward(canvas), there.forward(canvas, layers=[3]), strict=True):
        torch.testing.assert_close(a.logits, b.logits.cpu(), atol=1e-2, rtol=0)
