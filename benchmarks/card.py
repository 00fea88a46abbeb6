"""Writes the model cards from what was measured: assets/*/MODEL_CARD.md, and README's table.

    python -m benchmarks.card

Scores come from results/model_card.json and results/model_card_early.json, the recipe from each
model's train_log.json. Nothing is typed in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.results_file import RESULTS
from benchmarks.samplers import GROUPS, SETTINGS

ASSETS = Path(__file__).resolve().parents[1] / "assets"
COLUMNS = ("greedy", "tau 0.9", "tau 0.7", "tau 0.5")

TEMPLATE = Path(__file__).with_name("model_card.template.md")

PURPOSE = {
    "tiny": "The model that dlmviz brings along: masked diffusion can be watched on a laptop.",
    "tiny-early": "A smaller model, stopped early on purpose: its confidences are less reliable, "
    "so which tokens may be committed together matters more. A class can see what training "
    "changes.",
}


def main() -> None:
    for name, folder, result in (
        ("tiny", "tiny-llada", "model_card"),
        ("tiny-early", "tiny-early", "model_card_early"),
    ):
        scores = json.loads((RESULTS / f"{result}.json").read_text())
        path = ASSETS / folder / "MODEL_CARD.md"
        path.write_text(card(name, path.parent, scores))
        print(path.relative_to(ASSETS.parent))
        if name == "tiny":
            readme = ASSETS.parent / "README.md"
            text = with_table(readme.read_text(), table(scores["data"]["arms"]), "scores")
            readme.write_text(with_table(text, sampler_table(), "samplers"))


def with_table(text: str, made: str, name: str) -> str:
    """The text with what stands between the two marks of that name replaced."""
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, mark, rest = text.partition(start)
    _, closing, after = rest.partition(end)
    assert mark, f"README.md has lost its mark {name}"
    assert closing, f"README.md has lost the end of {name}"
    return f"{before}{start}{made}{end}{after}"


def sampler_table() -> str:
    """Accuracy and forwards of every sampler, a column a task; a dash where none was measured."""
    result = json.loads((RESULTS / "samplers.json").read_text())
    arms = result["data"]["arms"]
    n = {row["n"] for row in arms.values()}
    lines = [
        f"| sampler (n {', '.join(map(str, sorted(n)))} a task) | " + " | ".join(GROUPS) + " |",
        "|---" * (len(GROUPS) + 1) + "|",
    ]
    for label in SETTINGS:
        cells = [arms.get(f"{group}/{label}") for group in GROUPS]
        words = [
            f"{row['accuracy']:.1f} ± {row['standard_error']:.1f}; {row['nfe']:.1f}" if row else "–"
            for row in cells
        ]
        lines.append(f"| {label} | " + " | ".join(words) + " |")
    return "\n".join(lines) + "\n"


def card(name: str, folder: Path, scores: Mapping[str, Any]) -> str:
    """The text of a card."""
    config = json.loads((folder / "config.json").read_text())
    log = json.loads((folder / "train_log.json").read_text())
    settings, command = log["settings"], log["command"][0]
    weights = command.partition("--weights ")[2].split()[0]
    shares = [item.split("=") for item in weights.split(",")]
    return TEMPLATE.read_text().format(
        title=f"dlmviz {name}",
        purpose=PURPOSE[name],
        layers=config["n_layers"],
        width=config["d_model"],
        heads=config["n_heads"],
        mlp=config["mlp_hidden_size"],
        millions=f"{log['parameters'] / 1e6:.1f}",
        megabytes=f"{(folder / 'model.safetensors').stat().st_size / 1e6:.1f}",
        vocabulary=config["vocab_size"],
        tokens=f"{log['tokens'] / 1e6:,.0f}",
        unique=f"{log['samples']['unique'] / 1e6:.1f}",
        steps=f"{log['steps']:,}",
        seconds=f"{log['seconds']:.0f}",
        machine=log["machine"],
        weights=", ".join(f"{task} {100 * float(share):.0f} %" for task, share in shares),
        command=f"python -m dlmviz.learn.pretrain {command}",
        sar=round(100 * settings["sar"]),
        lr=settings["lr"],
        hold=round(100 * settings["hold"]),
        evaluation=scores["command"],
        commit=scores["commit"],
        block=32,
        table=table(scores["data"]["arms"]),
        gates=gates(scores["gates"]) if name == "tiny" else "",
    )


def table(arms: Mapping[str, Mapping[str, Any]]) -> str:
    """One row a group, one column a setting; a dash where an arm was not run."""
    groups = list(dict.fromkeys(arm["group"] for arm in arms.values()))
    settings = [*COLUMNS, *(["four a step"] if "pairs/four a step" in arms else [])]
    lines = ["| task | n | " + " | ".join(settings) + " |", "|---" * (len(settings) + 2) + "|"]
    for group in groups:
        cells = [cell(arms.get(f"{group}/{setting}")) for setting in settings]
        n = max(arm["n"] for arm in arms.values() if arm["group"] == group)
        lines.append(f"| {group} | {n} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def cell(arm: Mapping[str, Any] | None) -> str:
    if arm is None:
        return "–"
    return f"{arm['accuracy']:.1f} ± {arm['standard_error']:.1f}; {arm['nfe']:.1f}"


def gates(rows: list[Mapping[str, Any]]) -> str:
    """What was promised, and whether it was reached."""
    lines = ["## Targets", "| target | wanted | reached | |", "|---|---|---|---|"]
    for row in rows:
        verdict = "yes" if row["pass"] else "**missed**"
        lines.append(f"| {row['name']} | {row['target']} | {row['value']:.1f} | {verdict} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
