"""`dlmviz train`: makes the trained part of a sampler, as a job that it follows to its end."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from dlmviz import jobs
from dlmviz.jobs.codila import recipe as codila
from dlmviz.jobs.commands import line
from dlmviz.jobs.demask import recipe as demask
from dlmviz.jobs.distil.command import follow, put

PARTS: Mapping[str, Any] = {"demask": demask, "codila": codila}  # kind of job -> its recipe
ABOUT = "demask: its predictor of influence; codila: its local model"


def add(commands: Any) -> None:
    """Adds `train` to the commands of the command line."""
    parser = commands.add_parser("train", help="train the part that a sampler needs")
    parser.description = __doc__
    parser.add_argument("kind", choices=PARTS, help=ABOUT)
    presets = list(dict.fromkeys(name for part in PARTS.values() for name in part.PRESETS))
    about = "; ".join(f"{name}: {title}" for name, title in demask.TITLES.items())
    parser.add_argument("--preset", choices=presets, default="demo", help=f"{about} (demo)")
    parser.add_argument("--model", help="tiny, tiny-early, a folder or a hub id")
    parser.add_argument("--tasks", help="tasks that give prompts, with commas between them")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other setting, such as count=500, epochs=5 or lr=1e-3",
    )
    parser.add_argument("--store", default="runs", help="folder of the app (./runs)")
    parser.add_argument("--queue", action="store_true", help="leave it to the app or to a worker")
    parser.set_defaults(command=_train)


def chosen(args: argparse.Namespace) -> Any:
    """The preset with what the flags override. Raises InputError."""
    part = PARTS[args.kind]
    given = part.PRESETS[args.preset].to_json()
    if args.model:
        given["model"] = args.model
    if args.tasks:
        given["tasks"] = args.tasks.split(",")
    for pair in args.set:
        put(given, given["fit"], pair)
    return part.recipe_of(given)


def _train(args: argparse.Namespace) -> None:
    recipe = chosen(args)
    title = PARTS[args.kind].TITLES[args.preset]
    identity = jobs.submit(args.store, args.kind, title, recipe.to_json())
    if args.queue:
        print(line(jobs.job(args.store, identity)))
        return
    follow(args.store, identity)
    made = jobs.result(args.store, identity)
    if made:
        print("on what it has not seen: " + _numbers(made["score"]))
        for name, one in (made.get("broken") or {}).items():
            if isinstance(one, dict):
                print(f"pairs, {name}: {_numbers(one)}")
        print(f"dlmviz decode --sampler {args.kind} --param head={made['head']} --prompt ...")


def _numbers(row: Mapping[str, Any]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in row.items() if value is not None)
