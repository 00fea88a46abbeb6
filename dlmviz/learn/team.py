"""One process a GPU: who we are, and the few words the processes exchange."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Team:
    """This process among `world` processes."""

    rank: int
    world: int
    local: int  # rank on this host = index of the GPU

    @property
    def leads(self) -> bool:
        return self.rank == 0

    @property
    def device(self) -> torch.device:
        """The own GPU, or the CPU. Asking starts CUDA: fork first."""
        if torch.cuda.is_available():
            return torch.device("cuda", self.local)
        return torch.device("cpu")

    def start(self) -> torch.device:
        """The device, with the process group open if there are others."""
        device = self.device
        if device.type == "cuda":
            torch.cuda.set_device(device)
        if self.world > 1:
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return device

    def average(self, tensor: Tensor) -> None:
        """In place: the mean over processes, the same bits everywhere."""
        if self.world > 1:
            dist.all_reduce(tensor)
            tensor /= self.world

    def agree(self, value: float, device: torch.device) -> float:
        """The first process's value."""
        if self.world == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=device)
        dist.broadcast(shared, 0)
        return float(shared.item())

    def total(self, values: list[int], device: torch.device) -> list[int]:
        """Sums over processes."""
        if self.world == 1:
            return values
        shared = torch.tensor(values, dtype=torch.int64, device=device)
        dist.all_reduce(shared)
        return [int(v) for v in shared.tolist()]

    def spread(self, tensor: Tensor) -> float:
        """Largest difference of any element between processes; 0 while they stay in step."""
        if self.world == 1:
            return 0.0
        high, low = tensor.clone(), tensor.clone()
        dist.all_reduce(high, dist.ReduceOp.MAX)
        dist.all_reduce(low, dist.ReduceOp.MIN)
        return float((high - low).max().item())

    def stop(self) -> None:
        """Closes the process group once all are here."""
        if self.world > 1:
            dist.barrier()
            dist.destroy_process_group()


def team() -> Team:
    """As torchrun says (RANK, WORLD_SIZE, LOCAL_RANK), or alone."""
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    return Team(rank, world, int(os.environ.get("LOCAL_RANK", 0)))
