"""Questions asked of many runs, in menu order. To add one: its file, its line here, its test."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from dlmviz.knobs import unknown
from dlmviz.types import InputError

if TYPE_CHECKING:
    from dlmviz.studies.study import Study

#: modules here that hold a STUDY; imported when one is asked for, since some import torch
STUDIES = (
    "jsd_order",  # context sensitivity against the order of commits
    "segments",  # does a decode spread out over what is independent?
    "frontier",  # accuracy against forwards over each sampler's settings
    "order",  # parallelism and order by task, stage and correctness
    "group_error",  # what each parallel step really lost
    "dependence",  # does attention know what depends on what?
    "predicted",  # does DEMASK's predictor know the influence that forwards measure?
    "broken_pairs",  # what belongs together, written by a local model or apart
    "slack",  # is influence sub-additive?
    "toy",  # the same of DAPD's toy experiment
)


def find(name: str) -> Study:
    """The study of that name. Raises InputError, naming the known ones and the nearest."""
    if name not in STUDIES:
        raise InputError(unknown("study", name, STUDIES))
    study: Study = importlib.import_module(f"{__name__}.{name}").STUDY
    return study
