"""Cover operators on scores: another tempo, another band, another singer, the same song. All times in beats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.data.harmony import SEGMENT_BEATS, TRIADS, Chords
from models.data.score import DRUMS, MELODY, Score
from models.data.style import Style

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Notes:
    """Sounding notes of a view: float64 arrays of shape (n,) each.

    Attributes
    ----------
    onset, duration : in beats or seconds, as the function says.
    pitch : MIDI numbers.
    level : in [0, 1].
    melody : 1 for the tune, 0 for the rest.
    """

    onset: Doubles
    duration: Doubles
    pitch: Doubles
    level: Doubles
    melody: Doubles

    def __len__(self) -> int:
        return len(self.onset)

    @classmethod
    def of(
        cls, onset: npt.ArrayLike, duration: npt.ArrayLike, pitch: npt.ArrayLike, level: npt.ArrayLike, melody: float
    ) -> Notes:
        """Build from array-likes; ``level`` and the melody flag are broadcast over the notes."""
        start = np.asarray(onset, np.float64)
        return cls(
            start,
            np.broadcast_to(np.asarray(duration, np.float64), start.shape).copy(),
            np.broadcast_to(np.asarray(pitch, np.float64), start.shape).copy(),
            np.broadcast_to(np.asarray(level, np.float64), start.shape).copy(),
            np.full(start.shape, melody),
        )

    def pick(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Notes:
        """The chosen notes (mask or indices)."""
        return Notes(
            self.onset[chosen], self.duration[chosen], self.pitch[chosen], self.level[chosen], self.melody[chosen]
        )


def together(parts: list[Notes]) -> Notes:
    """All notes of several parts (at least one part)."""
    return Notes(
        np.concatenate([p.onset for p in parts]),
        np.concatenate([p.duration for p in parts]),
        np.concatenate([p.pitch for p in parts]),
        np.concatenate([p.level for p in parts]),
        np.concatenate([p.melody for p in parts]),
    )


def excerpt(score: Score, start: float, end: float, loop_beats: float | None) -> Score:
    """Notes sounding in the beats ``[start, end)``, shifted so that ``start`` becomes 0.

    Parameters
    ----------
    loop_beats
        When given, the score repeats every so many beats (a short tune is played again and again).
    """
    if loop_beats is None:
        part = score.span(start, end)
        return Score(part.onset - np.float32(start), part.duration, part.pitch, part.role, part.beat_s)
    rounds = range(int(np.floor(start / loop_beats)), int(np.ceil(end / loop_beats)) + 1)
    parts = [(score.span(start - r * loop_beats, end - r * loop_beats), r * loop_beats - start) for r in rounds]
    return Score(
        np.concatenate([p.onset + np.float32(shift) for p, shift in parts]),
        np.concatenate([p.duration for p, _ in parts]),
        np.concatenate([p.pitch for p, _ in parts]),
        np.concatenate([p.role for p, _ in parts]),
        score.beat_s,
    )


def perform(part: Score, chords: Chords, style: Style, beats: float, rng: np.random.Generator) -> Notes:
    """Play an excerpt in a style.

    Parameters
    ----------
    part : Score
        The excerpt, beat 0 first.
    chords : int64 array, shape (segments,)
        Rows of `models.data.harmony.TRIADS` per `SEGMENT_BEATS` of the excerpt.
    beats : float
        Length of the excerpt.

    The notes come in beats and are not sorted.
    """
    parts = [_melody(part.select(part.role == MELODY), style, rng)]
    original = part.select((part.role != MELODY) & (part.role != DRUMS))
    use_original = style.accompaniment == "original" and len(original) >= 4
    if use_original:
        parts.append(Notes.of(original.onset, original.duration, original.pitch, style.other_level, 0.0))
    elif style.accompaniment != "none":
        parts.append(_pattern(chords, style, beats, rng))
    if style.bass and not (use_original and rng.random() < 0.5):
        parts.append(_bass(chords, style, beats, rng))
    notes = together(parts)
    missed = np.where(notes.melody > 0, style.melody_missed, style.missed)
    notes = notes.pick(rng.random(len(notes)) >= missed)
    offbeat = np.abs((notes.onset % 1.0) - 0.5) < 0.12
    onset = notes.onset + rng.normal(0, 1, len(notes)) * style.timing_beats + style.swing * offbeat
    length = notes.duration * style.staccato * np.exp(rng.normal(0, 0.1, len(notes)))
    level = notes.level * rng.uniform(0.6, 1.1, len(notes))
    return Notes(onset, length, notes.pitch, level, notes.melody)


def _melody(tune: Score, style: Style, rng: np.random.Generator) -> Notes:
    notes = Notes.of(
        tune.onset, tune.duration, tune.pitch.astype(np.float64) + style.melody_octave, style.melody_level, 1.0
    )
    notes = _edited(notes, style.edits, rng)
    parts = [notes]
    if style.melody_doubling:
        parts.append(
            Notes(notes.onset, notes.duration, notes.pitch + 12, notes.level * style.melody_doubling, notes.melody)
        )
    if style.glide:
        slid = notes.pick(rng.random(len(notes)) < style.glide)
        below = slid.pitch - rng.integers(1, 3, len(slid))
        parts.append(Notes(slid.onset - 0.08, np.full(len(slid), 0.15), below, slid.level * 0.7, slid.melody))
    return together(parts)


def _edited(notes: Notes, share: float, rng: np.random.Generator) -> Notes:
    """Leave out, change, ornament, repeat and shift a share of the notes, as other singers do."""
    kind = np.where(rng.random(len(notes)) < share, rng.integers(0, 5, len(notes)), -1)
    pitch = notes.pitch + np.where(kind == 1, rng.choice((-4, -3, -2, -1, 1, 2, 3, 4), len(notes)), 0)
    onset = notes.onset + np.where(kind == 2, rng.choice((-0.5, -0.25, 0.25, 0.5), len(notes)), 0.0)
    changed = Notes(onset, notes.duration, pitch, notes.level, notes.melody)
    graced, split = changed.pick(kind == 3), changed.pick(kind == 4)
    grace = Notes(
        graced.onset - 0.12, np.full(len(graced), 0.12), graced.pitch + rng.choice((-2, -1, 1, 2), len(graced)),
        graced.level, graced.melody,
    )  # fmt: skip
    again = Notes(split.onset + split.duration / 2, split.duration / 2, split.pitch, split.level, split.melody)
    return together([changed.pick(kind != 0), grace, again])


def _chord_tones(chords: Chords, low: int) -> npt.NDArray[np.int64]:
    """MIDI numbers of each chord's tones in close position above ``low``, shape (segments, 3), ascending."""
    return np.sort(low + (TRIADS[chords] - low) % 12, axis=1)


