"""All studies with the settings that are published: results/study_NAME.json, pictures for the docs.

    python -m benchmarks.studies [--only jsd_order] [--set n=20] [--device cuda] [--images]

Rows are kept in runs/benchmarks/NAME, so that a run that was stopped goes on; with `--rows`
nothing else is made, and the tables may be made from that folder elsewhere. `jsd_order` is also
done twice on eight prompts, once interrupted: its tables must be the same to the last byte.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks import results_file
from dlmviz import knobs
from dlmviz.studies import STUDIES, find, journal, report
from dlmviz.studies.broken_pairs import LOCAL, WAYS
from dlmviz.studies.command import loader
from dlmviz.studies.predicted import TASKS
from dlmviz.studies.report import Found
from dlmviz.studies.run import Watch, begun, run
from dlmviz.studies.shares import run_shared
from dlmviz.studies.study import Study

PUBLISHED: Mapping[str, Mapping[str, Any]] = {
    "frontier": {"tasks": "trivia/bundle, lists, puzzles, stories, pairs, words, mrf"},
    "segments": {"n": 100},
    "group_error": {"n": 50},
    "order": {"n": 50},
    "dependence": {"n": 70},
    "predicted": {"n": 40},
    "broken_pairs": {"n": 500},
    "slack": {"n": 25},
}
FOLDER = Path("runs") / "benchmarks"
IMAGES = Path(__file__).parent.parent / "docs" / "images"
MADE = "made.json"  # in a study's folder
ROWS = 450  # of a table in a result file; longer ones are in the study's folder as CSV
UNKNOWN = -1.0  # what was not measured, or is undefined: its gate is missed
MINUTES = 5  # that jsd_order may take for 200 bundles on two cores


def main() -> int:
    options = parse()
    load = loader(options.device)
    missed = 0
    for name in options.only or STUDIES:
        study = find(name)
        given = dict(PUBLISHED.get(name, {})) | dict(pair.split("=", 1) for pair in options.set)
        settings = knobs.chosen(study.settings, given, name)
        made = measured(study, settings, FOLDER / name, load, options)
        if options.rows:
            continue
        told = report.write(study, settings, FOLDER / name)
        seconds = made["seconds"]
        gates = of_jsd_order(study, settings, seconds, load) if name == "jsd_order" else []
        gates += GATES[name](told) if name in GATES else []
        results_file.write(f"study_{name}", gates, data(study, settings, told, made))
        print(f"{name}: {seconds:.0f} s. {told.verdict}", flush=True)
        missed += sum(not gate["pass"] for gate in gates)
        if options.images:
            picture(FOLDER / name / report.PAGE, IMAGES / f"study-{name.replace('_', '-')}.png")
    return 1 if missed else 0


def measured(
    study: Study, settings: Any, folder: Path, load: Any, options: argparse.Namespace
) -> dict[str, Any]:
    """Where the rows were made: seconds in all, and the sittings, loading included."""
    clock = folder / MADE
    before = json.loads(clock.read_text())["sittings"] if clock.exists() else []
    here: dict[str, Any] = {
        "machine": results_file.machine(),
        "versions": results_file.versions(),
        "device": options.device or ("cuda" if torch.cuda.is_available() else "cpu"),
        "processes": options.workers,
        "threads": torch.get_num_threads(),
    }
    began = time.monotonic()

    def told(done: int, total: int) -> None:
        print(f"\r{study.name}: {done} of {total}", end="", file=sys.stderr, flush=True)
        sittings = [*before, here | {"seconds": round(time.monotonic() - began, 1)}]
        seconds = round(sum(one["seconds"] for one in sittings), 1)
        clock.write_text(json.dumps({"seconds": seconds, "sittings": sittings}, indent=1) + "\n")

    if {unit.key for unit in study.units(settings)} <= journal.entries(folder).keys():
        begun(study, settings, folder, options.batch)  # all is there, made elsewhere perhaps
    elif options.workers > 1:
        shared = (options.device, options.workers, Watch(told), options.batch)
        run_shared(study, settings, folder, *shared)
    else:
        run(study, settings, folder, load, Watch(told), options.batch)
    print(file=sys.stderr)
    found: dict[str, Any] = json.loads(clock.read_text())
    return found


def data(study: Study, settings: Any, told: Found, made: Mapping[str, Any]) -> dict[str, Any]:
    """What a result file keeps: verdict, settings and the tables that are not too long."""
    short = {name: table for name, table in told.tables.items() if len(table) <= ROWS}
    return {
        "study": study.name,
        "claim": study.claim,
        "verdict": told.verdict,
        "settings": dataclasses.asdict(settings),
        "made": made,
        "measured": told.units,
        "problems": list(told.problems),
        "tables": {
            name: json.loads(table.to_json(orient="records")) for name, table in short.items()
        },
    }


def of_jsd_order(study: Study, settings: Any, seconds: float, load: Any) -> list[dict[str, Any]]:
    """The gates of jsd_order, in the words of the issue that set them."""
    few = dataclasses.replace(settings, n=8)
    whole, part = FOLDER / "jsd_order_whole", FOLDER / "jsd_order_part"
    for folder in (whole, part):
        shutil.rmtree(folder, ignore_errors=True)
    seen: list[int] = []
    run(study, few, whole, load, batch=4)
    run(study, few, part, load, Watch(lambda done, total: seen.append(done), lambda: bool(seen)), 4)
    assert seen == [4], "it was stopped after its first batch"
    run(study, few, part, load, batch=4)
    same = files(study, few, whole) == files(study, few, part)
    return [
        results_file.gate(
            f"jsd_order on the built-in model over {settings.n} bundles [s]",
            seconds,
            f"finishes in under {MINUTES} minutes on two cores (200 bundles)",
            settings.n >= 200 and seconds < 60 * MINUTES,
        ),
        results_file.gate(
            "jsd_order is resumable and gives the same table twice", same, "same bytes", same
        ),
    ]


def of_predicted(told: Found) -> list[dict[str, Any]]:
    """The gates of the shipped predictor, over all states."""
    line = told.tables[TASKS].to_dict("records")[0] if told.tables else {}
    rho = line.get("spearman")
    rho = UNKNOWN if rho is None or rho != rho else rho
    share = line["mae"] / line["constant_mae"] if line.get("constant_mae") else UNKNOWN
    words = "shipped predictor on held-out states of the built-in model"
    return [
        results_file.gate(f"{words}: Spearman", rho, ">= 0.6", rho >= 0.6),
        results_file.gate(
            f"{words}: MAE as a share of the constant predictor's",
            share,
            "at most half",
            0 <= share <= 0.5,
        ),
    ]


def of_broken_pairs(told: Found) -> list[dict[str, Any]]:
    """The gate of CoDiLA's pairs, of both of its ways that were decoded."""
    lines = told.tables[WAYS].to_dict("records") if told.tables else []
    found = {line["way"]: line["broken"] for line in lines}
    return [
        results_file.gate(
            f"CoDiLA, pairs at block 8: broken pairs, {way} [%]",
            found.get(way, UNKNOWN),
            "<= 2 %",
            0 <= found.get(way, UNKNOWN) <= 2,
        )
        for way in LOCAL
    ]


