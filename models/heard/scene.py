"""A piece of a training batch as it is to be played: notes of many views side by side, and recordings as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.data.arrange import Notes, together
from models.data.hear import BINS, stray_notes
from models.data.instruments import BASS_BELOW
from models.data.style import Style, draw_style
from models.data.views import Corpus, Passage, Recipe, chosen_works, draw_versions, play
from models.heard.recordings import Recordings
from models.heard.sounds import DRUMS
from models.heard.spectra import BINS as SPECTRUM_BINS
from models.heard.spectra import RATE_HZ, Bytes, view_frames

TUNE, CHORDS, BASS, PERCUSSION = range(4)
"""Parts of an orchestra."""

_SIDES = 2
# In sound nothing is left out because a front end missed it: what is missing was not played.
_PLAYED_ANYWAY = 0.3
_KICK, _SNARE, _HAT, _OPEN_HAT, _TOM, _CRASH = range(len(DRUMS))


class Piece(NamedTuple):
    """Views of some works: row ``i`` and row ``works + i`` are of one work.

    Attributes
    ----------
    view : int32 array, shape (notes,)
        Which row a note belongs to.
    onset_s, duration_s, pitch, level : float32 arrays, shape (notes,)
        Seconds from the beginning of the spectrum; MIDI number, or position in `DRUMS`; loudness in [0, 1].
    part : uint8 array, shape (notes,)
        `TUNE`, `CHORDS`, `BASS` or `PERCUSSION`.
    recorded : int64 array, shape (recorded,)
        Rows that are recordings.
    spectra : uint8 array, shape (recorded, frames, bins)
        Their spectra in steps of a decibel, zero for silence (`models.heard.spectra`).
    salience : uint8 array, shape (recorded, frames of the salience, 84)
        What the front end before this one heard in them, times 255.
    works : int64 array, shape (works,)
        Their numbers.
    """

    view: npt.NDArray[np.int32]
    onset_s: npt.NDArray[np.float32]
    duration_s: npt.NDArray[np.float32]
    pitch: npt.NDArray[np.float32]
    level: npt.NDArray[np.float32]
    part: npt.NDArray[np.uint8]
    recorded: npt.NDArray[np.int64]
    spectra: npt.NDArray[np.uint8]
    salience: npt.NDArray[np.uint8]
    works: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cast:
    """What a piece is made of: works, how pairs of versions are drawn, recordings and how many of them."""

    corpus: Corpus
    recipe: Recipe
    recordings: Recordings | None
    works: int
    recorded_works: int

    @property
    def seconds(self) -> float:
        """Length of a spectrum."""
        return view_frames(self.recipe.frames) / RATE_HZ


def draw_piece(cast: Cast, seed: tuple[int, ...]) -> Piece:
    """One piece; equal seeds give equal pieces."""
    rng = np.random.default_rng(seed)
    works = chosen_works(cast.corpus, cast.recipe, cast.works, rng).astype(np.int64)
    parts: list[tuple[int, Notes, Bytes]] = []
    heard: list[tuple[int, Bytes, Bytes]] = []
    for first in range(0, cast.works, cast.recipe.group):
        styles = [audible(draw_style(rng)) for _ in range(_SIDES)]
        group = works[first : first + cast.recipe.group]
        if cast.recordings is not None and first >= cast.works - cast.recorded_works:
            drawn = rng.choice(len(cast.recordings), len(group), replace=False)
            group[:] = len(cast.corpus.works) + cast.recordings.numbers(drawn)
        for row, work in enumerate(group.tolist(), first):
            for side, what in enumerate(_versions(cast, work, rng)):
                view = side * cast.works + row
                if isinstance(what, Passage):
                    parts.append((view, *performed(what, styles[side], cast.seconds, rng)))
                else:
                    heard.append((view, *what))
    return piece_of(parts, heard, works, cast.recipe)


def _versions(cast: Cast, work: int, rng: np.random.Generator) -> Sequence[Passage | tuple[Bytes, Bytes]]:
    """Two versions of a work: passages to be played, or spectra and salience of a recording."""
    scores = len(cast.corpus.works)
    if work < scores or cast.recordings is None:
        return draw_versions(cast.corpus, cast.corpus.works[work], cast.recipe, rng)
    return cast.recordings.pair(cast.recordings.work(work - scores), cast.recipe, rng)


def audible(style: Style) -> Style:
    """A style as it is played: little is left out that a front end might miss."""
    return replace(
        style,
        missed=style.missed * _PLAYED_ANYWAY,
        melody_missed=style.melody_missed * _PLAYED_ANYWAY,
        blobs=style.blobs * _PLAYED_ANYWAY,
    )


def performed(passage: Passage, style: Style, seconds: float, rng: np.random.Generator) -> tuple[Notes, Bytes]:
    """Notes in seconds and the part of each."""
    notes = together([play(passage, style, seconds, rng), stray_notes(style, seconds, rng)])
    notes = notes.pick((notes.onset < seconds) & (notes.onset + notes.duration > 0))
    part = np.where(notes.melody > 0, TUNE, np.where(notes.pitch < BASS_BELOW, BASS, CHORDS)).astype(np.uint8)
    if style.drums:
        hits = _drums(passage.beat_s, style.drums, seconds, rng)
        part = np.concatenate([part, np.full(len(hits), PERCUSSION, np.uint8)])
        notes = together([notes, hits])
    return notes, part


def _drums(beat_s: float, level: float, seconds: float, rng: np.random.Generator) -> Notes:
    """A bar of sixteenths, drawn at random around what is usual, again and again; a crash now and then."""
    usual = np.full((len(DRUMS), 16), 0.03)
    usual[_KICK, [0, 8]], usual[_KICK, [6, 10]] = 0.9, 0.3
    usual[_SNARE, [4, 12]] = 0.85
    usual[_HAT, ::2], usual[_HAT, 1::2] = 0.85, 0.25
    usual[_CRASH], usual[_CRASH, 0] = 0.0, 0.15
    bar = rng.random(usual.shape) < usual
    loud = rng.uniform(0.2, 1.0, len(DRUMS)) * level
    bars = int(np.ceil(seconds / (4 * beat_s))) + 1
    drum, bar_number, slot = np.nonzero(np.broadcast_to(bar[:, None], (len(DRUMS), bars, 16)))
    onset = ((bar_number - rng.random()) * 16 + slot) * beat_s / 4 + rng.normal(0, 0.008, len(drum))
    kept = (rng.random(len(drum)) < 0.94) & (onset > -1) & (onset < seconds)
    return Notes.of(onset[kept], 2.0, drum[kept], loud[drum[kept]] * rng.uniform(0.6, 1.1, int(kept.sum())), 0.0)


def piece_of(
    parts: list[tuple[int, Notes, Bytes]],
    heard: list[tuple[int, Bytes, Bytes]],
    works: npt.NDArray[np.int64],
    recipe: Recipe,
) -> Piece:
    """A piece of what is played, (row, notes, their parts), and of recordings, (row, spectra, salience)."""
    notes = together([n for _, n, _ in parts])
    spectra = [np.zeros((0, view_frames(recipe.frames), SPECTRUM_BINS), np.uint8), *(s[None] for _, s, _ in heard)]
    salience = [np.zeros((0, recipe.frames, BINS), np.uint8), *(s[None] for _, _, s in heard)]
    return Piece(
        view=np.repeat(np.array([row for row, _, _ in parts], np.int32), [len(n) for _, n, _ in parts]),
        onset_s=notes.onset.astype(np.float32),
        duration_s=notes.duration.astype(np.float32),
        pitch=notes.pitch.astype(np.float32),
        level=notes.level.astype(np.float32),
        part=np.concatenate([p for _, _, p in parts]),
        recorded=np.array([row for row, _, _ in heard], np.int64),
        spectra=np.concatenate(spectra),
        salience=np.concatenate(salience),
        works=works,
    )
