"""Numbers of a run: published test vectors, edits, ends, and the law TPF <= AFP."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dlmviz import metrics
from dlmviz.types import RunSpec, StepRecord, Trace
from tests.traces import three_steps

MASK, EOS = 0, 1


def record(index: int, block: tuple[int, int], writes: dict[int, int], remasked: Sequence[int]):
    nothing = np.zeros(0, np.float32)
    return StepRecord(
        index=index,
        block=block,
        positions=np.array(sorted(writes), np.int32),
        tokens=np.array([writes[i] for i in sorted(writes)], np.int32),
        remasked=np.array(remasked, np.int32),
        confidence=nothing,
        entropy=nothing,
        score=nothing,
        top_ids=np.zeros((0, 0), np.int32),
        top_probs=np.zeros((0, 0), np.float16),
        nfe=1,
        sequence_forwards=2,
        seconds=0.5,
    )


def replay(states: Sequence[str], prompt: str = "?", eos: int | None = EOS) -> Trace:
    """The trace that passes through `states`: "_" is a mask, "." the eos, others are tokens."""
    ids = [[{"_": MASK, ".": EOS}.get(c, ord(c)) for c in state] for state in states]
    start, length = len(prompt), len(states[0])
    before = [MASK] * length
    records = []
    for index, after in enumerate(ids):
        changed = [i for i in range(length) if after[i] != before[i]]
        records.append(
            record(
                index,
                (start, start + length),
                {start + i: after[i] for i in changed if after[i] != MASK},
                [start + i for i in changed if after[i] == MASK],
            )
        )
        before = after
    return Trace(
        spec=RunSpec(gen_length=length, block_length=length),
        initial=np.array([*map(ord, prompt), *[MASK] * length], np.int32),
        prompt_length=start,
        mask_id=MASK,
        eos_id=eos,
        steps=tuple(records),
        text="",
        pieces={},
    )


def finalising(steps: Sequence[int]) -> Trace:
    """The run in which position i is finalised at step steps[i], counted from 1."""
    return replay(
        ["".join("ab"[i % 2] if f <= t else "_" for i, f in enumerate(steps))
         for t in range(1, max(steps) + 1)]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "afp", "tau_b"),
    [
        ([1, 2, 3, 4], 1, 1),
        ([4, 3, 2, 1], 1, -1),
        ([1, 1, 2, 2], 2, 0.8165),
        ([2, 2, 1, 1], 2, -0.8165),
        ([1, 2, 1, 2], 2, 0.4082),
        ([1, 3, 2, 2, 5, 5], 1.5, 0.6445),
        ([1, 1, 1, 1], 4, None),
    ],
)
def test_afp_and_tau_b_agree_with_the_published_vectors(
    steps: list[int], afp: float, tau_b: float | None
) -> None:
    trace = finalising(steps)
    assert metrics.afp(trace) == afp
    assert metrics.kendall_tau_b(trace) == (tau_b and pytest.approx(tau_b, abs=5e-5))
    assert metrics.tpf(trace) == len(steps) / max(steps)


def test_an_overwritten_token_is_finalised_by_its_last_change() -> None:
    trace = replay(["XYZ", "XWZ"])
    assert trace.finalized_at[1:].tolist() == [0, 1, 0]
    assert metrics.afp(trace) == 1.5
    assert metrics.kendall_tau_b(trace) == 0


def test_a_token_that_went_and_came_back_is_finalised_when_it_came_back() -> None:
    trace = replay(["A_", "Ab", "A_", "AB"])
    assert trace.finalized_at[1:].tolist() == [0, 3]
    assert (metrics.afp(trace), metrics.tpf(trace)) == (1, 0.5)
    assert metrics.wasted(trace) == 0.5
    assert metrics.kendall_tau_b(trace) == 1


def test_a_token_that_went_and_did_not_come_back_is_not_counted() -> None:
    trace = replay(["A_", "Ab", "A_"])
    assert metrics.generated_count(trace) == 1
    assert metrics.wasted(trace) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("states", "count", "afp"),
    [
        (["ab.."], 3, 3),  # the first eos counts, the padding does not
        (["ab..", "abcd"], 4, 2),  # an eos that was overwritten ends nothing
        ([".abc"], 1, 1),
        (["abcd"], 4, 4),
        (["___.", "__b.", "a_b."], 3, 1),  # stopped: the mask before the eos is not decided
        (["____"], 0, None),
    ],
)
def test_tokens_are_counted_to_the_first_eos(
    states: list[str], count: int, afp: float | None
) -> None:
    trace = replay(states)
    assert metrics.generated_count(trace) == count
    assert metrics.afp(trace) == afp
    assert metrics.tpf(trace) == count / len(states)


def test_without_an_eos_id_everything_counts() -> None:
    assert metrics.generated_count(replay(["ab.."], eos=None)) == 4


def test_an_eos_in_the_prompt_ends_nothing() -> None:
    trace = replay(["abc"], prompt="?!")
    initial = trace.initial.copy()
    initial[1] = EOS
    assert metrics.generated_count(dataclasses.replace(trace, initial=initial)) == 3


def test_the_order_of_the_padding_does_not_touch_tau() -> None:
    assert metrics.kendall_tau_b(replay(["a___", "a__.", "ab_.", "ab.."])) == 1


def test_segments_are_runs_of_unmasked_tokens_in_the_generated_part() -> None:
    trace = replay(["a____", "a_b_c", "a_bdc", "aebdc", "a___c"], prompt="?!")
    assert metrics.segments(trace).tolist() == [0, 1, 3, 2, 1, 2]
    assert metrics.segments(three_steps()).tolist() == [0, 2, 2, 1]


def test_a_row_holds_the_numbers_of_the_three_step_trace() -> None:
    row = metrics.row(three_steps())
    assert row == {
        "text": "the cat sat",
        "nfe": 3,
        "sequence_forwards": 3,
        "steps": 3,
        "tokens": 4,
        "tpf": 4 / 3,
        "afp": 4 / 3,
        "kendall_tau_b": pytest.approx(-1 / math.sqrt(30)),  # 2 concordant, 3 discordant, 1 tie
        "segments_max": 2,
        "segments_mean": pytest.approx(5 / 3),
        "seconds": 0.75,
    }


def test_a_run_without_steps_has_no_ratios() -> None:
    row = metrics.row(dataclasses.replace(three_steps(), steps=(), text=""))
    undefined = ("tpf", "afp", "kendall_tau_b", "segments_max", "segments_mean")
    assert [row[name] for name in undefined] == [None] * 5
    assert (row["tokens"], row["nfe"], row["seconds"]) == (0, 0, 0)
    assert metrics.wasted(dataclasses.replace(three_steps(), steps=())) is None


def test_forwards_are_calls_and_a_guided_pair_is_two_sequences() -> None:
    row = metrics.row(replay(["a_", "ab"]))
    assert (row["nfe"], row["sequence_forwards"]) == (2, 4)


def test_a_frame_has_a_row_a_trace() -> None:
    table = metrics.frame([three_steps(), replay(["a_", "ab"])])
    assert table["sampler"].tolist() == ["fast_dllm", "llada"]
    assert table["tpf"].tolist() == [4 / 3, 1]
    assert {"model", "adapter", "sampler", "seed", *metrics.row(three_steps())} == {*table.columns}


@settings(deadline=None)
@given(st.lists(st.text("_.ab", min_size=5, max_size=5), min_size=1, max_size=8))
def test_tpf_never_exceeds_afp(states: list[str]) -> None:
    trace = replay(states)
    tpf, afp, wasted = metrics.tpf(trace), metrics.afp(trace), metrics.wasted(trace)
    if afp is None:
        assert tpf == 0
        assert wasted == 1
    else:
        assert tpf <= afp
        assert tpf == pytest.approx(afp * (1 - wasted))


@settings(deadline=None)
@given(st.lists(st.text("_ab", min_size=6, max_size=6), min_size=1, max_size=5))
def test_segments_agree_with_splitting_the_text(states: list[str]) -> None:
    expected = [0, *(len(state.replace("_", " ").split()) for state in states)]
    assert metrics.segments(replay(states)).tolist() == expected


@settings(deadline=None)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=9))
def test_tau_b_agrees_with_scipy(steps: list[int]) -> None:
    expected = stats.kendalltau(range(len(steps)), steps, variant="b").statistic
    tau = metrics.kendall_tau_b(finalising(steps))
    assert tau == (None if math.isnan(expected) else pytest.approx(expected, abs=1e-12))


def test_tau_b_of_a_long_run_is_quick() -> None:
    steps = [(i * 7919) % 4096 for i in range(16384)]
    trace = finalising([1])
    order = sorted(range(len(steps)), key=steps.__getitem__)
    groups = [[i + 1 for i in order[k : k + 4]] for k in range(0, len(order), 4)]
    records = [record(t, (1, 16385), dict.fromkeys(group, 9), []) for t, group in enumerate(groups)]
    initial = np.zeros(16385, np.int32)
    initial[0] = 9
    trace = dataclasses.replace(trace, initial=initial, steps=tuple(records))
    expected = stats.kendalltau(range(len(steps)), steps).statistic
    began = time.perf_counter()
    assert metrics.kendall_tau_b(trace) == pytest.approx(expected)
    assert time.perf_counter() - began < 5
