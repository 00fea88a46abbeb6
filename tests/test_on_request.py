import numpy as np
import pytest
import torch

from dlmviz import decoding
from dlmviz.samplers import make
from dlmviz.types import InputError, RunSpec
from tests.toy import MASK, Toy, ids


def run(*record, name="llada", **given):
    spec = RunSpec(
        **{"prompt": "the", "gen_length": 16, "block_length": 8, "sampler": name} | given,
        record=record,
    )
    return decoding.decode(Toy(), make(name, spec.params), spec)


def law(tokens) -> torch.Tensor:
    logits = Toy().forward(torch.tensor([tokens]))[0].logits
    logits[:, MASK] = float("-inf")
    return logits.softmax(-1)


def test_margin_is_the_lead_of_the_best_token() -> None:
    trace = run("margin")
    best = law(trace.initial.tolist())[1:].topk(2).values
    assert np.allclose(trace.steps[0].signals["margin"], best[:, 0] - best[:, 1], atol=1e-6)


def test_kl_compares_with_the_step_before_and_is_undefined_at_the_first() -> None:
    trace = run("kl")
    assert np.isnan(trace.steps[0].signals["kl"]).all()
    p, q = law(trace.canvas_at(1).tolist()), law(trace.canvas_at(0).tolist())
    both = (p > 0) & (q > 0)
    expected = torch.where(both, p * (p.clamp(min=1e-30) / q.clamp(min=1e-30)).log(), 0).sum(-1)
    seen = trace.steps[1].signals["kl"]
    open_now = trace.canvas_at(1)[1:] == MASK
    assert np.allclose(seen[open_now], expected[1:][open_now], atol=1e-5)
    assert np.isnan(seen[~open_now]).all()


def test_jsd_hides_the_block_before_and_costs_a_probe_that_nfe_does_not_count() -> None:
    trace = run("jsd")
    assert [record.probes for record in trace.steps] == [0] * 8 + [1] * 8
    assert trace.nfe == 16
    assert np.isnan(trace.steps[0].signals["jsd"]).all()
    entry = trace.steps[8].signals["jsd"][8:]
    assert np.isfinite(entry).all()
    assert (entry >= -1e-9).all()
    assert (entry <= np.log(2)).all()


def test_edges_are_symmetric_scores_of_masked_pairs() -> None:
    trace = run("edges", "degree")
    edges = trace.steps[3].edges.astype(np.float32)
    masked = trace.canvas_at(3)[1:] == MASK
    assert np.array_equal(edges, edges.T)
    assert (edges[~masked] == 0).all()
    assert (edges.diagonal() == 0).all()
    degree = trace.steps[3].signals["degree"]
    assert np.allclose(degree[masked], edges.sum(1)[masked], atol=2e-3)
    assert np.isnan(degree[~masked]).all()


def test_rank_counts_candidates_from_one_by_the_rules_own_score() -> None:
    rank = run("rank", name="left_to_right").steps[2].signals["rank"]
    assert rank[2:8].tolist() == [1, 2, 3, 4, 5, 6]
    assert np.isnan(rank[[0, 1, *range(8, 16)]]).all()


def test_a_signal_the_sampler_gives_itself_is_not_made_again() -> None:
    trace = run("jsd", name="slow_fast", params={"tau_low": 0.3, "tau_high": 0.99})
    entry = next(record for record in trace.steps if record.block[0] == 9)
    assert entry.nfe == 2
    assert entry.probes == 0


def test_unknown_signals_are_refused() -> None:
    with pytest.raises(InputError, match=r"record must be one of margin, kl.*got 'beauty'"):
        RunSpec(record=("beauty",))
    with pytest.raises(InputError, match="record must be a list"):
        RunSpec(record="kl")


def test_a_canvas_without_request_records_nothing_extra() -> None:
    trace = run()
    assert all(not record.signals and record.edges is None for record in trace.steps)
    assert ids("the") == trace.initial[:1].tolist()
