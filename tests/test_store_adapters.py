"""Adapters in the store: folders with cards, whole or not there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dlmviz.store.adapters import CARD, FILES, cards, identity, put_adapter, read_card
from dlmviz.types import InputError

FIELDS: dict[str, Any] = {
    "title": "Lists, 40 steps",
    "base_model": "tiny",
    "base_fingerprint": "ab12",
    "job": {"count": 3},
    "created": 5.0,
    "final_kl": 0.25,
    "scores": [{"task": "lists", "accuracy": 0.5}],
}


def adapter(folder: Path, weights: bytes = b"weights") -> Path:
    folder.mkdir()
    for name, content in zip(FILES, (b"{}", weights), strict=True):
        (folder / name).write_bytes(content)
    return folder


def test_an_adapter_is_kept_with_its_card_and_found_again(tmp_path: Path) -> None:
    made = put_adapter(tmp_path, adapter(tmp_path / "a"), FIELDS)
    ((folder, card),) = cards(tmp_path / "adapters")
    assert card == made
    assert folder.name == card.id == identity(tmp_path / "a")
    assert (folder / FILES[1]).read_bytes() == b"weights"
    assert card.scores == FIELDS["scores"]


def test_the_same_adapter_is_kept_once_and_another_beside_it_newest_first(tmp_path: Path) -> None:
    first = put_adapter(tmp_path, adapter(tmp_path / "a"), FIELDS)
    put_adapter(tmp_path, tmp_path / "a", FIELDS)
    second = put_adapter(tmp_path, adapter(tmp_path / "b", b"more"), {**FIELDS, "created": 6.0})
    assert [card.id for _, card in cards(tmp_path / "adapters")] == [second.id, first.id]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: Any) -> None:
    first = put_adapter(tmp_path, adapter(tmp_path / "a"), FIELDS)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(InputError, match="No space left on device; make room"):
        put_adapter(tmp_path, adapter(tmp_path / "b", b"more"), FIELDS)
    assert [card for _, card in cards(tmp_path / "adapters")] == [first]
    assert [path.name for path in (tmp_path / "adapters").iterdir()] == [first.id]


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[]",
        json.dumps({"id": "a"}),
        json.dumps({**FIELDS, "id": 3}),
        json.dumps({**FIELDS, "id": "a", "scores": [3]}),
        json.dumps({**FIELDS, "id": "a", "created": "now"}),
        json.dumps({**FIELDS, "id": "a", "extra": 1}),
        "[" * 100_000,
    ],
)
def test_a_damaged_card_is_left_out(tmp_path: Path, damage: str) -> None:
    made = put_adapter(tmp_path, adapter(tmp_path / "a"), FIELDS)
    other = tmp_path / "adapters" / "other"
    other.mkdir()
    (other / CARD).write_text(damage)
    assert read_card(other / CARD) is None
    assert [card for _, card in cards(tmp_path / "adapters")] == [made]
