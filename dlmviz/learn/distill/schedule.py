"""What a step of a training takes: its learning rate, and its pairs."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dlmviz.learn.distill.settings import Settings


def learning_rate(settings: Settings, step: int) -> float:
    """The rate of step 0..steps-1: a linear rise, a level, a linear fall."""
    rise = min(1.0, (step + 1) / (settings.warmup + 1))
    fall, left = settings.cooldown * settings.steps, settings.steps - step
    return settings.lr * min(rise, left / fall if left < fall else 1.0)


def chosen(settings: Settings, number: int, count: int) -> int:
    """Which of `count` pairs draw `number` takes: every pair once an epoch, in a new order."""
    epoch, place = divmod(number, count)
    return int(_order(settings.seed, epoch, count)[place])


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch, 1)).permutation(count)
