"""Where two versions of a work play the same passage, judged by their tunes alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.data.anchors import anchors
from models.data.score import MELODY, Score

Doubles = npt.NDArray[np.float64]
_AROUND_S = 12.0
_STEP_S = 0.1
_MOST_ANCHORS = 24
_LEAST_SHARED_S = 8.0
_CHANCE = 0.25
_LEAST_AGREEMENT = 0.35
# Note values of one version in those of the other; what anchors say about it is rough where rhythms differ.
_RATIOS = np.array([1 / 4, 1 / 3, 3 / 8, 1 / 2, 2 / 3, 3 / 4, 1, 4 / 3, 3 / 2, 2, 8 / 3, 3, 4])
_NEAR_RATIO = 1.3


@dataclass(frozen=True, slots=True)
class Matched:
    """The same place in two scores.

    Attributes
    ----------
    a, b : float
        Beat in either score.
    ratio : float
        Beats of ``b`` per beat of ``a``.
    agreement : float
        Share of the time around the place in which both tunes are on the same note of the scale, after the best
        transposition; unrelated tunes have about a quarter.
    """

    a: float
    b: float
    ratio: float
    agreement: float


def matched(a: Score, b: Score, beat_s: float) -> Matched | None:
    """The place with most agreement among those that the anchors propose; None when nothing agrees well.

    Parameters
    ----------
    beat_s
        Seconds per beat of ``a``: 12 s before and after a place are compared.
    """
    found = anchors(a, b)
    found = found[:: max(1, -(-len(found) // _MOST_ANCHORS))]
    around = np.arange(-_AROUND_S, _AROUND_S, _STEP_S) / beat_s
    best: Matched | None = None
    most = 0.0
    for at_a, at_b, rough in found:
        near = _RATIOS[np.abs(np.log(_RATIOS / rough)) < np.log(_NEAR_RATIO)]
        for ratio in (*near, rough):
            share, shared = _agreement(_sounding(a, at_a + around), _sounding(b, at_b + around * ratio))
            if shared * _STEP_S < min(_LEAST_SHARED_S, 0.6 * a.beats * beat_s) or share < _LEAST_AGREEMENT:
                continue
            if (share - _CHANCE) * shared > most:
                most = (share - _CHANCE) * shared
                best = Matched(float(at_a), float(at_b), float(ratio), share)
    return best


def _sounding(score: Score, beats: Doubles) -> npt.NDArray[np.int64]:
    """Last begun note of the tune at each beat (sorted); -1 before its beginning and after the score's end."""
    tune = score.role == MELODY
    onset, pitch = score.onset[tune], score.pitch[tune].astype(np.int64)
    at = np.searchsorted(onset, beats + 1e-3, side="right") - 1
    return np.where((at >= 0) & (beats < score.beats), pitch[np.maximum(at, 0)], -1)


def _agreement(a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> tuple[float, int]:
    """Share of moments with the commonest interval (octaves apart are one) where both sound, and their number."""
    both = (a >= 0) & (b >= 0)
    count = int(np.count_nonzero(both))
    if not count:
        return 0.0, 0
    return float(np.bincount((a - b)[both] % 12, minlength=12).max() / count), count
