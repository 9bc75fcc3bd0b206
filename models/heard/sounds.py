"""Single notes of soundfonts as constant-Q spectra: what an orchestra is put together from, without playing any audio.

The power spectrum of a mixture is, but for interference, the sum of the spectra of what is mixed, and a transposition
by a semitone moves a constant-Q spectrum by whole bins. So every instrument is played once, note by note, and after
that a view of twenty seconds costs a few thousand additions of spectra in place of a synthesizer and a transform.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.data.instruments import BASSES, CHORDS, LEADS
from models.heard.spectra import Bytes

LEAD_FRAMES = 4
"""Frames before a note's onset: the long kernels of low notes hear it that early."""

NOTE_FRAMES = LEAD_FRAMES + 34
"""Frames kept of a note, its lead and a little over two seconds."""

PITCHES = np.arange(27, 106, 3)
"""MIDI numbers that are played; those between are moved by one semitone."""

DRUMS = (36, 38, 42, 46, 45, 49)
"""General MIDI percussion that is played: kick, snare, closed and open hi-hat, tom, crash."""

PROGRAMS = np.unique(np.array([*LEADS, *CHORDS, *BASSES]))
"""General MIDI programs that are played."""

DB_STEP = 0.5
"""Decibels per unit of a stored spectrum; zero is silence."""

FLOOR = 127
"""Units of a note's loudest bin: so many below it is silence."""


@dataclass(frozen=True, slots=True)
class Sounds:
    """Spectra of notes.

    Attributes
    ----------
    tones : uint8 array, shape (soundfonts, programs, pitches, NOTE_FRAMES, bins)
        Level in steps of `DB_STEP` above silence. A note's loudest frame has the same power for all.
    drums : uint8 array, shape (soundfonts, len(DRUMS), NOTE_FRAMES, bins)
    peak : float32 array
        Decibels of the loudest bin of each tone relative to its loudest frame's power, shape (soundfonts, programs,
        pitches).
    drum_peak : float32 array, shape (soundfonts, len(DRUMS))
    """

    tones: Bytes
    drums: Bytes
    peak: npt.NDArray[np.float32]
    drum_peak: npt.NDArray[np.float32]


def read_sounds(path: Path) -> Sounds:
    """Sounds that `models.heard.note_bank.write_sounds` wrote."""
    with np.load(path, allow_pickle=False) as data:
        return Sounds(data["tones"], data["drums"], data["peak"], data["drum_peak"])
