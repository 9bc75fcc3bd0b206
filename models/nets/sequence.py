"""Pitch salience to the sequence that alignments compare: which of the sounding notes make the tune and its chords.

    salience (B, context + T, 84) at 8 frames/s -> means of pairs -> square root, beside its mean over the last seconds
        -> convolutions over (time, pitch), nothing ahead in time -> what each note counts
        -> notes times what they count, summed over octaves -> square root -> (B, T / 2, 12) at 4 frames/s

A cover keeps the tune and changes what is below it. A network without training counts the octaves alone, low ones
little: by that, the right reference of real recordings already aligns better than by an even sum. Training
(`models.stage_sequence`) teaches it what the notes of one frame, of neighbouring frames and of the last seconds say.
Convolutions do not know where an octave begins, so a transposition only rotates the result, but for what the register
adds.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.nets.embedding import CLASSES, OCTAVES

OCTAVE_WEIGHTS = (0.01, 0.03, 0.5, 1.0, 1.0, 1.0, 1.0)
"""What the octaves, from C1 up, count before training; the low ones not nothing: a deep voice alone is still heard."""
FRAMES_PER_FRAME = 2
"""Frames of salience in one of the sequence."""

_MEAN_FRAMES = 13
_KERNELS = ((3, 25), (3, 13))  # (frames, semitones)
_FRAMES_BEFORE = _MEAN_FRAMES - 1 + sum(frames - 1 for frames, _ in _KERNELS)
CONTEXT_FRAMES = FRAMES_PER_FRAME * _FRAMES_BEFORE
"""Frames of salience that are needed before the first one that is answered for."""

_MOST, _LEAST = 3.0, -8.0  # of the logarithm of what a note counts
_FLOOR, _SILENCE = 1e-4, 1e-6


@dataclass(frozen=True, slots=True)
class SequenceConfig:
    """Shape of the network: channels between its convolutions."""

    width: int = 12


class SequenceNet(nn.Module):
    """The network of this file."""

    def __init__(self, config: SequenceConfig) -> None:
        super().__init__()
        self.config = config
        pitches = OCTAVES * CLASSES
        (near, far), (again, reach) = _KERNELS
        self.first = nn.Conv2d(2, config.width, (near, far), padding=(0, far // 2))
        self.register_of = nn.Parameter(torch.zeros(config.width, 1, pitches))
        self.second = nn.Conv2d(config.width, config.width, (again, reach), padding=(0, reach // 2))
        self.out = nn.Conv2d(config.width, 1, (1, 1), bias=False)
        nn.init.zeros_(self.out.weight)
        self.counts = nn.Parameter(torch.log(torch.tensor(OCTAVE_WEIGHTS)).repeat_interleave(CLASSES))

    def forward(self, salience: Tensor) -> Tensor:
        """(B, CONTEXT_FRAMES + T, 84) in [0, 1], T even -> (B, T / 2, 12)."""
        notes = torch.unflatten(salience, 1, (-1, FRAMES_PER_FRAME)).mean(2)
        level = torch.sqrt(notes + _FLOOR)
        lately = functional.avg_pool1d(level.transpose(1, 2), _MEAN_FRAMES, stride=1).transpose(1, 2)
        x = torch.stack([level[:, _MEAN_FRAMES - 1 :], lately], 1)
        x = functional.relu(self.first(x) + self.register_of)
        x = x[:, :, _KERNELS[1][0] - 1 :] + functional.relu(self.second(x))
        counts = torch.exp((self.out(x)[:, 0] + self.counts).clamp(_LEAST, _MOST))
        weighed = torch.unflatten(notes[:, _FRAMES_BEFORE:] * counts, 2, (OCTAVES, CLASSES)).sum(2)
        return torch.sqrt(weighed + _SILENCE)


def beginning(salience: Tensor) -> Tensor:
    """The same frames with silence before them, as much as `SequenceNet` looks back."""
    return functional.pad(salience, (0, 0, CONTEXT_FRAMES, 0))
