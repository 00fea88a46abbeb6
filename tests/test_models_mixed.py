"""Models: base and adapters in one forward, each sequence as if it were alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model

from dlmviz import decoding
from dlmviz.lanes import Lane, race
from dlmviz.models import load
from dlmviz.models.adapters import adapt
from dlmviz.models.llada import LladaForMaskedLM
from dlmviz.models.mixed import mix
from dlmviz.opening import begin
from dlmviz.samplers import make
from dlmviz.types import Prediction, RunSpec, StepRecord
from tests.small_models import LLADA, tokens


def adapter(folder: Path, seed: int, **config: object) -> str:
    """A folder with a LoRA adapter whose weights are all random."""
    torch.manual_seed(seed)
    network = LladaForMaskedLM.from_pretrained(LLADA)
    wrapped = get_peft_model(network, LoraConfig(init_lora_weights=False, **config))  # type: ignore[arg-type]
    wrapped.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two adapters of unlike rank, on other layers; the second is on the output layer, too."""
    root = tmp_path_factory.mktemp("adapters")
    first = adapter(root / "first", 1, r=2, target_modules=["q_proj", "down_proj"])
    second = adapter(root / "second", 2, r=4, target_modules=["v_proj", "q_proj", "lm_head"])
    return first, second


def close(a: Prediction, b: Prediction) -> None:
    assert torch.equal(a.rows, b.rows)
    torch.testing.assert_close(a.logits, b.logits, rtol=1e-4, atol=1e-4)


def test_each_sequence_of_a_batch_is_under_its_own_adapter(folders: tuple[str, str]) -> None:
    base = load(str(LLADA), device="cpu")
    alone = {folder: adapt(base, folder) for folder in folders} | {None: base}
    mixed = mix(base, folders)
    assert mixed is not None
    who = [folders[1], None, folders[0], None, folders[1]]
    canvas, rows = (
        tokens(5, 12),
        [torch.tensor([3, 5, 11]), *[torch.arange(n) for n in (1, 2, 4, 9)]],
    )
    made = mixed.forward(who, canvas, rows)
    for i, folder in enumerate(who):
        expected = alone[folder].forward(canvas[i : i + 1], rows[i : i + 1])[0]
        close(made[i], expected)
    plain = base.forward(canvas[:1], rows[:1])[0].logits
    assert (made[0].logits - plain).abs()[:, :260].max() > 1e-2  # the adapter does something
    again = mixed.forward([None] * 5, canvas, rows)  # nothing is left of who was asked before
    close(again[0], base.forward(canvas[:1], rows[:1])[0])
    assert not any(layer._forward_pre_hooks for layer in mixed.adapted)


def test_one_row_a_sequence_is_not_taken_for_a_batch(folders: tuple[str, str]) -> None:
    """Two sequences, one asked for two rows, the other for none: two lines, two sequences."""
    base = load(str(LLADA), device="cpu")
    mixed = mix(base, folders)
    assert mixed is not None
    canvas, rows = tokens(2, 8), [torch.tensor([1, 4]), torch.tensor([], dtype=torch.int64)]
    made = mixed.forward([folders[1], None], canvas, rows)
    close(made[0], adapt(base, folders[1]).forward(canvas[:1], rows[:1])[0])


def test_base_weights_are_shared_and_stay_what_they_are(folders: tuple[str, str]) -> None:
    base = load(str(LLADA), device="cpu")
    before = {name: p.clone() for name, p in base.network.state_dict().items()}
    mixed = mix(base, folders)
    assert mixed is not None
    places = {p.data_ptr() for p in base.network.parameters()}
    own = [n for n, p in mixed.model.network.named_parameters() if p.data_ptr() not in places]
    assert own
    assert all("lora" in name for name in own)
    mixed.forward([folders[0]], tokens(1, 8), [torch.arange(8)])
    after = base.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    "config", [{"use_dora": True}, {"modules_to_save": ["lm_head"]}, {"bias": "lora_only"}]
)
def test_adapters_that_leave_no_place_for_others_do_not_share(
    folders: tuple[str, str], tmp_path: Path, config: dict[str, object]
) -> None:
    odd = adapter(tmp_path, 3, r=2, target_modules=["q_proj"], **config)
    assert mix(load(str(LLADA), device="cpu"), [folders[0], odd]) is None


def test_base_and_adapters_decode_in_one_batch_what_each_decodes_alone(
    folders: tuple[str, str],
) -> None:
    base = load(str(LLADA), device="cpu")
    mixed = mix(base, folders)
    assert mixed is not None
    who = [None, folders[0], folders[1], None]
    models = [base if folder is None else adapt(base, folder) for folder in who]
    rules = [("fast_dllm", {"tau": 0.3}), ("fast_dllm", {"tau": 0.3}), ("psd", {}), ("dapd", {})]
    sizes: list[int] = []

    def together(lanes, tokens, *given):
        sizes.append(len(tokens))
        return mixed.forward([who[lane] for lane in lanes], tokens, *given)

    lanes = []
    for model, (name, knobs) in zip(models, rules, strict=True):
        spec = RunSpec(gen_length=16, block_length=8, sampler=name, params=knobs, temperature=0.5)
        if name == "dapd":
            spec = dataclasses.replace(spec, cfg_scale=1.0)
        lanes.append(Lane(model, make(name, knobs), begin(model, spec, prompt_ids=[5, 7, 9])))
    records: list[list[StepRecord]] = [[] for _ in lanes]
    for told in race(lanes, together):
        for index, record in told.items():
            assert isinstance(record, StepRecord)
            records[index].append(record)
    assert sizes[0] == 5  # the guided lane has a row without its prompt
    finals = []
    for one, found in zip(lanes, records, strict=True):
        alone = [r for _, r in decoding.steps(one.model, one.sampler, one.start.spec, one.start)]
        assert [r.positions.tolist() for r in found] == [r.positions.tolist() for r in alone]
        assert [r.tokens.tolist() for r in found] == [r.tokens.tolist() for r in alone]
        assert [r.nfe for r in found] == [r.nfe for r in alone]
        for x, y in zip(found, alone, strict=True):
            np.testing.assert_allclose(x.confidence, y.confidence, rtol=1e-3, atol=1e-5)
        final = np.array(one.start.initial)
        for record in found:
            final[record.positions] = record.tokens
        finals.append(final.tolist())
    assert finals[0] != finals[1]  # the adapter decides otherwise
