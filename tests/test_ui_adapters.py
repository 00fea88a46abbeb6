"""Inspect's choice among kept adapters, and another page that makes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dlmviz.store.adapters import put_adapter
from dlmviz.types import AdapterCard
from dlmviz.ui import adapters
from dlmviz.ui.shelves import Shelves
from tests.test_jobs import HOSTILE
from tests.test_store_adapters import FIELDS, adapter


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    return Shelves(tmp_path / "gallery", tmp_path / "store", tmp_path / "spare")


def made(shelves: Shelves, name: str, **fields: Any) -> tuple[AdapterCard, str]:
    """The card of an adapter that was kept, and its folder."""
    shelves.spare.mkdir(exist_ok=True)
    folder = adapter(shelves.spare / name, name.encode())
    card = put_adapter(shelves.store, folder, FIELDS | fields)
    return card, str(shelves.store / "adapters" / card.id)


def test_inspect_offers_the_adapters_of_its_model_and_forgets_those_of_others(
    shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters, "BUNDLED", shelves.gallery)
    assert adapters.offered(shelves, "tiny", "")[0]["visible"] is False
    one, place = made(shelves, "one")
    early, other = made(shelves, "two", base_model="tiny-early", final_kl=None)
    told, typed = adapters.offered(shelves, "tiny", place)
    assert [value for _, value in told["choices"]] == ["", place]
    assert (told["value"], typed, told["visible"]) == (place, place, True)
    told, typed = adapters.offered(shelves, "tiny-early", place)
    assert [value for _, value in told["choices"]] == ["", other]
    assert (told["value"], typed) == ("", "")
    told, typed = adapters.offered(shelves, "tiny-early", "/my/own/lora")
    assert (told["value"], typed) == ("", "/my/own/lora")
    assert adapters.folder_of(shelves, one.id) == place
    assert adapters.folder_of(shelves, "../" + one.id) == ""
    assert adapters.title(one).endswith("· KL 0.25")
    assert "KL" not in adapters.title(early)


def test_the_adapter_of_the_repository_is_offered_by_its_name_and_marked(shelves: Shelves) -> None:
    made(shelves, "one")
    told, typed = adapters.offered(shelves, "tiny", "distilled")
    assert told["choices"][-1] == ("distilled, all tasks · dlmviz · KL 0.0847", "distilled")
    assert (told["value"], typed) == ("distilled", "distilled")
    assert adapters.offered(shelves, "tiny-early", "distilled")[1] == ""


def test_another_page_chooses_model_adapter_prompt_and_lengths_at_once(shelves: Shelves) -> None:
    card, place = made(shelves, "one", base_model="tiny-early")
    sample = {"prompt": HOSTILE, "gen_length": 64, "block_length": 32}
    asked = {"adapter": card.id, "model": "tiny-early", **sample}
    model, other, radio, folder, prompt, length, block, example = adapters.told(shelves, asked)
    assert (model, other, radio["value"], folder) == ("tiny-early", "", place, place)
    assert (prompt, length, block, example) == (HOSTILE, 64, 32, None)
    assert adapters.told(shelves, {**asked, "model": "my/model"})[1] == "my/model"
    assert adapters.told(shelves, ["no object"])[3] == ""
