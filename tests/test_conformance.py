"""Laws that every sampler keeps, whatever the model, the block length and the seed."""

import dataclasses
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlmviz import decoding
from dlmviz.batch import decode_many
from dlmviz.opening import open_run
from dlmviz.samplers import SAMPLERS, make
from dlmviz.store import open_trace
from dlmviz.types import RECORDABLE, Prediction, RunSpec, Special
from tests.toy import MASK, Toy, ids, near

pytestmark = pytest.mark.usefixtures("toy_heads")
GRID = list(product(SAMPLERS, (2, 4, 8, 16), (0, 1)))
#: knobs under which a sampler takes another way through its code
VARIANTS = [
    ("llada", {"remasking": "random", "steps": 8}),
    ("dream", {"alg": "origin"}),
    ("dream", {"alg": "topk_margin", "steps": 8}),
    ("dream", {"alg": "maskgit_plus", "alg_temp": 0.5}),
    ("fast_dllm", {"rule": "factor"}),
    ("fast_dllm", {"rule": "factor", "quirk": False}),
    ("fast_dllm", {"rule": "schedule", "steps": 8}),
    ("fast_dllm", {"rule": "budget", "steps": 4}),
    ("entropy_bound", {"proxy": "entropy", "gamma": 1.0}),
    ("entropy_bound", {"proxy": "margin", "gamma": 0.0}),
    ("klass", {"variant": "dream"}),
    ("klass", {"unmask_strategy": "min_kl", "conf_threshold": 0.3, "kl_threshold": 1.0}),
    ("slow_fast", {"slow_side": "low", "when": "every_step"}),
    ("slow_fast", {"context": "all_previous_blocks", "tau_low": 0.4}),
    ("dapd", {"variant": "direct"}),
    ("dapd", {"variant": "paper"}),
    ("dapd", {"skip_eos_edges": True}),
    ("demask", {"tau": 1.0, "gamma": 0.0, "direction": "both"}),
    ("demask", {"order": "entropy", "full": "stop"}),
    ("codila", {"schedule": "static", "piece": 3}),
    ("codila", {"schedule": "dynamic", "tau": 100.0, "temperature": 1.0}),
    ("codila", {"schedule": "verify", "threshold": 0.5, "window": 1}),
    ("psd", {"policy": "top_1", "depth": 5}),
    ("psd", {"policy": "local_leap", "accept": "exact", "group": 2}),
    ("edit", {"base": "llada", "base.steps": 4}),
    ("edit", {"base": "psd", "floor": 1.0}),
    ("edit", {"base": "codila", "base.piece": 2}),
    ("top_k", {"k": 3}),
]


def spec_of(name="llada", **given) -> RunSpec:
    return RunSpec(
        **{"prompt": "the", "gen_length": 16, "block_length": 8, "sampler": name} | given
    )


def same(a, b) -> bool:
    return all(
        x.positions.tolist() == y.positions.tolist() and x.tokens.tolist() == y.tokens.tolist()
        for x, y in zip(a.steps, b.steps, strict=True)
    )


def check_laws(model, sampler, spec: RunSpec, rewrites: bool) -> None:
    """Asserts them for one run. `model.calls` lists the batch size of each forward."""
    start = decoding.begin(model, spec)
    seen = list(decoding.steps(model, sampler, spec, start))
    trace = decoding.finish(model, sampler, start, [record for _, record in seen])
    mask = model.special.mask
    assert mask not in trace.final, "every mask is filled"
    given = trace.initial != mask
    assert (trace.final[given] == trace.initial[given]).all(), "the prompt is untouched"
    assert trace.nfe == len(model.calls), "every model call is counted"
    assert sum(record.sequence_forwards for record in trace.steps) == sum(model.calls)
    for count, (canvas, _) in enumerate(seen, start=1):
        assert trace.canvas_at(count).tolist() == canvas.tokens.tolist(), "replay is the canvas"
    written = np.concatenate([record.positions for record in trace.steps])
    if not rewrites:
        assert sorted(written.tolist()) == np.flatnonzero(~given).tolist(), "committed once"
    for record in trace.steps:
        masked = np.flatnonzero(trace.canvas_at(record.index) == mask).tolist()
        assert set(masked) <= set(record.why), "a reason for every undecided position"
        assert all(words and words == words.strip() for words in record.why.values())
    model.calls.clear()
    assert same(trace, decoding.decode(model, sampler, spec)), "same seed, same trace"


