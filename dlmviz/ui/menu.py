"""The sampler menu, read from the source of `dlmviz/samplers`: the page opens without torch.

Samplers are written against torch; importing them to ask for their knobs would cost seconds and
hundreds of megabytes before anything is decoded. What the menu needs are literals, by the rule that
a knob is a call of `knob` with literal arguments; a test holds this to the imported classes.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SAMPLERS = Path(__file__).parent.parent / "samplers"


@dataclass(frozen=True)
class Knob:
    """One field of a sampler, as `types.knob` describes it."""

    name: str
    default: Any
    low: float | None = None
    high: float | None = None
    help: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One sampler of the menu."""

    name: str
    paper: str
    help: str  # the docstring of its class
    knobs: tuple[Knob, ...]


@functools.cache
def menu(folder: Path = SAMPLERS) -> tuple[Entry, ...]:
    """The samplers in menu order, as `SAMPLERS` lists them."""
    classes = {
        node.name: node
        for path in sorted(folder.glob("*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    }
    listed = _listed(folder / "__init__.py")
    return tuple(_entry(classes[name]) for name in listed if name in classes)


def base_of(entry: Entry) -> str | None:
    """The sampler that writes the draft of this one unless another is named; None where none does.

    Such a sampler takes the knobs of the other as "base.KNOB".
    """
    return next((str(knob.default) for knob in entry.knobs if knob.name == "base"), None)


def _listed(path: Path) -> list[str]:
    """Names in the value of `SAMPLERS`, in the order in which they stand there."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "SAMPLERS":
            names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
            return [n.id for n in sorted(names, key=lambda n: (n.lineno, n.col_offset))]
    return []


def _entry(node: ast.ClassDef) -> Entry:
    constants = {
        name: value.value for name, value in _assigned(node) if isinstance(value, ast.Constant)
    }
    knobs = tuple(
        _knob(name, value)
        for name, value in _assigned(node)
        if isinstance(value, ast.Call) and ast.unparse(value.func) == "knob"
    )
    help_text = " ".join((ast.get_docstring(node) or "").split())
    return Entry(str(constants["name"]), str(constants.get("paper", "")), help_text, knobs)


def _assigned(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and item.value is not None:
            yield ast.unparse(item.target), item.value


def _knob(name: str, call: ast.Call) -> Knob:
    order = ("default", "low", "high", "help", "choices")
    given = dict(zip(order, map(ast.literal_eval, call.args), strict=False))
    given |= {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    return Knob(name, **{**given, "choices": tuple(given.get("choices", ()))})
