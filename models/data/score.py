"""A composition as plain arrays, in beats, so that every view may draw its own tempo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

OTHER, MELODY, DRUMS = 0, 1, 2
"""Roles of a note: anything else, the tune itself, unpitched percussion."""


@dataclass(frozen=True, slots=True)
class Score:
    """Notes of one file, sorted by onset.

    Attributes
    ----------
    onset, duration : float32 arrays, shape (n,)
        In beats (quarter notes); the first onset is at or after beat 0.
    pitch : uint8 array, shape (n,)
        MIDI note numbers.
    role : uint8 array, shape (n,)
        `MELODY`, `OTHER` or `DRUMS`.
    beat_s : float
        Nominal length of a beat in seconds.
    """

    onset: Floats
    duration: Floats
    pitch: Bytes
    role: Bytes
    beat_s: float

    def __len__(self) -> int:
        return len(self.onset)

    @property
    def beats(self) -> float:
        """Beat at which the last note ends (0 for an empty score)."""
        return float(np.max(self.onset + self.duration)) if len(self) else 0.0

    def select(self, mask: npt.NDArray[np.bool_]) -> Score:
        """The notes where ``mask`` (bool, shape (n,)) is true."""
        return Score(self.onset[mask], self.duration[mask], self.pitch[mask], self.role[mask], self.beat_s)

    def span(self, start: float, end: float) -> Score:
        """Notes sounding anywhere in the beats ``[start, end)``, times unchanged."""
        return self.select((self.onset < end) & (self.onset + self.duration > start))


def make_score(
    onset: npt.ArrayLike,
    duration: npt.ArrayLike,
    pitch: npt.ArrayLike,
    role: npt.ArrayLike,
    beat_s: float,
) -> Score:
    """Build a sorted `Score` from any array-likes of equal length (beats, beats, MIDI numbers, roles)."""
    onset = np.asarray(onset, np.float32)
    order = np.argsort(onset, kind="stable")
    return Score(
        onset[order],
        np.maximum(np.asarray(duration, np.float32)[order], np.float32(1 / 64)),
        np.asarray(pitch, np.uint8)[order],
        np.asarray(role, np.uint8)[order],
        float(beat_s),
    )


def skyline(score: Score, within: npt.NDArray[np.bool_] | None = None) -> Bytes:
    """Roles in which the highest line of the pitched notes is the melody.

    A note is on the line when nothing higher sounds at its onset. ``within`` (bool, shape (n,)) limits the search,
    for example to one track.

    Returns
    -------
    uint8 array, shape (n,)
    """
    role = score.role.copy()
    chosen = np.flatnonzero((role != DRUMS) if within is None else within & (role != DRUMS))
    top_first = chosen[np.lexsort((-score.pitch[chosen].astype(np.int64), score.onset[chosen]))]
    sounding: list[tuple[float, int]] = []
    for i in top_first:
        now, pitch = float(score.onset[i]), int(score.pitch[i])
        sounding = [(end, other) for end, other in sounding if end > now + 1e-3]
        if all(other <= pitch for _, other in sounding):
            role[i] = MELODY
        sounding.append((now + float(score.duration[i]), pitch))
    return role
