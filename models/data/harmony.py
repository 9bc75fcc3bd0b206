"""Chords of a score, guessed where nobody wrote them down: what a new accompaniment is built from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.data.score import DRUMS, MELODY, Score

SEGMENT_BEATS = 2.0
"""Length of the pieces that get one chord each."""

_MAJOR, _MINOR = (0, 4, 7), (0, 3, 7)
TRIADS = np.array([[(r + i) % 12 for i in shape] for shape in (_MAJOR, _MINOR) for r in range(12)])
"""Pitch classes of the 24 triads, shape (24, 3): major on C..B, then minor on C..B; the root comes first."""

_TEMPLATES = np.full((24, 12), -0.45)
for _i, _pcs in enumerate(TRIADS):
    _TEMPLATES[_i, _pcs] = (1.0, 0.9, 0.8)
_SCALE = (0, 2, 4, 5, 7, 9, 11)
_DIATONIC = np.zeros((12, 24))
for _key in range(12):
    for _i, _pcs in enumerate(TRIADS):
        _DIATONIC[_key, _i] = float(set((_pcs - _key) % 12) <= set(_SCALE))
    for _i, _bonus in ((_key, 0.4), ((_key + 5) % 12, 0.3), ((_key + 7) % 12, 0.3), (12 + (_key + 9) % 12, 0.25)):
        _DIATONIC[_key, _i] += _bonus
_CHANGE_COST = 0.35

Chords = npt.NDArray[np.int64]


def harmonise(score: Score) -> Chords:
    """The likeliest chord of every segment, found by dynamic programming.

    Returns
    -------
    int64 array, shape (segments,)
        Rows of `TRIADS`; segment ``s`` covers the beats ``[s, s + 1) * SEGMENT_BEATS``.
    """
    weights = _pitch_class_weights(score)
    fit = weights @ _TEMPLATES.T + 0.5 * _DIATONIC[_key_of(weights.sum(0))]
    best = fit[0].copy()
    back = np.zeros(fit.shape, np.int64)
    for s in range(1, len(fit)):
        stay, jump = best, best.max() - _CHANGE_COST
        back[s] = np.where(stay >= jump, np.arange(24), int(best.argmax()))
        best = np.maximum(stay, jump) + fit[s]
    chords = np.zeros(len(fit), np.int64)
    chords[-1] = best.argmax()
    for s in range(len(fit) - 1, 0, -1):
        chords[s - 1] = back[s, chords[s]]
    return chords


def _pitch_class_weights(score: Score) -> npt.NDArray[np.float64]:
    """Share of each pitch class in each segment, shape (segments, 12); the lowest notes count more."""
    segments = max(1, int(np.ceil(score.beats / SEGMENT_BEATS)))
    weights = np.zeros((segments, 12))
    pitched = score.select(score.role != DRUMS)
    weight = np.where(pitched.role == MELODY, 1.0, 1.3) + 0.7 * (pitched.pitch < 50)
    start = pitched.onset / SEGMENT_BEATS
    end = (pitched.onset + pitched.duration) / SEGMENT_BEATS
    # A note is spread over at most three segments: longer ones say nothing new.
    for shift in range(3):
        at = np.floor(start).astype(np.int64) + shift
        overlap = np.minimum(end, at + 1) - np.maximum(start, at)
        inside = (overlap > 0) & (at < segments)
        np.add.at(weights, (at[inside], pitched.pitch[inside] % 12), (overlap * weight)[inside])
    return np.asarray(weights / np.maximum(weights.sum(1, keepdims=True), 0.25))


def _key_of(histogram: npt.NDArray[np.float64]) -> int:
    """Tonic of the major scale (or its relative minor) that holds most of the notes."""
    profile = np.array([1.2, -1, 1, -1, 1.1, 1, -1, 1.2, -1, 1, -1, 0.8])
    return int(np.argmax([histogram @ np.roll(profile, key) for key in range(12)]))


def reharmonised(chords: Chords, rng: np.random.Generator, probability: float) -> Chords:
    """Replace chords by a neighbour that shares two notes (the relative or mediant triad) now and then."""
    roots, minor = chords % 12, chords >= 12
    up = rng.random(len(chords)) < 0.5
    swapped = np.where(minor, np.where(up, (roots + 3) % 12, (roots + 8) % 12), 0)
    swapped = np.where(minor, swapped, 12 + np.where(up, (roots + 4) % 12, (roots + 9) % 12))
    return np.where(rng.random(len(chords)) < probability, swapped, chords)
