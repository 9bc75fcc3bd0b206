"""Nearness of a query to references, in a space where nothing is common and against what strangers reach there.

Embeddings of one catalogue share much: a mean that is a good half of every vector, and a few directions along which
everything varies. Two unrelated windows are near each other by these alone. So the windows of the catalogue are centred
and whitened with their own covariance, shrunk towards a round one (Ledoit & Wolf 2004, "A well-conditioned estimator
for large-dimensional covariance matrices"; whitening of embeddings as in Su et al. 2021, "Whitening sentence
representations for better semantics and faster retrieval").

A long or tonally plain reference is near to everything. What a reference gets is therefore counted in standard
deviations above the mean of what windows of other works get of it, as speaker recognition does (zero normalisation:
Auckenthaler et al. 2000, "Score normalization for text-independent speaker verification systems"). On the plain cosine
the same standardising ranks long references too low; whitened, it helps all sorts of recordings.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recognizer.catalogue import CatalogueView
from recognizer.embedded import Embedded, once_per_view
from recognizer.step import Floats

# Chosen on half of the works of the real recordings; from 0.05 to 0.4 little changes.
_SHRUNK = 0.1
_SAMPLE_WINDOWS = 65_536  # that covariance is computed from
_BLOCK_WINDOWS = 65_536
_UNIT = 0.1  # cosine: about the spread of strangers, where there are too few to tell
_LEAST_STRANGERS = 20  # windows of other works
_UNSURE_WORKS = 20  # so few tell no more of a reference's own spread than all references together do
_LEAST_NORM, _LEAST_SPREAD = 1e-6, 0.01


class Whitening:
    """The whitened space of a catalogue, and what is usual for each of its references there.

    The windows are not copied: a query is turned into what multiplies them as they are. With too few strangers in the
    catalogue, nothing is whitened and nothing is usual.

    Parameters
    ----------
    table : Embedded
        Windows or pieces.
    """

    def __init__(self, table: Embedded) -> None:
        self._table = table
        self._leave_plain()
        if not len(table.vectors):
            return
        self._mean, self._inverse = _fitted(table.vectors)
        for first in range(0, len(table.vectors), _BLOCK_WINDOWS):
            block = slice(first, first + _BLOCK_WINDOWS)
            self._lengths[block] = self._lengths_of(table.vectors[block] - self._mean)
        windowed, found = table.strangers(self.cosine)
        other = np.isfinite(found)
        count = other.sum(axis=0)
        if count.min() < _LEAST_STRANGERS:
            self._leave_plain()
            return
        mean = np.where(other, found, 0.0).sum(axis=0) / count
        away = np.where(other, found - mean, 0.0)
        spread = np.sqrt((away * away).sum(axis=0) / count)
        works = len(set(table.works))
        sure = works / (works + _UNSURE_WORKS)
        self._usual[windowed] = mean
        self._spread[windowed] = np.maximum(sure * spread + (1 - sure) * spread.mean(), _LEAST_SPREAD)

    def _leave_plain(self) -> None:
        (windows, width), tracks = self._table.vectors.shape, len(self._table.works)
        self._mean, self._inverse = np.zeros(width, np.float32), np.eye(width, dtype=np.float32)
        self._lengths = np.ones(windows, np.float32)
        self._usual, self._spread = np.zeros(tracks, np.float32), np.full(tracks, _UNIT, np.float32)

    def _lengths_of(self, centred: Floats) -> Floats:
        square = np.einsum("ij,ij->i", centred @ self._inverse, centred)
        return np.asarray(np.sqrt(np.maximum(square, _LEAST_NORM**2)), np.float32)

    def cosine(self, embeddings: Floats) -> Floats:
        """Whitened cosine of embeddings, shape (queries, dimension), with the windows; shape (queries, windows)."""
        centred = embeddings - self._mean
        turned = np.asarray((centred @ self._inverse) / self._lengths_of(centred)[:, None], np.float32)
        cosine = self._table.cosine(turned)
        cosine -= (turned @ self._mean)[:, None]
        cosine /= self._lengths
        return np.asarray(cosine, np.float32)

    def standardised(self, similarity: Floats) -> Floats:
        """Mean whitened cosines with the tracks, shape (..., tracks), in standard deviations above what is usual."""
        return np.asarray((similarity - self._usual) / self._spread, dtype=np.float32)


@once_per_view
def whitening(view: CatalogueView) -> Whitening:
    """The whitening of a view, computed once: as costly as its hub correction."""
    return Whitening(Embedded.windows(view))


def _fitted(vectors: npt.NDArray[np.floating[Any]]) -> tuple[Floats, Floats]:
    """Mean, and inverse of the shrunk covariance, of an even sample of windows."""
    rows = np.unique(np.linspace(0, len(vectors) - 1, min(_SAMPLE_WINDOWS, len(vectors)), dtype=np.int64))
    sample = vectors[rows].astype(np.float64)
    mean = sample.mean(axis=0)
    sample -= mean
    covariance = sample.T @ sample / len(sample)
    width = len(covariance)
    round_ = max(float(np.trace(covariance)) / width, _LEAST_NORM)
    # A covariance of few windows is mostly chance.
    shrunk = max(_SHRUNK, width / (width + len(sample)))
    inverse = np.linalg.inv((1 - shrunk) * covariance + shrunk * round_ * np.eye(width))
    return mean.astype(np.float32), inverse.astype(np.float32)
