"""Tunes in the public domain, written down for the demo, and the little notation they are written in.

A section is a text of bars divided by ``|``. Within a bar stand notes, rests and chords::

    [Am] c2 d e3/2 ^f/ e     a chord in brackets holds until the next one
    C D E .. c d e .. c'     C is middle C, c the octave above; C, the octave below, c' the octave above c
    c2 c/ c3/2               twice, half, one and a half times the tune's unit
    ^c _c =c                 sharp, flat, natural, for this note only; otherwise the key signature holds
    z2                       rest
    A3-                      tied to the next note, which has the same pitch

A section may begin with an incomplete bar, its upbeat, which sounds over the end of the section before it.
All tunes are traditional or by composers who died more than a hundred years ago.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from recognizer.errors import UsageError

_TOKEN = re.compile(
    r"\[(?P<chord>[^\]]+)\]|(?P<accidental>[\^_=]?)(?P<letter>[A-Ga-gz])(?P<octave>[,']*)"
    r"(?P<length>\d*(?:/\d*)?)(?P<tie>-?)|(?P<space>\s+)|(?P<wrong>.)"
)
_PITCH = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SHARPS = "FCGDAEB"
_FIFTHS = {"C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5, "F": -1, "Bb": -2, "Eb": -3, "Ab": -4}
_MODES = {"": 0, "m": -3, "dor": -2, "mix": -1}
_CHORD = re.compile(r"([A-G])([#b]?)(m7|m|7|)$")
_QUALITIES = {"": (0, 4, 7), "m": (0, 3, 7), "7": (0, 4, 7, 10), "m7": (0, 3, 7, 10)}


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord by its root (0 = C .. 11 = B) and the semitones above it."""

    root: int
    intervals: tuple[int, ...]

    @property
    def minor(self) -> bool:
        """Whether the third is minor."""
        return self.intervals[1] == 3


@dataclass(frozen=True, slots=True)
class MelodyNote:
    """One note: start and length in crotchets (quarter notes), and MIDI pitch."""

    start: Fraction
    length: Fraction
    midi: int


@dataclass(frozen=True, slots=True)
class Section:
    """A parsed section; times in crotchets from its first full bar, the upbeat before 0."""

    notes: tuple[MelodyNote, ...]
    chords: tuple[tuple[Fraction, Chord], ...]
    bars: int


@dataclass(frozen=True)
class Tune:
    """A tune as written.

    Attributes
    ----------
    work_id, title, origin : str
        Who it is; ``origin`` says why it is free.
    key : str
        Tonic and mode: ``G``, ``Am``, ``Ddor``.
    metre : tuple of int
        Beats and beat unit, e.g. (6, 8).
    unit : Fraction
        Length of an unnumbered note, in crotchets.
    crotchets_per_minute : float
        The usual tempo.
    texts : dict of str
        Sections by letter.
    form : str
        Order of sections once through.
    """

    work_id: str
    title: str
    origin: str
    key: str
    metre: tuple[int, int]
    unit: Fraction
    crotchets_per_minute: float
    texts: dict[str, str]
    form: str

    @property
    def bar_crotchets(self) -> Fraction:
        """Length of a bar."""
        return Fraction(4 * self.metre[0], self.metre[1])

    @cached_property
    def sections(self) -> dict[str, Section]:
        """The sections, parsed."""
        return {letter: _parse(self, text) for letter, text in self.texts.items()}


def parse_chord(text: str) -> Chord:
    """Read a chord such as ``Am``, ``F#7`` or ``Bb``.

    Raises
    ------
    UsageError
        When it is not a chord.
    """
    match = _CHORD.match(text)
    if match is None:
        raise UsageError(f"chord {text!r} was found, expected a letter A-G, then # or b, then m, 7 or m7")
    letter, sign, quality = match.groups()
    root = (_PITCH[letter] + {"#": 1, "b": -1, "": 0}[sign]) % 12
    return Chord(root, _QUALITIES[quality])


def key_signature(key: str) -> dict[str, int]:
    """Semitones by which each letter is raised (1) or lowered (-1) in a key."""
    match = re.match(r"([A-G]b?)(m|dor|mix|)$", key)
    if match is None or match[1] not in _FIFTHS:
        raise UsageError(f"key {key!r} was found, expected a tonic such as G or Bb and nothing, m, dor or mix")
    fifths = _FIFTHS[match[1]] + _MODES[match[2]]
    changed = _SHARPS[:fifths] if fifths >= 0 else _SHARPS[fifths:]
    return {letter: 1 if fifths >= 0 else -1 for letter in changed}


def _parse(tune: Tune, text: str) -> Section:
    signature = key_signature(tune.key)
    bar_length = tune.bar_crotchets
    notes: list[MelodyNote] = []
    chords: list[tuple[Fraction, Chord]] = []
    bars = [bar for bar in text.split("|") if bar.strip()]
    start, tied = Fraction(0), False
    for number, bar in enumerate(bars):
        at = start
        for token in _TOKEN.finditer(bar):
            if token["space"]:
                continue
            if token["wrong"]:
                raise UsageError(f"{tune.work_id} bar {number + 1}: {token['wrong']!r} is not notation")
            if token["chord"]:
                chords.append((at, parse_chord(token["chord"])))
                continue
            length = _length(token["length"]) * tune.unit
            if token["letter"] != "z":
                tied = _add(notes, MelodyNote(at, length, _midi(token, signature)), tied, token["tie"])
            at += length
        taken = at - start
        if number == 0 and taken < bar_length:
            notes = [MelodyNote(n.start - taken, n.length, n.midi) for n in notes]
            continue
        if taken != bar_length:
            where = f"{tune.work_id} bar {number + 1} ({bar.strip()})"
            raise UsageError(f"{where}: {taken} crotchets were found, expected {bar_length}")
        start = at
    return Section(tuple(notes), tuple(chords), int(start / bar_length))


def _add(notes: list[MelodyNote], note: MelodyNote, tied: bool, tie: str) -> bool:
    if tied:
        last = notes.pop()
        if last.midi != note.midi:
            raise UsageError(f"a tie joins pitches {last.midi} and {note.midi}, expected the same pitch")
        note = MelodyNote(last.start, last.length + note.length, note.midi)
    notes.append(note)
    return bool(tie)


def _length(text: str) -> Fraction:
    whole, slash, part = text.partition("/")
    return Fraction(int(whole or 1), int(part or 2) if slash else 1)


def _midi(token: re.Match[str], signature: dict[str, int]) -> int:
    letter = token["letter"]
    name = letter.upper()
    octave = (72 if letter.islower() else 60) + 12 * (token["octave"].count("'") - token["octave"].count(","))
    sign = token["accidental"]
    change = {"^": 1, "_": -1, "=": 0}[sign] if sign else signature.get(name, 0)
    return octave + _PITCH[name] + change
