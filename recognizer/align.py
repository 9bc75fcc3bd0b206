"""Local alignment of low-rate pitch sequences: the same music as that reference, and where.

In the family of Qmax (Serrà, Serra & Andrzejak 2009, "Cross recurrence quantification for cover song
identification"): each frame is stacked with its neighbours, every query frame is compared with every reference frame
in a few likely transpositions, and the best gap-tolerant diagonal is found. The path may move 1:1, 2:1 or 1:2, so
tempo ratios from 0.5 to 2 are followed.

Where Qmax counts mutual near neighbours, a cell here is worth how far its similarity stands out among its row *and*
its column, in standard deviations, less an offset. Chance cells are worth less than nothing on average, so that
chance paths stay short however long the sequences are; exact repetitions are worth more than vague likeness.

Every recurrence depends on earlier rows only, so one row of all references and transpositions is computed at once;
where the path began travels along with its score, so no traceback is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recognizer.step import Floats

_TEMPO_FRAMES = 24  # a shorter path does not tell the tempo
_SAMPLE = 4  # every so many-th query frame helps to choose the transpositions
_UNITS = 16  # resolution of a cell's worth
_SPREAD_FLOOR = 0.05  # cosine: differences smaller than this do not stand out


@dataclass(frozen=True, slots=True)
class AlignSettings:
    """Numbers of the alignment, all in frames of the sequences given.

    Attributes
    ----------
    stack : int
        Frames compared together.
    offset : float
        Standard deviations by which a cell must stand out to be worth anything.
    least, most : float
        Bounds of a cell's worth.
    transpositions : int
        Candidate transpositions tried per reference, likeliest first.
    """

    stack: int = 8
    offset: float = 1.2
    least: float = -1.0
    most: float = 2.0
    transpositions: int = 2


@dataclass(frozen=True, slots=True)
class Alignment:
    """The best local path between a query and one reference.

    Attributes
    ----------
    score : float
        Worth of the best path's cells, summed.
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
        return reference / query if query >= _TEMPO_FRAMES and reference > 0 else None


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
    cells: list[Floats] = []
    rotated = _rotated(_unit_rows(query), settings.stack) if n >= 1 else np.zeros((12, 0, 0), np.float32)
    for number, reference in enumerate(references):
        if n < 1 or len(reference) < settings.stack:
            continue
        stacked = _stack(_unit_rows(reference), settings.stack).T
        for rotation in _likely_rotations(rotated, stacked, settings.transpositions):
            cells.append(_worth(rotated[rotation] @ stacked, settings))
            rows.append((number, rotation))
    results = [Alignment(0.0, 0, 0, 0, 0, 0) for _ in references]
    if not rows:
        return results
    for (number, rotation), path in zip(rows, best_paths(cells, settings.least), strict=True):
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


def _worth(similarity: Floats, settings: AlignSettings) -> Floats:
    """What each cell adds to a path that passes through it."""
    by_row = (similarity - similarity.mean(axis=1, keepdims=True)) / (
        similarity.std(axis=1, keepdims=True) + _SPREAD_FLOOR
    )
    by_column = (similarity - similarity.mean(axis=0)) / (similarity.std(axis=0) + _SPREAD_FLOOR)
    worth: Floats = np.clip(np.minimum(by_row, by_column) - settings.offset, settings.least, settings.most)
    return worth


def best_paths(cells: Sequence[Floats], least: float) -> list[tuple[float, int, int, int, int]]:
    """The path with the highest sum of each matrix of cells.

    Parameters
    ----------
    cells : sequence of float arrays, shape (query frames, reference frames)
        All with the same number of rows; narrower ones are padded with ``least``.
    least : float
        Negative.

    Returns
    -------
    list of (score, query start, query end, reference start, reference end)

    Notes
    -----
    A cell of the table holds its score and where its path began in one integer, ``score << shift | i * m + j``, so
    that taking a maximum carries the start along. A cell without a path takes its own position, which is larger than
    any earlier one.
    """
    count, n = len(cells), cells[0].shape[0]
    m = max(matrix.shape[1] for matrix in cells)
    shift = (n * m).bit_length()
    # A sum of n cells must fit beside the start; with 32 bits the rows are half as long in memory.
    wide = shift + (round(2 * n * _UNITS * max(1.0, float(max(c.max() for c in cells))))).bit_length() > 31
    kind = np.int64 if wide else np.int32
    worth = np.full((n, count, m), round(least * _UNITS) * (1 << shift), dtype=kind)
    for row, matrix in enumerate(cells):
        worth[:, row, : matrix.shape[1]] = np.rint(matrix * _UNITS).astype(kind) << shift
    table = np.zeros((n + 2, count, m + 2), dtype=kind)  # two rows and columns of "no path" in front
    positions = np.arange(m, dtype=kind)
    base = np.empty((count, m), dtype=kind)
    for i in range(n):
        one, two = table[i + 1], table[i]
        np.maximum(one[:, 1:-1], two[:, 1:-1], out=base)  # steps (1, 1) and (2, 1)
        np.maximum(base, one[:, :-2], out=base)  # step (1, 2)
        np.maximum(base, positions + i * m, out=base)
        base += worth[i]
        np.maximum(base, 0, out=table[i + 2, :, 2:])
    paths = []
    for row in range(count):
        i, j = divmod(int(table[2:, row, 2:].argmax()), m)
        best = int(table[i + 2, row, j + 2])
        begin = best & ((1 << shift) - 1)
        paths.append(((best >> shift) / _UNITS, begin // m, i + 1, begin % m, j + 1))
    return paths
