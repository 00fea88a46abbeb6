"""A study done by several processes, each with its share of the batches.

A share has a folder of its own inside the study's, and goes on from it. Batches are those of a
single process and are gathered in its order, so that the tables are the same.
"""

from __future__ import annotations

import dataclasses
import multiprocessing as mp
import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

from dlmviz import knobs
from dlmviz.studies import find, journal
from dlmviz.studies.command import loader
from dlmviz.studies.run import BATCH, Watch, batches, begun, run
from dlmviz.studies.study import Study

FOLDERS = "share-*-of-*"
LOOK = 1.0  # seconds between two looks at how far the shares are


def run_shared(
    study: Study,
    settings: Any,
    folder: Path,
    device: str | None,
    workers: int,
    watch: Watch,
    batch: int = BATCH,
) -> None:
    """Nothing; all units are in the folder's rows. Shares of GPUs: the processes take turns.

    A run that was stopped goes on, with another number of processes too.
    """
    begun(study, settings, folder, batch)
    groups = list(batches(study.units(settings), batch))
    order = [unit.key for group in groups for unit in group]
    gather(folder, order)
    given = (study.name, dataclasses.asdict(settings), folder, device, batch)
    with ProcessPoolExecutor(workers, mp.get_context("spawn")) as pool:
        pending = {pool.submit(_share, *given, at, workers) for at in range(workers)}
        while pending:
            over, pending = wait(pending, LOOK)
            for future in over:
                future.result()  # what went wrong there, goes wrong here
            watch.progress(sum(map(_lines, _files(folder))), len(order))
    gather(folder, order)


def gather(folder: Path, order: list[str]) -> None:
    """Nothing; entries of shares go to the study's own rows, in the order of its units."""
    found: dict[str, journal.Entry] = {}
    for path in _files(folder):
        found |= journal.entries(path.parent)
    if found:
        journal.write(folder, [found[key] for key in order if key in found])
    for share in folder.glob(FOLDERS):
        shutil.rmtree(share)


def _share(
    name: str,
    given: Mapping[str, Any],
    folder: Path,
    device: str | None,
    batch: int,
    at: int,
    workers: int,
) -> None:
    """One share, in its own process. What the study's folder has already is not done again."""
    import torch

    torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))
    if device is None and torch.cuda.is_available():
        device = f"cuda:{at % torch.cuda.device_count()}"
    study = find(name)
    settings = knobs.chosen(study.settings, dict(given), name)
    own = folder / f"share-{at}-of-{workers}"
    run(study, settings, own, loader(device), batch=batch, share=(at, workers), known=folder)


def _files(folder: Path) -> Iterator[Path]:
    """The rows of the study and of its shares, as far as they are there."""
    for path in (folder, *sorted(folder.glob(FOLDERS))):
        if (path / journal.ROWS).exists():
            yield path / journal.ROWS


def _lines(path: Path) -> int:
    with open(path, "rb") as file:
        return sum(1 for _ in file)
