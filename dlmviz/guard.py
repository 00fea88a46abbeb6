"""The rules that no sampler may break, checked before anything is written."""

from __future__ import annotations

from torch import Tensor

from dlmviz.types import Choice, DecodeError, Step


def check(choice: Choice, step: Step, name: str) -> None:
    """Raises DecodeError, naming the sampler and the positions, if a choice breaks a rule."""
    stray = choice.transfer & ~step.candidates
    if bool(stray.any()):
        raise DecodeError(f"sampler {name} committed {where(stray)}, which are no candidates")
    if choice.remask is not None:
        illegal = choice.remask & (step.fixed | step.canvas.masked | choice.transfer)
        if bool(illegal.any()):
            raise DecodeError(
                f"sampler {name} remasked {where(illegal)}: given with the prompt, or masked"
            )
    idle = not bool(choice.transfer.any()) and choice.remask is None
    if idle and not choice.wait:
        raise DecodeError(f"sampler {name} committed nothing at step {step.index} without waiting")


def where(mask: Tensor) -> str:
    """The set positions of a bool mask [T], in words, eight at most."""
    positions = mask.nonzero()[:, 0].tolist()
    more = f" and {len(positions) - 8} more" if len(positions) > 8 else ""
    return f"positions {', '.join(map(str, positions[:8]))}{more}"
