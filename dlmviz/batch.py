"""Many prompts at once: one forward over all live runs, then each run's own step.

Samplers never see a batch; a run that ends makes room for the next prompt.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dlmviz.decoding import State, advance, foresee, settle
from dlmviz.forward import Cost, predict
from dlmviz.opening import Run, begin, first_canvas, open_run
from dlmviz.record import finish
from dlmviz.types import Denoiser, RunSpec, Sampler, StepRecord, Trace


@dataclass(frozen=True, eq=False)
class Live:
    """A run that still has masks."""

    index: int  # in the specs
    run: Run
    state: State
    records: tuple[StepRecord, ...] = ()


def decode_many(
    model: Denoiser,
    sampler: Sampler,
    specs: Iterable[RunSpec],
    batch: int = 32,
    keep: int = 0,
) -> Iterator[tuple[int, Trace]]:
    """Yields (index in specs, Trace) as runs end; up to `batch` of them share each forward.

    Specs must agree in cfg_scale. Runs over cached windows, and steps whose prediction is paid for
    already, take their own forwards. Each run has its own random stream, so its tokens do not
    depend on its neighbours beyond the rounding of a batched forward. Seconds of a record are
    those of the shared forward.
    """
    waiting = enumerate(specs)
    live: list[Live] = []
    while True:
        while len(live) < batch and (following := next(waiting, None)) is not None:
            index, spec = following
            run = open_run(model, sampler, spec, begin(model, spec), keep, None)
            state = settle(run, State(first_canvas(run)))
            if state is None:
                yield index, finish(model, sampler, run.start, ())
            else:
                live.append(Live(index, run, state))
        if not live:
            return
        live, ended = together(model, sampler, live)
        for one in ended:
            yield one.index, finish(model, sampler, one.run.start, one.records)


def together(model: Denoiser, sampler: Sampler, live: list[Live]) -> tuple[list[Live], list[Live]]:
    """(runs that go on, runs that ended) after one step of every run, by one forward."""
    began = time.perf_counter()
    run = live[0].run
    shared = [one for one in live if shares(one.run, one.state)]
    canvases = [one.state.canvas for one in shared]
    visible = [one.run.visible for one in shared]
    made = iter(predict(model, canvases, visible, run.spec, run.needs) if shared else ())
    going, ended = [], []
    for one in live:
        if shares(one.run, one.state):
            before, prediction = one.state, next(made)
            cost = Cost(1, 2 if run.spec.cfg_scale else 1)
        else:
            before, prediction, cost = foresee(one.run, one.state)
        after, record = advance(one.run, before, prediction, cost, began)
        records = (*one.records, record)
        state = settle(one.run, after)
        if state is None:
            ended.append(Live(one.index, one.run, after, records))
        else:
            going.append(Live(one.index, one.run, state, records))
    return going, ended


def shares(run: Run, state: State) -> bool:
    """Whether the run's next prediction is an ordinary forward of its whole canvas."""
    return state.prediction is None and not state.ask and run.spec.forward == "full"
