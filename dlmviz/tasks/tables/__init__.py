"""Small tables of real-world facts and of names that the tasks share, one CSV file each.

countries.csv  country, capital, currency, continent and main official language, as of 2025
elements.csv   chemical element, symbol and atomic number

The facts were typed from general knowledge, not copied from a data set, and are free to use like
the rest of the package. Left out: countries with several capitals, disputed states, and names of
many words. Accents are dropped, so every cell is plain ASCII.
"""

from __future__ import annotations

import csv
import functools
from importlib import resources

from dlmviz.types import InputError


@functools.cache
def rows(table: str) -> tuple[dict[str, str], ...]:
    """The rows of a table in file order, each from column name to text; do not change them.

    Raises InputError for a table that does not exist.
    """
    if table not in _names():
        raise InputError(
            f"unknown table {table!r}: there are {', '.join(_names())}; use one of them"
        )
    text = (resources.files(__name__) / f"{table}.csv").read_text(encoding="ascii")
    return tuple(csv.DictReader(text.splitlines()))


@functools.cache
def column(table: str, name: str) -> tuple[str, ...]:
    """One column of a table in file order. Raises InputError for an unknown table or column."""
    found = rows(table)
    if not found or name not in found[0]:
        known = ", ".join(found[0]) if found else "none"
        raise InputError(f"table {table!r} has no column {name!r}: it has {known}; use one of them")
    return tuple(row[name] for row in found)


@functools.cache
def _names() -> tuple[str, ...]:
    files = resources.files(__name__).iterdir()
    return tuple(sorted(f.name.removesuffix(".csv") for f in files if f.name.endswith(".csv")))
