"""Local alignment of low-rate pitch sequences: the same music as that reference, and where.

In the family of Qmax (Serrà, Serra & Andrzejak 2009, "Cross recurrence quantification for cover song
identification"): each frame is stacked with its neighbours, every query frame is compared with every reference frame
in a few likely transpositions, and the best gap-tolerant diagonal is found. The path may move 1:1, 2:1 or 1:2, so
tempo ratios from 0.5 to 2 are followed.

Where Qmax counts mutual near neighbours, a cell here is worth how far its similarity stands out among its row *and*
its column, in standard deviations, less an offset. Chance cells are worth less than nothing on average, so that
chance paths stay short however long the sequences are; exact repetitions are worth more than vague likeness.

References, transpositions and directions are computed at once (`recognizer.path_table`). What a reference needs for it
can be prepared once (`prepared`) and kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from recognizer.path_table import UNITS, PathTable, Room, borrowed_room
from recognizer.step import Floats

_TEMPO_FRAMES = 24  # a shorter path does not tell the tempo
_SAMPLE = 4  # every so many-th query frame helps to choose the transpositions
_SPREAD_FLOOR = 0.05  # cosine: differences smaller than this do not stand out
_BLOCK_CELLS = 65_536  # weighed together, to stay in the processor's cache


@dataclass(frozen=True, slots=True)
class AlignSettings:
    """Numbers of the alignment, all in frames of the sequences given.

    Attributes
    ----------
    stack : int
        Frames compared together; a power of two.
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

    def __post_init__(self) -> None:
        if self.stack < 1 or self.stack & (self.stack - 1):
            raise ValueError(f"stack is {self.stack}, expected a power of two")


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
    return [there for there, _ in align_prepared(query, [prepared(r) for r in references], settings)]


def prepared(frames: Floats) -> Floats:
    """What `align_prepared` needs of a reference, shape (frames, bins): its frames at unit norm, (bins, frames)."""
    return np.ascontiguousarray(_unit_rows(frames).T)


def align_prepared(
    query: Floats,
    references: Sequence[Floats],
    settings: AlignSettings,
    *,
    transpositions: Sequence[int] | None = None,
    paths: bool = True,
) -> list[tuple[Alignment, float]]:
    """Align a query with references as they are, and with their reversal in time.

    Parameters
    ----------
    query : float32 array, shape (frames, bins)
    references : sequence of float32 arrays, shape (bins, frames)
        From `prepared`.
    settings : AlignSettings
    transpositions : sequence of int, optional
        The only one to try for each reference, when it is known.
    paths : bool
        Whether the ends of the paths are wanted; without them the alignments carry score and transposition only.

    Returns
    -------
    list of (Alignment, score of the reversed reference)
    """
    n = len(query) - settings.stack + 1
    usable = [number for number, reference in enumerate(references) if reference.shape[1] >= settings.stack]
    results = [(_NOTHING, 0.0) for _ in references]
    if n < 1 or not usable:
        return results
    unit = _unit_rows(query)
    if transpositions is None:
        tried = _likely_rotations(unit, [references[number] for number in usable], settings)
    else:
        tried = [[transpositions[number] % 12] for number in usable]
    with borrowed_room() as room:
        found = _filled(unit, [references[number] for number in usable], tried, settings, room, paths)
    for number, entry in zip(usable, found, strict=True):
        results[number] = entry
    return results


def _filled(
    unit: Floats,
    references: Sequence[Floats],
    tried: Sequence[Sequence[int]],
    settings: AlignSettings,
    room: Room,
    paths: bool,
) -> list[tuple[Alignment, float]]:
    """The best of each reference's transpositions, and the best score of its reversal in any of them."""
    n, turns = len(unit) - settings.stack + 1, _turns(unit.shape[1])
    # For each reference its rotations forward, then the same backward.
    widths = [reference.shape[1] - settings.stack + 1 for reference in references]
    repeated = [width for width, some in zip(widths, tried, strict=True) for _ in range(2 * len(some))]
    table = PathTable(n, repeated, room)
    most = 2 * max(map(len, tried)) * len(unit) * (max(widths) + settings.stack - 1)
    cells = room.array("cells", (2, most), np.float32)
    row = 0
    for reference, some in zip(references, tried, strict=True):
        rotated = unit[:, turns[list(some)]].swapaxes(0, 1)
        for matrix in _weighed(rotated, reference, settings, cells):
            table.cells(row)[:] = matrix
            row += 1
    scores = table.fill()
    results, row = [], 0
    for some in tried:
        forward, backward = scores[row : row + len(some)], scores[row + len(some) : row + 2 * len(some)]
        best = int(np.argmax(forward))
        held = _NOTHING
        if forward[best] > 0:
            ends = table.path(row + best)[1:] if paths else (0, 0, 0, 0)
            held = Alignment(forward[best], (some[best] + 5) % 12 - 5, *ends)
        results.append((held, max(backward)))
        row += 2 * len(some)
    return results


