import torch

from dlmviz.samplers.order import LeftToRight, Random, TopK
from tests.steps import chosen, step


def test_left_to_right_takes_the_leftmost_k() -> None:
    assert chosen(LeftToRight(k=2), step([-2, 0.1, 0.9, 0.9])) == [1, 2]


def test_top_k_takes_the_most_confident_and_ties_go_left() -> None:
    assert chosen(TopK(k=2), step([0.5, -2, 0.9, 0.5])) == [0, 2]
    assert chosen(TopK(k=8), step([0.5, -2, 0.9, 0.5])) == [0, 2, 3]


def test_random_takes_k_and_reaches_every_candidate() -> None:
    seen = set()
    for seed in range(40):
        at = step([0.9, -2, 0.1, 0.2], rng=torch.Generator().manual_seed(seed))
        picked = chosen(Random(k=2), at)
        assert len(picked) == 2
        seen.update(picked)
    assert seen == {0, 2, 3}


def test_every_order_says_why() -> None:
    at = step([-2, 0.1, 0.9, 0.5])
    left, other = "leftmost 2", "not in leftmost 2"
    assert LeftToRight(k=2).select(at, None).why() == {1: left, 2: left, 3: other}
    assert TopK(k=1).select(at, None).why() == {1: "not in top 1", 2: "top 1", 3: "not in top 1"}
    drawn = Random(k=1).select(at, None)
    assert drawn.why() == {
        i: "drawn by chance" if drawn.transfer[i] else "not drawn" for i in (1, 2, 3)
    }


def test_orders_wait_only_when_there_is_nothing_to_take() -> None:
    for sampler in (TopK(), Random(), LeftToRight()):
        assert sampler.select(step([-2, -2]), None).wait
        assert not sampler.select(step([-2, 0.5]), None).wait
