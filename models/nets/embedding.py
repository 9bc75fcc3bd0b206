"""Pitch salience of a window to one unit vector that ignores the key.

    salience (B, T, 84) -> fold -> (B, 7 octaves, T, 12 pitch classes)
                        -> convolutions, circular over pitch classes, strided over time
                        -> power mean over time -> (B, C, 12)
                        -> one dense circular convolution over all 12, maximum over its 12 rotations
                        -> linear -> L2

Up to the maximum a transposition only rotates the last axis (but for notes that change octave), so the maximum
cannot see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

OCTAVES, CLASSES = 7, 12


@dataclass(frozen=True, slots=True)
class EmbeddingConfig:
    """Shape of the network.

    Attributes
    ----------
    widths : sequence of int
        Channels after the stem and after each stage; every stage halves the frame rate.
    dimension : int
        Length of the embedding.
    hidden : int
        Features kept per rotation before the last linear layer.
    """

    widths: Sequence[int] = (24, 48, 96, 128)
    dimension: int = 128
    hidden: int = 256


class CircularConv(nn.Module):
    """Convolution over (time, pitch class), zero-padded in time and circular in pitch class."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int], stride: int = 1) -> None:
        super().__init__()
        self.before, self.after = kernel[1] // 2, (kernel[1] - 1) // 2
        pad = (kernel[0] - stride + 1) // 2 if stride > 1 else kernel[0] // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=(stride, 1), padding=(pad, 0), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T, 12) -> (B, outputs, T / stride, 12)."""
        parts = [x[..., CLASSES - self.before :], x, x[..., : self.after]] if self.after else [x]
        convolved: Tensor = self.conv(torch.cat(parts, -1))
        return convolved


class SplitNorm(nn.Module):
    """Instance norm on half of the channels, batch norm on the other: timbre out, content kept."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.split = channels // 2
        self.instance = nn.InstanceNorm2d(self.split, affine=True)
        self.batch = nn.BatchNorm2d(channels - self.split)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape out as in."""
        return torch.cat([self.instance(x[:, : self.split]), self.batch(x[:, self.split :])], 1)


class Stage(nn.Module):
    """Halve the frame rate, widen, then one residual block."""

    def __init__(self, inputs: int, outputs: int, split: bool) -> None:
        super().__init__()
        norm = SplitNorm if split else nn.BatchNorm2d
        self.down = CircularConv(inputs, outputs, (4, 3), stride=2)
        self.down_norm = norm(outputs)
        self.first = CircularConv(outputs, outputs, (3, 3))
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = CircularConv(outputs, outputs, (3, 1))
        self.second_norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T, 12) -> (B, outputs, T / 2, 12)."""
        x = functional.relu(self.down_norm(self.down(x)))
        y = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(x + self.second_norm(self.second(y)))


class EmbeddingNet(nn.Module):
    """The network of this file; `forward` takes salience in [0, 1], shape (B, T, 84), T a multiple of 16."""

    def __init__(self, config: EmbeddingConfig) -> None:
        super().__init__()
        widths = list(config.widths)
        self.stem = CircularConv(OCTAVES, widths[0], (6, 5), stride=2)
        self.stem_norm = SplitNorm(widths[0])
        self.stages = nn.ModuleList(
            Stage(a, b, split=i == 0) for i, (a, b) in enumerate(zip(widths[:-1], widths[1:], strict=True))
        )
        self.power = nn.Parameter(torch.tensor(3.0))
        self.rotations = CircularConv(widths[-1], config.hidden, (1, CLASSES))
        self.hidden_norm = nn.BatchNorm1d(config.hidden)
        self.out = nn.Linear(config.hidden, config.dimension)

    def forward(self, salience: Tensor) -> Tensor:
        """(B, T, 84) -> (B, dimension), unit norm."""
        return functional.normalize(self.out(self.features(salience)).float(), dim=1)

    def features(self, salience: Tensor) -> Tensor:
        """(B, T, 84) -> (B, hidden): what the embedding layer, or a classification layer in its place, reads."""
        x = functional.relu(self.stem_norm(self.stem(fold(levelled(salience)))))
        for stage in self.stages:
            x = stage(x)
        power = self.power.clamp(1.0, 6.0)
        x = x.float().clamp(min=1e-4).pow(power).mean(2, keepdim=True).pow(1 / power)
        x = self.rotations(x).amax((2, 3))
        normed: Tensor = self.hidden_norm(x)
        return normed


def levelled(salience: Tensor) -> Tensor:
    """Divide a window by the mean of its frames' peaks and compress; shape (B, T, 84) kept."""
    peak = salience.amax(2).mean(1)[:, None, None]
    return torch.sqrt((salience / (peak + 0.02)).clamp(0.0, 3.0) + 1e-4)


def fold(salience: Tensor) -> Tensor:
    """(B, T, 84) -> (B, 7, T, 12): octaves become channels."""
    batch, frames, _ = salience.shape
    return salience.reshape(batch, frames, OCTAVES, CLASSES).transpose(1, 2)
