"""Arms of a study as text: "llada; fast_dllm tau=0.9" is two, a sampler each with its knobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlmviz import tasks
from dlmviz.samplers import make, plain
from dlmviz.studies.run import arm_of
from dlmviz.studies.study import Unit
from dlmviz.types import Example, InputError, RunSpec


@dataclass(frozen=True)
class Arm:
    """A sampler with its setting."""

    sampler: str
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As in tables: "fast_dllm, tau 0.9"."""
        return arm_of(RunSpec(sampler=self.sampler, params=self.params))


def parse(text: str) -> list[Arm]:
    """The arms in a text. Raises InputError for none, an unknown sampler, or a knob of no sense."""
    found: dict[str, Arm] = {}
    for part in filter(str.strip, text.split(";")):
        name, *pairs = part.split()
        params = {}
        for pair in pairs:
            knob, equals, value = pair.partition("=")
            if not equals:
                raise InputError(
                    f"an arm is a sampler and its knobs: got {part.strip()!r}; try "
                    "llada; fast_dllm tau=0.9"
                )
            params[knob] = value
        arm = Arm(name, plain(params, make(name, params)))
        if found.setdefault(arm.name, arm) != arm:
            raise InputError(
                f"two arms are both called {arm.name!r}: their folders have one name; rename one"
            )
    if not found:
        raise InputError(f"arms name no sampler: got {text!r}; try llada; fast_dllm tau=0.9")
    return list(found.values())


def units(
    arms: Sequence[Arm],
    examples: Sequence[Example],
    model: str,
    prefix: str = "",
    head: str = "",
    **spec: Any,
) -> list[Unit]:
    """A unit for each arm and example, arm by arm; lengths are the task's unless `spec` has them.

    Prompt i has the same seed in every arm, so that arms are compared on the same draws.
    """
    made = []
    for arm in arms:
        for i, example in enumerate(examples):
            task = tasks.find(example.task)
            lengths = {"gen_length": task.gen_length, "block_length": task.block_length}
            given = lengths | spec
            made.append(
                Unit(
                    f"{prefix}{arm.name}/{i}",
                    RunSpec(
                        prompt=example.prompt,
                        model=model,
                        sampler=arm.sampler,
                        params=arm.params,
                        seed=i,
                        **given,
                    ),
                    example,
                    arm.name,
                    head,
                )
            )
    return made


def names(text: str) -> list[str]:
    """The words of a list with commas between them."""
    return [part.strip() for part in text.split(",") if part.strip()]


def graded(unit: Unit, text: str) -> bool | None:
    """Whether the text answers the unit's example; None where that cannot be told."""
    if unit.example is None or not tasks.known(unit.example):
        return None
    return bool(tasks.find(unit.example.task).score(unit.example, text))
