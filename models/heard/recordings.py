"""Recordings to learn from by ear: their spectra, what was heard in them, and what that says was played."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.data.harmony import Chords, harmonise
from models.data.hear import BINS, FPS
from models.data.recorded import place_with_a_tune
from models.data.score import MELODY, Score
from models.data.transcribe import BEAT_S, transcribe
from models.data.views import Passage, Recipe, redrawn
from models.heard import spectra
from models.heard.spectra import Bytes, view_frames

_SELF = 0.4  # share of pairs that are two views of the recording
_FEWEST_NOTES = 10
_MARGIN_S = 12.0


@dataclass(slots=True)
class Recordings:
    """Spectra of many recordings.

    Parameters
    ----------
    path
        A file written by `write_recordings`.
    part
        Number of a share of the recordings, and of how many.
    """

    path: Path
    part: tuple[int, int] = (0, 1)
    spectra: list[Bytes] = field(init=False)
    salience: list[Bytes] = field(init=False)
    scores: list[Score] = field(init=False)
    chords: list[Chords] = field(init=False)

    def __post_init__(self) -> None:
        with np.load(self.path, allow_pickle=False) as data:
            starts = data["start"]
            sounds = np.split(data["spectra"], 2 * starts[1:-1])
            salience = np.split(data["salience"], starts[1:-1])
        scores = [transcribe(heard.astype(np.float32) / np.float32(255)) for heard in salience]
        found = zip(sounds, salience, scores, strict=True)
        number, of = self.part
        usable = [u for u in found if (u[2].role == MELODY).sum() >= _FEWEST_NOTES][number::of]
        self.spectra, self.salience = [u[0] for u in usable], [u[1] for u in usable]
        self.scores = [u[2] for u in usable]
        self.chords = [harmonise(score) for score in self.scores]

    def __len__(self) -> int:
        return len(self.scores)

    def numbers(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Numbers, among the recordings of all shares, of places in this one."""
        return self.part[0] + places * self.part[1]

    def place(self, number: int) -> int:
        """Where a recording is in this share; inverse of `numbers`."""
        return number // self.part[1]

    def pair(self, number: int, recipe: Recipe, rng: np.random.Generator) -> list[Passage | tuple[Bytes, Bytes]]:
        """Two views of one passage of recording ``number``: spectrum and salience, or a passage of what was played."""
        score, seconds = self.scores[number], len(self.salience[number]) / FPS
        centre_s = place_with_a_tune(score, seconds, _MARGIN_S, rng)
        views: list[Passage | tuple[Bytes, Bytes]] = []
        alone = rng.random() < _SELF
        for side in range(2):
            tempo, jitter_s = redrawn(recipe, rng)
            at_s = centre_s + jitter_s
            if side == 0 or alone:
                shift = int(rng.integers(-6, 7))
                wide, bins = view_frames(recipe.frames), shift * spectra.PER_SEMITONE
                spectrum = _cut(self.spectra[number], spectra.RATE_HZ, at_s, tempo, wide, bins)
                views.append((spectrum, _cut(self.salience[number], FPS, at_s, tempo, recipe.frames, shift)))
            else:
                views.append(Passage(score, self.chords[number], at_s / BEAT_S, BEAT_S / tempo))
        return views if rng.random() < 0.5 else views[::-1]


def _cut(whole: Bytes, rate_hz: int, centre_s: float, tempo: float, frames: int, shift: int) -> Bytes:
    """``frames`` frames around a place, faster by ``tempo``, moved up by ``shift`` bins; zeros outside."""
    at = centre_s * rate_hz + (np.arange(frames) - frames / 2 + 0.5) * tempo
    near = np.floor(at).astype(np.int64)
    inside = (near >= 0) & (near < len(whole))
    cut = np.zeros((frames, whole.shape[1]), np.uint8)
    bins = whole.shape[1]
    cut[inside, max(shift, 0) : bins + min(shift, 0)] = whole[near[inside], max(-shift, 0) : bins + min(-shift, 0)]
    return cut


def write_recordings(path: Path, parts: Iterable[tuple[str, Bytes, Bytes]]) -> int:
    """Write named pairs of spectra, (2 n, spectra.BINS), and salience, (n, BINS), atomically; returns how many."""
    names, sounds, salience = [], [], []
    for name, spectrum, heard in parts:
        frames = min(len(spectrum) // 2, len(heard))
        names.append(name)
        sounds.append(spectrum[: 2 * frames])
        salience.append(heard[:frames])
    temporary = path.with_suffix(".part.npz")
    with temporary.open("wb") as file:
        np.savez_compressed(
            file,
            spectra=np.concatenate([np.zeros((0, spectra.BINS), np.uint8), *sounds]),
            salience=np.concatenate([np.zeros((0, BINS), np.uint8), *salience]),
            start=np.cumsum([0, *(len(s) for s in salience)]),
            name=np.array(names, dtype=np.str_),
        )
    os.replace(temporary, path)
    return len(names)
