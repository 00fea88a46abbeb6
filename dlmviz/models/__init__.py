"""Models by name: the built-in ones, local folders and hub ids. No remote code is ever run."""

from __future__ import annotations

import torch

from dlmviz.models import adapters, checkpoint, dream, llada, masked_lm
from dlmviz.models.transformer import Family, open_denoiser
from dlmviz.types import Denoiser, InputError

FAMILIES: dict[str, Family] = {family.model_type: family for family in (llada.FAMILY, dream.FAMILY)}


def load(
    name: str,
    adapter: str | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
) -> Denoiser:
    """The Denoiser called `name`, with a PEFT `adapter` folder on top if one is given.

    `name`: tiny, tiny-early, toy, exact, a local folder or a hub id of a checkpoint in LLaDA's or
    Dream's format or of a masked language model that transformers knows (BERT and its kin).
    `device`: CUDA where there is one. `dtype`: float32, but on CUDA a bfloat16 checkpoint stays
    bfloat16. Raises InputError for anything that cannot be opened.
    """
    where = _device(device)
    if name == checkpoint.EXACT:
        return _exact(name, adapter, where)
    folder = checkpoint.find(name)
    config = checkpoint.read_config(folder)
    kind = config.get("model_type")
    if kind not in FAMILIES and kind not in masked_lm.KINDS:
        raise InputError(
            f"{folder} holds a model of type {kind!r}; only {', '.join(FAMILIES)} and masked "
            "language models such as bert, roberta and modernbert can be opened; "
            "give the folder or hub id of one of them"
        )
    stored = str(config.get("torch_dtype") or config.get("dtype"))
    precision = _dtype(dtype, where, stored)
    if kind in FAMILIES:
        model = open_denoiser(FAMILIES[kind], name, folder, where, precision)
    else:
        model = masked_lm.open_masked_lm(name, folder, where, precision)
    return model if adapter is None else adapters.adapt(model, adapter)


def _exact(name: str, adapter: str | None, where: torch.device) -> Denoiser:
    if adapter is not None:
        raise InputError(
            f"the model {name} takes no adapter: got {adapter!r}; it has no weights, "
            "leave the adapter out or take another model"
        )
    from dlmviz.models.exact import open_exact  # builds its law, which nothing else needs

    return open_exact(name, where)


def _device(device: str | torch.device | None) -> torch.device:
    usable = torch.cuda.is_available()
    if device is None:
        return torch.device("cuda" if usable else "cpu")
    try:
        where = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"device must be cpu or cuda: got {device!r}; leave it out") from error
    if where.type == "cuda" and not usable:
        raise InputError(f"device {device!r} was asked, but no CUDA device is usable; take cpu")
    return where


def _dtype(dtype: str | torch.dtype | None, where: torch.device, stored: str) -> torch.dtype:
    if dtype is None:
        keep = where.type == "cuda" and stored == "bfloat16"
        return torch.bfloat16 if keep else torch.float32
    precision = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not (isinstance(precision, torch.dtype) and precision.is_floating_point):
        raise InputError(f"dtype must be float32, bfloat16 or float16: got {dtype!r}")
    return precision
