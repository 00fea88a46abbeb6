"""A checkpoint folder: where it is, its config, its tensors, its fingerprint, its network."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    StrictDataclassError,
)
from safetensors import SafetensorError
from transformers.utils import logging

from dlmviz.models.probe import ATTENTION
from dlmviz.types import InputError

# name -> folder in assets/ and the preset of dlmviz.learn.pretrain that makes it; toy has its own
BUILT_IN = {"tiny": ("tiny-llada", "tiny"), "tiny-early": ("tiny-early", "early")}
BUILT_IN["toy"] = ("toy-dapd", "")
EXACT = "exact"  # made in code, without a checkpoint
PUBLISHED = ("GSAI-ML/LLaDA-8B-Instruct", "Dream-org/Dream-v0-Instruct-7B")
SMALL = 200_000_000  # bytes of weights that are cheap to hash whole
UNREADABLE = (
    *(OSError, SafetensorError, StrictDataclassError),
    *(ValueError, TypeError, KeyError, AttributeError, AssertionError, NotImplementedError),
)
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "merges.txt", "vocab.txt"]  # no code, no pickles
VOLATILE = ("transformers_version", "torch_dtype", "dtype", "_name_or_path")


def find(name: str) -> Path:
    """The folder of a built-in model, a local folder or a (downloaded) hub id.

    Raises InputError for a name that is none of these or cannot be had.
    """
    if name in BUILT_IN:
        return _built_in(name)
    path = os.path.expanduser(name)  # unlike pathlib, these two never raise
    if name.strip() and os.path.isdir(path):
        return Path(path)
    if HUB_ID.fullmatch(name):
        return _from_hub(name)
    near = difflib.get_close_matches(name, [*BUILT_IN, EXACT, *PUBLISHED], n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else "try tiny"
    raise InputError(
        f"no model or folder called {name!r}; a model is tiny, tiny-early, {EXACT}, a local "
        "folder with config.json and model.safetensors, or a hub id such as "
        f"{PUBLISHED[0]}; {hint}"
    )


def _built_in(name: str) -> Path:
    asset, preset = BUILT_IN[name]
    for root in Path(__file__).resolve().parents[2:0:-1]:  # a clone, or an installed package
        folder = root / "assets" / asset
        if folder.is_dir():
            return folder
    how = f"dlmviz.learn.pretrain --preset {preset} --out assets/{asset}"
    raise InputError(
        f"the built-in model {name} is not there: expected the folder assets/{asset}; make it by "
        f"`python -m {how if preset else 'benchmarks.toy_card'}`"
    )


def _from_hub(name: str) -> Path:
    try:
        return Path(snapshot_download(name, allow_patterns=HUB_FILES))
    except LocalEntryNotFoundError as error:
        raise InputError(
            f"{name} is neither a local folder nor downloaded, and the model hub cannot be "
            "reached; connect to the network once, or give the path of a local folder"
        ) from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise InputError(
            f"the model hub does not give {name} ({first_line(error)}); give the id of a public "
            f"model such as {PUBLISHED[0]}, or the path of a local folder"
        ) from error


def read_config(folder: Path) -> dict[str, Any]:
    """The fields of config.json; InputError where there is none or it is no JSON object."""
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(
            f"{folder} holds no config.json; give the folder of a checkpoint, with config.json "
            "and model.safetensors"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is no JSON ({first_line(error)}); copy it again") from error
    if not isinstance(config, dict):
        raise InputError(f"{path} must hold one JSON object: got {type(config).__name__}")
    return config


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint: the single one, or the shards of its index."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if not index.is_file():
        raise InputError(
            f"{folder} holds no model.safetensors and no model.safetensors.index.json; "
            "only safetensors weights are read"
        )
    try:
        shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{index} is no index of shards; copy it again") from error
    missing = [name for name in shards if not (folder / name).is_file()]
    if missing or not shards:
        raise InputError(f"{folder} lacks {', '.join(missing) or 'all shards'}; copy them again")
    return [folder / name for name in shards]


def header(path: Path) -> tuple[dict[str, Any], int]:
    """({tensor: {dtype, shape, data_offsets}}, where the data start) of a safetensors file.

    Raises InputError where the file is cut short or its header is no header.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= size - 8:
                raise ValueError("its header is longer than the file")
            tensors = json.loads(file.read(length))
        tensors.pop("__metadata__", None)
        end = max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
        if not tensors or end != size - 8 - length:
            raise ValueError(f"{size - 8 - length} bytes of tensors where its header says {end}")
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise InputError(
            f"{path} is cut short or no safetensors file ({first_line(error)}); copy it again"
        ) from error
    return tensors, 8 + length


