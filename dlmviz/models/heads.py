"""Trained parts beside a model: small networks that read what it says, and how they are kept.

A head is a folder of two files, head.json and head.safetensors. It knows the fingerprint of the
model whose states it was trained on, and is refused for any other. Letters: R rows, D hidden width.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dlmviz.models.causal import open_causal
from dlmviz.models.local_ar import LocalAR, untrained
from dlmviz.types import Denoiser, InputError

NOTE, WEIGHTS = "head.json", "head.safetensors"
BUNDLED = Path(__file__).parent.parent.parent / "assets" / "heads"
TRAINS = "dlmviz train {} --model {}"  # the command that makes one

#: what files can raise that somebody edited
DAMAGE = (
    *(OSError, ArithmeticError, AttributeError, KeyError, RuntimeError, TypeError, ValueError),
    SafetensorError,
)
LAYERS = ("layers", "num_hidden_layers", "num_layers", "n_layer", "n_layers", "decoder_layers")


class PairHead(nn.Module):
    """DEMASK's predictor (arXiv 2604.02560, Fig. 3): sigmoid(q_i . k_j / sqrt(d_k) + b).

    q_i = W_Q n(h_i), k_j = W_K n(h_j), n the division by the root mean square. Width d_k, b and n
    are ours, the paper's are not known; b starts at -3 since most influences are near 0. With an
    inner width n(h) + W_2 gelu(W_1 n(h)) is projected in the place of n(h): an extension of ours.
    """

    def __init__(self, width: int, key: int = 256, inner: int = 0) -> None:
        super().__init__()
        self.sizes = {"width": width, "key": key, "inner": inner}
        if inner:
            self.first, self.second = nn.Linear(width, inner), nn.Linear(inner, width)
        self.query = nn.Linear(width, key, bias=False)
        self.key = nn.Linear(width, key, bias=False)
        self.bias = nn.Parameter(torch.tensor(-3.0))

    def scores(self, hidden: Tensor) -> Tensor:
        """The logits of the influences; [..., R D] -> float32 [..., R R]."""
        h = F.rms_norm(hidden.float(), hidden.shape[-1:])
        if self.sizes["inner"]:
            h = h + self.second(F.gelu(self.first(h)))
        q, k = self.query(h), self.key(h)
        product: Tensor = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        return product + self.bias

    def forward(self, hidden: Tensor) -> Tensor:
        """D_ij, the influence on row i of revealing row j; [..., R D] -> [..., R R], 0 at i = j."""
        D = self.scores(hidden).sigmoid()
        return D * (1 - torch.eye(D.shape[-1], device=D.device))


KINDS: dict[str, Callable[..., Any]] = {
    "demask": PairHead,
    "codila": untrained,
}  # sizes -> untrained


def save_head(
    folder: Path, kind: str, head: PairHead | LocalAR, model: Denoiser, told: Any
) -> None:
    """Writes a head trained on `model` into a folder, whole or not at all; `told` goes with it."""
    folder.mkdir(parents=True, exist_ok=True)
    note = {
        "kind": kind,
        "model": model.name,
        "fingerprint": model.fingerprint,
        "sizes": head.sizes,
        "card": told,
    }
    weights = {name: tensor.detach().half().cpu() for name, tensor in head.named_parameters()}
    spare = folder / "head.safetensors.part"
    save_file(weights, spare)
    os.replace(spare, folder / WEIGHTS)
    spare = folder / "head.json.part"
    spare.write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
    os.replace(spare, folder / NOTE)


def open_head(kind: str, model: Denoiser, place: str = "") -> Any:
    """The head of this kind for this model: the one in the folder `place`, or a bundled one.

    For codila, `place` may also be a folder or hub id of any causal model with the denoiser's ids.
    Raises InputError where there is none, or it was trained on another model's states.
    """
    try:
        folder = Path(place).expanduser()
    except RuntimeError as error:  # a home that nobody has
        raise InputError(f"{place[:200]} holds no head: {error}") from error
    if place and kind == "codila" and not (folder / NOTE).is_file():
        return open_causal(place, model)
    if place:
        note = read_note(folder)
        if note["kind"] != kind:
            raise InputError(f"{folder} holds a head of kind {note['kind']!r}: {kind} is needed")
        if note["fingerprint"] != model.fingerprint:
            raise InputError(
                f"the head in {folder} was trained on the model {note['model']} "
                f"({note['fingerprint'][:12]}), not on {model.name} ({model.fingerprint[:12]}); "
                f"make one by: {TRAINS.format(kind, model.name)}"
            )
        return _opened(folder, note, model)
    for folder in sorted(BUNDLED.glob("*/")):
        note = read_note(folder)
        if (note["kind"], note["fingerprint"]) == (kind, model.fingerprint):
            return _opened(folder, note, model)
    raise InputError(
        f"{kind} needs a trained part, and none came with dlmviz for the model {model.name}; "
        f"make one by: {TRAINS.format(kind, model.name)}, and give its folder as head"
    )


def read_note(folder: Path) -> Mapping[str, Any]:
    """What head.json says. Raises InputError for a folder that holds no head."""
    try:
        note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        texts = (note.get(name) for name in ("kind", "model", "fingerprint"))
        known = all(isinstance(text, str) for text in texts) and "sizes" in note
        known = known and note["kind"] in KINDS
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{folder} holds no head: {type(error).__name__}") from error
    if not known:
        raise InputError(f"{folder}/{NOTE} is not of a head that dlmviz knows")
    found: Mapping[str, Any] = note
    return found


def _opened(folder: Path, note: Mapping[str, Any], model: Denoiser) -> Any:
    try:
        stamp = (folder / WEIGHTS).stat().st_mtime_ns
        return _read(folder, note["kind"], json.dumps(note["sizes"]), str(model.device), stamp)
    except DAMAGE as error:
        raise InputError(f"the head in {folder} is damaged: {str(error)[:300]}") from error


def _check(folder: Path, kind: str, sizes: dict[str, Any]) -> None:
    """Raises TypeError unless a head of these sizes has the tensors that the file holds.

    Nothing is allocated: its header alone is read, and the head is built without memory. A head of
    millions of layers would take long even so; each layer has tensors, so there are no more layers.
    """
    with safe_open(folder / WEIGHTS, framework="pt") as file:
        kept = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    if _most_layers(sizes) > len(kept):
        raise TypeError(f"{NOTE} tells of more layers than {WEIGHTS} has tensors")
    with torch.device("meta"):
        wanted = {name: list(of.shape) for name, of in KINDS[kind](**sizes).named_parameters()}
    if wanted != kept:
        name = next(n for n in sorted({*wanted, *kept}) if wanted.get(n) != kept.get(n))
        raise TypeError(
            f"its weights are not those of such a head: {name} is {kept.get(name, 'not there')}, "
            f"and by {NOTE} {wanted.get(name, 'not there')}"
        )


def _most_layers(sizes: Any) -> int:
    """The greatest number of layers in a tree of plain values."""
    if not isinstance(sizes, dict):
        return 0
    own = [v for k, v in sizes.items() if k in LAYERS and isinstance(v, int)]
    return max([0, *own, *map(_most_layers, sizes.values())])


@lru_cache(maxsize=4)  # a batch opens a run for every prompt; weights that are frozen can be shared
def _read(folder: Path, kind: str, sizes: str, device: str, stamp: int) -> Any:
    _check(folder, kind, json.loads(sizes))
    head = KINDS[kind](**json.loads(sizes))
    head.load_state_dict(load_file(folder / WEIGHTS), strict=False)  # what is tied is kept once
    return head.float().eval().requires_grad_(False).to(device)
