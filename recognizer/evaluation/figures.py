"""All figures of one system on one set of queries."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recognizer.evaluation.bootstrap import intervals
from recognizer.evaluation.pairs import EqualError, equal_error
from recognizer.evaluation.pool_curve import PoolPoint, pool_curve
from recognizer.evaluation.ranking import TOP, Ranks, Scores, Trial, rank


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over queries and the ends of its 95 % interval (``None`` where there is none)."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """How well the queries found their versions.

    Attributes
    ----------
    queries, works : int
        Queries that had something to find, and their works.
    relevant : float
        Mean number of relevant references.
    means : dict of str to Estimate
        ``MAP``, ``MAP@10``, ``MRR``, ``MR1``, ``Top1``, ``MNIT10``, ``P@10``, ``NAR``.
    equal_error : EqualError or None
    pool : tuple of PoolPoint
    ranks : Ranks
        Query by query, in the order of the trial.
    """

    queries: int
    works: int
    relevant: float
    means: dict[str, Estimate]
    equal_error: EqualError | None
    pool: tuple[PoolPoint, ...]
    ranks: Ranks

    def to_json(self) -> dict[str, Any]:
        """JSON values, without the ranks."""
        return {
            "queries": self.queries,
            "query_works": self.works,
            "relevant_per_query": self.relevant,
            "means": {name: asdict(estimate) for name, estimate in self.means.items()},
            "ACC_top1": self.means["Top1"].value,
            "pairs": None if self.equal_error is None else asdict(self.equal_error),
            "pool_curve": [asdict(point) for point in self.pool],
        }


def figures(scores: Scores, asked: Trial, *, seed: int = 0) -> Figures:
    """Measure one system.

    Parameters
    ----------
    scores : float array, shape (queries of the trial, references)
        Higher is nearer.
    asked : Trial
        With at least one query.
    seed : int, optional
        Of the pools drawn and of the bootstrap.
    """
    ranks = rank(scores, asked.relevant, asked.ranked)
    values = {
        "MAP": ranks.average_precision,
        "MAP@10": ranks.average_precision_10,
        "MRR": ranks.reciprocal,
        "MR1": ranks.first,
        "Top1": (ranks.first == 1).astype(np.float64),
        "MNIT10": ranks.hits_10,
        "P@10": ranks.hits_10 / TOP,
        "NAR": 100 * ranks.above,
    }
    ends = intervals(np.stack(list(values.values())), asked.works, seed=seed)
    means = {
        name: Estimate(float(row.mean()), *(None if math.isnan(end) else float(end) for end in ends[number]))
        for number, (name, row) in enumerate(values.items())
    }
    return Figures(
        queries=len(asked.works),
        works=len(set(asked.works)),
        relevant=float(ranks.relevant.mean()),
        means=means,
        equal_error=equal_error(scores[asked.relevant], scores[asked.ranked & ~asked.relevant]),
        pool=tuple(pool_curve(scores, asked.relevant, asked.ranked, seed=seed)),
        ranks=ranks,
    )
