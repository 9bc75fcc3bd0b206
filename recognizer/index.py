"""Nearest-neighbour search over embeddings.

An index is built once and never changed, so that searching needs no lock.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import faiss
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

# FAISS answers fewer than 20 queries one after another by default; a matrix product is several times faster.
faiss.cvar.distance_compute_blas_threshold = 2


class VectorIndex(Protocol):
    """What the line needs of an index."""

    @property
    def vectors(self) -> Floats:
        """The indexed vectors, read-only, shape (rows, dimension)."""
        ...

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def search(self, queries: Floats, k: int) -> tuple[Floats, Rows]:
        """The nearest rows of each query.

        Parameters
        ----------
        queries : float32 array, shape (queries, dimension)
            Unit-norm embeddings.
        k : int
            Rows per query; all rows when there are fewer.

        Returns
        -------
        scores : float32 array, shape (queries, k)
            Inner products (the cosine, for unit vectors), best first.
        rows : int64 array, shape (queries, k)
        """
        ...


class FlatIndex:
    """Exact search by inner product.

    Parameters
    ----------
    dimension : int
    parts : iterable of float32 arrays, shape (any rows, dimension)
        Copied one by one into the index, in order; `vectors` is a view of that copy, so that a large
        catalogue is in memory once.
    """

    def __init__(self, dimension: int, parts: Iterable[Floats]) -> None:
        self._index = faiss.IndexFlatIP(dimension)
        for part in parts:
            if part.ndim != 2 or part.shape[1] != dimension:
                raise ValueError(f"vectors have shape {part.shape}, expected (rows, {dimension})")
            self._index.add(np.ascontiguousarray(part, dtype=np.float32))
        shape = (int(self._index.ntotal), dimension)
        self._vectors: Floats = np.zeros((0, dimension), dtype=np.float32)
        if shape[0]:
            self._vectors = faiss.rev_swig_ptr(self._index.get_xb(), shape[0] * dimension).reshape(shape)
        self._vectors.flags.writeable = False

    @property
    def vectors(self) -> Floats:
        """The indexed vectors, read-only, shape (rows, dimension); valid as long as the index lives."""
        return self._vectors

    def __len__(self) -> int:
        return len(self._vectors)

    def search(self, queries: Floats, k: int) -> tuple[Floats, Rows]:
        """See `VectorIndex.search`."""
        count = min(k, len(self))
        if queries.ndim != 2 or queries.shape[1] != self._vectors.shape[1]:
            raise ValueError(f"queries have shape {queries.shape}, expected (queries, {self._vectors.shape[1]})")
        if count < 1 or not len(queries):
            return np.zeros((len(queries), 0), np.float32), np.zeros((len(queries), 0), np.int64)
        scores, rows = self._index.search(np.ascontiguousarray(queries, dtype=np.float32), count)
        return scores, rows