@pytest.mark.parametrize(("name", "block", "seed"), GRID)
def test_every_sampler_keeps_the_laws_of_the_loop(name, block, seed) -> None:
    spec = spec_of(name, block_length=block, seed=seed, temperature=0.5 * seed)
    check_laws(Toy(), make(name), spec, rewrites=name == "edit")


@pytest.mark.parametrize(("name", "knobs"), VARIANTS)
def test_every_variant_keeps_the_laws_of_the_loop(name, knobs) -> None:
    for block in (4, 16):
        spec = spec_of(name, params=knobs, block_length=block)
        check_laws(Toy(), make(name, knobs), spec, rewrites=name == "edit")


@pytest.mark.parametrize("name", ["slow_fast", "psd", "edit"])
def test_what_a_sampler_peeks_at_is_guided_like_the_rest_and_counted(name) -> None:
    knobs = {"floor": 1.0} if name == "edit" else {}
    spec = spec_of(name, params=knobs, cfg_scale=0.5)
    toy = Toy()
    check_laws(toy, make(name, knobs), spec, rewrites=name == "edit")
    assert all(batch % 2 == 0 for batch in toy.calls)


def test_an_edit_leaves_what_its_draft_left() -> None:
    base = {"variant": "dream", "steps": 4, "conf_threshold": 1.0}
    draft = decoding.decode(Toy(), make("klass", base), spec_of("klass"))
    knobs = {"base": "klass", "rounds": 0} | {f"base.{k}": v for k, v in base.items()}
    kept = decoding.decode(Toy(), make("edit", knobs), spec_of("edit"))
    assert MASK in draft.final
    assert kept.final.tolist() == draft.final.tolist()
    assert kept.nfe == draft.nfe


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_fills_masks_inside_the_prompt_and_keeps_the_text_behind_them(name) -> None:
    spec = spec_of(name, prompt="the <mask> <mask> home . <mask> <eos> <eos> <mask> the")
    toy = Toy()
    trace = decoding.decode(toy, make(name), spec)
    check_laws(Toy(), make(name), spec, rewrites=name == "edit")
    assert trace.prompt_length == 1
    assert trace.final[3:5].tolist() == ids("home .")
    alone = dataclasses.replace(spec, gen_length=0)
    check_laws(Toy(), make(name), alone, rewrites=name == "edit")


@pytest.mark.parametrize("name", SAMPLERS)
def test_stopping_at_eos_leaves_nothing_open_before_it(name) -> None:
    trace = decoding.decode(Toy(), make(name), spec_of(name, stop="eos"))
    ends = np.flatnonzero(trace.final == Toy.special.eos)
    assert len(ends)
    assert MASK not in trace.final[: ends[0]]


@pytest.mark.parametrize("name", SAMPLERS)
def test_select_leaves_its_inputs_alone_and_answers_the_same_twice(name) -> None:
    toy, sampler, spec = Toy(), make(name), spec_of(name)
    run = open_run(toy, sampler, spec, decoding.begin(toy, spec), 5, None)
    state = decoding.State(decoding.first_canvas(run))
    _, prediction, _ = decoding.foresee(run, state)
    step, _, _ = decoding.look(run, state, prediction)
    watched = (step.canvas.tokens, step.candidates, step.proposal, step.confidence, step.fixed)
    before = [tensor.clone() for tensor in watched]
    step.rng.manual_seed(0)
    first = sampler.select(step, None)
    step.rng.manual_seed(0)
    second = sampler.select(step, None)
    assert all(a.equal(b) for a, b in zip(before, watched, strict=True))
    assert first.transfer.equal(second.transfer)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_batch_decodes_each_prompt_as_if_it_were_alone(name) -> None:
    prompts = ["the", "the cat the", "dog", "the the the the the"]
    specs = [
        spec_of(name, prompt=p, seed=i, temperature=0.7, block_length=4)
        for i, p in enumerate(prompts)
    ]
    together = dict(decode_many(Toy(), make(name), specs, batch=3))
    assert sorted(together) == [0, 1, 2, 3]
    for i, spec in enumerate(specs):
        alone = decoding.decode(Toy(), make(name), spec)
        assert same(together[i], alone)
        assert together[i].text == alone.text
        assert together[i].nfe == alone.nfe


