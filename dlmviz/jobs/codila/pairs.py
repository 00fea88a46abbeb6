"""How pairs are decoded to count those whose parts do not agree: CoDiLA's, and written apart.

In blocks of one piece, all of it at one step, so that all ways write as many tokens a step; but one
by one, which is the control. By a training (its card) and by the study broken_pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlmviz.tasks import get
from dlmviz.types import Example, RunSpec

TASK = "pairs"
SEED = 301  # of the prompts; training never draws from seeds below 1,000
LENGTH = 32  # tokens of an answer
COUNTED = ("local", "local, any", "local, best", "apart")  # of the ways, by a training


@dataclass(frozen=True)
class Way:
    """A rule, and the temperature at which the denoiser's tokens are proposed."""

    sampler: str
    params: Mapping[str, Any] = field(default_factory=dict)
    temperature: float = 1.0


def ways(piece: int, head: str = "") -> dict[str, Way]:
    """Name -> way. `local`: drawn by the local model at temperature 1; `best`: the best tokens.

    `any`: drawn from all tokens, not only from those that the marginals leave open.
    `head`: the folder of the local model; empty takes the bundled one.
    """
    local = {"schedule": "static", "piece": piece} | ({"head": head} if head else {})
    return {
        "local": Way("codila", {**local, "temperature": 1.0}),
        "local, any": Way("codila", {**local, "temperature": 1.0, "floor": 0.0}),
        "local, best": Way("codila", local),
        "apart": Way("top_k", {"k": piece}),
        "apart, best": Way("top_k", {"k": piece}, 0.0),
        "one by one": Way("top_k", {"k": 1}),
    }


def examples(count: int) -> Sequence[Example]:
    """The prompts; the same for the same number."""
    return get(TASK).examples(count, SEED)


def spec(way: Way, example: Example, number: int, model: str, piece: int) -> RunSpec:
    """The run of a prompt; its seed is the prompt's number, in all ways alike."""
    return RunSpec(
        prompt=example.prompt,
        model=model,
        gen_length=LENGTH,
        block_length=piece,
        sampler=way.sampler,
        params=way.params,
        temperature=way.temperature,
        stop="eos",
        seed=number,
    )


def broken(example: Example, text: str) -> bool:
    """Whether the answer is none of the right ones: above all, whether its parts do not agree."""
    return not get(TASK).score(example, text)
