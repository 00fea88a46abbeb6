"""How well and how fast two models answer the same prompts, and whether a difference is real."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dlmviz import metrics
from dlmviz.batch import decode_many
from dlmviz.types import Denoiser, RunSpec, Sampler


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What became of N prompts, in their order."""

    right: np.ndarray  # bool [N]
    nfe: np.ndarray  # int64 [N], forwards of each run
    tokens: np.ndarray  # int64 [N], decided tokens up to the first end of sequence

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0..1."""
        return float(self.right.mean())

    @property
    def mean_nfe(self) -> float:
        return float(self.nfe.mean())

    @property
    def tpf(self) -> float:
        """Tokens per forward over all runs."""
        return float(self.tokens.sum() / self.nfe.sum())


@dataclass(frozen=True)
class Speedup:
    """How many times fewer forwards a student needs than its base at matched accuracy."""

    student: float  # threshold of the student's arm
    base: float  # threshold of the cheapest base arm that is accurate enough
    ratio: float  # mean NFE of the base over that of the student
    low: float  # 2.5 % and
    high: float  # 97.5 % of the ratio over resampled prompts
    accuracy_student: float
    accuracy_base: float


def outcomes(
    model: Denoiser,
    sampler: Sampler,
    specs: Sequence[RunSpec],
    grade: Callable[[int, str], bool],
    batch: int = 32,
) -> Iterator[tuple[int, Outcomes | None]]:
    """Yields (runs done, None) after each run, and at last (N, the outcomes of all)."""
    right = np.zeros(len(specs), bool)
    nfe, tokens = np.zeros(len(specs), np.int64), np.zeros(len(specs), np.int64)
    for done, (i, trace) in enumerate(decode_many(model, sampler, specs, batch, keep=1), 1):
        right[i], nfe[i] = grade(i, trace.text), trace.nfe
        tokens[i] = metrics.generated_count(trace)
        yield done, None
    yield len(specs), Outcomes(right, nfe, tokens)


def speedups(
    base: dict[float, Outcomes],
    student: dict[float, Outcomes],
    within: float = 0.01,
    draws: int = 2000,
    seed: int = 0,
) -> list[Speedup]:
    """One Speedup a student arm: against the base arm with the fewest forwards whose accuracy is at
    most `within` below the student's; an arm that no base arm matches is left out.

    The interval is a paired bootstrap over prompts: both models answered the same ones. It holds
    for a pair of arms that was fixed beforehand; the best of many pairs looks better than it is.
    """
    count = len(next(iter(base.values())).nfe)
    picks = np.random.default_rng(seed).integers(count, size=(draws, count))
    found = []
    for tau, arm in student.items():
        fit = {t: o for t, o in base.items() if o.accuracy >= arm.accuracy - within}
        if not fit:
            continue
        best = min(fit, key=lambda t: fit[t].mean_nfe)
        ratios = fit[best].nfe[picks].mean(1) / arm.nfe[picks].mean(1)
        low, high = np.quantile(ratios, (0.025, 0.975))
        found.append(
            Speedup(
                student=tau,
                base=best,
                ratio=fit[best].mean_nfe / arm.mean_nfe,
                low=float(low),
                high=float(high),
                accuracy_student=arm.accuracy,
                accuracy_base=fit[best].accuracy,
            )
        )
    return found
