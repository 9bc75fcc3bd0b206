"""Rank metrics over works, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recognizer.evaluation.bootstrap import intervals

BOOTSTRAP_DRAWS = 2_000


@dataclass(frozen=True, slots=True)
class Retrieval:
    """How well a set of queries found their works.

    Attributes
    ----------
    queries : int
    top1, mrr : tuple of float
        (estimate, lower, upper), 95 % percentile bootstrap over works, since queries of one work are not independent;
        one work alone says nothing about others, so its interval is [0, 1].
    random_top1, random_mrr : float
        What random scores of the works would give.
    """

    queries: int
    top1: tuple[float, float, float]
    mrr: tuple[float, float, float]
    random_top1: float
    random_mrr: float


def rank_of_work(scores: dict[str, float], work_id: str) -> int:
    """Rank of a work among scored works, 1 best; ties count against it.

    Parameters
    ----------
    scores : dict
        Best score of any reference of each candidate work.
    work_id : str
        One of ``scores``.
    """
    return sum(score >= scores[work_id] for score in scores.values())


def summarise(ranks: Sequence[int], works: Sequence[str], candidates: int, seed: int = 0) -> Retrieval:
    """Top-1 and MRR of queries with their intervals.

    Parameters
    ----------
    ranks : sequence of int
        Rank of the right work of each query.
    works : sequence of str
        Work of each query.
    candidates : int
        Works that a query was ranked against, its own included.
    seed : int, optional
        Of the bootstrap.
    """
    values = np.stack([np.array(ranks) == 1, 1.0 / np.array(ranks)])
    low, high = intervals(values, works, seed=seed, draws=BOOTSTRAP_DRAWS).T
    if np.isnan(low).any():
        low, high = np.zeros(2), np.ones(2)
    top1, mrr = ((float(values[i].mean()), float(low[i]), float(high[i])) for i in (0, 1))
    return Retrieval(
        queries=len(ranks),
        top1=top1,
        mrr=mrr,
        random_top1=1.0 / candidates,
        random_mrr=float(np.mean(1.0 / np.arange(1, candidates + 1))),
    )
