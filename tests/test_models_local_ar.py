"""CoDiLA's local model: what it reads, what it writes, and models that come from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import AddedToken
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

import dlmviz
from dlmviz.learn.codila.data import Text
from dlmviz.learn.codila.fit import fit
from dlmviz.learn.codila.settings import Fit
from dlmviz.models import heads
from dlmviz.models.causal import open_causal
from dlmviz.models.exact import exact_model
from dlmviz.models.heads import open_head, save_head
from dlmviz.models.local_ar import LocalAR, fresh
from dlmviz.pieces import FREE, Piece
from dlmviz.types import InputError, RunSpec
from tests import small_models
from tests.test_learn_codila import Quiet

V = 6
MODEL = exact_model({"a b": 1, "b a": 1})  # a, b, eos, mask


def local() -> LocalAR:
    torch.manual_seed(0)
    return fresh(V, width=16, inner=16, layers=2, heads=2).eval()


def piece(soft: torch.Tensor, forced: list[int] | None = None) -> Piece:
    given = [FREE] * len(soft) if forced is None else forced
    return Piece(torch.arange(len(soft)), soft, torch.tensor(given))


def test_a_one_hot_marginal_is_the_tokens_own_embedding() -> None:
    head, ids = local(), torch.tensor([[3, 0, 5]])
    table = head.network.get_input_embeddings()
    read = head.prefix(torch.nn.functional.one_hot(ids, V).float())
    assert torch.equal(read[:, 1:-1], table(ids))
    assert torch.equal(read[0, [0, -1]], table(torch.tensor([head.opening, head.closing])))


def test_a_marginal_is_the_mean_of_the_embeddings() -> None:
    head, p = local(), torch.tensor([0.5, 0.25, 0.25, 0, 0, 0])
    table = head.network.get_input_embeddings().weight
    wanted = 0.5 * table[0] + 0.25 * table[1] + 0.25 * table[2]
    assert torch.allclose(head.prefix(p[None, None])[0, 1], wanted, atol=1e-7)


def test_what_is_written_with_kept_states_is_what_a_whole_forward_says() -> None:
    """Each greedy token is the best one of `logits`, and its entropy that of their softmax."""
    head, soft = local(), torch.rand(5, V).softmax(-1)
    (tokens,), (entropy,) = head.decode([piece(soft)], never=V - 1)
    z = head.logits(soft[None], tokens[None])[0]
    z[:, V - 1] = -torch.inf
    assert torch.equal(z.argmax(-1), tokens)
    assert torch.allclose(torch.special.entr(z.softmax(-1)).sum(-1), entropy, atol=1e-5)


def test_at_one_token_a_piece_it_reads_the_marginal_again_and_nothing_else() -> None:
    """B = 1: ln p = the logits behind think, e and /think, whatever the token that is scored."""
    head, soft = local(), torch.rand(4, 1, V).softmax(-1)
    tokens = torch.tensor([[0], [1], [2], [3]])
    with torch.no_grad():
        z = head.logits(soft, tokens)
        alone = head.network(inputs_embeds=head.prefix(soft)).logits[:, -1:, :V]
    assert torch.equal(z, head.logits(soft, (tokens + 1) % V))
    assert torch.allclose(z, alone, atol=1e-6)


def test_forced_tokens_are_written_and_condition_what_follows() -> None:
    head, soft = local(), torch.full((3, V), 1 / V)
    (free,), _ = head.decode([piece(soft)], never=V - 1)
    other = (int(free[0]) + 1) % (V - 1)
    (tokens,), (entropy,) = head.decode([piece(soft, [other, FREE, FREE])], never=V - 1)
    assert int(tokens[0]) == other
    z = head.logits(soft[None], tokens[None])[0, 1:]
    z[:, V - 1] = -torch.inf
    assert torch.allclose(torch.special.entr(z.softmax(-1)).sum(-1), entropy[1:], atol=1e-5)


def test_the_mask_and_what_it_thinks_by_are_never_written() -> None:
    head, soft = local(), torch.full((40, 2, V), 1 / V)
    with torch.no_grad():
        head.network.get_input_embeddings().weight[2] *= 100
    rng = torch.Generator().manual_seed(0)
    written, _ = head.decode([piece(one) for one in soft], never=2, temperature=5.0, rng=rng)
    found = set(torch.cat(written).tolist())
    assert found <= {0, 1, 3, 4, 5}
    assert len(found) > 2


def test_it_draws_only_tokens_that_the_marginals_leave_open() -> None:
    head, n = local(), 60
    soft = torch.tensor([0.5, 0.0625, 0.0624, 0.0, 0.375, 0.0]).repeat(n, 2, 1)

    def drawn(floor: float, soft: torch.Tensor = soft) -> set[int]:
        rng = torch.Generator().manual_seed(0)
        pieces = [piece(one) for one in soft]
        written, _ = head.decode(pieces, V - 1, temperature=5.0, rng=rng, floor=floor)
        return set(torch.cat(written).tolist())

    assert drawn(0.125) == {0, 1, 4}  # 0.0625 is an eighth of 0.5: equality is enough
    assert drawn(1.0) == {0}
    assert drawn(0.0) == {0, 1, 2, 3, 4}
    never = torch.eye(V)[V - 1].repeat(n, 2, 1)
    assert len(drawn(0.1, never)) > 2  # nothing is open that it could write, so all is


def test_its_best_tokens_and_entropies_do_not_ask_what_the_marginals_leave_open() -> None:
    head, soft = local(), torch.rand(4, V).softmax(-1)
    (plain,), (H,) = head.decode([piece(soft)], never=V - 1)
    (other,), (same,) = head.decode([piece(soft)], never=V - 1, floor=1.0)
    assert torch.equal(plain, other)
    assert torch.equal(H, same)


def test_pieces_of_unlike_length_come_back_in_their_order() -> None:
    head, a, b = local(), torch.rand(3, V).softmax(-1), torch.rand(2, V).softmax(-1)
    together, _ = head.decode([piece(a), piece(b), piece(a.flip(0))], never=V - 1)
    alone = [head.decode([piece(x)], never=V - 1)[0][0] for x in (a, b, a.flip(0))]
    assert [t.tolist() for t in together] == [t.tolist() for t in alone]


def test_it_agrees_where_its_own_best_token_was_proposed() -> None:
    head, soft = local(), torch.rand(4, V).softmax(-1)
    with torch.no_grad():
        best = head.logits(soft[None], torch.zeros(1, 4, dtype=torch.int64))[0, 0].argmax()
    wrong = (best + 1) % V
    proposal = torch.stack([best, wrong, wrong, wrong])
    said = head.agrees([Piece(torch.arange(1), soft[:1], torch.tensor([FREE]))], proposal)
    with torch.no_grad():
        first = int(head.logits(soft[None, :1], best[None, None])[0, 0].argmax())
    assert said.tolist() == [first == int(best), True, True, True]


def test_a_local_model_is_kept_and_opened_again_up_to_half_precision(tmp_path: Path) -> None:
    head = fresh(MODEL.vocab_size, width=16, inner=16, layers=1, heads=2)
    save_head(tmp_path, "codila", head, MODEL, {})
    again = open_head("codila", MODEL, str(tmp_path))
    soft = torch.rand(2, 3, MODEL.vocab_size).softmax(-1)
    tokens = torch.zeros(2, 3, dtype=torch.int64)
    assert torch.allclose(head.logits(soft, tokens), again.logits(soft, tokens), atol=5e-3)
    weights = sum(p.numel() for p in head.parameters())
    assert (tmp_path / heads.WEIGHTS).stat().st_size < 2 * weights + 4000  # tied ones once
    other = exact_model({"a b": 1, "b c": 1})
    with pytest.raises(InputError, match="dlmviz train codila --model exact"):
        open_head("codila", other, str(tmp_path))
    with pytest.raises(InputError, match="kind 'codila': demask is needed"):
        open_head("demask", MODEL, str(tmp_path))


@pytest.fixture(scope="module")
def denoiser(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("denoiser")
    return dlmviz.load(str(small_models.write_tokenizer(small_models.write(folder))), device="cpu")


def causal(folder: Path, think: bool = True, extra: str = "", rows: int = 264) -> Path:
    """A random Qwen3 that shares the small models' bytes; its masks and ends may differ."""
    tokenizer = small_models.byte_tokenizer()
    words = (["<think>", "</think>"] if think else []) + ([extra] if extra else [])
    tokenizer.add_special_tokens([AddedToken(word) for word in words])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    shape = {"num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1}
    config = Qwen3Config(vocab_size=rows, hidden_size=16, intermediate_size=16, head_dim=8, **shape)
    Qwen3ForCausalLM(config).save_pretrained(folder)
    return folder


def test_a_causal_model_with_the_denoisers_ids_decodes(denoiser: Any, tmp_path: Path) -> None:
    """264 rows against 272: what it has no row for, it does not write."""
    place = str(causal(tmp_path))
    spec = RunSpec(
        prompt="hi",
        gen_length=8,
        block_length=8,
        sampler="codila",
        params={"head": place, "schedule": "static", "piece": 4},
    )
    trace = dlmviz.decode(denoiser, spec)
    assert [len(record.positions) for record in trace.steps] == [4, 4]
    assert max(trace.final) < 264
    head = open_causal(place, denoiser)
    assert head.network.config.model_type == "qwen3"
    assert (head.opening, head.closing) == (260, 261)
    wide = head.logits(torch.rand(1, 2, 272), torch.zeros(1, 2, dtype=torch.int64))
    assert wide.shape == (1, 2, 272)
    assert wide[..., 264:].isneginf().all()


def test_a_causal_model_is_trained_further_and_kept_as_a_head(
    denoiser: Any, tmp_path: Path
) -> None:
    place = str(causal(tmp_path / "causal"))
    text = Text(torch.tensor([*b"hi", *b"abcd"]).numpy(), 2, 4)
    settings = Fit(base=place, sizes=(4,), steps=1, batch=1)
    head, _ = fit(denoiser, [text], settings, tmp_path / "fit", Quiet())
    untouched = open_causal(place, denoiser)
    pairs = zip(head.parameters(), untouched.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)
    save_head(tmp_path / "head", "codila", head, denoiser, {})
    again = open_head("codila", denoiser, str(tmp_path / "head"))
    assert (again.opening, again.closing) == (260, 261)
    soft, tokens = torch.rand(1, 2, 272).softmax(-1), torch.zeros(1, 2, dtype=torch.int64)
    assert torch.allclose(
        again.logits(soft, tokens)[..., :264], head.logits(soft, tokens)[..., :264], atol=5e-3
    )


def test_causal_models_that_do_not_fit_are_refused(denoiser: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no <think> and no </think>"):
        open_head("codila", denoiser, str(causal(tmp_path / "plain", think=False)))
    with pytest.raises(InputError, match=r"does not share the vocabulary .* 57 of 260"):
        open_head("codila", denoiser, str(causal(tmp_path / "few", rows=200)))
    with pytest.raises(InputError, match="no tokenizer to compare"):
        open_head("codila", MODEL, str(causal(tmp_path / "other")))
    with pytest.raises(InputError, match="holds neither a head of dlmviz nor a causal"):
        open_head("codila", denoiser, str(tmp_path))
    with pytest.raises(InputError, match="no model or folder called 'nowhere'"):
        open_head("codila", denoiser, "nowhere")
