"""`dlmviz jobs worker | list | show | stop | resume | retry | delete`."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import Any

from dlmviz import jobs
from dlmviz.jobs import worker

LINES = 20


def add(commands: Any) -> None:
    """Adds `jobs` to the commands of the command line."""
    parser = commands.add_parser("jobs", help="see and steer background jobs", allow_abbrev=False)
    parser.description = __doc__
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    serving = verbs.add_parser("worker", help="do the jobs of a store", allow_abbrev=False)
    worker.options(serving)
    serving.set_defaults(command=worker.run)
    for name, function, help in (
        ("list", _list, "all jobs, the newest first"),
        ("show", _show, "one job, and the end of its log"),
        ("stop", _stop, "finish its step, write a checkpoint, stop"),
        ("resume", _resume, "go on from its last checkpoint"),
        ("retry", _retry, "the same settings as a fresh job"),
        ("delete", _delete, "remove it and its folder"),
    ):
        verb = verbs.add_parser(name, help=help, allow_abbrev=False)
        verb.add_argument("--store", default="runs", help="folder of the app (./runs)")
        verb.set_defaults(command=function)
        if name != "list":
            verb.add_argument("id", metavar="ID")
        if name in ("list", "show"):
            verb.add_argument("--json", action="store_true", help="print JSON only")
        if name == "show":
            verb.add_argument("--lines", type=int, default=LINES, help=f"of the log ({LINES})")


def _list(args: argparse.Namespace) -> None:
    found = jobs.jobs(args.store)
    if args.json:
        print(json.dumps([dataclasses.asdict(job) for job in found]))
        return
    print("\n".join(map(line, found)) if found else f"no jobs in {args.store}")


def _show(args: argparse.Namespace) -> None:
    job = jobs.job(args.store, args.id)
    if args.json:
        print(json.dumps({**dataclasses.asdict(job), "result": jobs.result(args.store, job.id)}))
        return
    print(line(job))
    print(", ".join(f"{name} {value!r}" for name, value in job.settings.items()))
    log = jobs.tail(args.store, job.id, args.lines)
    if log:
        print("\n" + _printable(log))


def _stop(args: argparse.Namespace) -> None:
    print(line(jobs.stop(args.store, args.id)))


def _resume(args: argparse.Namespace) -> None:
    print(line(jobs.resume(args.store, args.id)))


def _retry(args: argparse.Namespace) -> None:
    print(line(jobs.job(args.store, jobs.retry(args.store, args.id))))


def _delete(args: argparse.Namespace) -> None:
    jobs.delete(args.store, args.id)
    print(f"{args.id}  deleted")


def line(job: jobs.Job) -> str:
    """Id, state, how far, title, and what there is to say of it."""
    far = job.stage
    if job.total:
        far += f" {job.done}/{job.total} {job.unit}"
    left = jobs.eta(job)
    if left is not None:
        far += f", {_duration(left)} left"
    told = [job.id, job.state, far, f"{job.kind}: {job.title}", job.problem, job.note]
    return _printable("  ".join(part for part in map(str.strip, told) if part))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _printable(text: str) -> str:
    """`text` without control codes: titles and logs come from anywhere and a terminal obeys."""
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text
    )
