"""What the trainer needs to know of a stage: the network, its loss, batches, and how good it is so far."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn


class Trainee(nn.Module):
    """A network with its loss: what is trained.

    Attributes
    ----------
    net : Module
        Averaged, saved and exported.
    loss : Module
        Has weights and a memory of its own, perhaps; saved, not exported.
    """

    def __init__(self, net: nn.Module, loss: nn.Module, bf16: bool) -> None:
        super().__init__()
        self.net, self.loss, self.bf16 = net, loss, bf16

    def parameters_in_order(self) -> list[nn.Parameter]:
        """What the optimizer moves: the network's, then the loss's."""
        return [p for part in (self.net, self.loss) for p in part.parameters() if p.requires_grad]


class Stage(Protocol):
    """One kind of stage, built from its settings."""

    @property
    def trainee(self) -> Trainee:
        """Its ``forward`` takes a batch and returns the loss, a scalar."""

    @property
    def shape(self) -> dict[str, Any]:
        """Keys that a checkpoint needs to build the network again."""

    def begin(self, runs: Path) -> None:
        """Take over from other runs, before the first step, what the configuration names."""

    def batches(self, first: int, part: tuple[int, int]) -> Iterator[tuple[Tensor, ...]]:
        """One trainer's part of the batches from step ``first`` to the last."""

    def probe(self, net: nn.Module) -> dict[str, float]:
        """Figures of a network in inference mode on held-out data."""