#: of studies whose tables have numbers that an issue asks for
GATES: Mapping[str, Callable[[Found], list[dict[str, Any]]]] = {
    "predicted": of_predicted,
    "broken_pairs": of_broken_pairs,
}


def files(study: Study, settings: Any, folder: Path) -> dict[str, bytes]:
    """The tables of a study's folder, as they are on disk."""
    report.write(study, settings, folder)
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.csv"))}


def picture(page: Path, out: Path) -> None:
    """The first figure of a study's page as a picture."""
    from playwright.sync_api import sync_playwright

    from benchmarks.screenshots import FLAGS

    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(path for path in map(shutil.which, names) if path)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        tab = browser.new_page(viewport={"width": 1100, "height": 900})
        tab.goto(page.absolute().as_uri())
        tab.wait_for_selector(".main-svg")
        tab.locator(".plotly-graph-div").first.screenshot(path=out)
        browser.close()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", action="append", choices=STUDIES, help="a study; may be repeated")
    parser.add_argument("--set", action="append", default=[], help="NAME=VALUE, of every study")
    parser.add_argument("--device", help="cpu, cuda; default: a GPU if there is one")
    parser.add_argument("--batch", type=int, default=8, help="runs that share a forward")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the runs")
    parser.add_argument("--rows", action="store_true", help="decode and measure only")
    parser.add_argument("--images", action="store_true", help="pictures for the docs, too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
