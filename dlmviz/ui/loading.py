"""The model behind the page: opened once and kept, and what is said when it fails."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Callable
from functools import lru_cache

import dlmviz
from dlmviz.types import DecodeError, Denoiser, InputError
from dlmviz.ui import payload
from dlmviz.ui.words import say

Loader = Callable[[str, str | None], Denoiser]
LOG = logging.getLogger(__name__)
NO_MEMORY = ("out of memory", "allocate memory", "not enough memory")  # in errors of torch
ADVICE = say("server.memory")


@lru_cache(maxsize=1)
def load(name: str, adapter: str | None) -> Denoiser:
    """The model, kept from one press of Decode to the next.

    One core is left to the browser that watches: threads that wait for each other on a busy core
    make a step many times slower than one thread fewer does.
    """
    import torch

    torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
    return dlmviz.load(name, adapter=adapter)


def explained(error: Exception, *typed: str) -> str:
    """What went wrong, in one sentence for the page. What nobody foresaw is logged as well.

    `typed`: paths that the page may hear again, since they were typed there.

    Models are foreign code: to load and run them may raise anything, and whatever it is, the page
    says so and stays usable.
    """
    if isinstance(error, InputError | DecodeError):
        return payload.refusal(error, *typed)
    text = str(error)
    if isinstance(error, MemoryError) or any(words in text for words in NO_MEMORY):
        error.__traceback__ = None  # its frames hold what was too much
        _drop()
        return ADVICE
    LOG.error("a run failed", exc_info=error)
    first = text.strip().partition("\n")[0][:200]
    reason = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return payload.refusal(say("server.failed", reason=reason), *typed)


def _drop() -> None:
    """Forgets the model that is kept, so that its memory can be had for the next one."""
    load.cache_clear()
    gc.collect()
    if "torch" in sys.modules:
        sys.modules["torch"].cuda.empty_cache()
