"""Pools drawn from a seed, and intervals over works."""

from __future__ import annotations

import numpy as np
import pytest

from recognizer.evaluation.bootstrap import intervals
from recognizer.evaluation.pool_curve import pool_curve
from recognizer.evaluation.ranking import rank


def test_a_pool_keeps_what_is_relevant_and_gets_harder_with_size() -> None:
    rng = np.random.default_rng(3)
    relevant = np.zeros((40, 600), dtype=bool)
    relevant[np.arange(40), np.arange(40)] = True
    scores = rng.standard_normal((40, 600)) + 2.0 * relevant
    ranked = np.ones_like(relevant)
    points = pool_curve(scores, relevant, ranked, (10, 100, 1_000), seed=1)
    assert [point.references for point in points] == [10, 100, 600]
    values = [point.mean_average_precision for point in points]
    assert values[0] > values[1] > values[2]
    assert values[2] == pytest.approx(rank(scores, relevant, ranked).average_precision.mean())
    assert points == pool_curve(scores, relevant, ranked, (10, 100, 1_000), seed=1)
    assert points[0] != pool_curve(scores, relevant, ranked, (10,), seed=2)[0]


def test_a_pool_has_the_size_it_says() -> None:
    """With one relevant reference below all others, its rank is the size of the pool."""
    relevant = np.zeros((1, 50), dtype=bool)
    relevant[0, 0] = True
    scores = np.arange(50.0)[None, :]
    (point, whole) = pool_curve(scores, relevant, np.ones_like(relevant), (8,))
    assert point.mean_reciprocal_rank == pytest.approx(1 / 8)
    assert whole.mean_reciprocal_rank == pytest.approx(1 / 50)


def test_one_other_at_least_stays_in_a_small_pool() -> None:
    relevant = np.array([[True] * 5 + [False] * 5])
    scores = np.arange(10.0)[None, :]
    assert pool_curve(scores, relevant, np.ones_like(relevant), (2,))[0].top1 == 0.0


def test_intervals_draw_works_not_queries() -> None:
    rng = np.random.default_rng(0)
    per_work = rng.random(30)
    once = intervals(per_work[None, :], [str(n) for n in range(30)], seed=1)
    # Each query ten times over says nothing new about other works.
    often = intervals(np.repeat(per_work, 10)[None, :], [str(n) for n in range(30) for _ in range(10)], seed=1)
    assert often == pytest.approx(once)
    low, high = once[0]
    assert low < per_work.mean() < high
    # The textbook interval of a mean of 30 values.
    assert high - low == pytest.approx(2 * 1.96 * per_work.std() / np.sqrt(30), rel=0.1)


def test_one_work_has_no_interval() -> None:
    assert np.isnan(intervals(np.ones((2, 3)), ["a", "a", "a"])).all()