def fingerprint(folder: Path, config: dict[str, Any], vocabulary: str) -> str:
    """Hexadecimal SHA-256 of the config, the tensors and the vocabulary's own hash.

    Small checkpoints: every tensor's name, dtype, shape and bytes, so that how they are spread
    over files does not matter. Others: the files' names, sizes and headers.
    """
    files = weight_files(folder)
    facts = {k: v for k, v in config.items() if k not in VOLATILE and v is not None}
    digest = hashlib.sha256(json.dumps([facts, vocabulary], sort_keys=True).encode())
    headers = [(path, *header(path)) for path in files]  # also refuses broken files, early
    if sum(path.stat().st_size for path in files) >= SMALL:
        for path, tensors, _ in headers:
            about = [path.name, path.stat().st_size, tensors]
            digest.update(json.dumps(about, sort_keys=True).encode())
        return digest.hexdigest()
    found: dict[str, tuple[Any, memoryview]] = {}
    for path, tensors, start in headers:
        data = memoryview(path.read_bytes())[start:]
        found |= {name: (entry, data) for name, entry in tensors.items()}
    for name, (entry, data) in sorted(found.items(), key=lambda item: item[0]):
        digest.update(json.dumps([name, entry["dtype"], entry["shape"]]).encode())
        digest.update(data[slice(*entry["data_offsets"])])
    return digest.hexdigest()


def open_network(
    network_class: Any,
    folder: Path,
    config: Callable[[], Any],
    dtype: torch.dtype,
    attention: str | None = ATTENTION,
    spare: Sequence[str] = (),
) -> Any:
    """The network with the folder's weights, or InputError; never one that is loaded half.

    `attention` None: what transformers chooses. `spare`: patterns of tensors that a file may hold
    and the network has no use for.
    """
    try:
        with _quiet():
            network, report = network_class.from_pretrained(
                folder,
                config=config(),
                dtype=dtype,
                attn_implementation=attention,
                use_safetensors=True,
                local_files_only=True,
                ignore_mismatched_sizes=True,  # reported below, with the rest
                output_loading_info=True,
            )
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(
            f"the checkpoint in {folder} cannot be opened ({first_line(error)}); "
            "its config.json and weights must be those of one published model"
        ) from error
    _check_report(folder, report, spare)
    return network


@contextmanager
def _quiet() -> Iterator[None]:
    """transformers without its progress bar and its table of misfits, which we report."""
    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _check_report(folder: Path, report: dict[str, Any], spare: Sequence[str]) -> None:
    """InputError where the file's tensors and the config's are not the same set and shapes."""
    misfits = []
    for kind in ("missing", "unexpected", "mismatched"):
        keys = sorted(k if isinstance(k, str) else k[0] for k in report[f"{kind}_keys"])
        if kind == "unexpected":
            keys = [key for key in keys if not any(re.match(name, key) for name in spare)]
        if keys:
            word = "mis-shaped" if kind == "mismatched" else kind
            misfits.append(f"{len(keys)} {word} (first {keys[0]})")
    if misfits:
        raise InputError(
            f"the weights in {folder} do not fit its config.json: {', '.join(misfits)} tensors; "
            "nothing was loaded, copy both from one checkpoint"
        )


def first_line(error: BaseException) -> str:
    """What an error says, as a phrase: its first line (two after a colon) or its name."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return " ".join(lines[: 2 if lines[0].endswith(":") else 1]).rstrip(".")
