"""Adapters at rest: a folder each, as PEFT writes it, with a card that says where it came from."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlmviz.types import AdapterCard, InputError

CARD = "card.json"
FILES = ("adapter_config.json", "adapter_model.safetensors")
ADAPTER_ID = re.compile(r"[0-9a-z][0-9a-z-]{0,63}")
LARGEST = 1_000_000  # bytes of a card


def identity(folder: Path) -> str:
    """The id of an adapter: of what its files hold, whatever its folder is called."""
    digest = hashlib.sha256()
    for name in FILES:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:16]


def put_adapter(store: str | Path, folder: Path, card: Mapping[str, Any]) -> AdapterCard:
    """The card of the adapter in `folder`, after it was copied to the store: whole, or not at all.

    `card`: the fields of an AdapterCard but its id.
    """
    whole = AdapterCard(id=identity(folder), **card)
    shelf = Path(store) / "adapters"
    place = shelf / whole.id
    fresh = shelf / f".{secrets.token_hex(8)}.part"
    try:
        fresh.mkdir(parents=True)
        for name in FILES:
            shutil.copyfile(folder / name, fresh / name)
        text = json.dumps(dataclasses.asdict(whole), indent=1, allow_nan=False)
        (fresh / CARD).write_text(text + "\n", "utf-8")
        if place.exists():
            shutil.rmtree(place)
        fresh.rename(place)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise InputError(
            f"the adapter cannot be kept in {shelf}: {error.strerror or error}; "
            "make room, then resume the job"
        ) from error
    return whole


def cards(*shelves: Path) -> list[tuple[Path, AdapterCard]]:
    """(folder, card) of every adapter on these shelves, the newest first; damaged ones left out."""
    found = []
    for shelf in shelves:
        for path in shelf.glob(f"*/{CARD}"):
            card = read_card(path)
            if card is not None:
                found.append((path.parent, card))
    return sorted(found, key=lambda pair: (-pair[1].created, pair[1].id))


def read_card(path: Path) -> AdapterCard | None:
    """The card in a file; None for a file that holds none."""
    try:
        if path.stat().st_size > LARGEST:
            return None
        given = json.loads(path.read_text("utf-8"))
        card = AdapterCard(**given)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    texts = (card.id, card.title, card.base_model, card.base_fingerprint)
    numbers = (card.created, 0.0 if card.final_kl is None else card.final_kl)
    sound = (
        all(isinstance(text, str) for text in texts)
        and all(isinstance(n, int | float) and n == n for n in numbers)
        and isinstance(card.job, dict)
        and isinstance(card.scores, list)
        and all(isinstance(row, dict) for row in card.scores)
    )
    return card if sound else None
