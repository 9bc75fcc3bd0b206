"""The table of best local paths through many matrices of cells at once.

A path moves 1:1, 2:1 or 1:2 and is worth the sum of its cells. Every recurrence depends on earlier rows only, so the
matrices lie side by side and one row of all of them is computed at once, in whole numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from recognizer.step import Floats

Worth = npt.NDArray[np.int16] | npt.NDArray[np.int32]
Path = tuple[float, int, int, int, int]

UNITS = 16  # resolution of a cell's worth
_MOST = 4.0  # a cell is worth less
_APART = 2  # columns without a path before each matrix
_KEPT_BYTES = 16 << 20  # larger arrays are given back


class Room:
    """Memory that is used again: taking fresh pages from the system costs more than the arithmetic done in them."""

    def __init__(self) -> None:
        self._kept: dict[str, npt.NDArray[Any]] = {}

    def array(self, name: str, shape: tuple[int, ...], kind: npt.DTypeLike) -> npt.NDArray[Any]:
        """An array with whatever is in it; the next one of that name may be the same memory."""
        cells = int(np.prod(shape))
        kept = self._kept.get(name)
        if kept is None or kept.size < cells or kept.dtype != kind:
            kept = np.empty(cells, dtype=kind)
            if kept.nbytes <= _KEPT_BYTES:
                self._kept[name] = kept
        return kept[:cells].reshape(shape)


_rooms: list[Room] = []


@contextmanager
def borrowed_room() -> Iterator[Room]:
    """A room nobody else is using."""
    room = _rooms.pop() if _rooms else Room()
    try:
        yield room
    finally:
        _rooms.append(room)


def best_paths(cells: Sequence[Floats]) -> list[Path]:
    """The path with the highest sum of each matrix of cells.

    Parameters
    ----------
    cells : sequence of float arrays, shape (query frames, reference frames)
        All with the same number of rows.

    Returns
    -------
    list of (score, query start, query end, reference start, reference end)
    """
    table = PathTable(len(cells[0]), [matrix.shape[1] for matrix in cells], Room())
    for row, matrix in enumerate(cells):
        table.cells(row)[:] = np.rint(matrix * UNITS)
    table.fill()
    return [table.path(row) for row in range(len(cells))]


class PathTable:
    """Cells of several matrices side by side, and the best score of a path that ends in each of them.

    Parameters
    ----------
    rows : int
        Query frames, the same for all.
    widths : sequence of int
        Reference frames of each.
    room : Room
        Where the table lies; one table at a time.
    """

    def __init__(self, rows: int, widths: Sequence[int], room: Room) -> None:
        kind = np.int16 if rows * _MOST * UNITS <= 10_000 else np.int32
        self._ends = np.cumsum([width + _APART for width in widths])
        self._starts = self._ends - np.array(widths)
        # Between the matrices nothing can be gained: no path leads from one into the next.
        self._worth: Worth = room.array("worth", (rows, int(self._ends[-1])), kind)
        for start in self._starts.tolist():
            self._worth[:, start - _APART : start] = -20_000 if kind is np.int16 else -(1 << 30)
        # Two rows and two columns without a path in front.
        self._scores: Worth = room.array("scores", (rows + 2, int(self._ends[-1])), kind)
        self._scores[:2] = 0
        self._scores[:, :_APART] = 0

    def cells(self, row: int) -> Worth:
        """Where the worth of a matrix goes, in units."""
        return self._worth[:, self._starts[row] : self._ends[row]]

    def fill(self) -> list[float]:
        """Compute the table; returns the best score of each matrix."""
        scores = self._scores
        best = np.zeros_like(scores[0])
        base = np.empty_like(best[_APART:])
        for i, worth in enumerate(self._worth):
            two, one, here = scores[i], scores[i + 1], scores[i + 2]
            np.maximum(one[1:-1], two[1:-1], out=base)  # steps (1, 1) and (2, 1)
            np.maximum(base, one[:-2], out=base)  # step (1, 2)
            np.add(base, worth[_APART:], out=base)
            np.maximum(base, 0, out=here[_APART:])
            np.maximum(best, here, out=best)
        return [float(b) / UNITS for b in np.maximum.reduceat(best, self._starts).tolist()]

    def path(self, row: int) -> Path:
        """The best path of a filled matrix, traced back from its end."""
        start, width = int(self._starts[row]), int(self._ends[row] - self._starts[row])
        here = self._scores[:, start - _APART : start + width]
        at = int(here.max(axis=1).argmax())
        column = int(here[at].argmax())
        score, last_row, last_column = int(here[at, column]), at, column
        first = (at, column)
        while score > 0 and here[at, column] > 0:
            first = (at, column)
            steps = ((at - 1, column - 1), (at - 2, column - 1), (at - 1, column - 2))
            at, column = max(steps, key=lambda cell: int(here[cell]))
        # Two empty rows and columns in front; ends are exclusive.
        return score / UNITS, first[0] - 2, last_row - 1, first[1] - 2, last_column - 1
