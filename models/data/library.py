"""Recordings to learn from: what was heard in each, what that says was played, and which passages are of one work.

    file of `models.prepare recorded` or `spectra`  ->  Library  ->  two takes of one passage

Where a work was recorded more than once, two recordings are a pair, at a passage that both play
(`models.data.same_passage`). Else there is no score and no cover: the front end's salience is transcribed
(`models.data.transcribe`), and a take is the recording itself, or its transcription played anew like any other score:
another key, tempo, accompaniment, other notes missed. Two fifths of these pairs are the recording twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.data.harmony import Chords, harmonise
from models.data.hear import BINS, FPS
from models.data.same_passage import Doubles, same_passages
from models.data.score import MELODY
from models.data.transcribe import BEAT_S, transcribe
from models.data.views import Passage, Recipe, redrawn

Bytes = npt.NDArray[np.uint8]
_TWICE = 0.4  # share of pairs of one recording that are the recording itself twice
_FEWEST_NOTES = 10
_MARGIN_S = 12.0
_SHORTEST_S = 40

SPECTRA_PER_FRAME = 2
"""Spectra in the time of a frame of salience."""


class Heard(NamedTuple):
    """A recording as it is written: ``salience`` (frames, BINS) at `FPS` times 255, ``spectrum`` at twice that rate.

    Recordings of one work have the same ``work``; ``name`` is for people.
    """

    name: str
    work: str
    salience: Bytes
    spectrum: Bytes | None = None


class Take(NamedTuple):
    """One side of a pair: the place of its middle in a recording, as it is or, ``anew``, played from what was heard."""

    recording: int
    centre_s: float
    anew: bool


class Library:
    """Recordings that have a tune.

    Parameters
    ----------
    path
        A file written by `write_recordings`.
    part
        Number of a share of the works, and of how many shares.

    Attributes
    ----------
    rows : list of int
        Where in the file each recording is.
    salience, scores, chords : list
        Of each recording.
    works : list of list of int
        Positions of each work's recordings in the other lists.
    """

    def __init__(self, path: Path, part: tuple[int, int] = (0, 1)) -> None:
        self._number, self._of = part
        with np.load(path, allow_pickle=False) as data:
            parts = np.split(data["salience"], data["start"][1:-1])
            # Files of an earlier version name no works.
            works = data["work"].tolist() if "work" in data else [str(row) for row in range(len(parts))]
        scores, by_work = {}, dict[str, list[int]]()
        for row, (work, heard) in enumerate(zip(works, parts, strict=True)):
            if len(heard) < _SHORTEST_S * FPS:
                continue
            scores[row] = transcribe(heard.astype(np.float32) / np.float32(255))
            if (scores[row].role == MELODY).sum() >= _FEWEST_NOTES:
                by_work.setdefault(work, []).append(row)
        mine = list(by_work.values())[self._number :: self._of]
        self.rows = [row for rows in mine for row in rows]
        ends = np.cumsum([len(rows) for rows in mine]).tolist()
        self.works = [list(range(end - len(rows), end)) for rows, end in zip(mine, ends, strict=True)]
        self.salience, self.scores = [parts[row] for row in self.rows], [scores[row] for row in self.rows]
        self.chords: list[Chords] = [harmonise(score) for score in self.scores]
        self._places: dict[tuple[int, int], Doubles] = {}

    def __len__(self) -> int:
        """How many works there are."""
        return len(self.works)

    def numbers(self, works: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Numbers, among the works of all shares, of works of this one."""
        return self._number + works * self._of

    def work(self, number: int) -> int:
        """Where the work of a number is in this share; inverse of `numbers`."""
        return number // self._of

    def draw(self, work: int, human: float, rng: np.random.Generator) -> tuple[Take, Take]:
        """Two takes of one passage of a work; of two recordings in a share of ``human``, where two play the same."""
        mine = self.works[work]
        number = int(rng.choice(mine))
        if len(mine) > 1 and rng.random() < human:
            other = int(rng.choice([n for n in mine if n != number]))
            places = self._same(number, other)
            if len(places):
                here_s, there_s = (places[int(rng.integers(len(places)))] + rng.uniform(-8, 8)).tolist()
                return Take(number, here_s, False), Take(other, there_s, False)
        centre_s = self._with_a_tune(number, rng)
        pair = Take(number, centre_s, False), Take(number, centre_s, bool(rng.random() >= _TWICE))
        return pair if rng.random() < 0.5 else pair[::-1]

    def passage(self, take: Take, recipe: Recipe, rng: np.random.Generator) -> Passage:
        """What was heard in a take, to be played anew in another tempo."""
        tempo, jitter_s = redrawn(recipe, rng)
        score, chords = self.scores[take.recording], self.chords[take.recording]
        return Passage(score, chords, (take.centre_s + jitter_s) / BEAT_S, BEAT_S / tempo)

    def _same(self, first: int, second: int) -> Doubles:
        """Where two recordings play the same, remembered."""
        if (first, second) not in self._places:
            found = same_passages(self.salience[first], self.salience[second])
            self._places[first, second], self._places[second, first] = found, found[:, ::-1]
        return self._places[first, second]

    def _with_a_tune(self, number: int, rng: np.random.Generator) -> float:
        """A second, away from the ends, around which the recording has a tune, if one is soon found."""
        score, seconds = self.scores[number], len(self.salience[number]) / FPS
        tune_s = score.onset[score.role == MELODY] * BEAT_S
        centre_s = seconds / 2
        for _ in range(8):
            centre_s = float(rng.uniform(_MARGIN_S, max(_MARGIN_S + 0.1, seconds - _MARGIN_S)))
            if np.count_nonzero(np.abs(tune_s - centre_s) < 9) >= _FEWEST_NOTES:
                break
        return centre_s


def write_recordings(path: Path, parts: Iterable[Heard]) -> int:
    """Write recordings, all with a spectrum or none, as one file, atomically; returns how many."""
    kept: list[Heard] = []
    for part in parts:
        frames = len(part.salience)
        if part.spectrum is not None:
            frames = min(frames, len(part.spectrum) // SPECTRA_PER_FRAME)
            part = part._replace(spectrum=part.spectrum[: SPECTRA_PER_FRAME * frames])
        kept.append(part._replace(salience=part.salience[:frames]))
    arrays: dict[str, Any] = {
        "salience": np.concatenate([np.zeros((0, BINS), np.uint8), *(part.salience for part in kept)]),
        "start": np.cumsum([0, *(len(part.salience) for part in kept)]),
        "name": np.array([part.name for part in kept], dtype=np.str_),
        "work": np.array([part.work for part in kept], dtype=np.str_),
    }
    spectra = [part.spectrum for part in kept if part.spectrum is not None]
    if spectra:
        arrays["spectra"] = np.concatenate(spectra)
    temporary = path.with_suffix(".part.npz")
    with temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    os.replace(temporary, path)
    return len(kept)
