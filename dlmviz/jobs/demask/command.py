"""`dlmviz train`: makes the trained part of a sampler, as a job that it follows to its end."""

from __future__ import annotations

import argparse
from typing import Any

from dlmviz import jobs
from dlmviz.jobs.commands import line
from dlmviz.jobs.demask.recipe import PRESETS, TITLES, Recipe, recipe_of
from dlmviz.jobs.distil.command import follow, put


def add(commands: Any) -> None:
    """Adds `train` to the commands of the command line."""
    parser = commands.add_parser("train", help="train the part that a sampler needs")
    parser.description = __doc__
    parser.add_argument("kind", choices=("demask",), help="demask: its predictor of influence")
    about = "; ".join(f"{name}: {title}" for name, title in TITLES.items())
    parser.add_argument("--preset", choices=PRESETS, default="demo", help=f"{about} (demo)")
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


def chosen(args: argparse.Namespace) -> Recipe:
    """The preset with what the flags override. Raises InputError."""
    given = PRESETS[args.preset].to_json()
    if args.model:
        given["model"] = args.model
    if args.tasks:
        given["tasks"] = args.tasks.split(",")
    for pair in args.set:
        put(given, given["fit"], pair)
    return recipe_of(given)


def _train(args: argparse.Namespace) -> None:
    recipe = chosen(args)
    identity = jobs.submit(args.store, args.kind, TITLES[args.preset], recipe.to_json())
    if args.queue:
        print(line(jobs.job(args.store, identity)))
        return
    follow(args.store, identity)
    made = jobs.result(args.store, identity)
    if made:
        score = "  ".join(f"{name} {value:.4g}" for name, value in made["score"].items() if value)
        print(f"{made['states']} states, on held-out ones: {score}")
        print(f"dlmviz decode --sampler demask --param head={made['head']} --prompt ...")
