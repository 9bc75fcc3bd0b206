"""Accompaniment: what the left hand, the bass and the drums play under a chord. Times in crotchets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from recognizer.demo.tunes import Chord
from recognizer.errors import UsageError

Event = tuple[float, float, int, float]  # offset, length, MIDI pitch, velocity

PATTERNS = ("block", "arpeggio", "waltz", "alberti", "strum", "pad")
_LOWEST = 53  # F below middle C: chords lie in the octave above, so that voices move little from chord to chord
_BASS_LOWEST = 36
_STRUM_DELAY = 0.03


def voicing(chord: Chord) -> list[int]:
    """MIDI pitches of a chord within one octave, ascending."""
    return sorted(_LOWEST + (chord.root + interval - _LOWEST) % 12 for interval in chord.intervals)


def reharmonised(chord: Chord, rng: np.random.Generator) -> Chord:
    """Now and then the relative minor of a major chord or the relative major of a minor one."""
    if len(chord.intervals) > 3 or rng.random() > 0.2:
        return chord
    if chord.minor:
        return Chord((chord.root + 3) % 12, (0, 4, 7))
    return Chord((chord.root - 3) % 12, (0, 3, 7))


def chord_pattern(name: str, chord: Chord, length: float, pulse: float) -> Iterator[Event]:
    """One chord for ``length`` crotchets; ``pulse`` is the felt beat (1, or 1.5 in compound time).

    Raises
    ------
    UsageError
        When the pattern is unknown.
    """
    if name not in PATTERNS:
        raise UsageError(f"accompaniment {name!r} was asked for, expected one of {', '.join(PATTERNS)}")
    pitches = voicing(chord)
    if name == "pad":
        for pitch in pitches:
            yield 0.0, length, pitch, 0.45
    elif name in ("arpeggio", "alberti"):
        low, *_, high = pitches
        middle = pitches[1]
        cycle = [*pitches, *pitches[-2:0:-1]] if name == "arpeggio" else [low, high, middle, high]
        for number in range(round(length * 2)):
            yield number / 2, 0.5, cycle[number % len(cycle)], 0.5 if number else 0.58
    else:
        yield from _struck(name, pitches, length, pulse)


def _struck(name: str, pitches: list[int], length: float, pulse: float) -> Iterator[Event]:
    for number in range(max(1, round(length / pulse))):
        at = number * pulse
        if name == "block":
            yield from ((at, pulse * 0.9, pitch, 0.5) for pitch in pitches)
        elif name == "waltz":
            # The bass has the first beat; the chord answers on the others, or on the off-beat of a long one.
            beats = [at] if number else [at + pulse / 2] if length < 2 * pulse else []
            yield from ((beat, pulse * 0.5, pitch, 0.5) for beat in beats for pitch in pitches)
        else:
            yield from ((at + i * _STRUM_DELAY, pulse, pitch, 0.55) for i, pitch in enumerate(pitches))
            up = at + pulse * 2 / 3 if pulse > 1 else at + pulse / 2
            yield from ((up + i * _STRUM_DELAY, pulse / 3, pitch, 0.36) for i, pitch in enumerate(pitches[:0:-1]))


def bass_line(name: str, chord: Chord, length: float, pulse: float) -> Iterator[Event]:
    """Bass notes under one chord: ``root`` (root, then the fifth half way) or ``walking`` (a note each beat)."""
    root = _BASS_LOWEST + (chord.root - _BASS_LOWEST - 4) % 12 + 4
    beats = max(1, round(length / pulse))
    if name == "walking":
        steps = (0, chord.intervals[1], 7, chord.intervals[1] if beats < 4 else 9)
        for number in range(beats):
            yield number * pulse, pulse * 0.9, root + steps[number % 4], 0.68
    elif name == "root":
        half = beats // 2 * pulse if beats >= 4 or beats == 2 else length
        yield 0.0, half * 0.95, root, 0.7
        if half < length:
            yield half, (length - half) * 0.95, root + (7 if root < 43 else -5), 0.62
    else:
        raise UsageError(f"bass pattern {name!r} was asked for, expected root or walking")


def drum_pattern(bar: float, pulse: float) -> Iterator[tuple[float, int, float]]:
    """Offset, drum number and velocity for one bar: kick and snare by turns, hi-hat between."""
    beats = round(bar / pulse)
    for number in range(beats):
        kick = number == 0 or (beats >= 4 and number % 2 == 0)
        yield number * pulse, 36 if kick else 38, 0.7 if kick else 0.45
        yield number * pulse, 42, 0.4
        yield number * pulse + pulse / 2, 42, 0.3
