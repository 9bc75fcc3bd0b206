"""Several trainers on one batch, started by ``torchrun``; alone, nothing here does anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed


@dataclass(frozen=True, slots=True)
class World:
    """One trainer among all."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this one writes checkpoints and logs."""
        return self.rank == 0


@contextmanager
def world() -> Iterator[World]:
    """Join the other trainers that ``torchrun`` started (environment variables WORLD_SIZE, RANK), if there are any."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield World(distributed.get_rank(), size)
    finally:
        distributed.destroy_process_group()


def choose_device() -> torch.device:
    """The GPU of this trainer where there is one, else the processor."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


class _Gathered(torch.autograd.Function):
    """Rows of all trainers; on the way back every trainer gets what all of them say about its rows."""

    @staticmethod
    def forward(context: Any, rows: Tensor) -> Tensor:
        """(n, ...) -> (size * n, ...)."""
        parts = [torch.empty_like(rows) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, rows.contiguous())
        context.count = len(rows)
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, *slopes: Tensor) -> Tensor:
        """(size * n, ...) -> (n, ...)."""
        total = slopes[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        first = distributed.get_rank() * context.count
        return total[first : first + context.count]


def gathered(rows: Tensor) -> Tensor:
    """Rows (n, ...) of every trainer, (size * n, ...), the same on each; gradients flow back to each one's rows.

    Every trainer then has the loss of the whole batch. The sum of their gradients is ``size`` times the gradient of
    that loss, which the mean that DistributedDataParallel takes over trainers makes right again.
    """
    if not distributed.is_available() or not distributed.is_initialized():
        return rows
    gathered_rows: Tensor = _Gathered.apply(rows)  # type: ignore[no-untyped-call]
    return gathered_rows
