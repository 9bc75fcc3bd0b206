"""One of a catalogue's two tables of embeddings, its windows or its pieces, and how strangers stand to its tracks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from recognizer.catalogue import CatalogueView
from recognizer.step import Floats

Ints = npt.NDArray[np.integer[Any]]
_Made = TypeVar("_Made")
_COHORT = 512  # embeddings
_COHORT_BLOCK = 32  # compared at once: bounds memory on large catalogues
_ROWS_BLOCK = 65_536


def once_per_view(make: Callable[[CatalogueView], _Made]) -> Callable[[CatalogueView], _Made]:
    """Remember what a function makes of each view as long as the view lives; it must not hold on to the view."""
    known: WeakKeyDictionary[CatalogueView, _Made] = WeakKeyDictionary()

    @wraps(make)
    def remembered(view: CatalogueView) -> _Made:
        found = known.get(view)
        if found is None:
            found = known[view] = make(view)
        return found

    return remembered


@dataclass(frozen=True, slots=True)
class Embedded:
    """Embeddings with whose they are.

    Attributes
    ----------
    vectors : float32 or float16 array, shape (rows, dimension)
        Unit norm.
    track : int array, shape (rows,)
        Track number of each, ascending.
    works : sequence of str
        Work of each track; tracks may have no rows.
    """

    vectors: npt.NDArray[np.floating[Any]]
    track: Ints
    works: Sequence[str]

    @classmethod
    def windows(cls, view: CatalogueView) -> Embedded:
        """Of the windows of a view."""
        return cls(view.vectors, view.vector_track, [track.work_id for track in view.tracks])

    @classmethod
    def pieces(cls, view: CatalogueView) -> Embedded:
        """Of its pieces."""
        return cls(view.pieces, view.piece_track, [track.work_id for track in view.tracks])

    def cosine(self, embeddings: Floats) -> Floats:
        """Of unit embeddings with all rows, shape (embeddings, rows)."""
        if self.vectors.dtype == np.float32:
            return np.asarray(embeddings @ self.vectors.T, dtype=np.float32)
        found = np.empty((len(embeddings), len(self.vectors)), dtype=np.float32)
        for first in range(0, len(self.vectors), _ROWS_BLOCK):
            rows = slice(first, first + _ROWS_BLOCK)
            found[:, rows] = embeddings @ self.vectors[rows].astype(np.float32).T
        return found

    def strangers(self, cosine: Callable[[Floats], Floats] | None = None) -> tuple[npt.NDArray[np.int64], Floats]:
        """How near a cohort of rows, spread evenly over the catalogue, comes to each track.

        Parameters
        ----------
        cosine : callable, optional
            Of embeddings with all rows, shape (embeddings, rows), in place of the plain one.

        Returns
        -------
        tracks : int64 array
            Those that have rows at all.
        found : float32 array, shape (cohort, tracks)
            Best cosine with the rows of each; minus infinity with those of its own work.
        """
        cosine = cosine or self.cosine
        known = {work: number for number, work in enumerate(dict.fromkeys(self.works))}
        work = np.array([known[name] for name in self.works], dtype=np.int64)
        count = len(self.vectors)
        rows = np.unique(np.linspace(0, count - 1, min(_COHORT, count), dtype=np.int64))
        tracks = np.unique(self.track).astype(np.int64)  # a track may be too short for a window
        first_rows = np.searchsorted(self.track, tracks)
        found = np.empty((len(rows), len(tracks)), dtype=np.float32)
        for first in range(0, len(rows), _COHORT_BLOCK):
            block = rows[first : first + _COHORT_BLOCK]
            best = np.maximum.reduceat(cosine(self.vectors[block].astype(np.float32)), first_rows, axis=1)
            other = work[self.track[block]][:, None] != work[tracks]
            found[first : first + _COHORT_BLOCK] = np.where(other, best, -np.inf)
        return tracks, found
