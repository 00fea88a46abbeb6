"""Hand-made steps: confidences in, chosen positions out. No model."""

from __future__ import annotations

from typing import Any

import torch

from dlmviz.types import Canvas, Choice, Prediction, Sampler, Special, Step

MASK = 99


def step(confidence: list[float], dtype: torch.dtype = torch.float64, **given: Any) -> Step:
    """A step whose candidates are the positions with a confidence above -1, all in block 0."""
    c = torch.tensor(confidence, dtype=dtype)
    candidates = c > -1
    tokens = torch.where(candidates, MASK, 7)
    values = {
        "canvas": Canvas(tokens, 0, given.pop("block_length", len(c)), MASK),
        "index": 0,
        "in_block": 0,
        "block_index": 0,
        "candidates": candidates,
        "proposal": torch.where(candidates, torch.arange(len(c)), MASK),
        "confidence": c,
        "prediction": Prediction(candidates.nonzero()[:, 0], torch.zeros(int(candidates.sum()), 8)),
        "probs": lambda: torch.full((int(candidates.sum()), 8), 1 / 8),
        "rng": torch.Generator().manual_seed(0),
        "peek": lambda tokens: [],
        "at": lambda canvas, prediction: None,
        "special": Special(MASK, 98),
        "fixed": torch.zeros_like(candidates),
    }
    return Step(**{**values, **given})


def chosen(sampler: Sampler, at: Step, memory: Any = None) -> list[int]:
    return positions(sampler.select(at, memory))


def positions(choice: Choice) -> list[int]:
    found: list[int] = choice.transfer.nonzero()[:, 0].tolist()
    return found
