"""The adapter that comes with dlmviz, from a student of the distillation benchmark.

    python -m benchmarks.distill_adapter --work .work/distill

It writes assets/adapters/distilled: PEFT's two files in float16, a card, and MODEL_CARD.md with
what results/distill.json says of it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from benchmarks import results_file
from benchmarks.distill_students import Student
from benchmarks.distill_table import SINGLE, gains, gathered
from benchmarks.distill_work import HELD
from dlmviz.jobs.distil.recipe import Recipe
from dlmviz.models import load
from dlmviz.store.adapters import CARD, FILES, identity
from dlmviz.types import AdapterCard

PLACE = Path(__file__).resolve().parent.parent / "assets" / "adapters" / "distilled"
STUDENT = Student("tiny", "all", "four looks", 1000)
COMMAND = 'python -m benchmarks.distill "tiny/all/four looks" --steps 1000 --count 3000 --devices 2'
SHOWN = (0.9, 0.8, 0.7, 0.5)


def copied(source: Path) -> None:
    """Puts PEFT's files into their place: weights in float16, no path of this machine."""
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    weights = {n: w.to(torch.float16) for n, w in load_file(source / FILES[1]).items()}
    save_file(weights, PLACE / FILES[1], {"format": "pt"})
    (PLACE / FILES[1]).chmod(0o644)
    config = json.loads((source / FILES[0]).read_text()) | {"base_model_name_or_path": None}
    (PLACE / FILES[0]).write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


def scores(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the card tells of base and student, by fast_dllm on the first prompts."""
    found = []
    for (name, who, task, scorer), arms in sorted(gathered(rows).items()):
        if name == "first" and scorer == "fast_dllm" and who in (STUDENT.model, STUDENT.name):
            model = "student" if who == STUDENT.name else "base"
            for tau in SHOWN:
                arm = arms[tau]
                found.append(
                    {
                        "task": task,
                        "model": model,
                        "threshold": tau,
                        "n": len(arm.nfe),
                        "accuracy": arm.accuracy,
                        "nfe": arm.mean_nfe,
                        "tpf": arm.tpf,
                    }
                )
    return found


def card(rows: Sequence[Mapping[str, Any]], trained: Mapping[str, Any]) -> AdapterCard:
    recipe = Recipe(
        model=STUDENT.model,
        tasks=STUDENT.tasks,
        count=trained["pairs"],
        held=HELD * len(STUDENT.tasks),
        settings=STUDENT.settings(),
        precision="float32",
        scored=500,
        thresholds=SHOWN,
    )
    return AdapterCard(
        id=identity(PLACE),
        title="distilled, all tasks",
        base_model=STUDENT.model,
        base_fingerprint=load(STUDENT.model, device="cpu").fingerprint,
        job=recipe.to_json(),
        created=0.0,  # behind every adapter that was made here
        final_kl=trained["held_after"],
        scores=scores(rows),
    )


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line a task and sampler: the student's arms, and the base's that is as right."""
    arms = gathered(rows)
    lines = ["| task, sampler | tau | student | base that is as right | fewer forwards |"]
    lines.append("|---|---|---|---|---|")
    for (name, who, task, scorer), own in sorted(arms.items()):
        if (name, who) != ("first", STUDENT.name):
            continue
        base = arms[name, STUDENT.model, task, scorer]
        for tau, gain in sorted(gains(base, own).items(), reverse=True):
            if tau in SHOWN:
                matched = base[gain.base].mean_nfe
                lines.append(
                    f"| {task}, {scorer} | {tau} | {100 * own[tau].accuracy:.1f}; "
                    f"{own[tau].mean_nfe:.2f} | {gain.base}: {100 * gain.accuracy_base:.1f}; "
                    f"{matched:.2f} | {gain.ratio:.2f} [{gain.low:.2f}, {gain.high:.2f}] |"
                )
    return "\n".join(lines)


def text(rows: Sequence[Mapping[str, Any]], trained: Mapping[str, Any]) -> str:
    template = Path(__file__).with_name("adapter_card.template.md").read_text()
    result = json.loads((results_file.RESULTS / "distill.json").read_text())
    gates = "\n".join(
        f"- {'reached' if g['pass'] else 'missed'}: {g['name']}: {g['value']} ({g['target']})"
        for g in result["gates"]
    )
    size = (PLACE / FILES[1]).stat().st_size / 1e6
    return template.format(
        command=COMMAND,
        gates=gates,
        table=table(rows),
        size=f"{size:.1f}",
        before=f"{trained['held_before']:.3f}",
        after=f"{trained['held_after']:.3f}",
        pairs=trained["pairs"],
        single=", ".join(SINGLE),
    )


def main() -> int:
    from benchmarks.distill import ROWS, TRAINED, lines, read

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=Path, default=Path(".work/distill"))
    folder = parser.parse_args().work
    rows = read(folder / ROWS)
    named = (STUDENT.name, STUDENT.steps)
    told = next(r for r in lines(folder / TRAINED) if (r["student"], r["steps"]) == named)
    copied(folder / "students" / STUDENT.folder / "adapter")
    made = json.dumps(dataclasses.asdict(card(rows, told)), indent=1)
    (PLACE / CARD).write_text(made + "\n")
    (PLACE / "MODEL_CARD.md").write_text(text(rows, told))
    print(PLACE, f"{(PLACE / FILES[1]).stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
