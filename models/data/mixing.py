"""A tune and what accompanies it, mixed so that the tune is heard."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
TUNE_DB = (-3.0, 6.0)
"""How far a tune is above its accompaniment, in decibels of their sounding stretches: the least and the most.

Instruments of a soundfont differ by more than ten decibels at one velocity: what levels in the score say does not keep
a flute above three electric guitars.
"""

_FRAME_S = 0.05
_QUIET = 1e-3  # of the loudest frame's power


def over(first: Samples, second: Samples, first_db: float, rate_hz: int) -> Samples:
    """Two parts of equal length, the first so many decibels above the second, which is brought to unit loudness.

    A silent part leaves the other as it is, at unit loudness.
    """
    loud, soft = loudness(first, rate_hz), loudness(second, rate_hz)
    gain = np.float32(10 ** (first_db / 20))
    parts = [part / np.float32(level) for part, level in ((first * gain, loud), (second, soft)) if level > 0]
    return np.asarray(sum(parts) if parts else first, dtype=np.float32)


def loudness(pcm: Samples, rate_hz: int) -> float:
    """Root mean square of the frames of 50 ms that are within 30 dB of the loudest; 0 for silence."""
    frame = round(rate_hz * _FRAME_S)
    power = np.square(pcm[: len(pcm) // frame * frame]).reshape(-1, frame).mean(1)
    loud = power[power >= _QUIET * power.max(initial=0.0)]
    return float(np.sqrt(loud.mean())) if len(loud) else 0.0
