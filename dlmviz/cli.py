"""`dlmviz decode | show | tasks | study | distill | train | jobs`. The page: `python app.py`."""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, Literal, NoReturn, get_args, get_origin, get_type_hints

import dlmviz
from dlmviz import metrics, store
from dlmviz.jobs import commands as job_commands
from dlmviz.jobs.distil import command as distil_command
from dlmviz.jobs.train import command as train_command
from dlmviz.studies import command as study_command
from dlmviz.types import RECORDABLE, DecodeError, InputError, RunSpec, Trace

HELP = {
    "prompt": "what the model is asked; [MASK] or [MASK:12] in it is filled in",
    "model": "tiny, tiny-early, exact, a folder or a hub id",
    "adapter": "folder of a LoRA adapter, or distilled: the one of tiny",
    "gen_length": "tokens to generate",
    "block_length": "tokens of a block; must divide the generation length",
    "sampler": "the rule that chooses what is committed",
    "params": "a knob of the sampler; may be repeated",
    "temperature": "0 takes the most probable token",
    "draw": "gumbel: confidence before temperature; categorical: after it; official: the sampler's",
    "top_p": "share of the mass that may be drawn (categorical)",
    "top_k": "how many tokens may be drawn (categorical); 0 is all",
    "cfg_scale": "classifier-free guidance; 0 is off",
    "logits_eos_inf": "never propose the end of sequence",
    "confidence_eos_eot_inf": "commit ends of sequence and turn last",
    "score_dtype": "number format of confidences; official is that of the sampler's paper",
    "forbid_mask": "never propose the mask token",
    "forward": "the whole canvas, or windows over kept keys and values",
    "cache_revision": "of the cached loops: how many forwards a block takes at least and at most",
    "stop": "eos ends the run when all before the first end of sequence is committed",
    "chat": "wrap the prompt in the model's chat template",
    "seed": "of everything random",
    "record": "a signal to record though the sampler does not use it; may be repeated",
}


class Parser(argparse.ArgumentParser):
    """An argument parser that explains a wrong command in one sentence."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0, or 2 for what cannot be done (one sentence on stderr), 130 if interrupted."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a narrow terminal is no reason to fail
    try:
        args = parser().parse_args(argv)
        args.command(args)
        sys.stdout.flush()
    except (InputError, DecodeError) as error:
        print(f"dlmviz: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("dlmviz: interrupted; nothing was saved", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def parser() -> Parser:
    """The parser of all commands; decode has a flag for every field of RunSpec."""
    top = Parser(prog="dlmviz", description=__doc__, allow_abbrev=False)
    commands = top.add_subparsers(
        required=True, metavar="decode | show | tasks | study | distill | train | jobs"
    )
    decode = commands.add_parser("decode", help="decode a prompt", allow_abbrev=False)
    hints = get_type_hints(RunSpec)
    for field in dataclasses.fields(RunSpec):
        _add(decode, field, hints[field.name])
    decode.add_argument("--device", help="cpu, cuda, cuda:1 ...; default: a GPU if there is one")
    decode.add_argument("--dtype", help="number format of the model; default: the model's choice")
    decode.add_argument("--out", metavar="FILE", help="save the run there, to show or open later")
    show = commands.add_parser("show", help="print a saved run", allow_abbrev=False)
    show.add_argument("file", metavar="FILE")
    for command, function in ((decode, _decode), (show, _show)):
        command.add_argument("--json", action="store_true", help="print one JSON object only")
        command.set_defaults(command=function)
    tasks = commands.add_parser("tasks", help="list the tasks, each with a prompt")
    tasks.set_defaults(command=_tasks)
    study_command.add(commands)
    distil_command.add(commands)
    train_command.add(commands)
    job_commands.add(commands)
    return top


def spec(args: argparse.Namespace) -> RunSpec:
    """The settings that were given, RunSpec's defaults for the rest, knobs in their own types."""
    from dlmviz.samplers import make, plain

    given = {f.name: vars(args)[f.name] for f in dataclasses.fields(RunSpec) if f.name in args}
    asked = RunSpec(**given | {"params": dict(map(_pair, given.get("params", [])))})
    sampler = make(asked.sampler, asked.params)
    return dataclasses.replace(asked, params=plain(asked.params, sampler))


