"""Embedding of model v0: magnitudes of the 2-D Fourier transform of a window of chroma (Bertin-Mahieux & Ellis 2012).

The transform of a circularly shifted patch differs in phase only, so the magnitude ignores the key exactly (rotation
over pitch classes) and the position in time nearly (up to what enters and leaves the window).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.baseline.graph import GraphBuilder
from models.baseline.plan import PITCH_CLASSES, WINDOW_FRAMES

TIME_FREQUENCIES = 20  # cycles per window; 1 Hz is where notes stop and their timing begins
TAPER_FRAMES = WINDOW_FRAMES // 4  # at either end: what enters or leaves the window does so gently
NORM_FLOOR = 1e-6


def kept_frequencies() -> list[tuple[int, int]]:
    """(cycles per octave, cycles per window) of each embedding component.

    Of a real patch's transform one half is redundant, and the constant is left out: it says how loud, not what.
    """
    kept = []
    for over_pitch in range(PITCH_CLASSES // 2 + 1):
        self_mirrored = over_pitch in (0, PITCH_CLASSES // 2)
        for over_time in range(0 if self_mirrored else -TIME_FREQUENCIES, TIME_FREQUENCIES + 1):
            if (over_pitch, over_time) != (0, 0):
                kept.append((over_pitch, over_time))
    return kept


def embedding(graph: GraphBuilder, window: str) -> str:
    """Turn a (batch, WINDOW_FRAMES, 12) window into its (batch, dimension) embedding of unit norm (zero if silent)."""
    flat = graph.op("Reshape", window, graph.constant([0, WINDOW_FRAMES * PITCH_CLASSES]))
    waves = graph.op("MatMul", flat, graph.constant(_transform(), "fourier"))
    pairs = graph.op("Reshape", waves, graph.constant([0, 2, len(kept_frequencies())]))
    magnitude = graph.op("ReduceL2", pairs, axes=[1], keepdims=0)
    norm = graph.op("ReduceL2", magnitude, axes=[1], keepdims=1)
    floored = graph.op("Max", norm, graph.constant(NORM_FLOOR))
    return graph.op("Div", magnitude, floored, name="embedding")


def _transform() -> npt.NDArray[np.float64]:
    """Matrix (WINDOW_FRAMES * 12, 2 * dimension): real parts, then imaginary parts, of the kept frequencies."""
    over_pitch, over_time = np.array(kept_frequencies()).T
    frame = np.arange(WINDOW_FRAMES)[:, None, None]
    pitch_class = np.arange(PITCH_CLASSES)[None, :, None]
    phase = 2 * np.pi * (frame * over_time / WINDOW_FRAMES + pitch_class * over_pitch / PITCH_CLASSES)
    waves = np.concatenate([np.cos(phase), np.sin(phase)], axis=2) * _taper()[:, None, None]
    matrix: npt.NDArray[np.float64] = waves.reshape(WINDOW_FRAMES * PITCH_CLASSES, -1) / WINDOW_FRAMES
    return matrix


def _taper() -> npt.NDArray[np.float64]:
    """Weight of each frame: raised-cosine flanks, flat between."""
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(TAPER_FRAMES) + 0.5) / TAPER_FRAMES)
    return np.concatenate([rise, np.ones(WINDOW_FRAMES - 2 * TAPER_FRAMES), rise[::-1]])
