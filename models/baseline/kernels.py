"""The fixed filters of model v0, as float32 arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.baseline.plan import (
    BINS_PER_OCTAVE,
    BINS_PER_SEMITONE,
    HALVING_HALF_TAPS,
    Q_PERIODS,
    OctavePlan,
)

Floats = npt.NDArray[np.float32]


def octave_kernels(octave: OctavePlan) -> Floats:
    """Constant-Q kernels of one octave.

    Returns
    -------
    float32 array, shape (2 * BINS_PER_OCTAVE, 1, kernel_samples)
        Cosine kernels, then sine kernels; a sine of amplitude 1 at a bin's frequency gives magnitude 1.
        The middle bin of each three is a tempered semitone.
    """
    length = octave.kernel_samples
    time_s = (np.arange(length) - (length - 1) / 2) / octave.rate_hz
    kernels = np.zeros((2, BINS_PER_OCTAVE, length))
    for row in range(BINS_PER_OCTAVE):
        hz = octave.lowest_hz * 2.0 ** ((row - BINS_PER_SEMITONE // 2) / BINS_PER_OCTAVE)
        duration_s = Q_PERIODS / hz
        window = np.where(np.abs(time_s) < duration_s / 2, 1 + np.cos(2 * np.pi * time_s / duration_s), 0.0)
        window *= 2 / window.sum()
        kernels[0, row] = window * np.cos(2 * np.pi * hz * time_s)
        kernels[1, row] = window * np.sin(2 * np.pi * hz * time_s)
    stacked: Floats = kernels.reshape(2 * BINS_PER_OCTAVE, 1, length).astype(np.float32)
    return stacked


def halving_filter() -> Floats:
    """Low-pass before dropping every other sample, shape (1, 1, 2 * HALVING_HALF_TAPS + 1), unit gain at 0 Hz."""
    taps = np.arange(-HALVING_HALF_TAPS, HALVING_HALF_TAPS + 1)
    response = np.sinc(taps / 2) * np.kaiser(len(taps), 8.0)
    low_pass: Floats = (response / response.sum()).reshape(1, 1, -1).astype(np.float32)
    return low_pass
