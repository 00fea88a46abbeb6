"""KLASS on hand-made steps and on a model that never changes its mind."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch

from dlmviz.decoding import decode
from dlmviz.samplers.klass import Klass
from dlmviz.types import Canvas, Choice, InputError, Needs, RunSpec, Step
from tests.steps import MASK, chosen, positions, step
from tests.toy import Toy

HALVES = [0.5, 0.5, 0.0, 0.0]
QUARTER = [0.25, 0.75, 0.0, 0.0]
CHANGE = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)  # KL(halves || quarter), 0.144


def at(confidence: Sequence[float], laws: Sequence[Sequence[float]], t: int, **given) -> Step:
    """A step with the laws of its candidates, t steps after a block was entered."""
    p = torch.tensor(laws, dtype=torch.float64)
    return step(list(confidence), probs=lambda: p, **{"index": t, "in_block": t, **given})


def run(sampler: Klass, *steps: Step) -> list[Choice]:
    """The choices of consecutive steps, memory handed on."""
    choices, memory = [], None
    for one in steps:
        choices.append(sampler.select(one, memory))
        memory = choices[-1].memory
    return choices


def still(confidence: Sequence[float], length: int) -> list[Step]:
    """Steps at which nothing changes, and of which none is written."""
    return [at(confidence, [HALVES] * len(confidence), index) for index in range(length)]


class Constant(Toy):
    """Predicts the same at every position, whatever is shown: confidence 0.95 or what is given."""

    def __init__(self, top: float = 0.95) -> None:
        super().__init__()
        self.top = top

    def _logits(self, tokens: torch.Tensor) -> torch.Tensor:
        law = torch.full((10,), (1 - self.top) / 9, dtype=torch.float64)
        law[0] = self.top
        return law.log().expand(len(tokens), 10).clone()


def sizes(model: Toy, sampler: Klass) -> list[int]:
    spec = RunSpec(prompt="the cat", gen_length=16, block_length=8, forbid_mask=False)
    return [len(record.positions) for record in decode(model, sampler, spec).steps]


def test_constant_laws_go_by_schedule_until_the_history_is_calm() -> None:
    """t = 0, 1 by schedule in block 0, whose first KL is huge; in block 1 only t = 0."""
    assert sizes(Constant(), Klass()) == [1, 1, 6, 1, 7]
    assert sizes(Constant(), Klass(steps=8)) == [2, 2, 4, 2, 6]
    assert sizes(Constant(), Klass(history=3)) == [1, 1, 1, 5, 1, 1, 6]
    assert sizes(Constant(), Klass(history=1)) == [1, 7, 8]
    assert sizes(Constant(), Klass(variant="dream")) == [1, 1, 14]
    assert sizes(Constant(0.8), Klass()) == [1] * 16


def test_equality_with_tau_is_enough_for_dream_only() -> None:
    llada = run(Klass(steps=9), *still([0.9, 0.91, 0.5], 3))[-1]
    assert positions(llada) == [1]
    dream = run(Klass(variant="dream"), *still([0.9, 0.91, 0.5], 3))[-1]
    assert positions(dream) == [0, 1]


def test_the_first_change_is_from_nothing_and_the_next_is_a_kl() -> None:
    first, second = run(Klass(), at([0.5], [QUARTER], 0), at([0.5], [HALVES], 1))
    entropy = -0.25 * math.log(0.25) - 0.75 * math.log(0.75)
    assert first.signals["kl"].tolist() == pytest.approx([-math.log(1e-12) - entropy])
    assert second.signals["kl"].tolist() == pytest.approx([CHANGE])
    assert second.signals["kl"].dtype == torch.float64


def test_a_change_of_epsilon_is_not_stable_and_one_below_is() -> None:
    steps = [at([0.95, 0.2], [law] * 2, i) for i, law in enumerate([QUARTER, QUARTER, HALVES])]
    change = float(run(Klass(), *steps)[-1].signals["kl"][0])
    at_epsilon = run(Klass(kl_threshold=change), *steps)[-1]
    assert at_epsilon.why() == {0: "unstable: KL 0.14", 1: "unstable: KL 0.14"}
    above = run(Klass(kl_threshold=math.nextafter(change, 1)), *steps)[-1]
    assert above.why() == {0: "stable and above tau", 1: "below tau"}


def test_rows_are_compared_with_their_own_past_when_others_are_gone() -> None:
    before = at([0.1, 0.2, 0.3], [HALVES, QUARTER, [0.1, 0.2, 0.3, 0.4]], 0)
    after = at([0.1, -2, 0.3], [HALVES, [0.1, 0.2, 0.3, 0.4]], 1)
    changes = run(Klass(), before, after)[-1].signals["kl"]
    assert changes[[0, 2]].tolist() == pytest.approx([0, 0], abs=1e-9)
    assert math.isnan(changes[1])


def test_a_row_that_was_not_asked_a_step_before_comes_from_nothing() -> None:
    """So it is unstable until h small changes have followed."""
    laws = [HALVES] * 2
    asked_once = at([0.95, -2], [HALVES], 2)
    steps = [at([0.95, 0.95], laws, 0), at([0.95, 0.95], laws, 1), asked_once]
    steps += [at([0.95, 0.95], laws, index) for index in (3, 4, 5)]
    found = run(Klass(steps=9), *steps)
    assert found[3].why() == {0: "stable and above tau", 1: "unstable: KL 27"}
    assert [positions(choice) for choice in found[3:]] == [[0], [0], [0, 1]]


def test_the_fallback_is_the_schedule_of_the_blocks_entry_or_one_token() -> None:
    confidence = [0.1, 0.4, 0.2, 0.4, 0.3]
    llada = run(Klass(steps=2), *still(confidence, 2))
    assert [positions(choice) for choice in llada] == [[1, 3, 4], [1, 3]]  # 3 and 2 of 5
    dream = run(Klass(variant="dream", steps=2), *still(confidence, 2))
    assert [positions(choice) for choice in dream] == [[1], [1]]  # the tie goes left


def test_each_block_has_a_schedule_of_its_own() -> None:
    """Two steps a block: one mask goes 1, 0 and three go 2, 1."""
    laws, entry = [HALVES] * 3, {"block_length": 3}
    only = torch.arange(6) == 2
    first = at([-2, -2, 0.1, 0.2, 0.3, 0.4], [HALVES, *laws], 0, candidates=only, **entry)
    second = at([-2, -2, -2, 0.2, 0.3, 0.4], laws, 0, index=1, block_index=1, **entry)
    assert [positions(c) for c in run(Klass(steps=4), first, second)] == [[2], [4, 5]]


def test_a_schedule_that_says_zero_waits() -> None:
    choice = run(Klass(steps=4), *still([0.3], 2))[-1]
    assert choice.wait
    assert positions(choice) == []


@pytest.mark.parametrize(("strategy", "taken"), [("all", [0, 1, 3]), ("max_conf", [1])])
def test_all_ready_tokens_are_taken_or_the_most_confident(strategy, taken) -> None:
    steps = still([0.92, 0.97, 0.5, 0.97], 3)
    assert positions(run(Klass(steps=9, unmask_strategy=strategy), *steps)[-1]) == taken


def test_the_least_changed_ready_token_is_taken() -> None:
    steps = still([0.97, 0.95, 0.99], 2)
    steps.append(at([0.97, 0.95, 0.4], [[0.51, 0.49, 0, 0], HALVES, HALVES], 2))
    assert positions(run(Klass(steps=9, unmask_strategy="min_kl"), *steps)[-1]) == [1]


def test_chance_takes_one_of_the_ready_tokens() -> None:
    seen = set()
    for seed in range(20):
        steps = [*still([0.95, 0.5, 0.92], 2)]
        rng = torch.Generator().manual_seed(seed)
        steps.append(at([0.95, 0.5, 0.92], [HALVES] * 3, 2, rng=rng))
        picked = positions(run(Klass(steps=9, unmask_strategy="random"), *steps)[-1])
        assert len(picked) == 1
        seen.update(picked)
    assert seen == {0, 2}


def test_a_block_ends_when_full_or_after_its_share_of_steps() -> None:
    canvas = Canvas(torch.tensor([7, 7, MASK, 7, MASK]), 1, 2, MASK)
    assert Klass(steps=6).ends(canvas, 0, 2) is False
    assert Klass(steps=6).ends(canvas, 0, 3) is True
    full = Canvas(torch.tensor([MASK, 7, 7, 7, MASK]), 1, 2, MASK)
    assert Klass(steps=6).ends(full, 0, 1) is True


def test_dream_ends_when_no_mask_is_left_anywhere_or_after_its_steps() -> None:
    open_prompt = Canvas(torch.tensor([MASK, 7, 7]), 1, 2, MASK)
    sampler = Klass(variant="dream", steps=5)
    assert sampler.ends(open_prompt, 0, 4) is False
    assert sampler.ends(open_prompt, 0, 5) is True
    assert sampler.ends(Canvas(torch.tensor([7, 7, 7]), 1, 2, MASK), 0, 1) is True


def test_the_variants_look_at_a_block_or_at_the_whole_canvas() -> None:
    assert Klass().needs == Needs(window="block")
    assert Klass(variant="dream").needs == Needs(window="canvas", draw="categorical")


def test_steps_that_the_blocks_cannot_share_are_refused() -> None:
    thirds = step([0.5] * 6, block_length=2)
    with pytest.raises(InputError, match=r"multiple of 3 \(blocks\): got 4; try 3"):
        chosen(Klass(steps=4), thirds)


def test_every_candidate_is_told_why() -> None:
    confidence = [0.95, 0.99, 0.2, 0.95, 0.9]
    laws = [HALVES] * 4
    first, second, third = run(
        Klass(steps=9),
        at(confidence, [*laws, HALVES], 0),
        at(confidence, [*laws, HALVES], 1),
        at([0.95, -2, 0.2, 0.95, 0.9], [*laws[:3], QUARTER], 2),
    )
    assert first.why()[1] == "scheduled: top 1"
    assert first.why()[0] == "unstable: KL 27"
    assert second.why()[1] == "scheduled: top 1"
    assert third.why() == {
        0: "stable and above tau",
        2: "below tau",
        3: "stable and above tau",
        4: "unstable: KL 0.13",
    }
    one = run(Klass(steps=9, unmask_strategy="max_conf"), *still([0.95, 0.99], 3))[-1]
    assert one.why() == {0: "ready, but another was taken", 1: "stable and above tau"}
    memory = one.memory  # the next block: the history is calm, the gate is not passed
    entered = Klass(steps=9).select(at([0.95, 0.99], [HALVES] * 2, 0), memory)
    assert entered.why() == {0: "too early", 1: "scheduled: top 1"}
    dream = Klass(variant="dream").select(at([0.2, 0.3], [HALVES] * 2, 0), None)
    assert dream.why() == {0: "unstable: KL 27", 1: "fallback: best of canvas"}
