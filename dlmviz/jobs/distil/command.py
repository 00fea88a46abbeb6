"""`dlmviz distill`: submits a job and, unless --queue is given, follows it to its end."""

from __future__ import annotations

import argparse
import dataclasses
import time
from typing import Any

from dlmviz import jobs
from dlmviz.jobs.commands import line
from dlmviz.jobs.distil.estimate import estimated
from dlmviz.jobs.distil.recipe import PRESETS, TITLES, Recipe, recipe_of
from dlmviz.types import InputError

LOOK = 0.5  # seconds between two looks at a job
OVER = ("done", "failed", "stopped")


def add(commands: Any) -> None:
    """Adds `distill` to the commands of the command line."""
    parser = commands.add_parser("distill", help="teach a model to commit more at once")
    parser.description = __doc__
    about = "; ".join(f"{name}: {title}" for name, title in TITLES.items())
    parser.add_argument("--preset", choices=PRESETS, default="demo", help=f"{about} (demo)")
    parser.add_argument("--model", help="tiny, tiny-early, a folder or a hub id")
    parser.add_argument("--tasks", help="tasks that give prompts, with commas between them")
    parser.add_argument("--prompts", help='a JSON-lines file with "prompt" or "question"')
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other setting of a recipe, such as count=500, steps=200 or lr=1e-4",
    )
    parser.add_argument("--store", default="runs", help="folder of the app (./runs)")
    parser.add_argument("--estimate", action="store_true", help="say what it would cost, and end")
    parser.add_argument("--queue", action="store_true", help="leave it to the app or to a worker")
    parser.set_defaults(command=_distill)


def chosen(args: argparse.Namespace) -> Recipe:
    """The preset with what the flags override. Raises InputError."""
    given = PRESETS[args.preset].to_json()
    if args.model:
        given["model"] = args.model
    if args.tasks:
        given |= {"tasks": args.tasks.split(","), "prompts": ""}
    if args.prompts:
        given |= {"tasks": [], "prompts": args.prompts}
        given["gen_length"] = given["gen_length"] or 128
    for pair in args.set:
        put(given, given["settings"], pair)
    return recipe_of(given)


def put(given: dict[str, Any], inner: dict[str, Any], pair: str) -> None:
    """Sets one field of a recipe, or of the settings inside it, in the type that it has."""
    name, equals, value = pair.partition("=")
    if not (name and equals):
        raise InputError(f"--set must be NAME=VALUE: got {pair!r}; try --set steps=200")
    place = inner if name in inner else given
    if name not in place or (isinstance(place[name], dict | list | tuple) and name != "thresholds"):
        plain = {n for n, v in given.items() if not isinstance(v, dict) and n != "tasks"}
        names = sorted(plain | inner.keys())
        raise InputError(f"there is no setting {name!r}; settings are {', '.join(names)}")
    try:
        if name == "thresholds":
            place[name] = [float(part) for part in value.split(",")]
        elif isinstance(place[name], bool):
            place[name] = {"true": True, "false": False}[value.lower()]
        else:
            place[name] = type(place[name])(value)
    except (ValueError, KeyError) as error:
        raise InputError(
            f"{name} cannot be {value!r}: it is a {type(place[name]).__name__}, "
            f"such as {place[name]!r}"
        ) from error


def _distill(args: argparse.Namespace) -> None:
    recipe = chosen(args)
    if args.estimate:
        told = estimated(recipe)
        print(
            f"about {told.seconds:.0f} s on {told.device}: answers {told.answers:.0f} s, training "
            f"{told.training:.0f} s, evaluation {told.evaluation:.0f} s; "
            f"memory {told.memory / 2**30:.1f} GiB"
        )
        return
    identity = jobs.submit(args.store, "distil", TITLES[args.preset], recipe.to_json())
    if args.queue:
        print(line(jobs.job(args.store, identity)))
        return
    follow(args.store, identity)
    for row in (jobs.result(args.store, identity) or {}).get("scores", []):
        print(_numbers(row))
    print(f"adapter in {args.store}/adapters")


def follow(store: str, identity: str) -> None:
    """Has a job done, and prints what happens until it is over. Raises InputError if it failed."""
    try:
        with jobs.attended(store):
            _follow(store, identity)
    except KeyboardInterrupt:
        print(f"\nThe job goes on with `dlmviz jobs worker --store {store}`, or the app.")
        raise


def _follow(store: str, identity: str) -> None:
    cursor, stage = "", ""
    while True:
        job = jobs.job(store, identity)
        if job.stage != stage:
            stage = job.stage
            print(stage, flush=True)
        piece = jobs.curve(store, identity, cursor)
        cursor = piece.cursor
        for row in piece.rows:
            if "held" in row:
                print(_numbers(row), flush=True)
        if job.state in OVER:
            break
        time.sleep(LOOK)
    if job.state == "failed":
        raise InputError(job.problem)
    print(line(job))
    if job.state == "done":
        told = dataclasses.asdict(job)
        print(f"{told['ended'] - told['started']:.0f} s")


def _numbers(row: dict[str, Any]) -> str:
    told = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items() if v is not None}
    return "  ".join(f"{name} {value}" for name, value in told.items())
