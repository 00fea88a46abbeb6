"""Trained parts: kept whole, opened for the model they were trained on and for no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dlmviz.models import heads
from dlmviz.models.exact import exact_model
from dlmviz.models.heads import PairHead, open_head, save_head
from dlmviz.models.local_ar import fresh
from dlmviz.types import InputError

MODEL = exact_model({"a b": 1, "b a": 1})
OTHER = exact_model({"a b": 1, "b c": 1})


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_head(tmp_path / "one", "demask", PairHead(4, 3), MODEL, {"told": 1})
    return tmp_path / "one"


def test_influences_are_a_sigmoid_of_scaled_products_and_none_on_itself() -> None:
    head = PairHead(2, 2)
    with torch.no_grad():
        head.query.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
        head.key.weight.copy_(torch.tensor([[1.0, 1.0], [0.0, 1.0]]))
        head.bias.fill_(-1.0)
    hidden = torch.tensor([[3.0, 0.0], [0.0, 5.0], [1.0, 1.0]])
    D = head(hidden)
    # A state's direction is kept, its root mean square becomes 1: [r 0], [0 r], [1 1], r = 2^.5.
    # q_0 = [r 0], k_2 = [2 1]; q_2 = [1 2], k_0 = [r 0]; q_1 = [0 2r].
    for (i, j), product in {(0, 2): 2, (2, 0): 1, (1, 0): 0}.items():
        wanted = torch.sigmoid(torch.tensor(product - 1.0))
        assert float(D[i, j]) == pytest.approx(float(wanted), abs=1e-5)
    assert D.diagonal().tolist() == [0, 0, 0]


def test_a_head_opens_as_it_was_kept_up_to_half_precision(kept: Path) -> None:
    torch.manual_seed(0)
    first, again = PairHead(4, 3), open_head("demask", MODEL, str(kept))
    hidden = torch.randn(5, 4)
    assert torch.allclose(first(hidden), again(hidden), atol=2e-3)
    assert not any(p.requires_grad for p in again.parameters())


def test_an_inner_layer_is_added_to_the_state_before_it_is_projected(tmp_path: Path) -> None:
    torch.manual_seed(0)
    head = PairHead(4, 3, inner=5)
    hidden = torch.randn(6, 4)
    n = hidden / hidden.square().mean(-1, keepdim=True).sqrt()
    more = n + head.second(torch.nn.functional.gelu(head.first(n)))
    wanted = head.query(more) @ head.key(more).T / 3**0.5 + head.bias
    assert torch.allclose(head.scores(hidden), wanted, atol=1e-4)
    save_head(tmp_path / "two", "demask", head, MODEL, {})
    assert torch.allclose(
        open_head("demask", MODEL, str(tmp_path / "two"))(hidden), head(hidden), atol=2e-3
    )


def test_a_head_of_another_model_is_refused_by_fingerprint(kept: Path) -> None:
    with pytest.raises(InputError, match=r"trained on the model exact .* not on exact"):
        open_head("demask", OTHER, str(kept))


def test_where_none_came_with_dlmviz_the_command_that_makes_one_is_named() -> None:
    with pytest.raises(InputError, match="dlmviz train demask --model exact"):
        open_head("demask", MODEL)


def test_a_bundled_head_is_found_by_the_fingerprint(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "BUNDLED", kept.parent)
    assert open_head("demask", MODEL).sizes == {"width": 4, "key": 3, "inner": 0}
    with pytest.raises(InputError, match="none came with dlmviz"):
        open_head("demask", OTHER)


def test_damaged_and_foreign_folders_are_refused(kept: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no head"):
        open_head("demask", MODEL, str(tmp_path))
    (kept / "head.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(InputError, match="damaged"):
        open_head("demask", MODEL, str(kept))
    note = json.loads((kept / "head.json").read_text())
    for edited in ({"kind": "other"}, {"kind": ["demask"]}, {"model": 3}, {"fingerprint": None}):
        (kept / "head.json").write_text(json.dumps({**note, **edited}))
        with pytest.raises(InputError, match="not of a head that dlmviz knows"):
            open_head("demask", MODEL, str(kept))
    (kept / "head.json").write_text("[]")
    with pytest.raises(InputError, match="holds no head"):
        open_head("demask", MODEL, str(kept))


@pytest.mark.parametrize("place", ["no/where", "~nobody-of-that-name/head", "a\0b", "x" * 5000])
def test_a_folder_that_there_is_not_holds_no_head(place: str) -> None:
    with pytest.raises(InputError, match="holds no head"):
        open_head("demask", MODEL, place)


def test_sizes_that_do_not_fit_the_weights_are_refused(kept: Path) -> None:
    note = json.loads((kept / "head.json").read_text())
    (kept / "head.json").write_text(json.dumps({**note, "sizes": {"width": 5, "key": 3}}))
    with pytest.raises(InputError, match="damaged"):
        open_head("demask", MODEL, str(kept))


@pytest.mark.parametrize(
    "sizes",
    [
        {"width": 4, "key": 10**12},
        {"width": 10**30, "key": 3},
        {"width": -4, "key": 3},
        {"width": "4", "key": 3},
        {"width": 4},
        {"width": [4], "key": 3},
        [],
        None,
    ],
)
def test_huge_and_senseless_sizes_are_refused_before_memory_is_taken(
    kept: Path, sizes: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A head that is built without the meta device would be one that takes memory."""
    devices = []
    begun = PairHead.__init__

    def noted(self: PairHead, *given: int, **named: int) -> None:
        devices.append(torch.empty(0).device.type)
        begun(self, *given, **named)

    monkeypatch.setattr(PairHead, "__init__", noted)
    note = json.loads((kept / "head.json").read_text())
    (kept / "head.json").write_text(json.dumps({**note, "sizes": sizes}))
    with pytest.raises(InputError, match="is damaged"):
        open_head("demask", MODEL, str(kept))
    assert set(devices) <= {"meta"}


@pytest.mark.parametrize("wrong", [{"layers": 10**9}, {"vocabulary": 10**12}, {"heads": 0}])
def test_a_local_model_of_huge_sizes_is_refused_at_once(tmp_path: Path, wrong: dict) -> None:
    save_head(tmp_path, "codila", fresh(4, width=8, inner=8, layers=1, heads=1), MODEL, {})
    assert open_head("codila", MODEL, str(tmp_path)).sizes["layers"] == 1
    note = json.loads((tmp_path / "head.json").read_text())
    (tmp_path / "head.json").write_text(json.dumps({**note, "sizes": {**note["sizes"], **wrong}}))
    with pytest.raises(InputError, match="is damaged"):
        open_head("codila", MODEL, str(tmp_path))


def test_what_does_not_fit_is_named(kept: Path) -> None:
    note = json.loads((kept / "head.json").read_text())
    (kept / "head.json").write_text(json.dumps({**note, "sizes": {"width": 4, "key": 7}}))
    with pytest.raises(InputError, match=r"key.weight is \[3, 4\], and by head.json \[7, 4\]"):
        open_head("demask", MODEL, str(kept))


def test_the_note_says_what_was_told(kept: Path) -> None:
    note = heads.read_note(kept)
    assert note["card"] == {"told": 1}
    assert (note["model"], note["fingerprint"]) == (MODEL.name, MODEL.fingerprint)
    assert not [*kept.glob("*.part")]
