"""Rankings of references, query by query: where the versions of each query stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]
TOP = 10


@dataclass(frozen=True, slots=True)
class Trial:
    """Who is a version of whom.

    Attributes
    ----------
    works : tuple of str
        Work of each query that has a version among the references.
    rows : int array, shape (queries,)
        Which of the queries given they are; the others are left out.
    relevant, ranked : bool arrays, shape (queries, references)
        Whether a reference is another recording of the query's work, and whether it is ranked at all (it is not
        where it is the query's own recording).
    """

    works: tuple[str, ...]
    rows: npt.NDArray[np.intp]
    relevant: Bools
    ranked: Bools


def trial(
    query_ids: Sequence[str], query_works: Sequence[str], reference_ids: Sequence[str], reference_works: Sequence[str]
) -> Trial:
    """Compare every query with every reference.

    Parameters
    ----------
    query_ids, reference_ids : sequence of str
        Equal for equal recordings, for instance the hash of their content.
    query_works, reference_works : sequence of str
    """
    ranked = _different(query_ids, reference_ids)
    relevant = ~_different(query_works, reference_works) & ranked
    rows = np.flatnonzero(relevant.any(axis=1))
    return Trial(tuple(query_works[row] for row in rows.tolist()), rows, relevant[rows], ranked[rows])


def _different(left: Sequence[str], right: Sequence[str]) -> Bools:
    numbers = {name: number for number, name in enumerate(dict.fromkeys([*left, *right]))}
    columns = np.array([numbers[name] for name in right], dtype=np.int64)
    different: Bools = np.array([numbers[name] for name in left], dtype=np.int64)[:, None] != columns[None, :]
    return different


@dataclass(frozen=True, slots=True)
class Ranks:
    """What each query's ranking is worth; float64 arrays, shape (queries,).

    Attributes
    ----------
    average_precision, average_precision_10 : in [0, 1]
    first : rank of the first relevant reference
    reciprocal : its inverse; 0 when it was not retrieved
    hits_10 : relevant references among the first ten
    above : mean share of the non-relevant references that stand above a relevant one
    relevant : how many relevant references there are
    """

    average_precision: Doubles
    average_precision_10: Doubles
    first: Doubles
    reciprocal: Doubles
    hits_10: Doubles
    above: Doubles
    relevant: Doubles


def rank(scores: Scores, relevant: Bools, ranked: Bools) -> Ranks:
    """Rank the references of every query.

    Parameters
    ----------
    scores : float array, shape (queries, references)
        Higher is nearer; minus infinity where a reference was not retrieved, which earns nothing.
    relevant, ranked : bool arrays, shape (queries, references)
        As in `Trial`; every query has a relevant reference.

    Raises
    ------
    ValueError
        When shapes differ, a score is NaN or a query has nothing to find.
    """
    if not scores.shape == relevant.shape == ranked.shape:
        raise ValueError(f"shapes differ: {scores.shape}, {relevant.shape}, {ranked.shape}")
    if np.isnan(scores).any():
        raise ValueError("a score is not a number")
    rows = [_row(scores[q][ranked[q]], relevant[q][ranked[q]]) for q in range(len(scores))]
    return Ranks(*np.array(rows, dtype=np.float64).reshape(len(rows), 7).T)


def _row(scores: Scores, relevant: Bools) -> tuple[float, ...]:
    order = np.lexsort((relevant, -scores))  # of equal scores, the relevant come last
    places = np.flatnonzero(relevant[order])
    count = len(places)
    if not count:
        raise ValueError("a query has no relevant reference; leave it out")
    retrieved = np.isfinite(scores[order[places]])
    nth = np.arange(count)
    precision = np.where(retrieved, (nth + 1) / (places + 1), 0.0)
    early = places < TOP
    others = len(scores) - count
    return (
        float(precision.mean()),
        float(precision[early].sum() / min(count, TOP)),
        float(places[0] + 1),
        float(retrieved[0] / (places[0] + 1)),
        float((early & retrieved).sum()),
        float((places - nth).mean() / others) if others else 0.0,
        float(count),
    )
