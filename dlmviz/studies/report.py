"""What a study found, as files: tables as CSV, figures as JSON, one page, report.json."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlmviz.figures.report import report as page
from dlmviz.studies.run import rows_of
from dlmviz.studies.study import Study

REPORT, PAGE = "report.json", "report.html"
SHOWN = 20  # problems that are told one by one


@dataclass(frozen=True)
class Found:
    """What a study found."""

    verdict: str
    tables: Mapping[str, Any]  # title -> DataFrame
    figures: Mapping[str, Any]  # title -> plotly figure
    units: int  # that were measured
    problems: tuple[str, ...]  # sentences on the others; one of each kind, then the rest


def found(study: Study, settings: Any, folder: Path) -> Found:
    """What the rows of a folder say."""
    rows, entries = rows_of(folder)
    measured = {row["unit"] for row in rows}
    first = {entry.problem: entry.unit for entry in reversed(entries)}
    entries = sorted(entries, key=lambda entry: first[entry.problem] != entry.unit)
    problems = tuple(f"{entry.unit}: {entry.problem}" for entry in entries)
    if not rows:
        return Found("Nothing could be measured.", {}, {}, 0, problems)
    tables = study.tables(rows, settings)
    return Found(study.verdict(tables), tables, study.figures(tables), len(measured), problems)


def write(study: Study, settings: Any, folder: Path) -> Found:
    """What the study found, after its files were written to the folder; the same files twice."""
    told = found(study, settings, folder)
    for name, table in told.tables.items():
        (folder / f"{slug(name)}.csv").write_text(table.to_csv(index=False), "utf-8")
    for name, figure in told.figures.items():
        (folder / f"{slug(name)}.json").write_text(figure.to_json(), "utf-8")
    asked = [study.question, f"Claim: {study.claim}"]
    paragraphs = [*asked, f"Found: {told.verdict}", *missing(told)]
    html = page(study.title, paragraphs, told.figures, told.tables)
    (folder / PAGE).write_text(html, "utf-8")
    summary = {
        "study": study.name,
        "title": study.title,
        "question": study.question,
        "claim": study.claim,
        "verdict": told.verdict,
        "settings": dataclasses.asdict(settings),
        "measured": told.units,
        "problems": told.problems,
        "tables": {name: f"{slug(name)}.csv" for name in told.tables},
        "figures": {name: f"{slug(name)}.json" for name in told.figures},
    }
    (folder / REPORT).write_text(json.dumps(summary, indent=1, allow_nan=False) + "\n", "utf-8")
    return told


def missing(told: Found) -> list[str]:
    """Sentences on the units that were not measured, the first ones in full; the same one once."""
    count = len(told.problems)
    if not count:
        return []
    alike = Counter(problem.partition(": ")[2] for problem in told.problems)
    lines = []
    for problem in told.problems[: len(alike)]:
        more = alike[problem.partition(": ")[2]] - 1
        lines.append(problem + (f" (and {more} more like this one)" if more else ""))
    rest = [f"and {len(lines) - SHOWN} other reasons"] if len(lines) > SHOWN else []
    return [f"{count} of {count + told.units} runs are left out.", *lines[:SHOWN], *rest]


def slug(name: str) -> str:
    """A file's name for a title."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
