"""Where the characters of an answer stand on the canvas."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlmviz.types import Trace


def places(trace: Trace, spans: Sequence[tuple[int, int]]) -> list[list[int]] | None:
    """Canvas positions of the tokens that hold each span [start, end) of characters of the text.

    A token that holds characters of two spans is given to both. None where the tokens do not spell
    the text (bytes, infilling), or a span lies outside it.
    """
    final = trace.final[trace.prompt_length :].tolist()
    end = final.index(trace.eos_id) if trace.eos_id in final else len(final)
    pieces = [trace.pieces.get(token, "") for token in final[:end]]
    text = "".join(pieces)
    shift = text.find(trace.text) if trace.text else -1  # a decoder may strip a leading space
    if shift < 0 or any(b > len(trace.text) or a >= b for a, b in spans):
        return None
    ends = np.cumsum([len(piece) for piece in pieces])
    found = []
    for a, b in spans:
        first, last = np.searchsorted(ends, [a + shift, b + shift - 1], side="right")
        found.append([trace.prompt_length + i for i in range(int(first), int(last) + 1)])
    return found
