"""What a run tells and leaves behind: lines, train_log.json, checkpoints, the model."""

from __future__ import annotations

import json
import platform
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers
from tokenizers import Tokenizer
from torch import Tensor

from dlmviz.learn import checkpoint, tokenizer
from dlmviz.learn.feed import Feed
from dlmviz.learn.heldout import HeldOut, averaged, evaluate
from dlmviz.learn.team import Team
from dlmviz.learn.trainer import Marks, Settings, State

LINE, SCORE, SAVE = 10.0, 60.0, 180.0  # seconds between lines, held-out losses, checkpoints
LOG = "train_log.json"


class Journal:
    """Called after every step; the first process speaks and writes for all."""

    def __init__(
        self,
        out: Path,
        preset: str,
        settings: Settings,
        team: Team,
        state: State,
        feed: Feed,
        held: HeldOut,
        marks: Marks,
        earlier: Mapping[str, Any],
    ) -> None:
        self.out, self.preset, self.settings, self.team = out, preset, settings, team
        self.state, self.feed, self.held, self.marks = state, feed, held, marks
        self.earlier = dict(earlier)
        self.run = int(self.earlier.get("run", -1)) + 1
        self.curve: list[dict[str, float]] = list(self.earlier.get("curve", []))
        self.scores: list[dict[str, Any]] = list(self.earlier.get("held_out", []))
        self.loss = torch.zeros((), device=state.device)
        self.tokens = self.steps = self.tokens_then = 0
        self.begun = self.line = self.score = self.save = time.monotonic()
        if team.leads:
            out.mkdir(parents=True, exist_ok=True)

    def say(self, text: str) -> None:
        """Prints in the first process, at once."""
        if self.team.leads:
            print(text, flush=True)

    def __call__(self, loss: Tensor, rate: float, tokens: int) -> None:
        """Counts the step; now and then a line, a held-out loss, a checkpoint."""
        self.loss += loss
        self.steps, self.tokens = self.steps + 1, self.tokens + tokens * self.team.world
        if not self.team.leads:
            return
        now = time.monotonic()
        if now - self.line >= LINE or self.state.step == 1 or self.settings.steps:
            self._line(now, rate)
        if now - self.score >= SCORE:
            self.score = now
            self.measure()
        if now - self.save >= SAVE:
            self.save = now
            self.checkpoint(False, self._sum(self._own(), self.team.world))

    def _line(self, now: float, rate: float) -> None:
        mean = float(self.loss) / self.steps
        if mean != mean:
            raise RuntimeError(f"the loss is not a number at step {self.state.step}: lower --lr")
        counts = self.feed.counts()
        speed = (self.tokens - self.tokens_then) / max(1e-9, now - self.line)
        self.say(
            f"step {self.state.step}  {self.state.elapsed:.0f} s  {speed / 1e6:.3f} M tokens/s  "
            f"loss {mean:.4f}  lr {rate:.2e}  unique {counts.unique} x {counts.epochs:.2f}"
        )
        self.curve.append(
            {"step": self.state.step, "seconds": self.state.elapsed, "loss": mean, "lr": rate}
        )
        self.loss.zero_()
        self.steps, self.line, self.tokens_then = 0, now, self.tokens

    def measure(self, name: str = "weights") -> float:
        """Mean held-out loss of the weights now in the model; printed and kept."""
        losses = evaluate(self.state, self.held, self.settings, self.marks)
        self.say(f"held out ({name}): " + "  ".join(f"{k} {v:.4f}" for k, v in losses.items()))
        self.scores.append({"step": self.state.step, "of": name, **losses})
        return losses["mean"]

    def best(self) -> dict[str, Tensor]:
        """The weights, or their running average where its held-out loss is lower."""
        plain = self.measure()
        with averaged(self.state):
            smooth = self.measure("average")
        chosen = self.state.ema if smooth < plain else self.state.weights
        self.say(f"kept: {'average' if smooth < plain else 'weights'}")
        return {name: weight.detach().cpu() for name, weight in chosen.items()}

    def checkpoint(self, weights_only: bool, samples: Mapping[str, int]) -> None:
        """Writes `checkpoint/`, all that --resume needs."""
        tensors = self.state.tensors()
        if weights_only:
            tensors = {n: t for n, t in tensors.items() if n.startswith("model.")}
        meta = {"preset": self.preset, "run": self.run, "tokens": self._tokens()}
        meta |= {"step": self.state.step, "elapsed": self.state.elapsed}
        meta |= {"curve": thin(self.curve), "held_out": self.scores, "samples": samples}
        meta |= {"commands": self._commands()}
        checkpoint.write(self.out / "checkpoint", tensors, meta)

    def totals(self) -> dict[str, int]:
        """Samples over all processes and runs; every process must call it."""
        own = self._own()
        sums = self.team.total(list(own.values()), self.state.device)
        return self._sum(dict(zip(own, sums, strict=True)))

    def close(self, samples: Mapping[str, int], drift: float) -> None:
        """Writes train_log.json."""
        log = {
            "command": self._commands(),
            "preset": self.preset,
            "settings": asdict(self.settings),
            "machine": machine(self.team),
            "versions": versions(),
            "parameters": self.state.flat.numel(),
            "steps": self.state.step,
            "seconds": self.state.elapsed,
            "tokens": self._tokens(),
            "samples": {**samples, "unique": samples["used"] - samples["again"]},
            "largest_difference_between_processes": drift,
            "held_out": self.scores,
            "curve": thin(self.curve),
        }
        write_json(self.out / LOG, log)
        self.say(f"{self.out}: step {self.state.step}, {self._tokens() / 1e6:.1f} M tokens")

    def _tokens(self) -> int:
        return self.tokens + int(self.earlier.get("tokens", 0))

    def _own(self) -> dict[str, int]:
        """The samples of this process in this run."""
        return asdict(self.feed.counts())

    def _sum(self, counts: Mapping[str, int], times: int = 1) -> dict[str, int]:
        """Earlier runs' samples added."""
        before = self.earlier.get("samples", {})
        return {name: times * n + before.get(name, 0) for name, n in counts.items()}

    def _commands(self) -> list[str]:
        return [*self.earlier.get("commands", []), " ".join(sys.argv[1:])]


def thin(curve: list[dict[str, float]], most: int = 200) -> list[dict[str, float]]:
    """At most about `most` points, evenly spaced, the last one kept."""
    stride = -(-len(curve) // most) or 1
    return curve[::stride] + ([] if (len(curve) - 1) % stride == 0 else curve[-1:])


def versions() -> dict[str, str]:
    """package -> version."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
    }


def machine(team: Team) -> str:
    """What the run used, in words."""
    if team.device.type == "cuda":
        return f"{team.world} x {torch.cuda.get_device_name(team.device)}"
    return f"{team.world} process(es) on {platform.machine()} CPU"


def write_json(path: Path, value: Any) -> None:
    """Nothing; the file is whole or as it was."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(value, indent=1), "utf-8")
    fresh.replace(path)


def save_model(model: Any, words: Tokenizer, out: Path, context: int) -> None:
    """Nothing; `out` holds float16 model.safetensors, config.json and the tokenizer's files."""
    fresh = out / "model.new"
    shutil.rmtree(fresh, ignore_errors=True)
    model.half().save_pretrained(fresh)
    tokenizer.save(words, fresh, context)
    for path in sorted(fresh.iterdir()):
        path.replace(out / path.name)
    fresh.rmdir()
