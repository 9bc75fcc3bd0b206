"""Chroma frames of model v0 from its constant-Q magnitudes, as graph nodes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.baseline.graph import GraphBuilder
from models.baseline.plan import BINS_PER_OCTAVE, BINS_PER_SEMITONE, CQ_BINS, OCTAVES, PITCH_CLASSES

SILENCE_FLOOR = 1e-3
COMPRESSION = 100.0
WHITENING_BINS = 35
FRAME_FLOOR = 1e-2


def chroma(graph: GraphBuilder, magnitudes: str) -> str:
    """Turn (batch, CQ_BINS, frames) magnitudes into (batch, frames, 12) chroma, C first, each frame of norm <= 1.

    Relative log compression makes level and timbre matter less; the moving mean over frequency removes drums and
    noise; the floors keep silence at zero.
    """
    peak = graph.op("ReduceMax", magnitudes, axes=[1], keepdims=1)
    relative = graph.op("Div", magnitudes, graph.op("Add", peak, graph.constant(SILENCE_FLOOR)))
    loud = graph.op("Mul", relative, graph.constant(COMPRESSION))
    level = graph.op("Log", graph.op("Add", loud, graph.constant(1.0)))
    frames = graph.op("Transpose", level, perm=[0, 2, 1])
    peaks = graph.op("Relu", graph.op("MatMul", frames, graph.constant(_whitening(), "whitening")))
    folded = graph.op("MatMul", peaks, graph.constant(fold(), "fold"))
    norm = graph.op("ReduceL2", folded, axes=[2], keepdims=1)
    return graph.op("Div", folded, graph.op("Add", norm, graph.constant(FRAME_FLOOR)))


def _whitening() -> npt.NDArray[np.float64]:
    """Matrix (CQ_BINS, CQ_BINS) that subtracts from each bin the mean of its neighbourhood."""
    bins = np.arange(CQ_BINS)
    near = (np.abs(bins[:, None] - bins[None, :]) <= WHITENING_BINS // 2).astype(float)
    return np.eye(CQ_BINS) - near / near.sum(axis=0)


def fold() -> npt.NDArray[np.float64]:
    """Matrix (CQ_BINS, 12) that sums the bins of each pitch class over octaves."""
    octave = np.repeat(np.eye(PITCH_CLASSES), BINS_PER_SEMITONE, axis=0)
    assert octave.shape[0] == BINS_PER_OCTAVE
    return np.tile(octave, (len(OCTAVES), 1))