def _add(command: Parser, field: dataclasses.Field[Any], hint: Any) -> None:
    """Adds the flag of one RunSpec field. Absent flags leave no value: RunSpec has the defaults."""
    options: dict[str, Any] = {"dest": field.name, "default": argparse.SUPPRESS}
    help = HELP[field.name]
    if field.default not in (dataclasses.MISSING, None, ""):
        help += f"; default: {field.default}"
    flag = f"--{field.name.replace('_', '-')}"
    if field.name == "params":
        flag = "--param"
        options |= {"action": "append", "metavar": "NAME=VALUE"}
    elif field.name == "record":
        options |= {"action": "append", "choices": RECORDABLE}
    elif hint is bool:
        options["action"] = argparse.BooleanOptionalAction
    elif get_origin(hint) is Literal:
        options["choices"] = get_args(hint)
    else:
        options["type"] = hint if hint in (int, float) else str
    command.add_argument(flag, help=help, **options)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise InputError(f"--param must be NAME=VALUE: got {text!r}; try --param tau=0.9")
    return name, value


def _decode(args: argparse.Namespace) -> None:
    asked = spec(args)
    if args.out is not None:
        store.check_writable(args.out)
    model = dlmviz.load(asked.model, asked.adapter, args.device, args.dtype)
    trace = dlmviz.decode(model, asked)
    if args.out is not None:
        store.save(trace, args.out)
    _report(trace, args.json)


def _show(args: argparse.Namespace) -> None:
    trace = store.open_trace(args.file)
    if not args.json:
        settings = dataclasses.asdict(trace.spec)
        print(", ".join(f"{name} {value!r}" for name, value in settings.items()), end="\n\n")
    _report(trace, args.json)
    if not args.json:
        print("\n" + "\n".join(_table(trace)))


def _tasks(args: argparse.Namespace) -> None:
    from dlmviz.tasks import TASKS

    for task in TASKS.values():
        prompt = task.examples(1, 0)[0].prompt
        print(f"{task.name}: {task.title}. {task.help}")
        print(f"  --gen-length {task.gen_length} --block-length {task.block_length}")
        print("  " + prompt.replace("\n", "\n  "), end="\n\n")


def _report(trace: Trace, as_json: bool) -> None:
    """Prints the row of a run: one JSON object, or its text and then its numbers by name."""
    row = metrics.row(trace)
    if as_json:
        print(json.dumps(row, allow_nan=False))
        return
    text = row.pop("text")
    print(_printable(text, keep="\n\t"), end="\n\n")
    print(", ".join(f"{name} {_number(value)}" for name, value in row.items()))


def _table(trace: Trace) -> list[str]:
    """A heading and a line a step; positions count from the start of the generated part."""
    lines = ["step  nfe  block  committed  remasked  segments  position:token"]
    counts = metrics.segments(trace)[1:]
    width = trace.spec.block_length
    for record, segments in zip(trace.steps, counts, strict=True):
        tokens = " ".join(
            f"{position - trace.prompt_length}:{trace.pieces[token]!r}"
            for position, token in zip(
                record.positions.tolist(), record.tokens.tolist(), strict=True
            )
        )
        block = (record.block[0] - trace.prompt_length) // width
        lines.append(
            f"{record.index:4}  {record.nfe:3}  {block:5}  {len(record.positions):9}  "
            f"{len(record.remasked):8}  {segments:8}  {tokens}"
        )
    return lines


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"


def _printable(text: str, keep: str = "") -> str:
    """`text` without control codes: a trace comes from anywhere and a terminal obeys them."""
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text
    )


if __name__ == "__main__":
    sys.exit(main())
