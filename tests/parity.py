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
from dlmviz.types import Denoiser, InputError, Prediction, RunSpec, Special, StepRecord, Trace

#: parameters of a case that belong to the proposal, not to the sampler
PROPOSAL = (
    *("temperature", "cfg_scale", "logits_eos_inf", "confidence_eos_eot_inf"),
    *("top_p", "top_k"),
)
#: sampler of a case -> (ours, {parameter of the case: our knob})
KLASS = {
    "steps": "steps",
    "conf_threshold": "conf_threshold",
    "kl_threshold": "kl_threshold",
    "kl_history_length": "history",
    "unmask_strategy": "unmask_strategy",
}
#: number of the vectors -> our name for it
SIGNALS = {"kl": "kl", "theta": "threshold", "degree": "degree"}
TRANSLATED: dict[str, tuple[str, dict[str, str]]] = {
    "llada": ("llada", {"steps": "steps", "remasking": "remasking"}),
    "dream": ("dream", {name: name for name in ("steps", "alg", "eps", "alg_temp")}),
    "fast_dllm": ("fast_dllm", {"threshold": "tau", "factor": "factor", "steps": "steps"}),
    "fast_dllm_dream": ("fast_dllm", {"threshold": "tau", "steps": "steps"}),
    "fast_dllm_dream_block": ("fast_dllm", {"threshold": "tau"}),
    "klass": ("klass", KLASS),
    "klass_dream": ("klass", KLASS),
    "eb": ("entropy_bound", {"gamma": "gamma", "proxy": "proxy"}),
    "slow_fast": (
        "slow_fast",
        {name: name for name in ("tau_low", "tau_high", "release", "slow_side")},
    ),
    "dapd": ("dapd", {name: name for name in ("layer_ratio", "tau_min", "tau_max")}),
}


@lru_cache(maxsize=4)
def model(model_dir: str) -> Denoiser:
    return dlmviz.load(model_dir, device="cpu", dtype=torch.float32)


def decode(model_dir: str, case: Mapping[str, Any]) -> dict[str, Any]:
    """final_ids, commits of every forward, nfe and signals of one golden case."""
    trace = run(model_dir, case)
    return {
        "final_ids": trace.final.tolist(),
        "commits": [
            {"positions": r.positions.tolist(), "tokens": r.tokens.tolist()} for r in trace.steps
        ],
        "nfe": trace.nfe,
        "signals": [signals(record, trace.offset, case["params"]) for record in trace.steps],
    }


def run(model_dir: str, case: Mapping[str, Any]) -> Trace:
    """The trace of one golden case, as the published program would have run it."""
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
        **{key: case["params"][key] for key in PROPOSAL if case["params"].get(key) is not None},
        **policy(case["params"]),
    )
    start = decoding.begin(denoiser, spec, prompt_ids=case["prompt_ids"])
    records = [r for _, r in decoding.steps(denoiser, make(name, knobs), spec, start)]
    return dataclasses.replace(start, steps=tuple(records))


def signals(
    record: StepRecord, offset: int, params: Mapping[str, Any]
) -> dict[str, dict[int, float]]:
    """{name of the vectors: {position: value}} of a step, where both have the number."""
    drawn = params.get("remasking") == "random" or params.get("alg") == "origin"
    arrays = {
        "conf": record.score if drawn else record.confidence,
        "score": record.score,
        "entropy": record.entropy,
        **{
            theirs: record.signals[ours]
            for theirs, ours in SIGNALS.items()
            if ours in record.signals
        },
    }
    return {
        name: {offset + i: float(v) for i, v in enumerate(values) if np.isfinite(v)}
        for name, values in arrays.items()
    }


def translate(sampler: str, params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A case's sampler and parameters in our names; InputError for what we do not have."""
    if sampler not in TRANSLATED:
        raise InputError(f"no sampler for {sampler} with {dict(params)}")
    name, names = TRANSLATED[sampler]
    knobs = {ours: params[theirs] for theirs, ours in names.items() if params[theirs] is not None}
    return name, knobs | special_cases(sampler, params)


def special_cases(sampler: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Knobs that say in words what a case says by which parameters it has."""
    if sampler == "fast_dllm":
        if params["threshold"] is not None:
            return {"rule": "threshold"}
        return {"rule": "schedule" if params["factor"] is None else "factor"}
    if sampler == "slow_fast":
        contexts = {"prev_block": "previous_block", "all_prev_blocks": "all_previous_blocks"}
        never = {} if params["release"] is not None else {"release": 1.0}
        return {"context": contexts[params["probe_context"]], **never}
    given = {
        "fast_dllm_dream": {"rule": "budget"},
        "klass": {"variant": "llada"},
        "klass_dream": {"variant": "dream"},
        "dapd": {"variant": params.get("alg", "").removeprefix("dapd_")},
    }
    return given.get(sampler, {})


def policy(params: Mapping[str, Any]) -> dict[str, Any]:
    """Forward policy of a case: which cache, and which revision of its loop."""
    if params.get("cache", "none") == "none":
        return {}
    return {"forward": params["cache"], "cache_revision": params.get("revision", "later")}


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
