"""Numbers of a run, from its trace alone: forwards, parallelism, order (arXiv 2601.15593).

n counts the generated positions that the run decided, up to and including the first end of
sequence that it wrote: padding after it would flatter every ratio, and what was given (text
behind a prompt's mask) was not decided. A position is finalised at the last step that changed it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from dlmviz.types import Trace

if TYPE_CHECKING:
    import pandas as pd


def generated_count(trace: Trace) -> int:
    """n: decided positions of the generated part up to and including the first eos written.

    All of them where there is none. Positions still masked (a run that was stopped) do not count.
    """
    return len(finalised(trace))


def nfe(trace: Trace) -> int:
    """Forward calls of the run, the sampler's peeks included; a guided pair is one call."""
    return trace.nfe


def probes(trace: Trace) -> int:
    """Forward calls made only to record more than the sampler looked at; none of them in NFE."""
    return sum(record.probes for record in trace.steps)


def masks_left(trace: Trace) -> int:
    """Masks on the canvas at the end, the prompt's own included."""
    return int(np.count_nonzero(trace.final == trace.mask_id))


def masks_due(trace: Trace) -> int:
    """Masks that keep the run from its end: those before an eos that it wrote, if eos ends it."""
    final = trace.final
    if trace.spec.stop == "eos" and trace.eos_id is not None:
        written = (final == trace.eos_id) & (trace.finalized_at >= 0)
        ends = np.flatnonzero(written[trace.prompt_length :])
        final = final[: trace.prompt_length + int(ends[0])] if len(ends) else final
    return int(np.count_nonzero(final == trace.mask_id))


def sequence_forwards(trace: Trace) -> int:
    """Sequences in those calls; a guided pair counts two."""
    return sum(record.sequence_forwards for record in trace.steps)


def seconds(trace: Trace) -> float:
    """Wall time of the steps [s], recording included."""
    return math.fsum(record.seconds for record in trace.steps)


def tpf(trace: Trace) -> float | None:
    """Tokens per forward, n / NFE; None without a forward."""
    return generated_count(trace) / trace.nfe if trace.nfe else None


def afp(trace: Trace) -> float | None:
    """Average finalisation parallelism: n / number of distinct finalising steps; None if n = 0.

    Steps that finalise nothing do not count, so TPF <= AFP wherever a step costs a forward.
    """
    steps = finalised(trace)
    return len(steps) / len(np.unique(steps)) if len(steps) else None


def wasted(trace: Trace) -> float | None:
    """1 - finalising steps / NFE: the share of forwards after which nothing was final."""
    return 1 - len(np.unique(finalised(trace))) / trace.nfe if trace.nfe else None


def kendall_tau_b(trace: Trace) -> float | None:
    """tau_b = (C - D) / sqrt(n0 (n0 - ties)) of finalised step against position, in [-1, 1].

    C and D count concordant and discordant pairs of the n positions, n0 = n(n - 1)/2, ties are
    pairs finalised in one step. 1 is strictly left to right, -1 right to left. None where it is
    undefined: n < 2, or all in one step.
    """
    before: list[int] = []  # steps of the positions to the left, sorted
    concordant = discordant = 0
    for step in finalised(trace).tolist():
        end = bisect_right(before, step)
        concordant += bisect_left(before, step)
        discordant += len(before) - end
        before.insert(end, step)
    untied = concordant + discordant
    if not untied:
        return None
    return (concordant - discordant) / math.sqrt(math.comb(len(before), 2) * untied)


def segments(trace: Trace) -> np.ndarray:
    """int64 [S + 1]: disjoint contiguous runs of unmasked tokens in the generated part.

    Entry s is the count after s steps; entry 0 is the initial canvas.
    """
    tokens = trace.initial.copy()
    counts = [_runs(tokens[trace.prompt_length :] != trace.mask_id)]
    for record in trace.steps:
        tokens[record.positions] = record.tokens
        tokens[record.remasked] = trace.mask_id
        counts.append(_runs(tokens[trace.prompt_length :] != trace.mask_id))
    return np.array(counts, np.int64)


def _runs(filled: np.ndarray) -> int:
    """Runs of True: as many as there are members less the neighbours in one run."""
    return int(np.count_nonzero(filled) - np.count_nonzero(filled[1:] & filled[:-1]))


def normalised_edges(edges: np.ndarray) -> np.ndarray:
    """N_ij = R_ij / max(max_j R_ij, 1e-8) of a step's raw edge scores R (DAPD, arXiv 2603.12996).

    [N N] -> float32 [N N]. Each row has its own divisor, so N is not symmetric. A NaN stays one and
    is no maximum.
    """
    r = np.asarray(edges, np.float32)  # 1e-8 is 0 in the float16 that traces keep
    divisor = np.fmax.reduce(r, axis=1, keepdims=True, initial=np.float32(1e-8))
    return np.asarray(r / divisor, np.float32)


def row(trace: Trace) -> dict[str, Any]:
    """Plain values of one run by name; None where a number is undefined.

    segments_max and segments_mean run over the canvases after each step, the empty one left out.
    """
    counts = segments(trace)[1:]
    return {
        "text": trace.text,
        "nfe": trace.nfe,
        "sequence_forwards": sequence_forwards(trace),
        "steps": len(trace.steps),
        "tokens": generated_count(trace),
        "masks_left": masks_left(trace),
        "tpf": tpf(trace),
        "afp": afp(trace),
        "kendall_tau_b": kendall_tau_b(trace),
        "segments_max": int(counts.max()) if len(counts) else None,
        "segments_mean": float(counts.mean()) if len(counts) else None,
        "probes": probes(trace),
        "seconds": seconds(trace),
    }


def frame(traces: Iterable[Trace]) -> pd.DataFrame:
    """One row a trace: its model, adapter, sampler and seed, then the columns of `row`."""
    import pandas as pd  # slow to import, and few who read a trace want a table

    return pd.DataFrame(
        {
            "model": trace.spec.model,
            "adapter": trace.spec.adapter,
            "sampler": trace.spec.sampler,
            "seed": trace.spec.seed,
            **row(trace),
        }
        for trace in traces
    )


def finalised(trace: Trace) -> np.ndarray:
    """int32 [n]: the finalising step of each counted position, in canvas order."""
    final = trace.final[trace.prompt_length :]
    steps = trace.finalized_at[trace.prompt_length :]
    decided = (final != trace.mask_id) & (steps >= 0)
    ends = np.flatnonzero(decided & (final == (-1 if trace.eos_id is None else trace.eos_id)))
    upto = int(ends[0]) + 1 if len(ends) else len(final)
    return np.asarray(steps[:upto][decided[:upto]])
