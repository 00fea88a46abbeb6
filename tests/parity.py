"""Our answers to the questions a checker asks: decode a case, logits, attention, hidden states.

Every function opens a model folder as `dlmviz.load` does, in float32 on the CPU.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch

import dlmviz
from dlmviz import decoding
from dlmviz.samplers import make
from dlmviz.types import Denoiser, InputError, Prediction, RunSpec, Special

#: parameters of a case that belong to the proposal, not to the sampler
PROPOSAL = ("temperature", "cfg_scale", "logits_eos_inf", "confidence_eos_eot_inf")


@lru_cache(maxsize=4)
def model(model_dir: str) -> Denoiser:
    return dlmviz.load(model_dir, device="cpu", dtype=torch.float32)


def decode(model_dir: str, case: Mapping[str, Any]) -> dict[str, Any]:
    """final_ids, commits of every forward, and nfe of one golden case."""
    name, knobs = translate(case["sampler"], case["params"])
    special = case["special"]
    denoiser = dataclasses.replace(  # type: ignore[type-var]
        model(model_dir),
        special=Special(special["mask_id"], special["eos_id"], special["eot_id"]),
    )
    spec = RunSpec(
        sampler=name,
        params=knobs,
        gen_length=case["gen_length"],
        block_length=case["block_length"],
        forbid_mask=False,  # the published loops let the model propose it
        seed=case["seed"] or 0,
        **{key: case["params"][key] for key in PROPOSAL if key in case["params"]},
    )
    start = decoding.begin(denoiser, spec, prompt_ids=case["prompt_ids"])
    records = [r for _, r in decoding.steps(denoiser, make(name, knobs), spec, start)]
    trace = dataclasses.replace(start, steps=tuple(records))
    return {
        "final_ids": trace.final.tolist(),
        "commits": [
            {"positions": r.positions.tolist(), "tokens": r.tokens.tolist()} for r in records
        ],
        "nfe": trace.nfe,
        "signals": [
            {"conf": {start.offset + i: float(c) for i, c in enumerate(r.score) if c == c}}
            for r in records
        ],
    }


def translate(sampler: str, params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A case's sampler and parameters in our names; InputError for what we do not have."""
    if sampler == "llada":
        return "llada", {"steps": params["steps"], "remasking": params["remasking"]}
    if sampler == "fast_dllm" and params["cache"] == "none" and params.get("threshold") is not None:
        return "fast_dllm", {"tau": params["threshold"]}
    raise InputError(f"no sampler for {sampler} with {dict(params)}")


def logits(
    model_dir: str, input_ids: Sequence[Sequence[int]], attention_mask: Any = None
) -> np.ndarray:
    """float32 [B T V], aligned: row i predicts position i."""
    return _stacked(_forward(model_dir, input_ids, attention_mask), "logits")


def edge_attention(
    model_dir: str, input_ids: Sequence[Sequence[int]], layers: int | Iterable[int]
) -> np.ndarray:
    """float32 [B T T], mean over heads and layers: the last `layers`, or those named."""
    count = model(model_dir).layers
    chosen = range(count - layers, count) if isinstance(layers, int) else layers
    return _stacked(_forward(model_dir, input_ids, None, layers=tuple(chosen)), "attention")


def hidden(model_dir: str, input_ids: Sequence[Sequence[int]]) -> np.ndarray:
    """float32 [B T D], the final states that row i's logits are read from."""
    return _stacked(_forward(model_dir, input_ids, None, hidden=True), "hidden")


def _forward(model_dir: str, input_ids: Any, attention_mask: Any, **asked: Any) -> list[Prediction]:
    tokens = torch.as_tensor(np.asarray(input_ids), dtype=torch.int64)
    padding = None if attention_mask is None else torch.as_tensor(np.asarray(attention_mask)).bool()
    with torch.no_grad():
        return model(model_dir).forward(tokens, padding=padding, **asked)


def _stacked(predictions: Sequence[Prediction], name: str) -> np.ndarray:
    return np.stack([getattr(p, name).float().cpu().numpy() for p in predictions])
