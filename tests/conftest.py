"""What every test may use. One thread: two on a busy machine are many times slower than one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

from tests.toy import Toy

torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that tests start: the app, jobs, estimates


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def toy_heads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The toy models have (untrained) parts for the samplers that need one."""
    from tests.toy_heads import put  # imports transformers

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dlmviz.models.heads.BUNDLED", put(tmp_path_factory.mktemp("heads")))
        yield


@pytest.fixture
def toy() -> Toy:
    return Toy()