_NOTHING = Alignment(0.0, 0, 0, 0, 0, 0)


def _unit_rows(frames: Floats) -> Floats:
    """Frames scaled to unit norm about their mean; silent frames become zero and match nothing."""
    centred = frames - frames.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.where(norms > 1e-4, centred / np.maximum(norms, 1e-4), 0.0).astype(np.float32)


@cache
def _turns(bins: int) -> npt.NDArray[np.intp]:
    """Which bin comes to each place in a frame that is so many semitones lower; shape (12, bins)."""
    return (np.arange(bins) + bins // 12 * np.arange(12)[:, None]) % bins


def _likely_rotations(query: Floats, references: Sequence[Floats], settings: AlignSettings) -> list[list[int]]:
    """For each reference, the transpositions in which the query's frames find the nearest neighbours, on a sample.

    Comparing mean profiles instead is cheaper, but wrong when only a part of the reference is heard.
    """
    windows = np.lib.stride_tricks.sliding_window_view(query, settings.stack, axis=0)[::_SAMPLE]  # rows, bins, stack
    sample = windows[:, _turns(query.shape[1])].swapaxes(0, 1).reshape(12 * len(windows), -1)
    likely = []
    for reference in references:
        stacked = np.lib.stride_tricks.sliding_window_view(reference, settings.stack, axis=1)  # bins, columns, stack
        columns = np.ascontiguousarray(stacked.transpose(0, 2, 1)).reshape(sample.shape[1], -1)
        nearest = (sample @ columns).max(axis=1)
        order = np.argsort(nearest.reshape(12, -1).mean(axis=1), kind="stable")[::-1]
        likely.append([int(k) for k in order[: settings.transpositions]])
    return likely


def _weighed(queries: Floats, reference: Floats, settings: AlignSettings, room: Floats) -> Floats:
    """Worth, in units, of the cells of a query in each of some transpositions with a reference, then with its reversal.

    ``queries`` has shape (transpositions, query frames, bins); the result (2 * transpositions, rows, columns) lies in
    ``room``, shape (2, large enough).
    """
    count, n = queries.shape[:2]
    m = reference.shape[1]
    here, there = (part[: 2 * count * n * m].reshape(2, count, n, m) for part in room)
    np.matmul(queries, np.stack([reference, reference[:, ::-1]])[:, None], out=here)
    have = 1
    while have < settings.stack:  # sums along the diagonals: similarity of stacked frames
        rows, columns = n - 2 * have + 1, m - 2 * have + 1
        np.add(
            here[..., :rows, :columns],
            here[..., have : have + rows, have : have + columns],
            out=there[..., :rows, :columns],
        )
        here, there, have = there, here, 2 * have
    rows, columns = n - have + 1, m - have + 1
    result: Floats = there.reshape(-1)[: 2 * count * rows * columns].reshape(2 * count, rows, columns)
    result[:] = here[..., :rows, :columns].reshape(result.shape)
    _weigh(result, settings)
    return result


def _weigh(similarity: Floats, settings: AlignSettings) -> None:
    """Turn similarity into what each cell adds to a path that passes through it, in units and in place.

    How far a cell stands out is linear in the similarity: a factor and a term per row, and per column.
    """
    count, n, m = similarity.shape
    similarity -= similarity.mean(axis=(1, 2), keepdims=True)  # small numbers have exact squares
    row, row_term = _standing_out(
        similarity @ np.ones(m, np.float32) / m, np.einsum("kij,kij->ki", similarity, similarity) / m, settings
    )
    column, column_term = _standing_out(
        np.ones(n, np.float32) @ similarity / n, np.einsum("kij,kij->kj", similarity, similarity) / n, settings
    )
    height = max(1, _BLOCK_CELLS // m)
    if count * n <= height:
        blocks = [(slice(0, count), slice(0, n))]
    else:
        blocks = [(slice(k, k + 1), slice(i, i + height)) for k in range(count) for i in range(0, n, height)]
    for some, rows in blocks:
        worth = similarity[some, rows]
        by_column = worth * column[some, None]
        by_column += column_term[some, None]
        worth *= row[some, rows, None]
        worth += row_term[some, rows, None]
        np.minimum(worth, by_column, out=worth)
        np.minimum(worth, settings.most * UNITS, out=worth)
        np.maximum(worth, settings.least * UNITS, out=worth)
        np.rint(worth, out=worth)


def _standing_out(mean: Floats, square: Floats, settings: AlignSettings) -> tuple[Floats, Floats]:
    """Factor and term that turn similarity into units above the offset, from the means of it and of its square."""
    spread = np.sqrt(np.maximum(square - mean * mean, 0.0))
    factor = np.float32(UNITS) / (spread + np.float32(_SPREAD_FLOOR))
    return factor, -mean * factor - np.float32(settings.offset * UNITS)
