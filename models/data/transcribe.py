"""Pitch salience of a recording to a score of its own: enough of one to play it anew in another way.

A wrong note here is no tragedy: the score is only played back as "a cover of this recording", and covers are wrong in
places too.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.data.hear import FPS, LOWEST_PITCH, Roll
from models.data.score import MELODY, OTHER, Score, make_score

BEAT_S = 0.5
"""A recording's score knows no beats: a "beat" is half a second."""

_SOUNDS, _CLEAR = 0.15, 0.3
_TUNE = (30, 66)  # bins among which the tune is looked for: F#3 to F#6
_HIGH_IS_TUNE = 0.015  # of salience, for every bin upwards
_ON_TOP = 0.4  # share of its frames in which a tune's note leads


def transcribe(salience: Roll) -> Score:
    """Notes of a salience, float array (frames, BINS) at `FPS`; a note is a run of frames that lead their neighbours.

    The melody is what leads most of the time among the middle and high bins, high ones at an advantage.
    """
    padded = np.pad(salience, ((0, 0), (1, 1)))
    leads = (salience > _SOUNDS) & (salience >= padded[:, :-2]) & (salience > padded[:, 2:])
    low, high = _TUNE
    middle = salience[:, low:high] + _HIGH_IS_TUNE * np.arange(high - low)
    top = np.where(salience[:, low:high].max(1) > _SOUNDS, middle.argmax(1) + low, -1)
    onset: list[float] = []
    length: list[float] = []
    pitch: list[int] = []
    role: list[int] = []
    for row in np.flatnonzero(leads.any(0)):
        for start, end in _runs(leads[:, row]):
            if float(salience[start:end, row].max()) < _CLEAR:
                continue
            onset.append(start / FPS / BEAT_S)
            length.append((end - start) / FPS / BEAT_S)
            pitch.append(int(row) + LOWEST_PITCH)
            role.append(MELODY if np.mean(top[start:end] == row) >= _ON_TOP else OTHER)
    return make_score(onset, length, pitch, role, BEAT_S)


def _runs(on: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """(start, end) of every run of true, shape (runs, 2); a gap of a single frame does not end a run."""
    bridged = on.copy()
    bridged[1:-1] |= on[:-2] & on[2:]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], bridged.astype(np.int8), [0]])))
    return edges.reshape(-1, 2)
