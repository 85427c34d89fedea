"""Several processes that train one model, each on its share of every batch (torch DistributedDataParallel).

The global batch is the recipe's whatever the number of replicas: each draws the same global random numbers and takes
its own rows. Batch statistics are of each replica's share, as in the papers.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..errors import UserError

PATIENCE = timedelta(minutes=10)  # for a replica that writes a checkpoint or reads a large manifest
DRAWS, LAYERS = 2, 3  # keep their random numbers apart from the data's, which numpy draws from (seed, ...) too


@dataclass(frozen=True)
class Replicas:
    """This process's place among the replicas; a process on its own is number 0 of 1."""

    rank: int = 0
    count: int = 1
    control: "dist.ProcessGroup | None" = None  # a process group on the CPU, for agreements and random states

    def rows(self, batch: int) -> slice:
        """This replica's rows of a global batch. Raises UserError when it does not divide."""
        if batch % self.count:
            raise UserError(f"a batch of {batch} does not divide among {self.count} replicas: change either.")
        share = batch // self.count
        return slice(self.rank * share, (self.rank + 1) * share)

    def wrap(self, network: nn.Module, partly: bool = False) -> nn.Module:
        """The network to call where gradients flow to its parameters; replicas then average them.

        ``partly``: some parameters may get no gradient in some steps, which costs a search for them.
        """
        return DistributedDataParallel(network, find_unused_parameters=partly) if self.count > 1 else network

    def highest(self, value: int) -> int:
        """The highest of all replicas' values, on all of them."""
        if self.count == 1:
            return value
        values = torch.tensor(value)
        dist.all_reduce(values, dist.ReduceOp.MAX, group=self.control)
        return int(values)

    def gather(self, value) -> list:
        """Every replica's value, on the first replica; an empty list on the others."""
        if self.count == 1:
            return [value]
        values = [None] * self.count if self.rank == 0 else None
        dist.gather_object(value, values, group=self.control)
        return values or []


ALONE = Replicas()


@contextmanager
def joined(device: torch.device) -> Iterator[Replicas]:
    """Join the other replicas when torchrun started this process."""
    if "WORLD_SIZE" not in os.environ:
        yield ALONE
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        control = dist.new_group(backend="gloo", timeout=PATIENCE)
        assert isinstance(control, dist.ProcessGroup)  # a process outside the group would get a number
        yield Replicas(dist.get_rank(), dist.get_world_size(), control)
    finally:
        dist.destroy_process_group()


class Draws:
    """Random numbers of the global batch, the same on every replica, of which each takes its rows."""

    def __init__(self, seed: int, replicas: Replicas, device: torch.device):
        self.replicas, self.device = replicas, device
        self.generator = torch.Generator(device).manual_seed(_seed(seed, DRAWS))

    def normal(self, batch: int, size: int) -> Tensor:
        rows = self.replicas.rows(batch)
        return torch.randn(batch, size, generator=self.generator, device=self.device)[rows]

    def uniform(self, batch: int) -> Tensor:
        rows = self.replicas.rows(batch)
        return torch.rand(batch, generator=self.generator, device=self.device)[rows]

    def integers(self, below: int, batch: int) -> Tensor:
        rows = self.replicas.rows(batch)
        return torch.randint(below, (batch,), generator=self.generator, device=self.device)[rows]

    def state_dict(self) -> dict:
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict) -> None:
        self.generator.set_state(state["generator"].cpu())


def seed_layers(seed: int, replicas: Replicas) -> None:
    """Seed the random numbers that layers draw for themselves, apart on every replica."""
    torch.manual_seed(_seed(seed, LAYERS, replicas.rank))


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
