"""What one second of audio costs, counted from the plan: multiply-adds of convolutions and matrix products, twice."""

from __future__ import annotations

from models.baseline.embedding import kept_frequencies
from models.baseline.plan import (
    BINS_PER_OCTAVE,
    CQ_BINS,
    FRAME_SAMPLES,
    HALVING_HALF_TAPS,
    OCTAVES,
    PITCH_CLASSES,
    SAMPLE_RATE_HZ,
    STEP_SAMPLES,
    WINDOW_FRAMES,
)


def gflop_per_second() -> float:
    """Billions of floating-point operations per second of live audio (one embedding a step)."""
    kernels = sum(o.rate_hz / o.hop_samples * o.kernel_samples * 2 * BINS_PER_OCTAVE for o in OCTAVES)
    halvings = max(o.halvings for o in OCTAVES)
    low_pass = sum(SAMPLE_RATE_HZ / 2 ** (level + 1) for level in range(halvings)) * (2 * HALVING_HALF_TAPS + 1)
    frames = SAMPLE_RATE_HZ / FRAME_SAMPLES * CQ_BINS * (CQ_BINS + PITCH_CLASSES)
    fourier = SAMPLE_RATE_HZ / STEP_SAMPLES * WINDOW_FRAMES * PITCH_CLASSES * 2 * len(kept_frequencies())
    return float(2 * (kernels + low_pass + frames + fourier) / 1e9)
