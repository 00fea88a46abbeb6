"""Train the built-in model from scratch: `python -m dlmviz.learn.pretrain --preset tiny --out DIR`.

Several GPUs: `torchrun --standalone --nproc-per-node N -m dlmviz.learn.pretrain ...`. This is a
place of composition: the only one in `learn` that knows model families and tasks.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from dlmviz.learn import checkpoint, tokenizer
from dlmviz.learn.corpus import Source, entities, mixture, texts, vocabulary
from dlmviz.learn.feed import Feed, FixedFeed, WorkerFeed
from dlmviz.learn.heldout import collect
from dlmviz.learn.journal import Journal, save_model
from dlmviz.learn.options import PRESETS, Preset, chosen, mixing, parser
from dlmviz.learn.team import Team, team
from dlmviz.learn.trainer import Marks, Settings, State, compile_layers, train, warm_up
from dlmviz.types import InputError, Task

CONTEXT = 1024


def main(argv: Sequence[str] | None = None) -> int:
    """0, or 2 after a message on standard error about something given."""
    launched = time.monotonic()
    arguments = parser().parse_args(argv)
    try:
        run(arguments, launched)
    except InputError as error:
        print(f"pretrain: {error}", file=sys.stderr)
        return 2
    return 0


def run(arguments: argparse.Namespace, launched: float) -> None:
    """Nothing; the model, its checkpoint and train_log.json stand in `--out`."""
    from dlmviz.tasks import TASKS

    us, preset = team(), PRESETS[arguments.preset]
    settings = chosen(preset.settings, arguments)
    shares = mixture(TASKS, **mixing(arguments))
    if arguments.tokenizer_only:
        made = tokenizer.train(sample(TASKS, shares, arguments.texts), preset.vocabulary)
        tokenizer.save(made, arguments.out, CONTEXT)
        print(f"{arguments.out}: {tokenizer.describe(made)}")
        return
    saved: dict[str, torch.Tensor] = {}
    meta: dict[str, Any] = {}
    if arguments.resume:
        saved, meta = checkpoint.read(arguments.resume / "checkpoint")
    words = tokenizer_for(arguments, us, TASKS, shares, preset)
    source = Source(TASKS, shares, words, preset.buckets)
    feed = feed_for(arguments, source, settings, us, meta.get("run", -1) + 1)
    try:
        device = us.start()
        state, marks = state_for(words, preset, settings, device, saved, meta)
        held = collect(source, preset.held_out, settings.tokens, marks.eos)
        if arguments.init:
            start_from(state, arguments.init)
        if device.type == "cuda":
            compile_layers(state.model)
            warm_up(state, settings, marks, preset.buckets.lengths, us)
        if isinstance(feed, WorkerFeed):
            feed.fill(arguments.fill)
        settings, stop = limits(arguments, settings, us, state, launched)
        journal = Journal(
            arguments.out, arguments.preset, settings, us, state, feed, held, marks, meta
        )
        journal.say(f"ready {time.monotonic() - launched:.1f} s after the start on {device}")
        train(state, feed, settings, marks, us, stop, journal)
        finish(journal, arguments, words, preset)
    finally:
        feed.close()
    us.stop()


def sample(tasks: Mapping[str, Task], shares: Mapping[str, float], count: int) -> Iterator[str]:
    """What a tokenizer is trained on: prompts, answers, and every name and fact."""
    return chain(texts(tasks, shares, count), entities())


def finish(
    journal: Journal, arguments: argparse.Namespace, words: Tokenizer, preset: Preset
) -> None:
    """Nothing; checkpoint, model, tokenizer and log are on disk."""
    weights = torch.cat([w.detach().flatten() for w in journal.state.weights.values()])
    drift = journal.team.spread(weights)
    samples = journal.totals()
    if not journal.team.leads:
        return
    journal.checkpoint(arguments.weights_only_checkpoint, samples)
    model = fresh_model(words, preset, journal.settings.seed)
    model.load_state_dict(journal.best(), strict=False)  # a tied head is not in it
    save_model(model, words, arguments.out, CONTEXT)
    journal.close(samples, drift)


def fresh_model(words: Tokenizer, preset: Preset, seed: int) -> Any:
    """The model of a preset with random float32 weights."""
    from dlmviz.models.llada import LladaConfig, new

    special = tokenizer.ids(words)
    torch.manual_seed(seed)
    fields: dict[str, Any] = {
        "d_model": preset.width,
        "n_layers": preset.layers,
        "n_heads": preset.heads,
        "n_kv_heads": preset.heads,
        "mlp_hidden_size": preset.mlp,
        "max_sequence_length": CONTEXT,
        "vocab_size": words.get_vocab_size(),
        "embedding_size": vocabulary(words),
        "weight_tying": True,
        "rope_theta": 10_000.0,
        "mask_token_id": special[tokenizer.MASK],
        "eos_token_id": special[tokenizer.EOS],
        "pad_token_id": special[tokenizer.PAD],
    }
    return new(LladaConfig(**fields))


def state_for(
    words: Tokenizer,
    preset: Preset,
    settings: Settings,
    device: torch.device,
    saved: dict[str, torch.Tensor],
    meta: Mapping[str, Any],
) -> tuple[State, Marks]:
    """A state to train, new (the same in every process) or as saved."""
    state = State(fresh_model(words, preset, settings.seed), settings, device)
    if saved:
        state.restore(saved)
        state.step, state.elapsed = meta["step"], meta["elapsed"]
    special = tokenizer.ids(words)
    return state, Marks(special[tokenizer.MASK], special[tokenizer.EOS])


def start_from(state: State, folder: Path) -> None:
    """Nothing; weights and their average are those of a model folder of the same shape."""
    from dlmviz.models.llada import LladaForMaskedLM

    source = dict(LladaForMaskedLM.from_pretrained(folder, dtype=torch.float32).named_parameters())
    with torch.no_grad():
        for name, weight in state.weights.items():
            weight.copy_(source[name])
            state.ema[name].copy_(weight)


def tokenizer_for(
    arguments: argparse.Namespace,
    us: Team,
    tasks: Mapping[str, Task],
    shares: Mapping[str, float],
    preset: Preset,
) -> Tokenizer:
    """The one given, else that of the run resumed, else a new one."""
    folder = arguments.tokenizer or arguments.resume or arguments.init
    if folder:
        return tokenizer.load(folder)
    if us.world > 1:
        raise InputError(
            f"{us.world} processes need one tokenizer: got no --tokenizer; make one with "
            f"--preset {arguments.preset} --out DIR --tokenizer-only and pass --tokenizer DIR"
        )
    return tokenizer.train(sample(tasks, shares, arguments.texts), preset.vocabulary)


def feed_for(
    arguments: argparse.Namespace, source: Source, settings: Settings, us: Team, run: int
) -> Feed:
    """Worker processes, started; or a fixed pool."""
    if arguments.fixed_data:
        return FixedFeed(source, arguments.fixed_data, settings.tokens, settings.seed, us.rank)
    return WorkerFeed(source, arguments.workers, settings.tokens, settings.seed, us.rank, run)


def limits(
    arguments: argparse.Namespace, settings: Settings, us: Team, state: State, launched: float
) -> tuple[Settings, float | None]:
    """Settings and stop, cut so that training ends `--deadline` seconds after the start."""
    stop = arguments.stop_after
    if arguments.deadline is None or settings.steps:
        return settings, stop
    left = us.agree(arguments.deadline - (time.monotonic() - launched), state.device)
    end = state.elapsed + max(0.0, left)
    if stop is not None:
        return settings, min(stop, end)
    return replace(settings, seconds=min(settings.seconds, end)), None


if __name__ == "__main__":
    sys.exit(main())
