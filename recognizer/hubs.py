"""Hub correction: a reference that is near to everything says nothing by being near.

Long and tonally plain references attract every query. How near each reference usually is comes from the catalogue
itself: a cohort of windows of other works. Similarities then count in standard deviations above the usual, and are
searched in that form, so that hubs do not crowd out the rest before they are corrected.
"""

from __future__ import annotations

from functools import cached_property
from weakref import WeakKeyDictionary

import faiss
import numpy as np
import numpy.typing as npt

from recognizer.catalogue import CatalogueView
from recognizer.step import Floats

_COHORT_WINDOWS = 256
_BLOCK_WINDOWS = 32  # of the cohort compared at once: bounds memory on large catalogues
_LEAST_COHORT = 8  # fewer windows of other works say nothing about what is usual
_LEAST_SPREAD = 0.01  # cosine
_LANES = 16  # vectors are padded to whole registers

_of_view: WeakKeyDictionary[CatalogueView, Hubs] = WeakKeyDictionary()


class Hubs:
    """What is usual for each reference of a view, and the search that allows for it.

    Building it compares a few hundred windows with all others: about a second for a million windows and a core. Its
    index is built when it is first searched, or by `warm`.

    Attributes
    ----------
    mean, spread : float32 arrays, shape (tracks,)
        Of the best cosine of an unrelated window with a track's windows; 0 and 1 when the catalogue holds too little
        to tell.
    known : bool
        Whether it holds enough.
    """

    def __init__(self, view: CatalogueView) -> None:
        self._vectors, self._track = view.vectors, view.vector_track
        self._width = view.vectors.shape[1]
        self.mean, self.spread = _usual(view)
        self.known = bool(self.mean.any())

    def corrected(self, similarity: Floats) -> Floats:
        """Standard deviations above the usual, of best cosines with the tracks, shape (..., tracks)."""
        above: Floats = (similarity - self.mean) / self.spread
        return above

    def warm(self) -> None:
        """Build the index now, so that no feed has to wait for it."""
        assert self._index is not None

    @cached_property
    def _index(self) -> faiss.Index:
        padded = self._width + 1 + -(self._width + 1) % _LANES
        # Half precision halves the memory that every search reads; its error is far below any difference that matters.
        index = faiss.IndexScalarQuantizer(padded, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        for first in range(0, len(self._vectors), 65_536):
            rows = slice(first, first + 65_536)
            track = self._track[rows]
            block = np.zeros((len(track), padded), dtype=np.float32)
            block[:, : self._width] = self._vectors[rows] / self.spread[track, None]
            block[:, self._width] = -self.mean[track] / self.spread[track]
            index.add(block)
        return index

    def search(self, embeddings: Floats, count: int) -> tuple[Floats, npt.NDArray[np.int64]]:
        """The rows that stand out most for unit embeddings, shape (queries, dimension).

        Returns
        -------
        scores : float32 array, shape (queries, up to ``count``)
            Standard deviations above the usual, best first.
        rows : int64 array, the same shape
        """
        queries = len(embeddings)
        padded = np.zeros((queries, self._index.d), dtype=np.float32)
        padded[:, : self._width] = embeddings
        padded[:, self._width] = 1.0
        count = min(count, int(self._index.ntotal))
        if count < 1:
            return np.zeros((queries, 0), np.float32), np.zeros((queries, 0), np.int64)
        scores, rows = self._index.search(padded, count)
        return scores, rows


def hubs(view: CatalogueView) -> Hubs:
    """The hub correction of a view, computed once."""
    found = _of_view.get(view)
    if found is None:
        found = _of_view[view] = Hubs(view)
    return found


def _usual(view: CatalogueView) -> tuple[Floats, Floats]:
    """Mean and standard deviation, per track, of the best cosine with windows of other works."""
    vectors, tracks = view.vectors, len(view.tracks)
    numbers = {work: number for number, work in enumerate(dict.fromkeys(track.work_id for track in view.tracks))}
    work = np.array([numbers[track.work_id] for track in view.tracks], dtype=np.int64)
    rows = np.unique(np.linspace(0, len(vectors) - 1, min(_COHORT_WINDOWS, len(vectors)), dtype=np.int64))
    count, total, squares = (np.zeros(tracks) for _ in range(3))
    windowed = np.unique(view.vector_track)  # a track may be too short for a window
    first_rows = np.searchsorted(view.vector_track, windowed)
    for first in range(0, len(rows), _BLOCK_WINDOWS):
        block = rows[first : first + _BLOCK_WINDOWS]
        best = np.maximum.reduceat(vectors[block] @ vectors.T, first_rows, axis=1).astype(np.float64)
        other = work[view.vector_track[block]][:, None] != work[windowed]
        count[windowed] += other.sum(axis=0)
        total[windowed] += np.where(other, best, 0.0).sum(axis=0)
        squares[windowed] += np.where(other, best * best, 0.0).sum(axis=0)
    known = count >= _LEAST_COHORT
    if not known.all():  # one scale for all, or none
        return np.zeros(tracks, np.float32), np.ones(tracks, np.float32)
    mean = total / count
    spread = np.sqrt(np.maximum(squares / count - mean * mean, 0.0))
    return mean.astype(np.float32), np.maximum(spread, _LEAST_SPREAD).astype(np.float32)
