"""Local alignment of low-rate pitch sequences: is this stretch of audio the same music as that reference, and where?

Qmax (Serrà, Serra & Andrzejak 2009, "Cross recurrence quantification for cover song identification") over the
sequences that the model returns: each frame is stacked with its neighbours, every query frame is compared with every
reference frame in a few candidate transpositions, the comparison is thresholded so that only mutual near neighbours
count, and the longest gap-tolerant diagonal is found. The path may move 1:1, 2:1 or 1:2, so tempo ratios from 0.5 to
2 are followed.

Every recurrence depends on earlier rows only, so one row of all references and transpositions is computed at once;
where the path began travels along with its score, so no traceback is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recognizer.step import Floats

_SHIFT = 20  # bits for a path's start: 60 s at 4 frames/s against 70 minutes
_SAMPLE = 4  # every so many-th query frame helps to choose the transpositions
_UNITS = 4  # score units per match; 4 * 512 frames < 2 ** 11 keeps a cell within 31 bits


@dataclass(frozen=True, slots=True)
class AlignSettings:
    """Numbers of the alignment, all in frames of the sequences given.

    Attributes
    ----------
    stack : int
        Frames compared together.
    neighbours : float
        Fraction of the other sequence that counts as near, in either direction.
    transpositions : int
        Candidate transpositions tried per reference, likeliest first.
    gap : float
        Cost of a mismatch on the path, in matches; a multiple of 1/4.
    """

    stack: int = 4
    neighbours: float = 0.1
    transpositions: int = 2
    gap: float = 0.5


@dataclass(frozen=True, slots=True)
class Alignment:
    """The best local path between a query and one reference.

    Attributes
    ----------
    score : float
        Length of the best path in frames, less its gaps (Qmax).
    transpose_semitones : int
        How far the query sounds above the reference, -5 … 6.
    query_start, query_end, reference_start, reference_end : int
        Frames of the path's ends (end exclusive), without the stacking's extra frames.
    """

    score: float
    transpose_semitones: int
    query_start: int
    query_end: int
    reference_start: int
    reference_end: int

    @property
    def tempo_ratio(self) -> float | None:
        """Query tempo over reference tempo along the path, ``None`` for a path too short to tell."""
        query = self.query_end - self.query_start
        reference = self.reference_end - self.reference_start
        return reference / query if query >= 8 and reference > 0 else None


def align(query: Floats, references: Sequence[Floats], settings: AlignSettings | None = None) -> list[Alignment]:
    """Align a query with each of several references.

    Parameters
    ----------
    query : float32 array, shape (frames, bins)
        Non-negative pitch sequence; ``bins`` is a multiple of 12.
    references : sequence of float32 arrays, shape (any frames, bins)
    settings : AlignSettings, optional

    Returns
    -------
    list of Alignment
        In the order of ``references``; score 0 where nothing aligns.
    """
    settings = settings or AlignSettings()
    n = len(query) - settings.stack + 1
    rows: list[tuple[int, int]] = []  # (reference, rotation)
    matches: list[npt.NDArray[np.bool_]] = []
    rotated = _rotated(_unit_rows(query), settings.stack) if n >= 1 else np.zeros((12, 0, 0), np.float32)
    for number, reference in enumerate(references):
        if n < 1 or len(reference) < settings.stack:
            continue
        stacked = _stack(_unit_rows(reference), settings.stack).T
        for rotation in _likely_rotations(rotated, stacked, settings.transpositions):
            matches.append(_mutual_neighbours(rotated[rotation] @ stacked, settings.neighbours))
            rows.append((number, rotation))
    results = [Alignment(0.0, 0, 0, 0, 0, 0) for _ in references]
    if not rows:
        return results
    for (number, rotation), path in zip(rows, _longest_paths(matches, settings), strict=True):
        if path[0] > results[number].score:
            semitones = (rotation + 5) % 12 - 5
            results[number] = Alignment(path[0], semitones, path[1], path[2], path[3], path[4])
    return results


def _unit_rows(frames: Floats) -> Floats:
    """Frames scaled to unit norm about their mean; silent frames become zero and match nothing."""
    centred = frames - frames.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.where(norms > 1e-4, centred / np.maximum(norms, 1e-4), 0.0).astype(np.float32)


def _stack(frames: Floats, count: int) -> Floats:
    """Concatenate each frame with the ``count - 1`` that follow; shape (frames - count + 1, count * bins)."""
    windows = np.lib.stride_tricks.sliding_window_view(frames, count, axis=0)
    return np.ascontiguousarray(windows).reshape(len(windows), -1)


def _rotated(frames: Floats, stack: int) -> Floats:
    """Stacked frames transposed down by 0 … 11 semitones; shape (12, frames - stack + 1, stack * bins)."""
    per_semitone = frames.shape[1] // 12
    return np.stack([_stack(np.roll(frames, -k * per_semitone, axis=1), stack) for k in range(12)])


def _likely_rotations(rotated: Floats, stacked: Floats, count: int) -> list[int]:
    """The ``count`` transpositions in which the query's frames find the nearest neighbours, on a sample of frames.

    Comparing mean profiles instead is cheaper, but wrong when only a part of the reference is heard.
    """
    sample = rotated[:, ::_SAMPLE]
    similarity = sample.reshape(-1, sample.shape[2]) @ stacked
    scores = similarity.max(axis=1).reshape(12, -1).mean(axis=1)
    return [int(k) for k in np.argsort(scores, kind="stable")[::-1][:count]]


def _mutual_neighbours(similarity: Floats, fraction: float) -> npt.NDArray[np.bool_]:
    """Cells that are among the nearest ``fraction`` of both their row and their column, and alike at all."""
    n, m = similarity.shape
    row_rank, column_rank = max(1, round(fraction * m)), max(1, round(fraction * n))
    row_floor = np.partition(similarity, m - row_rank, axis=1)[:, m - row_rank, None]
    column_floor = np.partition(similarity, n - column_rank, axis=0)[n - column_rank]
    near: npt.NDArray[np.bool_] = (similarity >= row_floor) & (similarity >= column_floor) & (similarity > 0)
    return near


def _longest_paths(
    matches: list[npt.NDArray[np.bool_]], settings: AlignSettings
) -> list[tuple[float, int, int, int, int]]:
    """Best (score, query start, query end, reference start, reference end) of each match matrix.

    All matrices share the query length; shorter references are padded with mismatches. A cell holds its score and
    where its path began in one integer, ``score_units << SHIFT | i * m + j``, so that taking a maximum carries the
    start along; a cell without a path takes its own position, which is larger than any earlier one.
    """
    count, n = len(matches), matches[0].shape[0]
    m = max(matrix.shape[1] for matrix in matches)
    if n * m >= 1 << _SHIFT:
        raise ValueError(f"{n} x {m} frames are too many to align, expected fewer than {1 << _SHIFT} cells")
    gap = round(settings.gap * _UNITS) << _SHIFT
    cells = np.full((n, count, m), -gap, dtype=np.int32)
    for row, matrix in enumerate(matches):
        cells[:, row, : matrix.shape[1]] += matrix.astype(np.int32) * np.int32(gap + (_UNITS << _SHIFT))
    table = np.zeros((n + 2, count, m + 2), dtype=np.int32)  # two rows and columns of "no path" in front
    positions = np.arange(m, dtype=np.int32)
    base = np.empty((count, m), dtype=np.int32)
    for i in range(n):
        one, two = table[i + 1], table[i]
        np.maximum(one[:, 1:-1], two[:, 1:-1], out=base)  # steps (1, 1) and (2, 1)
        np.maximum(base, one[:, :-2], out=base)  # step (1, 2)
        np.maximum(base, positions + i * m, out=base)
        base += cells[i]
        np.maximum(base, 0, out=table[i + 2, :, 2:])
    paths = []
    for row in range(count):
        flat = int(table[2:, row, 2:].argmax())
        i, j = divmod(flat, m)
        best = int(table[i + 2, row, j + 2])
        begin = best & ((1 << _SHIFT) - 1)
        paths.append(((best >> _SHIFT) / _UNITS, begin // m, i + 1, begin % m, j + 1))
    return paths
