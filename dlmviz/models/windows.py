"""Keys and values kept from one forward, and forwards of a window that see them.

For the prefix and dual cache of Fast-dLLM (arXiv 2505.22618). Like a probe, a window travels as a
forward argument to the attention function: no cache class of transformers takes part.
Letters: T canvas positions, W positions of the window, H key and value heads, D head width.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, cat

Kept = tuple[tuple[Tensor, Tensor], ...]  # a layer's keys and values, rotated, [1 H T D] each


@dataclass(eq=False)
class Window:
    """Canvas positions [start, start + W) of one forward, and what was kept of all T."""

    start: int
    kept: Kept | None  # None: the window is the whole canvas
    collect: bool  # remember what is attended
    attended: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def exchange(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """What is attended: fresh keys and values in the window, kept ones elsewhere.

        [1 H W D] each -> [1 H T D] each, new tensors: what was kept stays as it is.
        """
        if self.kept is not None:
            key, value = (
                place(old, new, self.start)
                for old, new in zip(self.kept[layer], (key, value), strict=True)
            )
        if self.collect:
            self.attended[layer] = key, value
        return key, value

    def keep(self) -> Kept | None:
        """The attended keys and values of all layers, in order; None unless collected."""
        if not self.collect:
            return None
        return tuple(self.attended[layer] for layer in range(len(self.attended)))


def place(old: Tensor, new: Tensor, start: int) -> Tensor:
    """A copy of `old` with `new` at positions [start, start + W); [1 H T D], [1 H W D]."""
    stop = start + new.shape[2]
    assert stop <= old.shape[2], f"a window to {stop} in a canvas of {old.shape[2]}"
    return cat([old[:, :, :start], new, old[:, :, stop:]], 2)


def window(start: int, kept: Kept | None, collect: bool) -> Window | None:
    """A fresh window; None, which costs nothing, where nothing is kept and nothing was."""
    return Window(start, kept, collect) if collect or kept is not None else None
