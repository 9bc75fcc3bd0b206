"""How figures fall as the database grows: the same queries among fewer references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recognizer.evaluation.ranking import Bools, Scores, rank

SIZES = (100, 1_000, 5_000)
DRAWS = 5


@dataclass(frozen=True, slots=True)
class PoolPoint:
    """Figures of queries among ``references`` recordings each."""

    references: int
    mean_average_precision: float
    mean_reciprocal_rank: float
    top1: float


def pool_curve(
    scores: Scores, relevant: Bools, ranked: Bools, sizes: Sequence[int] = SIZES, *, seed: int = 0, draws: int = DRAWS
) -> list[PoolPoint]:
    """Figures at each size below the number of references, and with all of them last.

    Every query keeps its relevant references; of the others, as many are drawn for it as the size leaves room for (at
    least one). The mean over ``draws`` is taken; arrays as in `recognizer.evaluation.ranking.rank`.
    """
    everything = int(ranked.sum(axis=1).max(initial=0))
    points = []
    for size in [size for size in sizes if size < everything]:
        rng = np.random.default_rng([seed, size])
        points += [_mean([_point(scores, relevant, _drawn(relevant, ranked, size, rng), size) for _ in range(draws)])]
    return [*points, _point(scores, relevant, ranked, everything)]


def _drawn(relevant: Bools, ranked: Bools, size: int, rng: np.random.Generator) -> Bools:
    kept = relevant & ranked
    for row, others in enumerate(ranked & ~relevant):
        columns = np.flatnonzero(others)
        room = min(len(columns), max(1, size - int(kept[row].sum())))
        kept[row, rng.choice(columns, room, replace=False)] = True
    return kept


def _point(scores: Scores, relevant: Bools, ranked: Bools, size: int) -> PoolPoint:
    ranks = rank(scores, relevant, ranked)
    return PoolPoint(
        size, float(ranks.average_precision.mean()), float(ranks.reciprocal.mean()), float((ranks.first == 1).mean())
    )


def _mean(points: Sequence[PoolPoint]) -> PoolPoint:
    return PoolPoint(
        points[0].references,
        float(np.mean([point.mean_average_precision for point in points])),
        float(np.mean([point.mean_reciprocal_rank for point in points])),
        float(np.mean([point.top1 for point in points])),
    )
