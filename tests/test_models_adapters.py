"""Models: LoRA adapters on a base that stays what it was."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file

from dlmviz.models import load
from dlmviz.models.adapters import adapt, located
from dlmviz.models.llada import LAYER, LladaForMaskedLM
from dlmviz.store.adapters import CARD, identity, read_card
from dlmviz.types import InputError
from tests.small_models import DREAM, LLADA, tokens

SEVEN = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def train(folder: Path, targets: list[str], steps: int = 2) -> Any:
    """The network with a LoRA adapter after a few steps of learning, saved in `folder`."""
    network = LladaForMaskedLM.from_pretrained(LLADA)
    wrapped = get_peft_model(network, LoraConfig(r=2, lora_alpha=4, target_modules=targets))
    optimizer = torch.optim.SGD([p for p in wrapped.parameters() if p.requires_grad], lr=0.5)
    canvas = tokens(2, 8)
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(
            wrapped(canvas).logits.flatten(0, 1), canvas.view(-1)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    wrapped.save_pretrained(folder)
    return network.eval()


def test_the_adapter_that_comes_with_dlmviz_opens_by_its_name_and_in_stock_peft() -> None:
    base, student = load("tiny", device="cpu"), load("tiny", adapter="distilled", device="cpu")
    folder = located("distilled")
    assert student.fingerprint != base.fingerprint
    assert student.fingerprint == load("tiny", adapter=str(folder), device="cpu").fingerprint
    assert sum(f.stat().st_size for f in folder.iterdir()) < 6_000_000
    canvas = torch.tensor([base.encode("Name a country.") + [base.special.mask] * 8])
    stock = PeftModel.from_pretrained(copy.deepcopy(base.network), folder)
    with torch.no_grad():
        torch.testing.assert_close(stock(canvas).logits, student.network(canvas).logits)
        assert not torch.equal(stock(canvas).logits, base.network(canvas).logits)
    assert located("somewhere/distilled") == Path("somewhere/distilled")
    card = read_card(folder / CARD)
    assert card is not None
    assert (card.id, card.base_model) == (identity(folder), "tiny")
    assert card.base_fingerprint == base.fingerprint


def as_original(folder: Path, targets: list[str]) -> None:
    """Rewrite an adapter as one that was trained on LLaDA's own class: its names, its targets."""
    tensors = load_file(folder / "adapter_model.safetensors")
    names = {ours: name for name, ours in LAYER.items()}

    def renamed(key: str) -> str:
        layer, module, tail = re.search(r"layers\.(\d+)\.(.+?)\.(lora.*)", key).groups()  # type: ignore[union-attr]
        return f"base_model.model.model.transformer.blocks.{layer}.{names[module]}.{tail}"

    save_file({renamed(k): v for k, v in tensors.items()}, folder / "adapter_model.safetensors")
    change_config(folder, target_modules=targets)


def change_config(folder: Path, **changes: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def logits(model: Any, canvas: torch.Tensor) -> torch.Tensor:
    return model.forward(canvas)[0].logits  # type: ignore[no-any-return]


def test_an_adapter_changes_the_answer_and_leaves_the_base_alone(tmp_path: Path) -> None:
    trained, canvas = train(tmp_path, SEVEN), tokens(1, 10)
    base = load(str(LLADA), device="cpu")
    before = logits(base, canvas)
    adapted = adapt(base, str(tmp_path))
    with torch.no_grad():
        assert torch.equal(logits(adapted, canvas), trained(canvas).logits[0])
    assert (logits(adapted, canvas) - before).abs().max() > 1e-2
    assert torch.equal(logits(base, canvas), before)
    assert adapted.fingerprint != base.fingerprint
    assert torch.equal(
        logits(load(str(LLADA), adapter=str(tmp_path), device="cpu"), canvas),
        logits(adapted, canvas),
    )


def test_base_weights_are_shared_not_copied(tmp_path: Path) -> None:
    train(tmp_path, ["q_proj"])
    base = load(str(LLADA), device="cpu")
    adapted = adapt(base, str(tmp_path))
    places = {p.data_ptr() for p in base.network.parameters()}
    own = [n for n, p in adapted.network.named_parameters() if p.data_ptr() not in places]
    assert len(own) == 8
    assert all("lora" in name for name in own)


# LLaDA's own class calls three of the seven otherwise; the usual list finds only four there.
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (SEVEN, ["q_proj", "k_proj", "v_proj", "attn_out", "ff_proj", "up_proj", "ff_out"]),
        (["q_proj", "k_proj", "v_proj", "up_proj"], SEVEN),
    ],
    ids=["all", "usual-list"],
)
def test_an_adapter_made_on_the_original_class_gives_the_same_answer(
    ours: list[str], theirs: list[str], tmp_path: Path
) -> None:
    trained, canvas = train(tmp_path, ours), tokens(1, 10)
    as_original(tmp_path, theirs)
    adapted = load(str(LLADA), adapter=str(tmp_path), device="cpu")
    with torch.no_grad():
        assert torch.equal(logits(adapted, canvas), trained(canvas).logits[0])


def test_an_adapter_that_does_not_fit_is_refused_whole(tmp_path: Path) -> None:
    train(tmp_path, ["q_proj", "v_proj"])
    base, weights = load(str(LLADA), device="cpu"), tmp_path / "adapter_model.safetensors"
    tensors = load_file(weights)
    first = min(tensors)

    def refusal(**changed: torch.Tensor | None) -> str:
        kept = {k: v for k, v in (tensors | changed).items() if v is not None}
        save_file(kept, weights)
        with pytest.raises(InputError) as caught:
            adapt(base, str(tmp_path))
        return str(caught.value)

    assert f"1 missing (first {first})" in refusal(**{first: None})
    assert "1 left over (first stray)" in refusal(stray=torch.zeros(2))
    assert f"1 mis-shaped (first {first})" in refusal(**{first: torch.zeros(2, 32)})
    save_file(tensors, weights)
    change_config(tmp_path, target_modules=["q_proj", "attn_out"])
    with pytest.raises(InputError, match="8 left over"):
        adapt(base, str(tmp_path))
    change_config(tmp_path, target_modules=["nothing"])
    with pytest.raises(InputError, match="does not fit"):
        adapt(base, str(tmp_path))


def test_an_adapter_of_another_model_is_refused(tmp_path: Path) -> None:
    train(tmp_path, ["k_proj"])
    with pytest.raises(InputError, match=r"does not fit .*mis-shaped"):
        load(str(DREAM), adapter=str(tmp_path), device="cpu")


def test_a_folder_that_is_no_adapter_is_refused(tmp_path: Path) -> None:
    base = load(str(LLADA), device="cpu")
    with pytest.raises(InputError, match=r"holds no adapter_config\.json"):
        adapt(base, str(tmp_path))
    train(tmp_path, ["q_proj"])
    (tmp_path / "adapter_model.safetensors").write_bytes(b"cut")
    with pytest.raises(InputError, match="cannot be read"):
        adapt(base, str(tmp_path))
