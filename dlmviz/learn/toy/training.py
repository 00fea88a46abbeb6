"""Trains a stack of toy models: Muon on matrices, Adam on the rest, one schedule, one loss a seed.

Letters: S seeds, B canvases a seed and step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dlmviz.learn.masking import choose
from dlmviz.learn.muon import orthogonalise
from dlmviz.learn.toy.chain import LENGTH, chains
from dlmviz.learn.toy.stack import Shape, Weights, forward, new

MATRICES = ("square", "wide")
BETAS = (0.9, 0.98)  # of Adam
MOMENTUM = 0.95  # of Muon


@dataclass(frozen=True)
class Recipe:
    """What decides a run besides shape, seeds and orders."""

    steps: int = 20_000
    batch: int = 128
    lr: float = 1e-2
    warmup: int = 200
    hold: float = 0.6  # share of the steps at full rate
    floor: float = 0.01  # of lr, at the end
    clip: float = 1.0
    weight_decay: float = 0.05
    seed: int = 0  # of the data

    def rate(self, step: int) -> float:
        """Warm up, hold, fall linearly."""
        way = max(0.0, step / self.steps - self.hold) / (1 - self.hold)
        warm = min(1.0, (step + 1) / self.warmup)
        return self.lr * warm * (1 - (1 - self.floor) * way)


class Lesson:
    """All that training changes, on one device.

    `seeds`: of each model's first weights. `order`: int64 [S 9], where each place stands.
    """

    def __init__(
        self,
        shape: Shape,
        recipe: Recipe,
        seeds: Sequence[int],
        order: Tensor,
        device: torch.device,
    ) -> None:
        self.shape, self.recipe, self.seeds = shape, recipe, len(seeds)
        self.weights = {n: w.to(device) for n, w in new(shape, seeds).items()}
        self.momentum = {n: torch.zeros_like(w) for n, w in self.weights.items()}
        self.squares = {n: torch.zeros_like(w) for n, w in self.weights.items()}
        self.place = order.argsort(1).to(device)  # which place stands at each position
        self.pace = torch.zeros(3, device=device)  # rate, and Adam's two corrections
        self.generator = _generator(device, recipe.seed)
        self.loss = torch.zeros(self.seeds, device=device)
        self.step = 0
        share = torch.arange(recipe.batch, device=device) / recipe.batch
        self.strata = share.repeat(self.seeds)

    def run(self, upto: int, replay: bool = False) -> None:
        """Nothing; trains until `upto` steps are done. `replay`: as one CUDA graph a step."""
        once: Callable[[], None] = self.once
        if replay and self.step < upto:
            once = self._captured().replay
        while self.step < upto:
            self._set_pace()
            once()
            self.step += 1

    def once(self) -> None:
        """Nothing; one step of all seeds, at the pace that was set."""
        wanted = {n: w.requires_grad_() for n, w in self.weights.items()}
        losses = losses_of(self.shape, wanted, *self.noised())
        gradients = torch.autograd.grad(losses.sum(), list(wanted.values()))
        for weight in wanted.values():
            weight.requires_grad_(False)
        self.update(dict(zip(wanted, gradients, strict=True)))
        self.loss.copy_(losses.detach())

    def noised(self) -> tuple[Tensor, Tensor, Tensor]:
        """(canvases, chains, weights), each [S B 9]: k of nine masked, k uniform, weight 1 / k."""
        count, device = self.recipe.batch, self.strata.device
        x = chains(self.seeds * count, self.shape.symbols, self.generator)
        x = x.view(self.seeds, count, LENGTH)
        x = x.gather(2, self.place[:, None].expand_as(x))
        jitter = torch.rand(self.strata.shape, generator=self.generator, device=device)
        everything = torch.ones(self.seeds * count, LENGTH, dtype=torch.bool, device=device)
        masked, weight = choose(everything, self.strata + jitter / count, self.generator)
        masked, weight = masked.view(x.shape), (masked * weight[:, None] / LENGTH).view(x.shape)
        return x.masked_fill(masked, self.shape.mask), x, weight

    @torch.no_grad()
    def update(self, gradients: Weights) -> None:
        """Nothing; weights move. Each seed's gradient is clipped by itself."""
        rate, first, second = self.pace
        flat = torch.cat([_by_seed(name, part) for name, part in gradients.items()], 1)
        scale = (self.recipe.clip / (flat.norm(dim=1) + 1e-6)).clamp(max=1.0)  # [S]
        for name, gradient in gradients.items():
            weight, momentum = self.weights[name], self.momentum[name]
            gradient = gradient * _spread(scale, name, gradient)
            if name in MATRICES:
                momentum.lerp_(gradient, 1 - MOMENTUM)
                update = _orthogonal(gradient.lerp(momentum, MOMENTUM))
                weight.mul_(1 - rate * self.recipe.weight_decay)
                weight.sub_(update * (0.2 * max(weight.shape[-2:]) ** 0.5 * rate))
            else:
                momentum.lerp_(gradient, 1 - BETAS[0])
                self.squares[name].lerp_(gradient.square(), 1 - BETAS[1])
                size = (self.squares[name] / second).sqrt() + 1e-8
                weight.sub_(rate * momentum / first / size)

    def _set_pace(self) -> None:
        done = self.step + 1
        corrections = [1 - beta**done for beta in BETAS]
        self.pace.copy_(torch.tensor([self.recipe.rate(self.step), *corrections]))

    def _captured(self) -> torch.cuda.CUDAGraph:
        """One step as a CUDA graph; warming up takes three steps."""
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                self._set_pace()
                self.once()
                self.step += 1
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.once()
        return graph


