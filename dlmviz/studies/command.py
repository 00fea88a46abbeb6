"""`dlmviz study`: lists the studies, does one, or measures runs that exist."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from dlmviz.types import InputError


def add(commands: Any) -> None:
    """Adds `study` to the commands of the command line."""
    parser = commands.add_parser("study", help="ask a question of many runs", allow_abbrev=False)
    parser.description = __doc__
    parser.add_argument("name", nargs="?", metavar="NAME", help="which; without it all are listed")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the study, such as n=20; may be repeated",
    )
    parser.add_argument("--model", help="short for --set model=...")
    parser.add_argument("--out", metavar="FOLDER", help="where its files go (./runs/studies/NAME)")
    parser.add_argument(
        "--traces",
        nargs="+",
        metavar="PATH",
        help="measure these runs, files or folders of them, instead of decoding new ones",
    )
    parser.add_argument("--keep", metavar="FOLDER", help="keep the decoded runs too, in this store")
    parser.add_argument("--batch", type=int, default=8, help="runs that share a forward (8)")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the runs (1)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 ...; default: a GPU if there is one")
    parser.set_defaults(command=_study)


def _study(args: argparse.Namespace) -> None:
    from dlmviz import knobs
    from dlmviz.studies import STUDIES, find, report, stored
    from dlmviz.studies.run import Watch, run

    if args.name is None:
        for study in map(find, STUDIES):
            print(f"{study.name}: {study.question}")
            for name, field in knobs.fields(study.settings).items():
                print(f"  --set {name}={field.default}  {field.metadata['help']}")
            print()
        return
    if args.batch < 1:
        raise InputError(f"batch must be at least 1: got {args.batch}; try 8")
    if args.workers < 1 or (args.workers > 1 and (args.traces or args.keep)):
        raise InputError(
            f"workers must be at least 1, and 1 with --traces or --keep: got {args.workers}"
        )
    study = find(args.name)
    given = dict(map(_pair, args.set)) | ({"model": args.model} if args.model else {})
    settings = knobs.chosen(study.settings, given, study.name)
    folder = Path(args.out or Path("runs") / "studies" / study.name)
    load = loader(args.device)
    if args.traces:
        stored.over(study, stored.read(args.traces), settings, folder, load)
    else:
        try:
            keep = Path(args.keep) if args.keep else None
            if args.workers > 1:
                from dlmviz.studies.shares import run_shared

                shared = (args.device, args.workers, Watch(_told), args.batch)
                run_shared(study, settings, folder, *shared)
            else:
                run(study, settings, folder, load, Watch(_told), args.batch, keep)
        except KeyboardInterrupt:
            print(f"\nstopped; the same command goes on from {folder}", file=sys.stderr)
            raise SystemExit(130) from None
    told = report.write(study, settings, folder)
    print(told.verdict)
    for line in report.missing(told):
        print(line)
    print(f"{folder / report.PAGE}")


def loader(device: str | None) -> Any:
    """A function that loads a model once and gives it again when it is asked for again."""
    import functools

    import dlmviz

    return functools.cache(lambda name, adapter: dlmviz.load(name, adapter, device))


def _told(done: int, total: int) -> None:
    print(f"\r{done} of {total} runs", end="\n" if done == total else "", file=sys.stderr)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise InputError(f"--set must be NAME=VALUE: got {text!r}; try --set n=20")
    return name, value
