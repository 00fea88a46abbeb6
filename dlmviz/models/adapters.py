"""LoRA adapters (arXiv 2106.09685) from PEFT folders, on top of a model that keeps its weights."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import re
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftConfig, get_peft_model, get_peft_model_state_dict
from peft import set_peft_model_state_dict as set_state
from safetensors import SafetensorError
from safetensors.torch import load_file

from dlmviz.models.checkpoint import first_line
from dlmviz.models.llada import LAYER, RENAMES
from dlmviz.models.transformer import TransformerDenoiser
from dlmviz.types import InputError

WEIGHTS = "adapter_model.safetensors"
BUNDLED = ("distilled",)  # names of adapters that come with dlmviz


def adapt(model: TransformerDenoiser, folder: str) -> TransformerDenoiser:
    """A new Denoiser: `model` with the adapter in `folder`; base weights are shared, not changed.

    `folder` may be the name of an adapter that comes with dlmviz: distilled, for tiny. Adapters
    made on LLaDA's original class are translated to our module names. Raises InputError where any
    tensor is left over, missing or mis-shaped.
    """
    path = located(folder)
    config, tensors = read(path)
    shared = {id(p): p for p in (*model.network.parameters(), *model.network.buffers())}
    network = copy.deepcopy(model.network, shared)
    try:
        peft = get_peft_model(network, config)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"the adapter in {path} does not fit {model.name} ({first_line(error)}); "
            "use the model it was trained on"
        ) from error
    _check(path, model.name, tensors, get_peft_model_state_dict(peft))
    set_state(peft, tensors)
    digest = hashlib.sha256(model.fingerprint.encode())
    for name in ("adapter_config.json", WEIGHTS):
        digest.update((path / name).read_bytes())
    network.to(model.device).eval().requires_grad_(False)
    return dataclasses.replace(model, network=network, fingerprint=digest.hexdigest())


def located(name: str) -> Path:
    """The folder of an adapter: of one that comes with dlmviz by its name, else the one given."""
    for root in Path(__file__).resolve().parents[2:0:-1]:  # a clone, or an installed package
        folder = root / "assets" / "adapters" / name
        if name in BUNDLED and folder.is_dir():
            return folder
    return Path(name).expanduser()


def read(path: Path) -> tuple[LoraConfig, dict[str, torch.Tensor]]:
    """(config, tensors) of an adapter folder, in our module names."""
    for name in ("adapter_config.json", WEIGHTS):
        if not (path / name).is_file():
            raise InputError(
                f"{path} holds no {name}; give the folder of a LoRA adapter saved by PEFT"
            )
    try:
        config = PeftConfig.from_pretrained(str(path))
        tensors = load_file(path / WEIGHTS)
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        raise InputError(
            f"the adapter in {path} cannot be read ({first_line(error)}); copy it again"
        ) from error
    if not isinstance(config, LoraConfig):
        raise InputError(f"{path} holds a {config.peft_type} adapter; only LoRA can be opened")
    original = any(".transformer.blocks." in name for name in tensors)
    config.target_modules = _targets(config.target_modules, original)
    config.inference_mode = True
    config.base_model_name_or_path = None  # where it was made is of no use here
    return config, {_rename(name): tensor for name, tensor in tensors.items()}


def _targets(names: Any, original: bool) -> Any:
    """The module names to adapt, in ours; a pattern (str) stands as it is.

    LLaDA's own class has no o_proj, gate_proj or down_proj: an adapter made there that lists
    them holds nothing for them.
    """
    if not original or isinstance(names, str):
        return names
    return {LAYER[name].rpartition(".")[2] for name in names if name in LAYER}


def _rename(name: str) -> str:
    for old, ours in RENAMES.items():
        name = re.sub(old, ours, name)
    return name


def _check(path: Path, model: str, given: dict[str, Any], wanted: dict[str, Any]) -> None:
    misfits = {
        "left over": sorted(given.keys() - wanted.keys()),
        "missing": sorted(wanted.keys() - given.keys()),
        "mis-shaped": sorted(
            k for k in given.keys() & wanted.keys() if given[k].shape != wanted[k].shape
        ),
    }
    words = [f"{len(keys)} {kind} (first {keys[0]})" for kind, keys in misfits.items() if keys]
    if words:
        raise InputError(
            f"the adapter in {path} does not fit {model}: {', '.join(words)} tensors; "
            "nothing was loaded, use the model it was trained on"
        )