def _pattern(chords: Chords, style: Style, beats: float, rng: np.random.Generator) -> Notes:
    """Accompaniment from chords in one of the common figures."""
    tones = _chord_tones(chords, int(rng.integers(46, 62)))
    if style.pattern in ("block", "pad", "strum", "offbeat"):
        step, first, length = {
            "block": (1.0, 0.0, 0.9), "pad": (2.0, 0.0, 2.0), "strum": (0.5, 0.0, 0.5), "offbeat": (1.0, 0.5, 0.4),
        }[style.pattern]  # fmt: skip
        at = np.arange(first, beats, step)
        if style.pattern == "strum":
            at = at[rng.random(len(at)) < 0.75]
        segment = np.minimum((at / SEGMENT_BEATS).astype(np.int64), len(tones) - 1)
        onset = np.repeat(at, 3) + np.tile(np.arange(3) * (0.03 if style.pattern == "strum" else 0.0), len(at))
        return Notes.of(onset, length, tones[segment].ravel(), style.other_level, 0.0)
    step = float(rng.choice((0.25, 0.5, 0.5)))
    at = np.arange(0, beats, step)
    segment = np.minimum((at / SEGMENT_BEATS).astype(np.int64), len(tones) - 1)
    order = {"arpeggio": (0, 1, 2, 1), "alberti": (0, 2, 1, 2), "broken_octave": (0, 2, 0, 1)}[style.pattern]
    which = np.array(order)[np.arange(len(at)) % 4]
    pitch = tones[segment, which] - 12 * ((style.pattern == "broken_octave") & (np.arange(len(at)) % 2 == 0))
    return Notes.of(at, step * float(rng.choice((1.0, 1.0, 3.0))), pitch, style.other_level, 0.0)


def _bass(chords: Chords, style: Style, beats: float, rng: np.random.Generator) -> Notes:
    """Bass line: roots held, pulsed or walking to the fifth."""
    step = float(rng.choice((0.5, 1.0, 2.0)))
    at = np.arange(0, beats, step)
    segment = np.minimum((at / SEGMENT_BEATS).astype(np.int64), len(chords) - 1)
    fifth = (rng.random() < 0.4) & (np.arange(len(at)) % 2 == 1)
    low = int(rng.integers(28, 41))
    root = low + (TRIADS[chords[segment], 0] - low) % 12
    return Notes.of(at, step * 0.95, root + 7 * fifth, style.bass, 0.0)
