"""Constant-Q magnitudes of model v0, as graph nodes."""

from __future__ import annotations

from models.baseline.graph import GraphBuilder
from models.baseline.kernels import halving_filter, octave_kernels
from models.baseline.plan import BINS_PER_OCTAVE, HALVING_HALF_TAPS, OCTAVES, OctavePlan


def constant_q(graph: GraphBuilder, signal: str, context: int) -> str:
    """Magnitudes of all octaves, lowest bin first.

    Parameters
    ----------
    graph : GraphBuilder
        Where the nodes are added.
    signal : str
        Tensor (batch, 1, context + n*step + context) at the input rate.
    context : int
        Samples of ``signal`` before the first and after the last step, at least `plan.context_samples`.

    Returns
    -------
    str
        Tensor (batch, CQ_BINS, n*frames_per_step), mean magnitude over each frame.
    """
    taps = graph.constant(halving_filter(), "halving_filter")
    levels = {0: (signal, context)}
    bands = []
    for octave in sorted(OCTAVES, key=lambda plan: plan.halvings):
        while octave.halvings not in levels:
            deepest = max(levels)
            levels[deepest + 1] = _halve(graph, taps, *levels[deepest])
        bands.append((octave.number, _octave(graph, octave, *levels[octave.halvings])))
    return graph.op("Concat", *(band for _, band in sorted(bands)), name="constant_q", axis=1)


def _halve(graph: GraphBuilder, taps: str, signal: str, context: int) -> tuple[str, int]:
    """Low-pass and drop every other sample; the samples kept include the first of the step."""
    kept = (context - HALVING_HALF_TAPS) // 2
    first = context - 2 * kept - HALVING_HALF_TAPS
    cut = graph.slice(signal, 2, first, -(first + 1))
    return graph.op("Conv", cut, taps, strides=[2]), kept


def _octave(graph: GraphBuilder, octave: OctavePlan, signal: str, context: int) -> str:
    """Magnitudes of one octave, (batch, BINS_PER_OCTAVE, n*frames_per_step)."""
    margin = context - (octave.kernel_samples - octave.hop_samples) // 2
    if margin < 0:
        raise ValueError(f"octave {octave.number} needs {-margin} samples of context more")
    cut = graph.slice(signal, 2, margin, -margin)
    kernels = graph.constant(octave_kernels(octave), f"kernels_octave_{octave.number}")
    waves = graph.op("Conv", cut, kernels, strides=[octave.hop_samples])
    pairs = graph.op("Reshape", waves, graph.constant([0, 2, BINS_PER_OCTAVE, -1]))
    magnitude = graph.op("ReduceL2", pairs, axes=[1], keepdims=0)
    return graph.op("AveragePool", magnitude, kernel_shape=[octave.pool], strides=[octave.pool])
