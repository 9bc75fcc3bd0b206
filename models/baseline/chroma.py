"""Chroma frames of model v0 from its constant-Q magnitudes, as graph nodes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.baseline.graph import GraphBuilder
from models.baseline.plan import BINS_PER_SEMITONE, CQ_BINS, OCTAVES, PITCH_CLASSES

Doubles = npt.NDArray[np.float64]

# Chosen by retrieval on real recordings among a dozen values each; the differences are small (see the card).
COMPRESSION = 10.0
WHITENING_BINS = 19  # a little over half an octave
OFF_CENTRE_WEIGHT = 0.6  # of the bins a third of a semitone sharp or flat: tolerant of tuning, yet crisp

NOISE_FLOOR = 1e-5  # amplitude of one bin: above 16-bit dither, 40 dB below quiet music
LEVEL_FLOOR = 1e-3  # peak amplitude below which a frame fades out
FRAME_FLOOR = 1e-2


def chroma(graph: GraphBuilder, magnitudes: str) -> str:
    """Turn (batch, CQ_BINS, frames) magnitudes into (batch, frames, 12) chroma, C first, each frame of norm below 1.

    Relative log compression makes level and timbre matter less; taking off the moving mean over frequency removes
    drums and noise; the floors keep silence at zero.
    """
    audible = graph.op("Relu", graph.op("Sub", magnitudes, graph.constant(NOISE_FLOOR)))
    peak = graph.op("ReduceMax", audible, axes=[1], keepdims=1)
    relative = graph.op("Div", audible, graph.op("Add", peak, graph.constant(LEVEL_FLOOR)))
    level = graph.op(
        "Log", graph.op("Add", graph.op("Mul", relative, graph.constant(COMPRESSION)), graph.constant(1.0))
    )
    frames = graph.op("Transpose", level, perm=[0, 2, 1])
    peaks = graph.op("Relu", graph.op("MatMul", frames, graph.constant(_whitening(), "whitening")))
    folded = graph.op("MatMul", peaks, graph.constant(_fold(), "fold"))
    norm = graph.op("ReduceL2", folded, axes=[2], keepdims=1)
    return graph.op("Div", folded, graph.op("Add", norm, graph.constant(FRAME_FLOOR)))


def _whitening() -> Doubles:
    """Matrix (CQ_BINS, CQ_BINS) that takes off each bin the mean of its neighbourhood."""
    bins = np.arange(CQ_BINS)
    near = (np.abs(bins[:, None] - bins[None, :]) <= WHITENING_BINS // 2).astype(np.float64)
    matrix: Doubles = np.eye(CQ_BINS) - near / near.sum(axis=0)
    return matrix


def _fold() -> Doubles:
    """Matrix (CQ_BINS, 12) that sums the bins of each pitch class over octaves."""
    weights = np.full((BINS_PER_SEMITONE, 1), OFF_CENTRE_WEIGHT)
    weights[BINS_PER_SEMITONE // 2] = 1.0
    return np.tile(np.kron(np.eye(PITCH_CLASSES), weights), (len(OCTAVES), 1))
