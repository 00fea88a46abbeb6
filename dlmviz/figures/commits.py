"""What the steps of a run changed: tokens written, and tokens taken back. Steps count from 1."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dlmviz.types import Trace


@dataclass(frozen=True)
class Commit:
    """A token that a step wrote. `until` is the step that replaced it or took it back."""

    step: int
    position: int
    piece: str
    confidence: float | None  # of the proposal at that step; None where it was not recorded
    until: int | None = None

    def stands(self, step: int) -> bool:
        return self.step <= step and (self.until is None or step < self.until)


def changes(trace: Trace) -> tuple[tuple[Commit, ...], tuple[tuple[int, int], ...]]:
    """(commits by step and position, (step, position) of everything taken back, in that order)."""
    commits: list[Commit] = []
    returns: list[tuple[int, int]] = []
    last: dict[int, int] = {}  # position -> index of the commit that stands there

    def end(position: int, step: int) -> None:
        if position in last:
            at = last.pop(position)
            commits[at] = replace(commits[at], until=step)

    for step, record in enumerate(trace.steps, start=1):
        pairs = zip(record.positions.tolist(), record.tokens.tolist(), strict=True)
        for position, token in sorted(pairs):
            end(position, step)
            last[position] = len(commits)
            seen = record.confidence[position - trace.offset :][:1]  # empty if nothing was recorded
            sure = float(seen[0]) if seen.size and not np.isnan(seen[0]) else None
            commits.append(Commit(step, position, trace.pieces.get(token, ""), sure))
        for position in sorted(record.remasked.tolist()):
            end(position, step)
            returns.append((step, position))
    return tuple(commits), tuple(returns)
