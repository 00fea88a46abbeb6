"""Imports gradio in about half the time.

gradio 6 writes a type stub for every component class while it is imported: it parses its own
sources and renders a template about a hundred times, 2 of 4.5 seconds on a two-core machine. It
leaves that out for classes that have no source file, so for the time of the import its classes say
that they have none.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def no_stubs() -> Iterator[None]:
    """While this is open, `inspect.getfile` raises OSError for classes of gradio."""
    original = inspect.getfile

    def getfile(thing: Any) -> str:
        if isinstance(thing, type) and thing.__module__.startswith("gradio."):
            raise OSError(f"{thing.__name__} is asked for no source while gradio is imported")
        return original(thing)

    inspect.getfile = getfile  # type: ignore[assignment]
    try:
        yield
    finally:
        inspect.getfile = original