def losses_of(
    shape: Shape, weights: Weights, canvases: Tensor, targets: Tensor, shares: Tensor
) -> Tensor:
    """float32 [S]: mean over canvases of the weighted cross-entropy at the masked positions."""
    logits, _ = forward(shape, weights, canvases)
    each = F.cross_entropy(logits.flatten(0, 2), targets.flatten(), reduction="none")
    return (each.view_as(shares) * shares).sum(2).mean(1)


@torch.no_grad()
def held_out(lesson: Lesson, batches: int) -> Tensor:
    """float64 [S]: mean loss on fresh chains; the same noise law as in training."""
    total = torch.zeros(lesson.seeds, dtype=torch.float64)
    for _ in range(batches):
        total += losses_of(lesson.shape, lesson.weights, *lesson.noised()).double().cpu()
    return total / batches


def train(
    lesson: Lesson, report: Callable[[int, Tensor, float], None], every: int, replay: bool = False
) -> None:
    """Nothing; `report(step, losses [S], seconds)` after each `every` steps and at the end."""
    began = time.monotonic()
    while lesson.step < lesson.recipe.steps:
        lesson.run(min(lesson.recipe.steps, lesson.step + every), replay)
        report(lesson.step, lesson.loss.cpu(), time.monotonic() - began)


def _orthogonal(matrices: Tensor) -> Tensor:
    """[... r c] near the orthogonal matrix of each."""
    flat = matrices.flatten(0, -3)
    if flat.shape[1] > flat.shape[2]:
        return orthogonalise(flat.mT).mT.float().reshape(matrices.shape)
    return orthogonalise(flat).float().view(matrices.shape)


def _axis(name: str) -> int:
    """Where a stack has its seeds."""
    return 2 if name in ("square", "wide", "norms") else 0


def _by_seed(name: str, values: Tensor) -> Tensor:
    """[S N]: a seed's numbers in a row."""
    return values.movedim(_axis(name), 0).flatten(1)


def _spread(scale: Tensor, name: str, values: Tensor) -> Tensor:
    """A number a seed, shaped to multiply its part of a stack."""
    axis = _axis(name)
    return scale.view(*[1] * axis, -1, *[1] * (values.dim() - axis - 1))


def _generator(device: torch.device, seed: int) -> torch.Generator:
    """A random stream there; on a GPU the default one, which a graph goes on with."""
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        return torch.cuda.default_generators[index].manual_seed(seed)
    return torch.Generator(device).manual_seed(seed)
