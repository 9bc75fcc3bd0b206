"""Qmax, the published alignment that needs no training: the baseline beside every model.

After Serrà, Serra & Andrzejak (2009), "Cross recurrence quantification for cover song identification", New Journal of
Physics 11: chroma frames are stacked; a cell of the cross recurrence plot is 1 where the frames of both recordings are
among each other's nearest; Qmax is the longest, gap-tolerant diagonal trace in it. The numbers below are the ones
that Essentia documents for its implementation. Transpositions are the two likeliest by the mean chroma.

`recognizer.align` belongs to the same family and is what the product uses; this module is the plain original.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recognizer.evaluation.ranking import Bools
from recognizer.step import Floats

FPS = 2.0  # frames per second the numbers below are meant for
STACK = 9
NEAREST = 0.095  # share of each row and each column that counts as near
ONSET, EXTENSION = 0.5, 0.5  # what a gap costs to begin, and to go on
TRANSPOSITIONS = 2
_BATCH_CELLS = 2_000_000


def at_fps(chroma: Floats, fps: float) -> Floats:
    """A pitch sequence, shape (frames, 12 k), as chroma at about `FPS`, each frame scaled to a maximum of 1."""
    factor = max(1, round(fps / FPS))
    whole = len(chroma) // factor * factor
    bins = chroma.shape[1] // 12
    slow = chroma[:whole].reshape(-1, factor, 12, bins).mean(axis=(1, 3))
    scaled: Floats = slow / np.maximum(slow.max(axis=1, keepdims=True), 1e-6)
    return scaled.astype(np.float32)


def cells(query: Floats, reference_frames: float) -> float:
    """Cells that comparing chroma of these lengths costs."""
    return TRANSPOSITIONS * len(query) * reference_frames


def similarity(query: Floats, references: Sequence[Floats]) -> Floats:
    """Qmax of a query with each reference, over the root of the reference's length.

    Parameters
    ----------
    query : float32 array, shape (frames, 12)
    references : sequence of float32 arrays, shape (any frames, 12)
        Of `at_fps`.

    Returns
    -------
    float32 array, shape (references,)
        0 where either is shorter than a stack of frames.
    """
    result = np.zeros(len(references), dtype=np.float32)
    if len(query) < STACK:
        return result
    batch: list[tuple[int, Bools]] = []
    for number, reference in enumerate(references):
        if len(reference) >= STACK:
            batch += [(number, plot) for plot in recurrence_plots(query, reference)]
        if batch and (number + 1 == len(references) or sum(p.size for _, p in batch) > _BATCH_CELLS):
            for (row, plot), longest in zip(batch, qmax([p for _, p in batch]), strict=True):
                result[row] = max(result[row], longest / np.sqrt(plot.shape[1]))
            batch = []
    return result


def recurrence_plots(query: Floats, reference: Floats) -> list[Bools]:
    """Cross recurrence plots in the likeliest transpositions, shape (query frames, reference frames) less the stack."""
    profile = reference.mean(axis=0)
    fits = [float(np.roll(query.mean(axis=0), -k) @ profile) for k in range(12)]
    right = _stacked(reference)
    plots = []
    for k in np.argsort(fits, kind="stable")[::-1][:TRANSPOSITIONS]:
        left = _stacked(np.roll(query, -int(k), axis=1))
        distance = (left**2).sum(1)[:, None] + (right**2).sum(1)[None, :] - 2 * left @ right.T
        plots.append((distance <= _nearest(distance, 1)) & (distance <= _nearest(distance, 0)))
    return plots


def _stacked(frames: Floats) -> Floats:
    windows = np.lib.stride_tricks.sliding_window_view(frames, STACK, axis=0)
    return np.ascontiguousarray(windows, dtype=np.float32).reshape(len(windows), -1)


def _nearest(distance: Floats, axis: int) -> Floats:
    """The distance below which the nearest of each row (axis 1) or column (axis 0) lie."""
    count = max(1, round(NEAREST * distance.shape[axis]))
    return np.take(np.partition(distance, count - 1, axis=axis), [count - 1], axis=axis)


def qmax(plots: Sequence[Bools]) -> Floats:
    """The longest gap-tolerant diagonal trace of each plot; all have the same number of rows.

    A trace may step (1, 1), (2, 1) or (1, 2). Row by row, all plots at once: a row depends on the two before it only.
    """
    rows, width = plots[0].shape[0], max(plot.shape[1] for plot in plots)
    near = np.zeros((rows + 2, len(plots), width + 2), dtype=bool)  # two rows and columns of nothing in front
    for number, plot in enumerate(plots):
        near[2:, number, 2 : 2 + plot.shape[1]] = plot
    trace = np.zeros(near.shape, dtype=np.float32)
    for i in range(2, rows + 2):
        before = (  # step (1, 1), (2, 1), (1, 2)
            (trace[i - 1, :, 1:-1], near[i - 1, :, 1:-1]),
            (trace[i - 2, :, 1:-1], near[i - 2, :, 1:-1]),
            (trace[i - 1, :, :-2], near[i - 1, :, :-2]),
        )
        best = np.maximum(np.maximum(before[0][0], before[1][0]), before[2][0])
        gaps = [length - np.where(was, np.float32(ONSET), np.float32(EXTENSION)) for length, was in before]
        broken = np.maximum(np.maximum(gaps[0], gaps[1]), np.maximum(gaps[2], 0))
        trace[i, :, 2:] = np.where(near[i, :, 2:], best + 1, broken)
    longest: Floats = trace.max(axis=(0, 2))
    return longest
