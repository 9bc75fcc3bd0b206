"""Constant-Q magnitudes inside the graph: time-domain kernels as strided convolutions, one group an octave.

Low notes need long kernels and change slowly; high notes need short kernels, which would fall between widely spaced
frames, so each octave is computed at the finest hop its kernels need and averaged down to the common rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class ConstantQConfig:
    """Where the bins are.

    Attributes
    ----------
    rate_hz, hop : int
        Sample rate and samples between output frames.
    lowest_hz : float
        Centre of the lowest semitone.
    octaves, per_semitone : int
        Bins are ``12 * per_semitone`` an octave; with three, the middle one is in tune.
    quality : float
        Cycles in a kernel; kernels are never longer than ``longest``.
    longest : int
        In samples; below the note where this binds, semitones are less sharp but latency and context stay short.
    """

    rate_hz: int = 16000
    hop: int = 1000
    lowest_hz: float = 32.703195662574829
    octaves: int = 7
    per_semitone: int = 3
    quality: float = 25.0
    longest: int = 8192

    @property
    def bins(self) -> int:
        """Number of frequency bins."""
        return 12 * self.octaves * self.per_semitone


class ConstantQ(nn.Module):
    """Log magnitudes, one octave after the other.

    A frame ``i`` is centred on sample ``i * hop + hop / 2`` after the margin; the margin is half the longest kernel.
    """

    def __init__(self, config: ConstantQConfig) -> None:
        super().__init__()
        self.config = config
        self.margin = config.longest // 2
        self.hops: list[int] = []
        self.lengths: list[int] = []
        for octave in range(config.octaves):
            kernels = _octave_kernels(config, octave)
            self.lengths.append(kernels.shape[-1])
            self.hops.append(_octave_hop(config, kernels.shape[-1]))
            self.register_buffer(f"kernels{octave}", kernels, persistent=False)

    def forward(self, pcm: Tensor) -> Tensor:
        """(B, margin + frames * hop + margin) -> (B, frames, bins), log10 of power, floored at 1e-9."""
        frames = (pcm.shape[1] - 2 * self.margin) // self.config.hop
        octaves = []
        for octave, (length, hop) in enumerate(zip(self.lengths, self.hops, strict=True)):
            # The first kernel sits so that the mean over a frame's sub-frames is centred on the frame.
            first = self.margin + hop // 2 - length // 2
            count = frames * (self.config.hop // hop)
            part = pcm[:, first : first + (count - 1) * hop + length]
            kernels = self.get_buffer(f"kernels{octave}")
            both = functional.conv1d(part[:, None], kernels[:, None], stride=hop)
            bins = kernels.shape[0] // 2
            power = both[:, :bins].square() + both[:, bins:].square()
            octaves.append(functional.avg_pool1d(power, self.config.hop // hop))
        return torch.log10(torch.cat(octaves, 1).clamp(min=1e-9)).transpose(1, 2)


def _octave_hop(config: ConstantQConfig, length: int) -> int:
    """Largest divisor of the common hop that keeps neighbouring kernels overlapping by half."""
    divisors = [d for d in range(1, config.hop + 1) if config.hop % d == 0 and d <= max(length // 2, config.hop // 8)]
    return divisors[-1]


def _octave_kernels(config: ConstantQConfig, octave: int) -> Tensor:
    """Real then imaginary Hann-windowed kernels of one octave, shape (2 * bins, longest of the octave)."""
    steps = 12 * config.per_semitone
    middle = (config.per_semitone - 1) / 2
    hertz = [config.lowest_hz * 2 ** (octave + (k - middle) / steps) for k in range(steps)]
    lengths = [min(config.longest, 2 * round(config.quality * config.rate_hz / f / 2)) for f in hertz]
    width = max(lengths)
    kernels = torch.zeros(2 * steps, width, dtype=torch.float64)
    for k, (f, length) in enumerate(zip(hertz, lengths, strict=True)):
        window = torch.hann_window(length, dtype=torch.float64)
        time = torch.arange(length, dtype=torch.float64) - length / 2
        phase = 2 * math.pi * f / config.rate_hz * time
        at = (width - length) // 2
        kernels[k, at : at + length] = window * torch.cos(phase) / window.sum()
        kernels[steps + k, at : at + length] = window * torch.sin(phase) / window.sum()
    return kernels.float()
