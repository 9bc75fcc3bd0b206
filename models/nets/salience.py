"""Audio to pitch salience: constant-Q, local levelling, harmonics side by side, a few small convolutions.

    pcm (B, context + steps + context) -> constant-Q at 16 frames/s (B, frames, 252)
        -> minus the local mean level -> harmonics as channels (B, 8, frames, 252)
        -> convolutions without padding in time -> (B, 8 frames/s, 84) in (0, 1)

Nothing looks beyond the context, so a step gives the same salience alone as inside a longer piece.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.nets.constantq import ConstantQ, ConstantQConfig

_HARMONICS = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)


@dataclass(frozen=True, slots=True)
class SalienceConfig:
    """Shape of the front end; ``level_frames`` (odd) is the stretch over which the level is evened out."""

    width: int = 16
    level_frames: int = 13
    context_samples: int = 16000


class SalienceNet(nn.Module):
    """The front end of this file."""

    def __init__(self, config: SalienceConfig) -> None:
        super().__init__()
        self.config = config
        self.constantq = ConstantQ(ConstantQConfig())
        bins_per_octave = 12 * self.constantq.config.per_semitone
        self.shifts = [round(bins_per_octave * math.log2(h)) for h in _HARMONICS]
        width = config.width
        self.first = nn.Conv2d(len(self.shifts), width, (3, 7), stride=(1, 3), padding=(0, 2))
        self.blocks = nn.ModuleList(nn.Conv2d(width, width, kernel, padding=(0, kernel[1] // 2)) for kernel in _KERNELS)
        self.halve = nn.Conv2d(width, 2 * width, (4, 3), stride=(2, 1), padding=(0, 1))
        self.out = nn.Conv2d(2 * width, 1, (1, 1))
        # Most of the grid is silent: start from that.
        if self.out.bias is not None:
            nn.init.constant_(self.out.bias, -3.0)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(1 + len(_KERNELS)))
        self.halve_norm = nn.BatchNorm2d(2 * width)

    @property
    def margin_frames(self) -> int:
        """Frames of the constant-Q that are needed before and after what is answered for."""
        return _FRAMES_LOST + self.config.level_frames // 2

    def forward(self, pcm: Tensor) -> Tensor:
        """(B, context + n * 2000 + context) -> (B, n, 84) logits; n salience frames of 1/8 s."""
        quiet = self.config.context_samples - self.constantq.margin - self.margin_frames * self.constantq.config.hop
        return self.hear(self.constantq(pcm[:, quiet : pcm.shape[1] - quiet]))

    def hear(self, power: Tensor) -> Tensor:
        """(B, margin + 2 * n + margin, bins) log10 of power -> (B, n, 84) logits; `margin_frames` says the margin."""
        x = self._stacked(self._levelled(power))
        for i, layer in enumerate([self.first, *self.blocks]):
            y = functional.relu(self.norms[i](layer(x)))
            # A block keeps its input and adds to it; its unpadded kernel costs a frame at either end.
            lost = (x.shape[2] - y.shape[2]) // 2
            x = y if i == 0 else x[:, :, lost : x.shape[2] - lost] + y
        x = functional.relu(self.halve_norm(self.halve(x)))
        logits: Tensor = self.out(x)[:, 0]
        return logits

    def _levelled(self, power: Tensor) -> Tensor:
        """Log power relative to the mean of the frames around; loses ``level_frames - 1`` frames."""
        reach = self.config.level_frames // 2
        loud = torch.log10(torch.pow(10.0, power).mean(2, keepdim=True).transpose(1, 2) + 1e-9)
        around = functional.avg_pool1d(loud, self.config.level_frames, stride=1).transpose(1, 2)
        x = power[:, reach : power.shape[1] - reach] - around
        return ((x + 2.5) / 2.0).clamp(min=-0.25)

    def _stacked(self, x: Tensor) -> Tensor:
        """(B, T, bins) -> (B, harmonics, T, bins): channel h holds, at each bin, the level at h times its frequency."""
        bins = x.shape[2]
        channels = []
        for shift in self.shifts:
            moved = x[:, :, max(shift, 0) : bins + min(shift, 0)]
            channels.append(functional.pad(moved, (max(-shift, 0), max(shift, 0)), value=-0.25))
        return torch.stack(channels, 1)


_KERNELS = ((3, 5), (3, 13), (3, 5))
# Frames (of the constant-Q) that the unpadded convolutions use up at either end: first, blocks, half.
_FRAMES_LOST = 1 + len(_KERNELS) + 1
