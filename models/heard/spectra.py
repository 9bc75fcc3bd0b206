"""Spectra as the front end takes them in: how many bins, how often, and how they are stored."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from models.nets.constantq import ConstantQ, ConstantQConfig
from models.nets.salience import SalienceConfig, SalienceNet

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
_CONSTANT_Q = ConstantQConfig()

BINS = _CONSTANT_Q.bins
"""Bins of a spectrum."""

PER_SEMITONE = _CONSTANT_Q.per_semitone
"""Bins of a semitone."""

RATE_HZ = _CONSTANT_Q.rate_hz // _CONSTANT_Q.hop
"""Spectra per second."""

MARGIN_FRAMES = SalienceNet(SalienceConfig()).margin_frames
"""Spectra that the front end needs before and after what it answers for."""

SILENT_DB = -90.0
"""What zero stands for in a stored spectrum; every further unit is a decibel."""

_BLOCK_S = 60


def view_frames(frames: int) -> int:
    """Spectra that are needed for so many frames of salience."""
    return 2 * frames + 2 * MARGIN_FRAMES


def spectrum_of(pcm: Floats, constantq: ConstantQ) -> Bytes:
    """Stored spectra of mono audio at the network's rate, shape (samples,): uint8 (frames, BINS)."""
    found = []
    block = _BLOCK_S * constantq.config.rate_hz
    padded = np.pad(pcm, (constantq.margin, constantq.margin))
    with torch.no_grad():
        for start in range(0, len(pcm), block):
            part = padded[start : start + block + 2 * constantq.margin]
            found.append(10 * constantq(torch.from_numpy(part)[None])[0].numpy())
    return np.clip(np.round(np.concatenate(found) - SILENT_DB), 0, 255).astype(np.uint8)
