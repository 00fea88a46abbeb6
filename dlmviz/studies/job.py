"""A study as a job: units are its steps, its folder holds the rows, its runs go to the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dlmviz import knobs
from dlmviz.jobs.work import Stopped, Work
from dlmviz.studies import find, report, stored
from dlmviz.studies.command import loader
from dlmviz.studies.run import BATCH, Watch, run
from dlmviz.studies.study import Study
from dlmviz.types import InputError

FOLDER = "study"  # in the job's folder


def entry(work: Work) -> dict[str, Any]:
    """What the page shows of a finished study. Raises Stopped after it was asked to stop.

    Settings of the job: study (its name), settings (its knobs), batch, and keep: whether its runs
    are put into the store. Or, for runs that exist: runs (their ids), and refused: pairs of a
    file's name and why it is no run.
    """
    given = work.settings
    study = find(str(given.get("study", "")))
    chosen = given.get("settings", {})
    if not isinstance(chosen, dict):
        raise InputError(f"a study takes settings by name: got {str(chosen)[:80]}")
    settings = knobs.chosen(study.settings, chosen, study.name)
    folder = work.folder / FOLDER
    watch = Watch(lambda done, total: work.progress(done), work.stopping)
    whole = _measured if "runs" in given else _decoded
    if not whole(work, study, settings, folder, watch):
        raise Stopped
    work.stage("figures")
    told = report.write(study, settings, folder)
    return {"verdict": told.verdict, "measured": told.units, "problems": len(told.problems)}


def _decoded(work: Work, study: Study, settings: Any, folder: Path, watch: Watch) -> bool:
    """Whether all runs of the study were decoded and measured."""
    batch = work.settings.get("batch", BATCH)
    if not isinstance(batch, int) or not 1 <= batch <= 4096:
        raise InputError(f"a study takes a batch of 1 to 4096: got {str(batch)[:20]}")
    work.stage("runs", len(study.units(settings)), "runs")
    runs = _shelf(work) if work.settings.get("keep") else None
    return run(study, settings, folder, loader(work.device), watch, batch, runs)


def _measured(work: Work, study: Study, settings: Any, folder: Path, watch: Watch) -> bool:
    """Whether the runs of the store that were chosen were measured."""
    runs, refused = work.settings["runs"], work.settings.get("refused", [])
    work.stage("measuring", len(runs), "runs")
    load = loader(work.device)
    return stored.in_store(study, runs, refused, settings, folder, load, watch, _shelf(work))


def _shelf(work: Work) -> Path:
    """The store that the job's folder is in."""
    return work.folder.parent.parent
