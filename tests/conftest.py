"""What every test may use. One thread: two on a busy machine are many times slower than one."""

from __future__ import annotations

import pytest
import torch

from tests.toy import Toy

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def toy() -> Toy:
    return Toy()
