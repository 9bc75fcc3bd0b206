"""Hub correction: a reference that is near to everything says little by being near.

Long and tonally plain references attract every query. How near a reference comes to music that is not its own is told
by the catalogue itself: a cohort of windows of other works. Half of what the nearest twentieth of them reach is taken
off every similarity, and windows are searched in that form, so that hubs do not crowd out the rest first.

Half of the nearness to the near ones is what cross-domain similarity local scaling takes off (Conneau et al. 2018,
"Word translation without parallel data"). Taking off all of it, or dividing by its spread, ranks short produced
recordings among long ones better and loses everywhere else.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from recognizer.catalogue import CatalogueView
from recognizer.embedded import Embedded, once_per_view
from recognizer.step import Floats

_LEAST_COHORT = 20  # fewer windows of other works say nothing about what is usual
_NEAREST = 0.05  # of the cohort: those that a reference is near to
_SHARE = 0.5
_UNIT = 0.1  # cosine: about the spread of unrelated windows, so that scores read like standard deviations
_LANES = 16  # vectors are padded to whole registers
_EXACT_WINDOWS = 20_000  # some 320 songs: a step takes about 1 ms
_GROUPS_PER_ROOT, _MOST_GROUPS = 0.75, 1024
_SEARCHED_SHARE, _SEARCHED_SHARE_OF_PIECES = 5, 10  # one group in so many
_GROUPING_ROUNDS, _SAMPLE_PER_GROUP = 5, 50


class Hubs:
    """What is usual for each reference of a catalogue, and the search that allows for it.

    Building it compares a few hundred windows with all others: two seconds for a million windows and a core. Its
    index is built when it is first searched, or by `warm`.

    Parameters
    ----------
    table : Embedded
        Windows or pieces.
    searched_share : int
        See `CorrectedIndex`.

    Attributes
    ----------
    table : Embedded
    usual : float32 array, shape (tracks,)
        What the nearest twentieth of unrelated windows reach, as their best cosine with a track's windows; 0 for all
        when the catalogue holds too little to tell.
    """

    def __init__(self, table: Embedded, searched_share: int = _SEARCHED_SHARE) -> None:
        self.table, self._searched_share = table, searched_share
        self._width = table.vectors.shape[1]
        self.usual = _usual(table)

    def taken(self, track: int) -> float:
        """What is taken off the cosines with a track."""
        return _SHARE * float(self.usual[track])

    def score(self, cosine: float, track: int) -> float:
        """What a cosine with a track counts: less what is taken off, in tenths; as `search` has it."""
        return (cosine - self.taken(track)) / _UNIT

    def warm(self) -> None:
        """Build the index now, so that no feed has to wait for it."""
        self.search(np.zeros((1, self._width), dtype=np.float32), 1)

    @cached_property
    def _index(self) -> CorrectedIndex:
        return CorrectedIndex(self.table, self.usual, self._searched_share)

    def search(self, embeddings: Floats, count: int) -> tuple[Floats, npt.NDArray[np.int64]]:
        """The rows that stand out most, see `CorrectedIndex.search`."""
        return self._index.search(embeddings, count)


class CorrectedIndex:
    """Search among windows by what is left of their cosine when half of what is usual is taken off.

    Exact among up to `_EXACT_WINDOWS`; among more, rows are grouped, and the nearest of the groups are searched (an
    inverted file, in a few seconds of building): in a fifth of the groups, 97 in 100 windows find the same nearest
    track; pieces, of which there are twice as many, do so in a tenth.

    Parameters
    ----------
    table : Embedded
    usual : float32 array, shape (tracks,)
    searched_share : int
        One group in so many is searched.
    """

    def __init__(self, table: Embedded, usual: Floats, searched_share: int = _SEARCHED_SHARE) -> None:
        vectors, track = table.vectors, table.track
        self._width = vectors.shape[1]
        padded = self._width + 1 + -(self._width + 1) % _LANES
        # Half precision halves the memory that every search reads; its error is far below any difference that matters.
        half, product = faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT

        def block(rows: Any) -> Floats:
            made = np.zeros((len(track[rows]), padded), dtype=np.float32)
            made[:, : self._width] = vectors[rows] / _UNIT
            made[:, self._width] = -_SHARE * usual[track[rows]] / _UNIT
            return made

        if len(vectors) <= _EXACT_WINDOWS:
            self._index: faiss.Index = faiss.IndexScalarQuantizer(padded, half, product)
        else:
            groups = min(_MOST_GROUPS, round(math.sqrt(len(vectors)) * _GROUPS_PER_ROOT))
            # The quantizer must outlive the index, which does not own it.
            self._middles = faiss.IndexFlatIP(padded)
            grouped = faiss.IndexIVFScalarQuantizer(self._middles, padded, groups, half, product, False)
            grouped.cp.niter = _GROUPING_ROUNDS
            grouped.nprobe = max(1, groups // searched_share)
            sample = np.linspace(0, len(vectors) - 1, groups * _SAMPLE_PER_GROUP, dtype=np.int64)
            grouped.train(block(np.unique(sample)))
            self._index = grouped
        for first in range(0, len(vectors), 65_536):
            self._index.add(block(slice(first, first + 65_536)))

    def search(self, embeddings: Floats, count: int) -> tuple[Floats, npt.NDArray[np.int64]]:
        """The rows that stand out most for unit embeddings, shape (queries, dimension).

        Returns
        -------
        scores : float32 array, shape (queries, up to ``count``)
            As `Hubs.score` has them, best first.
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


@once_per_view
def hubs(view: CatalogueView) -> Hubs:
    """The hub correction of a view's windows, computed once."""
    return Hubs(Embedded.windows(view))


@once_per_view
def piece_hubs(view: CatalogueView) -> Hubs:
    """The same of its pieces."""
    return Hubs(Embedded.pieces(view), _SEARCHED_SHARE_OF_PIECES)


def warm(view: CatalogueView) -> None:
    """Prepare everything that is searched for a feed."""
    hubs(view).warm()
    if len(view.pieces):
        piece_hubs(view).warm()


def _usual(table: Embedded) -> Floats:
    """Per track, what the nearest twentieth of the rows of other works reach."""
    usual = np.zeros(len(table.works), np.float32)
    tracks, found = table.strangers()
    nearest = max(1, round(_NEAREST * len(found)))
    # One rule for all, or none; and what is taken must be another work's window.
    if not len(tracks) or np.isfinite(found).sum(axis=0).min() < max(_LEAST_COHORT, nearest):
        return usual
    usual[tracks] = np.partition(found, -nearest, axis=0)[-nearest]
    return usual
