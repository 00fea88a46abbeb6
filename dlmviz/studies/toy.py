"""DAPD's toy experiment (arXiv 2603.12996, 3.2) on the small model that is built in.

The model and twenty like it are trained by dlmviz.learn.toy; `python -m benchmarks.toy` measures
them all. Here one of them is decoded and looked at like any other model.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from dlmviz.studies import arms, dependence
from dlmviz.studies.graph_nodes import TOY
from dlmviz.studies.looks import DISTANCE, LAST
from dlmviz.studies.statistics import shown
from dlmviz.studies.study import Tables, Unit
from dlmviz.types import Example, RunSpec, knob

PAPER = {"auc": 0.928, "ratio": 2.204, "ovr": 0.04}  # steps 1-7, last two of eight layers


@dataclass(frozen=True)
class Settings:
    """What is decoded."""

    model: str = knob("toy", help="toy, or a folder that dlmviz.learn.toy made in natural order")
    arms: str = knob("random", help="samplers with their knobs, with semicolons")
    n: int = knob(100, 1, 5000, "how many chains")


def units(settings: Settings) -> list[Unit]:
    """Chains of nine drawn from nothing at temperature 1, a seed each, under every arm."""
    example = Example(TOY, "chain", "[MASK:9]", "", {"order": list(range(9))})
    spec = RunSpec(prompt=example.prompt, model=settings.model, gen_length=0, temperature=1.0)
    return [
        Unit(
            f"{arm.name}/{seed}",
            dataclasses.replace(spec, sampler=arm.sampler, params=arm.params, seed=seed),
            example,
            arm.name,
        )
        for arm in arms.parse(settings.arms)
        for seed in range(settings.n)
    ]


def verdict(tables: Tables) -> str:
    """The paper's three numbers beside ours, and what distance alone gets."""
    table = tables[dependence.TASKS].to_dict("records")
    ours = next(line for line in table if line["scores"] == LAST)
    alone = next(line for line in table if line["scores"] == DISTANCE)
    holds = ours["auc"] is not None and ours["auc"] >= 0.92
    sides = ", ".join(
        f"{name.upper() if name != 'ratio' else name} {shown(ours[name], 3)} (theirs {value})"
        for name, value in PAPER.items()
    )
    return (
        f"{'Holds' if holds else 'Does not hold'} on this model: {sides}; but the score -|i - j|, "
        f"which has seen nothing, has AUC {shown(alone['auc'], 3)} in this order of places."
    )


STUDY = dataclasses.replace(
    dependence.STUDY,
    name="toy",
    title="DAPD's toy experiment",
    question="Does the attention of a model trained on four triangles of symbols show which "
    "symbols share a triangle?",
    settings=Settings,
    units=units,
    verdict=verdict,
)
