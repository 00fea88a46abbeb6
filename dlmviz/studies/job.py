"""A study as a job: units are its steps, its folder holds the rows, its runs go to the store."""

from __future__ import annotations

from typing import Any

from dlmviz import knobs
from dlmviz.jobs.work import Stopped, Work
from dlmviz.studies import find, report
from dlmviz.studies.command import loader
from dlmviz.studies.run import BATCH, Watch, run
from dlmviz.types import InputError

FOLDER = "study"  # in the job's folder


def entry(work: Work) -> dict[str, Any]:
    """What the page shows of a finished study. Raises Stopped after it was asked to stop.

    Settings of the job: study (its name), settings (its knobs), batch, and keep: whether its runs
    are put into the store.
    """
    given = work.settings
    study = find(str(given.get("study", "")))
    chosen = given.get("settings", {})
    batch = given.get("batch", BATCH)
    if not isinstance(chosen, dict) or not isinstance(batch, int) or not 1 <= batch <= 4096:
        raise InputError(
            "a study takes settings by name, and a batch of 1 to 4096: got "
            f"{str(chosen)[:80]} and {str(batch)[:20]}"
        )
    settings = knobs.chosen(study.settings, chosen, study.name)
    folder = work.folder / FOLDER
    work.stage("runs", len(study.units(settings)), "runs")
    watch = Watch(lambda done, total: work.progress(done), work.stopping)
    runs = work.folder.parent.parent if given.get("keep") else None
    if not run(study, settings, folder, loader(work.device), watch, batch, runs):
        raise Stopped
    work.stage("figures")
    told = report.write(study, settings, folder)
    return {"verdict": told.verdict, "measured": told.units, "problems": len(told.problems)}