@pytest.mark.parametrize("name", SAMPLERS)
def test_recording_every_signal_changes_no_token_and_survives_the_disk(name, tmp_path) -> None:
    plain = decoding.decode(Toy(), make(name), spec_of(name))
    toy = Toy()
    full = decoding.decode(toy, make(name), spec_of(name, record=RECORDABLE))
    assert same(plain, full)
    assert plain.nfe == full.nfe
    assert len(toy.calls) == full.nfe + sum(record.probes for record in full.steps)
    names = set().union(*(record.signals for record in full.steps))
    assert {"margin", "kl", "jsd", "degree", "rank"} <= names
    assert any(record.edges is not None for record in full.steps)
    full.save(tmp_path / "run.npz")
    again = open_trace(tmp_path / "run.npz")
    assert [dict(record.why) for record in again.steps] == [
        dict(record.why) for record in full.steps
    ]
    for one, two in zip(again.steps, full.steps, strict=True):
        assert set(one.signals) == set(two.signals)
        for signal in two.signals:
            assert np.array_equal(one.signals[signal], two.signals[signal], equal_nan=True)


class Dice(Toy):
    """A model without sense: logits drawn from a hash of the canvas, attention likewise."""

    def __init__(self, seed: int, sharpness: float) -> None:
        super().__init__()
        self.seed, self.sharpness = seed, sharpness

    special = Special(mask=9, eos=8)
    name = fingerprint = "dice"

    def forward(self, tokens, rows=None, layers=(), hidden=False, padding=None, **window):
        self.calls.append(len(tokens))
        asked = [torch.arange(tokens.shape[1])] * len(tokens) if rows is None else rows
        out = []
        for i, row in enumerate(asked):
            real = tokens[i] if padding is None else tokens[i][padding[i]]
            key = hash((self.seed, *real.tolist())) % 2**31
            rng = torch.Generator().manual_seed(key)
            logits = self.sharpness * torch.randn(tokens.shape[1], 10, generator=rng)
            attention = near(tokens.shape[1]) if layers else None
            out.append(Prediction(row, logits[row], attention, logits[row] if hidden else None))
        return out


@settings(max_examples=120, deadline=None)
@given(
    name=st.sampled_from(sorted(SAMPLERS)),
    seed=st.integers(0, 10_000),
    sharpness=st.sampled_from([0.01, 1.0, 4.0, 30.0]),
    shape=st.sampled_from([(1, 1), (6, 3), (8, 8), (12, 4), (10, 5), (9, 1)]),
    temperature=st.sampled_from([0.0, 0.0, 1.0]),
)
def test_the_laws_hold_on_random_models(name, seed, sharpness, shape, temperature) -> None:
    length, block = shape
    spec = spec_of(name, gen_length=length, block_length=block, seed=seed, temperature=temperature)
    check_laws(Dice(seed, sharpness), make(name), spec, rewrites=name == "edit")


@settings(max_examples=60, deadline=None)
@given(
    variant=st.sampled_from(VARIANTS),
    seed=st.integers(0, 10_000),
    sharpness=st.sampled_from([0.3, 3.0, 30.0]),
)
def test_the_laws_hold_for_variants_on_random_models(variant, seed, sharpness) -> None:
    name, knobs = variant
    spec = spec_of(name, params=knobs, gen_length=8, block_length=4, seed=seed)
    check_laws(Dice(seed, sharpness), make(name, knobs), spec, rewrites=name == "edit")
