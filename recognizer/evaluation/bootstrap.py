"""Intervals over works: queries of one work are not independent of each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recognizer.evaluation.ranking import Doubles

DRAWS = 2_000


def intervals(values: Doubles, works: Sequence[str], *, seed: int = 0, draws: int = DRAWS) -> Doubles:
    """95 % percentile bootstrap of the mean over queries, drawing works.

    Parameters
    ----------
    values : float64 array, shape (figures, queries)
    works : sequence of str
        Work of each query.

    Returns
    -------
    float64 array, shape (figures, 2)
        Lower and upper ends; NaN with a single work, which says nothing about others.
    """
    names, member = np.unique(np.array(works), return_inverse=True)
    if len(names) < 2:
        return np.full((len(values), 2), np.nan)
    sums = np.stack([np.bincount(member, weights=row, minlength=len(names)) for row in values])
    counts = np.bincount(member, minlength=len(names)).astype(np.float64)
    # How often each work is drawn says all that matters.
    times = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    means = (sums @ times.T) / (counts @ times.T)
    ends: Doubles = np.percentile(means, [2.5, 97.5], axis=1).T
    return ends
