"""What DEMASK's predictor costs at each step, as a share of the forward that it reads.

    python -m benchmarks.predictor_cost
    python -m benchmarks.predictor_cost --device cuda --shape llada-8b

Forward and predictor take turns in one run, and the ratio is that of their medians; both are waited
for, which is hard on the predictor, since in a decode a GPU need not be. All masked positions are
candidates, as in a block of the whole answer: with blocks the predictor has less to do. A run of a
batch is asked sequence by sequence, as the loop does. What the rule does beside (a greedy choice
within the budget) is timed and told, and is not the predictor's. `tiny` is asked with its own head,
`llada-8b` has random weights.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch

from benchmarks import results_file
from benchmarks.distill_speed import EOS, MASK, network, wait
from benchmarks.results_file import gate
from dlmviz.models import load
from dlmviz.models.heads import PairHead, open_head
from dlmviz.models.transformer import TransformerDenoiser
from dlmviz.signals import ranked, within_budget
from dlmviz.types import Denoiser, InputError, Prediction, Special

NAME = "predictor_cost"
GATE = "Predictor cost per step <= 5 % of the forward"
LENGTHS = {"tiny": (32, 64), "llada-8b": (128, 256), "toy": (8, 8)}  # prompt, masks
BATCHES = (1, 8)
WARM, MOST = 3, 5.0  # turns that are not counted; per cent


def opened(shape: str, device: torch.device, inner: int) -> tuple[Denoiser, PairHead]:
    """A model of this shape, and a predictor for it; `inner` is the inner width of an own one."""
    if shape == "tiny":
        model = load("tiny", device=str(device))
        try:
            return model, open_head("demask", model)
        except InputError:  # how good it is does not matter here
            return model, PairHead(256, inner=inner).to(device)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    net = network({"llada-8b": "8b", "toy": "toy"}[shape], device, dtype)
    config = net.config
    made = TransformerDenoiser(
        name=shape,
        fingerprint=shape,
        special=Special(mask=MASK, eos=EOS),
        vocab_size=config.vocab_size,
        true_vocab_size=config.vocab_size,
        context_length=config.max_position_embeddings,
        layers=config.num_hidden_layers,
        device=device,
        network=net,
        vocabulary=cast(Any, None),
    )
    head = PairHead(config.hidden_size, inner=inner).to(device)
    return made, head.eval().requires_grad_(False)


def measured(model: Denoiser, head: PairHead, batch: int, shape: str, turns: int) -> dict[str, Any]:
    """Milliseconds of forward, predictor and the rest of the rule, medians; the ratio [%]."""
    prompt, masks = LENGTHS[shape]
    tokens = torch.arange(prompt + masks).repeat(batch, 1).to(model.device) % 1000
    tokens[:, prompt:] = model.special.mask
    rows = [torch.arange(prompt, prompt + masks)] * batch
    seconds: dict[str, list[float]] = {"forward": [], "predictor": [], "rule": []}
    for turn in range(WARM + turns):
        parts: dict[str, float] = {}
        made = _timed(parts, "forward", model, lambda: model.forward(tokens, rows, hidden=True))
        found = _timed(parts, "predictor", model, lambda made=made: _asked(head, made))
        _timed(parts, "rule", model, lambda made=made, found=found: _chosen(made, found))
        if turn >= WARM:
            for name, value in parts.items():
                seconds[name].append(value)
    told = {f"{name} [ms]": 1000 * statistics.median(of) for name, of in seconds.items()}
    cost = 100 * told["predictor [ms]"] / told["forward [ms]"]
    return {"batch": batch, "prompt": prompt, "masks": masks, "turns": turns, **told, "cost": cost}


def _timed(parts: dict[str, float], name: str, model: Denoiser, work: Callable[[], Any]) -> Any:
    wait(model.device)
    began = time.perf_counter()
    done = work()
    wait(model.device)
    parts[name] = time.perf_counter() - began
    return done


@torch.no_grad()
def _asked(head: PairHead, made: Sequence[Prediction]) -> list[torch.Tensor]:
    return [head(cast(torch.Tensor, one.hidden)).float() for one in made]


@torch.no_grad()
def _chosen(made: Sequence[Prediction], found: Sequence[torch.Tensor]) -> None:
    for one, D in zip(made, found, strict=True):
        c = one.logits.double().softmax(-1).max(-1).values
        within_budget(D, ranked(c, c >= 0), 0.1)


def gates(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One gate for each shape, device and batch that was run."""
    return [
        gate(
            f"{GATE}: {run['shape']} on {run['device']}, batch {row['batch']} [%]",
            row["cost"],
            f"<= {MOST:g} %",
            row["cost"] <= MOST,
        )
        for run in runs
        for row in run["rows"]
    ]


def main() -> int:
    options, load_before = parse(), os.getloadavg()[0]
    device = torch.device(options.device)
    model, head = opened(options.shape, device, options.inner)
    rows = [measured(model, head, batch, options.shape, options.turns) for batch in BATCHES]
    mine = {
        "shape": options.shape,
        "device": device.type,
        "machine": results_file.machine(),
        "commit": options.commit or results_file.commit(),
        "threads": torch.get_num_threads(),
        "load_before": load_before,  # of other work: 0 on a quiet machine
        "predictor": {**head.sizes, "parameters": sum(w.numel() for w in head.parameters())},
        "rows": rows,
    }
    path = results_file.RESULTS / f"{NAME}.json"
    before = json.loads(path.read_text())["data"]["runs"] if path.exists() else []
    same = (options.shape, device.type)
    runs = [run for run in before if (run["shape"], run["device"]) != same] + [mine]
    made = gates(runs)
    results_file.write(NAME, made, {"runs": runs}, at=options.commit)
    for row in made:
        print("pass" if row["pass"] else "MISS", row["name"], row["value"])
    return 0 if all(row["pass"] for row in made) else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--shape", choices=("tiny", "llada-8b"), default="tiny")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 ...")
    parser.add_argument("--inner", type=int, default=512, help="inner width of a random predictor")
    parser.add_argument("--turns", type=int, default=60, help="of forward and predictor, a batch")
    parser.add_argument("--commit", default="", help="for a machine without the history")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
