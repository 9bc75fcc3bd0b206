"""Where two human-made versions of a work play the same passage, found by their melodies alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.data.score import MELODY, Score

Doubles = npt.NDArray[np.float64]
_GRAM = 7
_MOST = 64


def anchors(a: Score, b: Score) -> Doubles:
    """Matching passages of two scores, whatever their keys and note values.

    Passages of eight melody notes match when their intervals are equal.

    Returns
    -------
    float64 array, shape (m, 3)
        Beat in ``a``, beat in ``b``, beats of ``b`` per beat of ``a``; m is 0 when nothing matches, at most 64.
    """
    tune_a, tune_b = _line(a), _line(b)
    where: dict[bytes, list[int]] = {}
    for j, gram in enumerate(_grams(tune_b[1])):
        where.setdefault(gram, []).append(j)
    found: list[tuple[float, float, float]] = []
    for i, gram in enumerate(_grams(tune_a[1])):
        for j in where.get(gram, ())[:4]:
            length_a = tune_a[0][i + _GRAM] - tune_a[0][i]
            length_b = tune_b[0][j + _GRAM] - tune_b[0][j]
            if length_a > 0.5 and 0.2 < length_b / length_a < 5:
                found.append((tune_a[0][i], tune_b[0][j], length_b / length_a))
    pairs = np.array(found, np.float64).reshape(-1, 3)
    return pairs[:: max(1, -(-len(pairs) // _MOST))]


def melody_grams(score: Score) -> set[bytes]:
    """The different passages of eight melody notes, as intervals: what two tunes have in common, whatever their key."""
    return {gram for gram in _grams(_line(score)[1]) if len(gram) == _GRAM}


def _line(score: Score) -> tuple[Doubles, npt.NDArray[np.int64]]:
    tune = score.select(score.role == MELODY)
    return tune.onset.astype(np.float64), tune.pitch.astype(np.int64)


def _grams(pitch: npt.NDArray[np.int64]) -> list[bytes]:
    """Interval strings; repeated notes alone (no change of pitch) never match."""
    steps = np.diff(pitch).astype(np.int8)
    grams = [steps[i : i + _GRAM].tobytes() for i in range(max(0, len(steps) - _GRAM + 1))]
    return [g if np.count_nonzero(np.frombuffer(g, np.int8)) >= 3 else b"%d" % i for i, g in enumerate(grams)]
