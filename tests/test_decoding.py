import dataclasses

import numpy as np
import pytest
import torch

from dlmviz import decoding
from dlmviz.samplers.fast_dllm import FastDllm
from dlmviz.samplers.llada import Llada
from dlmviz.types import Canvas, Choice, DecodeError, InputError, Needs, RunSpec
from tests.toy import EOS, MASK, Toy, ids


def spec_of(name="llada", **given) -> RunSpec:
    return RunSpec(
        **{"prompt": "the", "gen_length": 16, "block_length": 8, "sampler": name} | given
    )


def test_one_token_a_step_finds_a_sentence_of_the_joint_and_all_at_once_mixes_them() -> None:
    greedy = decoding.decode(Toy(), Llada(), spec_of(gen_length=8))
    assert greedy.text == "the cat sat home ."
    mixed = Toy()
    texts = {
        decoding.decode(
            mixed, FastDllm(tau=0.0), spec_of(gen_length=8, temperature=1.0, seed=s)
        ).text
        for s in range(30)
    }
    assert "the cat ran fast ." in texts | {"the cat ran home .", "the cat sat fast ."}
    assert len(texts) > 3  # three sentences exist; more means broken ones


def test_idle_steps_of_a_long_schedule_are_run_and_counted() -> None:
    trace = decoding.decode(Toy(), Llada(steps=32), spec_of())
    assert trace.nfe == 32
    assert sum(len(record.positions) == 0 for record in trace.steps) == 16


def test_a_full_block_costs_nothing_when_a_run_goes_on_from_a_canvas() -> None:
    toy, spec = Toy(), spec_of("fast_dllm")
    canvas = ids("the the cat sat home . <eos> <eos> <eos>") + [MASK] * 8
    start = decoding.begin(toy, spec, canvas=canvas)
    records = [r for _, r in decoding.steps(toy, FastDllm(), spec, start)]
    assert min(int(p) for r in records for p in r.positions) == 9


def test_stop_at_eos_ends_when_everything_before_it_is_committed() -> None:
    toy = Toy()
    stopped = decoding.decode(toy, Llada(), spec_of(stop="eos"))
    assert stopped.text == "the cat sat home ."
    assert stopped.nfe < 16
    first = stopped.final.tolist().index(EOS)
    assert MASK not in stopped.final[:first]


def test_guidance_costs_one_call_and_two_sequences() -> None:
    toy = Toy()
    trace = decoding.decode(toy, Llada(), spec_of(cfg_scale=0.5))
    assert trace.nfe == 16
    assert sum(record.sequence_forwards for record in trace.steps) == 32
    assert toy.calls == [2] * 16


def test_records_describe_the_canvas_before_the_commits() -> None:
    toy = Toy()
    trace = decoding.decode(toy, FastDllm(tau=0.9), spec_of(gen_length=8))
    first = trace.steps[0]
    assert trace.offset == 1
    assert first.confidence.shape == (8,)
    assert first.top_ids.shape == (8, 5)
    probs = toy.forward(torch.tensor([ids("the") + [MASK] * 8]))[0].logits[1:]
    probs[:, MASK] = float("-inf")
    law = probs.softmax(-1)
    assert np.allclose(first.confidence, law.max(-1).values, atol=1e-6)
    assert np.allclose(first.top_probs[:, 0], law.max(-1).values, atol=1e-3)
    done = first.positions - trace.offset
    assert np.isnan(trace.steps[1].confidence[done]).all()
    assert (trace.steps[1].top_ids[done] == -1).all()


@dataclasses.dataclass(frozen=True)
class Broken:
    """A sampler that answers whatever the test wants."""

    answer: object
    name = "broken"
    paper = "none"
    needs = Needs()
    score_dtype = "float32"

    def select(self, step, memory):
        return self.answer(step)


def everything(step):
    return Choice(torch.ones_like(step.candidates), step.confidence)


def nothing(step):
    return Choice(torch.zeros_like(step.candidates), step.confidence)


def waits(step):
    return dataclasses.replace(nothing(step), wait=True)


def remasks_a_mask(step):
    remask = torch.zeros_like(step.candidates)
    remask[-1] = True
    return Choice(step.candidates, step.confidence, remask=remask)


def remasks_prompt(step):
    remask = torch.zeros_like(step.candidates)
    remask[0] = True
    return Choice(step.candidates, step.confidence, remask=remask)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (everything, "sampler broken committed positions 0, 9.*which are no candidates"),
        (nothing, "sampler broken committed nothing at step 0"),
        (remasks_prompt, "sampler broken remasked positions 0: given with the prompt"),
        (remasks_a_mask, "sampler broken remasked positions 16: given with the prompt, or masked"),
        (waits, "sampler broken took 136 steps and block 0 is not full: positions 1, 2"),
    ],
)
def test_the_loop_refuses_a_broken_sampler_by_name(answer, message) -> None:
    with pytest.raises(DecodeError, match=message):
        decoding.decode(Toy(), Broken(answer), spec_of())


def test_a_model_that_keeps_proposing_the_mask_is_stopped() -> None:
    toy = Toy(mask_logit=50.0)
    with pytest.raises(DecodeError, match="took 136 steps"):
        decoding.decode(toy, FastDllm(), spec_of("fast_dllm", forbid_mask=False))
    assert len(toy.calls) == 136
    assert MASK not in decoding.decode(Toy(mask_logit=50.0), FastDllm(), spec_of()).final


def test_a_committed_mask_token_changes_nothing_and_is_not_recorded_as_a_commit() -> None:
    trace = decoding.decode(Toy(mask_logit=50.0), Llada(), spec_of(forbid_mask=False))
    assert trace.nfe == 16
    assert all(len(record.positions) == 0 for record in trace.steps)
    assert trace.final.tolist() == trace.initial.tolist()


def test_candidates_stop_at_the_block_end_and_may_start_at_a_mask_in_raw_prompt_ids() -> None:
    seen = []

    def watch(step):
        seen.append(step.candidates.nonzero()[:, 0].tolist())
        return Choice(step.candidates, step.confidence)

    toy, spec = Toy(), spec_of(gen_length=8, block_length=4)
    start = decoding.begin(toy, spec, prompt_ids=ids("the <mask> cat"))
    assert list(decoding.steps(toy, Broken(watch), spec, start))
    assert seen == [[1, 3, 4, 5, 6], [7, 8, 9, 10]]
    assert start.offset == 1
    assert start.prompt_length == 3


def test_a_prompt_that_does_not_fit_is_refused_with_the_numbers() -> None:
    with pytest.raises(InputError, match=r"60 tokens and 16 to generate.*context holds 64"):
        decoding.decode(Toy(), Llada(), spec_of(prompt="the " * 60))


def test_a_canvas_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(InputError, match="got 3, need 17"):
        decoding.begin(Toy(), spec_of(), canvas=[1, 2, 3])


def test_write_makes_a_new_canvas_and_leaves_the_old_one() -> None:
    old = Canvas(torch.tensor([1, MASK, MASK, 4]), 1, 3, MASK)
    transfer = torch.tensor([False, True, False, False])
    remask = torch.tensor([False, False, False, True])
    new = old.write(Choice(transfer, torch.zeros(4), remask=remask), torch.tensor([8, 8, 8, 8]))
    assert new.tokens.tolist() == [1, 8, MASK, MASK]
    assert old.tokens.tolist() == [1, MASK, MASK, 4]
