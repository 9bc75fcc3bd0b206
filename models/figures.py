"""Figures of a similarity matrix: ranks, and how well one threshold tells pairs of one work from pairs of two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a table shows.

    Attributes
    ----------
    top1, mrr : float
        Share of queries whose work comes first; mean of one over its rank.
    eer : float
        Error at the threshold where as many pairs of one work are refused as pairs of two are accepted (shares).
    acc_pair : float
        Share of all pairs that are judged right at that threshold; next to one less ``eer``, as both errors are equal.
    """

    top1: float
    mrr: float
    eer: float
    acc_pair: float


def figures_of(similarity: Floats, query_work: npt.ArrayLike, reference_work: npt.ArrayLike) -> Figures:
    """Figures of queries (rows) among references (columns); every query's work is among the references.

    Ties count against the query.
    """
    same = np.asarray(query_work)[:, None] == np.asarray(reference_work)[None]
    best = np.where(same, similarity, -np.inf).max(1)
    rank = 1 + (np.where(same, -np.inf, similarity) >= best[:, None]).sum(1)
    eer, right = equal_error(similarity[same], similarity[~same])
    return Figures(float((rank == 1).mean()), float((1 / rank).mean()), eer, right)


def equal_error(positive: Floats, negative: Floats) -> tuple[float, float]:
    """Equal error rate of two sets of scores, and the share of all scores judged right at its threshold.

    The threshold is the score where the two error rates are nearest; the rate is their mean there.
    """
    positive, negative = np.sort(positive), np.sort(negative)
    threshold = np.concatenate([positive, negative])
    refused = np.searchsorted(positive, threshold, "left") / len(positive)
    accepted = 1 - np.searchsorted(negative, threshold, "left") / len(negative)
    at = int(np.argmin(np.abs(refused - accepted)))
    wrong = refused[at] * len(positive) + accepted[at] * len(negative)
    return float(refused[at] + accepted[at]) / 2, float(1 - wrong / (len(positive) + len(negative)))
