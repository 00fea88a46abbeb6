"""Accuracy and forwards of every sampler on the built-in model's tasks: the README's table.

    python -m benchmarks.samplers [--n 200] [--model tiny] [--workers 2] [--device cuda]

Same prompts, lengths and way of counting as benchmarks.evaluate: a run ends when everything before
the first committed end-of-sequence token is committed. Forwards include probes and peeks.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

import torch

import dlmviz
from benchmarks import results_file
from benchmarks.evaluate import Arm, line, measure, unique_examples

#: label -> (sampler, knobs): the published default, or what suits 32-token blocks
SETTINGS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "llada": ("llada", {}),
    "llada, 2 a step": ("llada", {"steps": -2}),
    "dream, 4 a step": ("dream", {"steps": -4}),
    "fast_dllm, tau 0.9": ("fast_dllm", {"tau": 0.9}),
    "fast_dllm, factor 1": ("fast_dllm", {"rule": "factor", "factor": 1.0}),
    "entropy_bound, gamma 0.1": ("entropy_bound", {"gamma": 0.1}),
    "klass": ("klass", {}),
    "slow_fast, 0.7 to 0.9": ("slow_fast", {"tau_low": 0.7, "tau_high": 0.9}),
    "dapd, staged": ("dapd", {"variant": "staged"}),
    "dapd, direct": ("dapd", {"variant": "direct"}),
    "psd, threshold, depth 3": ("psd", {}),
    "edit of fast_dllm, tau 0.5": ("edit", {"base": "fast_dllm", "base.tau": 0.5}),
    "random": ("random", {}),
    "left_to_right": ("left_to_right", {}),
    "top_k, 2": ("top_k", {"k": 2}),
}
GROUPS = ("trivia bundle", "lists", "puzzles", "words", "stories", "mrf")
LENGTHS = {"trivia bundle": 96, "lists": 64, "puzzles": 64, "words": 32, "stories": 128, "mrf": 32}


def arms() -> list[Arm]:
    """Every sampler on every group. Steps of -k stand for k tokens a step."""
    made = []
    for label, (sampler, knobs) in SETTINGS.items():
        for group in GROUPS:
            params = dict(knobs)
            if params.get("steps", 0) < 0:
                params["steps"] = LENGTHS[group] // -params["steps"]
            made.append(Arm(f"{group}/{label}", group, sampler, params))
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--n", type=int, default=200, help="unique prompts a task")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--only", action="append", help="a sampler; may be repeated")
    parser.add_argument("--missing", action="store_true", help="only arms the result lacks")
    parser.add_argument("--commit", default="", help="what the files are, where git is not there")
    parser.add_argument("--out", default="samplers", help="results/OUT.json")
    options = parser.parse_args()
    fingerprint = dlmviz.load(options.model, device="cpu").fingerprint
    before = results_file.earlier(options.out, fingerprint) if options.missing else {}
    table: dict[str, Any] = before.get("arms", {})
    todo = [
        arm
        for arm in arms()
        if (not options.only or arm.sampler in options.only) and arm.name not in table
    ]
    examples = {group: unique_examples(group, options.n, None) for group in GROUPS}
    data = {"model": options.model, "fingerprint": fingerprint, "arms": table}
    words = [word for word in sys.argv[1:] if word not in ("--commit", options.commit)]
    command = " ".join(["python -m benchmarks.samplers", *words])
    for row in measure(todo, examples, options.model, options.device, options.workers):
        table[row["name"]] = row
        print(line(row), flush=True)
        results_file.write(options.out, [], data, command, options.commit)
    return 0


if __name__ == "__main__":
    sys.exit(main())
