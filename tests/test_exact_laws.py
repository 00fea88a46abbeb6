"""What only a model with a known joint law can be asked."""

import itertools

import numpy as np
import pytest
import torch

import dlmviz
from dlmviz.models.exact import exact_model, group_error
from dlmviz.types import RunSpec

MODEL = dlmviz.load("exact")
PROMPTS = ("two", "the capital of", "the", "[MASK] capital")


def run(sampler, prompt="two", model=MODEL, **given):
    params = given.pop("params", {})
    spec = RunSpec(
        **{"prompt": prompt, "gen_length": 12, "block_length": 12, "sampler": sampler} | given,
        params=params,
    )
    return dlmviz.decode(model, spec)


def commits(trace):
    return [dict(zip(r.positions.tolist(), r.tokens.tolist(), strict=True)) for r in trace.steps]


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("block", [4, 12])
def test_entropy_bound_at_gamma_zero_commits_one_token_unless_others_are_certain(
    prompt, block
) -> None:
    """D_n = 0 holds for one token, and for all whose entropy is exactly zero."""
    trace = run("entropy_bound", prompt, block_length=block, params={"gamma": 0.0})
    for record in trace.steps:
        at = record.positions - trace.offset
        assert (np.sort(record.entropy[at])[:-1] <= 1e-9).all()


def soft_model():
    """Sentences over two words, all possible: no entropy is ever zero before the last token."""
    weights = torch.rand(64, generator=torch.Generator().manual_seed(1)) + 0.01
    sentences = [" ".join(words) for words in itertools.product("ab", repeat=6)]
    return exact_model(dict(zip(sentences, weights.tolist(), strict=True)))


@pytest.mark.parametrize("block", [2, 6])
def test_entropy_bound_at_gamma_zero_is_one_token_decoding(block) -> None:
    model = soft_model()
    shape = {"prompt": "", "gen_length": 6, "block_length": block, "model": model}
    bound = run("entropy_bound", **shape, params={"gamma": 0.0})
    single = run("top_k", **shape)
    assert commits(bound) == commits(single)
    assert all(len(record.positions) == 1 for record in bound.steps)


@pytest.mark.parametrize("policy", ["top_1", "threshold", "local_leap"])
@pytest.mark.parametrize("depth", [1, 3, 5])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_exact_speculation_gives_the_tokens_of_its_policy_with_no_more_forwards(
    policy, depth, prompt
) -> None:
    knobs = {"policy": policy, "accept": "exact"}
    base = run("psd", prompt, params=knobs | {"depth": 0}, block_length=6)
    fast = run("psd", prompt, params=knobs | {"depth": depth}, block_length=6)
    assert fast.final.tolist() == base.final.tolist()
    assert fast.nfe <= base.nfe
    merged, steps = [], iter(commits(base))
    for commit in commits(fast):  # each speculative step is some policy steps in a row
        together: dict[int, int] = {}
        while len(together) < len(commit):
            together |= next(steps)
        merged.append(together)
    assert merged == commits(fast)
    assert next(steps, None) is None


def test_speculation_on_the_best_token_saves_forwards_and_counts_its_rows() -> None:
    base = run("psd", params={"policy": "top_1", "depth": 0})
    fast = run("psd", params={"policy": "top_1", "depth": 3, "accept": "exact"})
    assert base.nfe == 12
    assert fast.nfe < base.nfe
    assert sum(record.sequence_forwards for record in fast.steps) > base.nfe


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("tau", [0.05, 0.3])
def test_the_independent_set_is_independent_and_maximal(prompt, tau) -> None:
    trace = run("dapd", prompt, params={"variant": "staged", "tau_min": tau, "tau_max": tau})
    for record in trace.steps:
        chosen = np.flatnonzero(record.signals["independent"] == 1)
        left = np.flatnonzero(record.signals["independent"] == 0)
        greatest = record.edges.astype(np.float64).max(1, keepdims=True)
        conflict = record.edges / np.maximum(greatest, 1e-8)
        slack = 5e-3  # edges are kept in float16
        order = np.argsort(-record.score[chosen], kind="stable")
        for later, i in enumerate(chosen[order]):
            assert (conflict[i, chosen[order][:later]] <= tau + slack).all()
        for j in left:
            assert conflict[j, chosen].max() > tau - slack


@pytest.mark.parametrize("sampler", ["llada", "fast_dllm", "dapd", "entropy_bound", "psd"])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_loss_of_a_group_is_zero_for_one_token_and_never_negative(sampler, prompt) -> None:
    params = {"fast_dllm": {"tau": 0.4}, "entropy_bound": {"gamma": 2.0}}.get(sampler, {})
    trace = run(sampler, prompt, params=params)
    errors = group_error(MODEL, trace)
    assert len(errors) == len(trace.steps)
    for record, error in zip(trace.steps, errors, strict=True):
        assert error >= 0
        if len(record.positions) == 1:
            assert error == pytest.approx(0, abs=1e-12)


def test_committing_all_at_once_loses_what_the_words_know_of_each_other() -> None:
    model = exact_model({"red apple": 0.5, "blue sky": 0.5})
    trace = run("top_k", "", model, gen_length=2, block_length=2, params={"k": 2})
    assert group_error(model, trace) == pytest.approx([np.log(2)])
