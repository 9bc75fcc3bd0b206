"""Recordings as training data: a passage as it was recorded, and the same passage played anew.

No score exists for them. The front end's salience is transcribed (`models.data.transcribe`), and that score is
performed like any other: another key, tempo, accompaniment, other notes missed. So the embedding network sees what
salience of produced music looks like, beside a cover of it. Half of the pairs are two salience views of one passage.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.data.harmony import Chords, harmonise
from models.data.hear import BINS, FPS, Roll, masked
from models.data.score import MELODY, Score
from models.data.style import Style
from models.data.transcribe import BEAT_S, transcribe
from models.data.views import Passage, Recipe, view

_SELF = 0.4  # share of pairs that are two salience views
_FEWEST_NOTES = 10
_MARGIN_S = 10.0
_SHORTEST_S = 40


def place_with_a_tune(score: Score, seconds: float, margin_s: float, rng: np.random.Generator) -> float:
    """A second of a recording, so far from its ends, around which its transcription has a tune if one is soon found."""
    tune_s = score.onset[score.role == MELODY] * BEAT_S
    centre_s = seconds / 2
    for _ in range(8):
        centre_s = float(rng.uniform(margin_s, max(margin_s + 0.1, seconds - margin_s)))
        if np.count_nonzero(np.abs(tune_s - centre_s) < 9) >= _FEWEST_NOTES:
            break
    return centre_s


@dataclass(slots=True)
class Recordings:
    """Salience of many recordings and what it says was played.

    Parameters
    ----------
    path
        A file written by `write_recordings`.
    """

    path: Path
    salience: list[npt.NDArray[np.uint8]] = field(init=False)
    scores: list[Score] = field(init=False)
    chords: list[Chords] = field(init=False)

    def __post_init__(self) -> None:
        with np.load(self.path, allow_pickle=False) as data:
            parts = np.split(data["salience"], data["start"][1:-1])
        usable = [
            (part, transcribe(part.astype(np.float32) / np.float32(255)))
            for part in parts
            if len(part) >= _SHORTEST_S * FPS
        ]
        usable = [(part, score) for part, score in usable if (score.role == MELODY).sum() >= 2 * _FEWEST_NOTES]
        self.salience = [part for part, _ in usable]
        self.scores = [score for _, score in usable]
        self.chords = [harmonise(score) for score in self.scores]

    def __len__(self) -> int:
        return len(self.scores)

    def pair(self, number: int, styles: tuple[Style, Style], recipe: Recipe, rng: np.random.Generator) -> list[Roll]:
        """Two views, float32 (frames, BINS), of one passage of recording ``number``."""
        score, seconds = self.scores[number], len(self.salience[number]) / FPS
        centre_s = place_with_a_tune(score, seconds, _MARGIN_S, rng)
        views = []
        alone = rng.random() < _SELF
        for side, style in enumerate(styles):
            tempo = float(np.exp(np.clip(rng.normal(0, recipe.tempo_spread), -0.336, 0.336)))
            at_s = centre_s + rng.uniform(-0.5, 0.5) * recipe.jitter_s
            if side == 0 or alone:
                views.append(self._heard(number, at_s, tempo, recipe.frames, rng))
            else:
                passage = Passage(score, self.chords[number], at_s / BEAT_S, BEAT_S / tempo)
                views.append(view(passage, style, recipe.frames, rng))
        return views if rng.random() < 0.5 else views[::-1]

    def _heard(self, number: int, centre_s: float, tempo: float, frames: int, rng: np.random.Generator) -> Roll:
        """The salience itself around a place, faster by ``tempo``, in another key, at another contrast."""
        whole = self.salience[number]
        at = centre_s * FPS + (np.arange(frames) - frames / 2) * tempo
        before = np.floor(at).astype(np.int64)
        share = (at - before).astype(np.float32)[:, None]
        inside = ((before >= 0) & (before < len(whole) - 1))[:, None]
        before = np.clip(before, 0, len(whole) - 2)
        roll = (whole[before] * (1 - share) + whole[before + 1] * share) / np.float32(255) * inside
        shift = int(rng.integers(-6, 7))
        moved = np.zeros_like(roll)
        moved[:, max(shift, 0) : BINS + min(shift, 0)] = roll[:, max(-shift, 0) : BINS + min(-shift, 0)]
        moved = moved ** np.float32(np.exp(rng.normal(0, 0.25))) * np.float32(rng.uniform(0.6, 1.1))
        if rng.random() < 0.5:
            moved = moved + np.abs(rng.standard_normal(moved.shape, np.float32)) * np.float32(rng.uniform(0, 0.03))
        return np.asarray(np.clip(masked(moved, rng), 0, 1), np.float32)


def write_recordings(path: Path, parts: Iterable[tuple[str, npt.NDArray[np.uint8]]]) -> int:
    """Write named saliences, uint8 (frames, BINS) each, as one file atomically; returns how many."""
    names, rolls = [], []
    for name, roll in parts:
        names.append(name)
        rolls.append(roll)
    temporary = path.with_suffix(".part.npz")
    with temporary.open("wb") as file:
        np.savez(
            file,
            salience=np.concatenate([np.zeros((0, BINS), np.uint8), *rolls]),
            start=np.cumsum([0, *(len(r) for r in rolls)]),
            name=np.array(names, dtype=np.str_),
        )
    os.replace(temporary, path)
    return len(names)
