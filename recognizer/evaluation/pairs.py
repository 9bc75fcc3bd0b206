"""Pairs of recordings: one threshold that says whether they are versions of each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recognizer.evaluation.ranking import Doubles, Scores


@dataclass(frozen=True, slots=True)
class EqualError:
    """The threshold at which both kinds of error are equally likely.

    Attributes
    ----------
    rate : float
        Mean of both error rates there, in [0, 1].
    threshold : float
        Pairs with at least this score are taken for versions.
    accuracy : float
        Pairs decided rightly at the threshold.
    positive, negative : int
        Pairs counted.
    """

    rate: float
    threshold: float
    accuracy: float
    positive: int
    negative: int


def error_rates(positive: Scores, negative: Scores) -> tuple[Doubles, Doubles, Doubles]:
    """Both error rates at every threshold that makes a difference.

    Returns
    -------
    thresholds : float64 array, shape (n,), ascending
        The different scores, and one above all of them.
    false_accepts : share of ``negative`` with at least that score
    false_rejects : share of ``positive`` below it
    """
    positive, negative = np.sort(positive, axis=None), np.sort(negative, axis=None)
    values = np.unique(np.concatenate([positive, negative]).astype(np.float64))
    thresholds = np.append(values, np.nextafter(values[-1], np.inf)) if len(values) else values
    accepts = 1.0 - np.searchsorted(negative, thresholds, side="left") / max(1, len(negative))
    rejects = np.searchsorted(positive, thresholds, side="left") / max(1, len(positive))
    return thresholds, accepts, rejects


def equal_error(positive: Scores, negative: Scores) -> EqualError | None:
    """The equal error rate of pairs' scores, any shape; ``None`` without pairs of both kinds.

    Where no threshold makes the rates equal, the one that brings them nearest counts (the lowest of several).
    """
    if not positive.size or not negative.size:
        return None
    thresholds, accepts, rejects = error_rates(positive, negative)
    best = int(np.abs(accepts - rejects).argmin())
    right = (1 - rejects[best]) * positive.size + (1 - accepts[best]) * negative.size
    return EqualError(
        rate=float(accepts[best] + rejects[best]) / 2,
        threshold=float(thresholds[best]),
        accuracy=float(right / (positive.size + negative.size)),
        positive=positive.size,
        negative=negative.size,
    )


def thinned(thresholds: Doubles, accepts: Doubles, rejects: Doubles, points: int = 400) -> tuple[Doubles, Doubles]:
    """The curve of `error_rates` at so many places, evenly spread over both rates: (false accepts, false rejects)."""
    travelled = rejects - accepts  # grows from -1 to 1
    places = np.unique(np.searchsorted(travelled, np.linspace(-1, 1, points)).clip(0, len(thresholds) - 1))
    return accepts[places], rejects[places]
