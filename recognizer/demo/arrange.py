"""The arranger: a tune as written becomes notes to play, in another key, tempo and dress each time.

::

    Tune ─▶ order of sections ─▶ bars until the time is up ─▶ melody + accompaniment + bass + drums ─▶ ending
                                                                       │
                              crotchets ──── tempo map (drift, rubato) ┴▶ seconds
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from recognizer.demo.backing import bass_line, chord_pattern, drum_pattern, reharmonised
from recognizer.demo.synth import Note
from recognizer.demo.tunes import Chord, Tune, key_signature

_PHRASE_BARS = 4
_GRACE_S = 0.07


@dataclass(frozen=True, slots=True)
class Style:
    """How to play a tune.

    Attributes
    ----------
    semitones : int
        Transposition from the key as written.
    tempo : float
        Ratio to the usual tempo, 0.8 .. 1.25.
    lead, backing, bass : str
        Voices; an empty ``bass`` leaves it out.
    octave : int
        Octaves by which the melody moves.
    pattern : str
        Accompaniment: ``block, arpeggio, waltz, alberti, strum`` or ``pad``.
    bass_pattern : str
        ``root`` or ``walking``.
    drums : bool
    ornaments : float
        Chance of a grace note on a long note.
    rubato : float
        Depth of the tempo's drift, e.g. 0.03.
    reharmonise : bool
        Exchange some chords for their relatives in repeats.
    form : str
        Order of sections; the tune's own when empty.
    intro_bars : int
        Bars of accompaniment before the melody.
    seed : int
        Of everything left to chance.
    """

    semitones: int = 0
    tempo: float = 1.0
    lead: str = "piano"
    backing: str = "piano"
    bass: str = "bass"
    octave: int = 0
    pattern: str = "block"
    bass_pattern: str = "root"
    drums: bool = False
    ornaments: float = 0.0
    rubato: float = 0.02
    reharmonise: bool = False
    form: str = ""
    intro_bars: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class _Bar:
    """One bar to play: melody as (start, length, midi) and chords as (start, length, chord), in crotchets."""

    melody: tuple[tuple[float, float, int], ...]
    chords: tuple[tuple[float, float, Chord], ...]


def arrange(tune: Tune, style: Style, seconds: float) -> list[Note]:
    """Play ``tune`` in ``style`` for about ``seconds``, to the end of a phrase, with a last chord.

    Returns
    -------
    list of Note
        In order of start; the same arguments always give the same notes.
    """
    rng = np.random.default_rng(style.seed)
    bar_length = float(tune.bar_crotchets)
    bars = _bars(tune, style, seconds)
    total = len(bars) + style.intro_bars + 1
    clock = _TempoMap(tune, style, total * bar_length + 8, rng)
    notes: list[Note] = []
    first = style.intro_bars * bar_length
    for number in range(style.intro_bars):
        notes += _accompany(tune, style, bars[number], number * bar_length, clock)
    for number, bar in enumerate(bars):
        at = first + number * bar_length
        notes += _accompany(tune, style, bar, at, clock)
        notes += _melody(tune, style, bar, at, clock, rng)
    notes += _ending(style, bars[-1], first + len(bars) * bar_length, bar_length, clock)
    return sorted((_human(note, rng) for note in notes), key=lambda note: note.start_s)


def _bars(tune: Tune, style: Style, seconds: float) -> list[_Bar]:
    """Bars of the form, repeated, cut at the phrase end nearest to the time wanted."""
    bar_s = float(tune.bar_crotchets) * 60 / (tune.crotchets_per_minute * style.tempo)
    wanted = max(round(seconds / bar_s / _PHRASE_BARS) * _PHRASE_BARS, _PHRASE_BARS) - style.intro_bars
    rng = np.random.default_rng(style.seed + 1)
    bars: list[_Bar] = []
    times = 0
    while len(bars) < wanted:
        for letter in style.form or tune.form:
            bars = _join(bars, list(_section_bars(tune, letter, style, times > 0, rng)), float(tune.bar_crotchets))
            times += 1
    return bars[:wanted]


def _section_bars(tune: Tune, letter: str, style: Style, repeated: bool, rng: np.random.Generator) -> Iterator[_Bar]:
    section, length = tune.sections[letter], float(tune.bar_crotchets)
    changes = [(float(start), chord) for start, chord in section.chords]
    for number in range(section.bars):
        low = number * length
        high = low + length
        inside = [(max(start, low), chord) for start, chord in changes if low < start < high]
        before = [chord for start, chord in changes if start <= low]
        starts = [(low, before[-1] if before else changes[0][1]), *inside]
        ends = [start for start, _ in starts[1:]] + [high]
        chords = [(start - low, end - start, c) for (start, c), end in zip(starts, ends, strict=True)]
        if style.reharmonise and repeated and number < section.bars - 1:
            chords = [(start, span, reharmonised(chord, rng)) for start, span, chord in chords]
        first = -length if number == 0 else low
        melody = [(float(n.start) - low, float(n.length), n.midi) for n in section.notes if first <= n.start < high]
        yield _Bar(tuple(melody), tuple(chords))


def _join(bars: list[_Bar], more: list[_Bar], length: float) -> list[_Bar]:
    """Append a section; its upbeat takes the place of the end of the last bar."""
    upbeat = min((start for start, _, _ in more[0].melody), default=0.0)
    if bars and upbeat < 0:
        kept = [(s, min(n, length + upbeat - s), m) for s, n, m in bars[-1].melody if s < length + upbeat]
        bars = [*bars[:-1], replace(bars[-1], melody=tuple(kept))]
    return bars + more


class _TempoMap:
    """Crotchets to seconds, with slow drift and a little waiting at the end of phrases."""

    def __init__(self, tune: Tune, style: Style, crotchets: float, rng: np.random.Generator) -> None:
        self._grid: npt.NDArray[np.float64] = np.arange(-8, crotchets + 8, 0.25)
        phrase = float(tune.bar_crotchets) * _PHRASE_BARS
        drift = np.sin(2 * np.pi * self._grid / (phrase * 2.7) + rng.uniform(0, 6))
        waiting = np.maximum(0, ((self._grid % phrase) / phrase - 0.85) / 0.15)
        speed = 1 + style.rubato * drift - 2.5 * style.rubato * waiting
        lengths = 15 / (tune.crotchets_per_minute * style.tempo * speed)
        seconds = np.concatenate([[0], np.cumsum(lengths[:-1])])
        self._seconds = seconds - np.interp(0, self._grid, seconds)

    def __call__(self, crotchet: float) -> float:
        return float(np.interp(crotchet, self._grid, self._seconds))

    def note(self, start: float, length: float, midi: int, velocity: float, voice: str) -> Note:
        """A note at a time in crotchets."""
        at = self(start)
        return Note(at, self(start + length) - at, midi, velocity, voice)


def _melody(
    tune: Tune, style: Style, bar: _Bar, at: float, clock: _TempoMap, rng: np.random.Generator
) -> Iterator[Note]:
    shift = style.semitones + 12 * style.octave
    scale = _scale(tune)
    for start, length, midi in bar.melody:
        if at + start < 0 and style.intro_bars == 0 and at == 0:
            continue  # an upbeat before the very first bar would start before the audio does
        accent = 0.08 if start == 0 else 0.0
        note = clock.note(at + start, length * 0.96, midi + shift, 0.78 + accent, style.lead)
        if length >= 1 and rng.random() < style.ornaments:
            upper = next(midi + step for step in (1, 2, 3) if (midi + step) % 12 in scale)
            yield replace(note, midi=upper + shift, duration_s=_GRACE_S)
            note = replace(note, start_s=note.start_s + _GRACE_S, duration_s=max(note.duration_s - _GRACE_S, 0.1))
        yield note


def _scale(tune: Tune) -> set[int]:
    signature = key_signature(tune.key)
    natural = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
    return {(pitch + signature.get(letter, 0)) % 12 for letter, pitch in natural.items()}


def _accompany(tune: Tune, style: Style, bar: _Bar, at: float, clock: _TempoMap) -> Iterator[Note]:
    pulse = 1.5 if tune.metre[1] == 8 and tune.metre[0] % 3 == 0 else 1.0
    for start, length, chord in bar.chords:
        moved = Chord((chord.root + style.semitones) % 12, chord.intervals)
        for offset, span, midi, velocity in chord_pattern(style.pattern, moved, length, pulse):
            yield clock.note(at + start + offset, span, midi, velocity, style.backing)
        if style.bass:
            for offset, span, midi, velocity in bass_line(style.bass_pattern, moved, length, pulse):
                yield clock.note(at + start + offset, span, midi, velocity, style.bass)
    if style.drums:
        for offset, drum, velocity in drum_pattern(float(tune.bar_crotchets), pulse):
            yield clock.note(at + offset, 0.25, drum, velocity, "drums")


def _ending(style: Style, last: _Bar, at: float, length: float, clock: _TempoMap) -> Iterator[Note]:
    chord = last.chords[-1][2]
    moved = Chord((chord.root + style.semitones) % 12, chord.intervals)
    for _, _, midi, velocity in chord_pattern("pad", moved, length, 1.0):
        yield clock.note(at, length * 0.9, midi, velocity + 0.15, style.backing)
    if style.bass:
        yield clock.note(at, length * 0.9, 36 + (moved.root - 4) % 12 + 4, 0.7, style.bass)


def _human(note: Note, rng: np.random.Generator) -> Note:
    """Small unevenness of time and force."""
    start = max(0.0, note.start_s + float(rng.normal(0, 0.006)))
    velocity = float(np.clip(note.velocity + rng.normal(0, 0.04), 0.1, 1.0))
    return replace(note, start_s=start, velocity=velocity)
