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
        probes=index % 2,
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
    ("states", "final_steps", "afp", "tau_b", "tpf"),
    [
        (["ab__", "abcd", "_bcd", "abcd"], [3, 0, 1, 1], 4 / 3, -1 / math.sqrt(30), 1),
        (["abcd", "a__d", "axyd"], [0, 2, 2, 0], 2, 0, 4 / 3),
        (["abcd", "____", "a___", "ab__", "abcd"], [2, 3, 4, 4], 4 / 3, 5 / math.sqrt(30), 4 / 5),
        (["abcd", "abc_", "abcd"], [0, 0, 0, 2], 2, 3 / math.sqrt(18), 4 / 3),
    ],
)
def test_positions_that_were_taken_back_count_when_they_were_written_last(
    states: list[str], final_steps: list[int], afp: float, tau_b: float, tpf: float
) -> None:
    trace = replay(states)
    assert trace.finalized_at[1:].tolist() == final_steps
    assert metrics.afp(trace) == afp
    assert metrics.kendall_tau_b(trace) == pytest.approx(tau_b)
    assert metrics.tpf(trace) == tpf


def test_an_end_that_was_taken_back_ends_nothing() -> None:
    assert metrics.generated_count(replay(["a.bc", "a_bc", "axbc"])) == 4
    assert metrics.generated_count(replay(["a.bc", "a_bc", "a.bc"])) == 2


def infilled(text: str, states: Sequence[str], start: int) -> Trace:
    """A run on a canvas of given tokens and masks, whose generated part begins at `start`."""
    trace = replay([text, *states], prompt="")
    first, *rest = trace.steps
    rest = [dataclasses.replace(record, index=i) for i, record in enumerate(rest)]
    initial = trace.initial.copy()
    initial[first.positions] = first.tokens
    return dataclasses.replace(trace, initial=initial, prompt_length=start, steps=tuple(rest))


def test_what_was_given_behind_a_mask_was_not_decided_and_ends_nothing() -> None:
    trace = infilled("?_._!__.", ["?a._!__.", "?a.b!__.", "?a.b!cd."], start=1)
    assert metrics.generated_count(trace) == 4
    assert (metrics.afp(trace), metrics.tpf(trace)) == (4 / 3, 4 / 3)
    assert metrics.kendall_tau_b(trace) == pytest.approx(5 / math.sqrt(30))
    stopped = infilled("?_._!__.", ["?a.b!.c."], start=1)
    assert metrics.generated_count(stopped) == 3  # to the end that the run wrote


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
        "masks_left": 0,
        "tpf": 4 / 3,
        "afp": 4 / 3,
        "kendall_tau_b": pytest.approx(-1 / math.sqrt(30)),  # 2 concordant, 3 discordant, 1 tie
        "segments_max": 2,
        "segments_mean": pytest.approx(5 / 3),
        "probes": 0,
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


def test_probes_are_summed_and_are_no_part_of_nfe() -> None:
    trace = replay(["a__", "ab_", "abc", "abd"])
    assert (metrics.probes(trace), metrics.row(trace)["probes"]) == (2, 2)
    assert metrics.row(trace)["nfe"] == 4


@pytest.mark.parametrize(("state", "left"), [("abc", 0), ("a_c", 1), ("___", 3), ("._b", 1)])
def test_masks_left_are_those_of_the_last_canvas(state: str, left: int) -> None:
    assert metrics.row(replay(["a__", state]))["masks_left"] == left


def test_a_mask_left_in_the_prompt_is_left_too() -> None:
    trace = replay(["ab"], prompt="?!")
    initial = trace.initial.copy()
    initial[1] = MASK
    assert metrics.masks_left(dataclasses.replace(trace, initial=initial)) == 1


def test_edges_are_divided_by_the_largest_of_their_row() -> None:
    raw = np.array([[0, 0.2, 0.1], [0.2, 0, 0.01], [0.1, 0.01, 0]])
    expected = [[0, 1, 0.5], [1, 0, 0.05], [1, 0.1, 0]]
    edges = metrics.normalised_edges(raw)
    assert edges.dtype == np.float32
    assert edges == pytest.approx(np.array(expected))
    assert not np.array_equal(edges, edges.T)


def test_rows_of_tiny_or_no_edges_are_not_blown_up() -> None:
    edges = metrics.normalised_edges(np.array([[0, 5e-9], [0, 0]], np.float32))
    assert edges == pytest.approx(np.array([[0, 0.5], [0, 0]]))
    halves = np.array([[0, 0.25], [0.5, 0]], np.float16)
    assert metrics.normalised_edges(halves).tolist() == [[0, 1], [1, 0]]
    assert metrics.normalised_edges(np.zeros((3, 3), np.float16)).tolist() == [[0] * 3] * 3
    assert metrics.normalised_edges(np.zeros((0, 0), np.float16)).shape == (0, 0)


def test_an_edge_that_is_not_known_is_no_maximum_and_stays_unknown() -> None:
    nan = float("nan")
    edges = metrics.normalised_edges(np.array([[nan, 0.5, 0.25], [nan] * 3, [0.1, nan, 0]]))
    assert edges == pytest.approx(np.array([[nan, 1, 0.5], [nan] * 3, [1, nan, 0]]), nan_ok=True)


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
@given(st.lists(st.text("_ab", min_size=5, max_size=5), min_size=1, max_size=8))
def test_the_numbers_follow_from_when_each_token_came_to_stay(states: list[str]) -> None:
    """f_i = the first step from which on position i holds its final token, read off the states."""
    last = states[-1]
    stays = [
        min(t for t in range(len(states)) if all(s[i] == last[i] for s in states[t:]))
        for i in range(len(last))
        if last[i] != "_"
    ]
    trace = replay(states)
    assert metrics.generated_count(trace) == len(stays)
    assert metrics.tpf(trace) == len(stays) / len(states)
    assert metrics.afp(trace) == (len(stays) / len(set(stays)) if stays else None)
    tau = stats.kendalltau(range(len(stays)), stays).statistic if len(stays) > 1 else math.nan
    expected = None if math.isnan(tau) else pytest.approx(tau, abs=1e-12)
    assert metrics.kendall_tau_b(trace) == expected


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
