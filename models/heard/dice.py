"""Random numbers on the training device, all from one generator."""

from __future__ import annotations

import torch
from torch import Tensor


class Dice:
    """Draws tensors.

    Parameters
    ----------
    generator : torch.Generator
        Its device is the tensors'.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator
        self.device = generator.device

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Even between two bounds."""
        return low + (high - low) * torch.rand(*shape, device=self.device, generator=self.generator)

    def chance(self, probability: float, *shape: int) -> Tensor:
        """True with a probability."""
        return torch.rand(*shape, device=self.device, generator=self.generator) < probability

    def normal(self, *shape: int) -> Tensor:
        """Of zero mean and unit variance."""
        return torch.randn(*shape, device=self.device, generator=self.generator)

    def below(self, high: int, *shape: int) -> Tensor:
        """Whole numbers from zero up to and without ``high``."""
        return torch.randint(high, shape, device=self.device, generator=self.generator)

    def curves(self, count: int, points: int, waves: int) -> Tensor:
        """Smooth curves of unit variance, (count, points): sums of a few cosines, slow ones strongest."""
        number = torch.arange(1, waves + 1, device=self.device, dtype=torch.float32)
        size = self.normal(count, waves) / number.sqrt()
        phase = self.uniform(0, 2 * torch.pi, count, waves)
        x = torch.linspace(0, 1, points, device=self.device)
        curves = (size[:, :, None] * torch.cos(torch.pi * number[:, None] * x + phase[:, :, None])).sum(1)
        return curves / float((0.5 / number).sum().sqrt())
