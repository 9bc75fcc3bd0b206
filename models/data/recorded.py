"""Recordings as training data: a passage as others recorded it, as it was recorded, or played anew.

Where a work was recorded more than once, two recordings are a pair, at a passage that both play
(`models.data.same_passage`). Else there is no score and no cover: the front end's salience is transcribed
(`models.data.transcribe`), and that score is performed like any other: another key, tempo, accompaniment, other notes
missed. So the embedding network sees what salience of produced music looks like, beside a cover of it. Two fifths of
these pairs are two salience views of one passage.
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
from models.data.same_passage import Doubles, same_passages
from models.data.score import MELODY, Score
from models.data.style import Style
from models.data.transcribe import BEAT_S, transcribe
from models.data.views import Passage, Recipe, redrawn, view

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
    """Salience of many recordings, of which work each is, and what it says was played.

    Parameters
    ----------
    path
        A file written by `write_recordings`.

    Attributes
    ----------
    works : list of list of int
        Positions of each work's recordings in the other lists.
    """

    path: Path
    salience: list[npt.NDArray[np.uint8]] = field(init=False)
    scores: list[Score] = field(init=False)
    chords: list[Chords] = field(init=False)
    works: list[list[int]] = field(init=False)
    _places: dict[tuple[int, int], Doubles] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        with np.load(self.path, allow_pickle=False) as data:
            parts = np.split(data["salience"], data["start"][1:-1])
            names = data["work" if "work" in data else "name"].tolist()  # files of an earlier version name no works
        usable = [
            (name, part, transcribe(part.astype(np.float32) / np.float32(255)))
            for name, part in zip(names, parts, strict=True)
            if len(part) >= _SHORTEST_S * FPS
        ]
        usable = [entry for entry in usable if (entry[2].role == MELODY).sum() >= 2 * _FEWEST_NOTES]
        self.salience = [part for _, part, _ in usable]
        self.scores = [score for _, _, score in usable]
        self.chords = [harmonise(score) for score in self.scores]
        works: dict[str, list[int]] = {}
        for number, (name, _, _) in enumerate(usable):
            works.setdefault(name, []).append(number)
        self.works = list(works.values())

    def __len__(self) -> int:
        return len(self.works)

    def pair(self, work: int, styles: tuple[Style, Style], recipe: Recipe, rng: np.random.Generator) -> list[Roll]:
        """Two views, float32 (frames, BINS), of one passage of the work of that number."""
        mine = self.works[work]
        number = int(rng.choice(mine))
        if len(mine) > 1 and rng.random() < recipe.human:
            other = int(rng.choice([n for n in mine if n != number]))
            places = self._same(number, other)
            if len(places):
                shift_s = rng.uniform(-8, 8)
                place = places[int(rng.integers(len(places)))] + shift_s
                return [self._heard(*at, recipe, rng) for at in zip((number, other), place.tolist(), strict=True)]
        return self._alone(number, styles, recipe, rng)

    def _same(self, first: int, second: int) -> Doubles:
        """Where two recordings play the same, remembered."""
        if (first, second) not in self._places:
            found = same_passages(self.salience[first], self.salience[second])
            self._places[first, second], self._places[second, first] = found, found[:, ::-1]
        return self._places[first, second]

    def _alone(self, number: int, styles: tuple[Style, Style], recipe: Recipe, rng: np.random.Generator) -> list[Roll]:
        """Two views of one passage of one recording."""
        score, seconds = self.scores[number], len(self.salience[number]) / FPS
        centre_s = place_with_a_tune(score, seconds, _MARGIN_S, rng)
        views = []
        alone = rng.random() < _SELF
        for side, style in enumerate(styles):
            if side == 0 or alone:
                views.append(self._heard(number, centre_s, recipe, rng))
            else:
                tempo, jitter_s = redrawn(recipe, rng)
                passage = Passage(score, self.chords[number], (centre_s + jitter_s) / BEAT_S, BEAT_S / tempo)
                views.append(view(passage, style, recipe.frames, rng))
        return views if rng.random() < 0.5 else views[::-1]

    def _heard(self, number: int, centre_s: float, recipe: Recipe, rng: np.random.Generator) -> Roll:
        """The salience itself around a place, in another tempo and key, at another contrast."""
        whole, frames = self.salience[number], recipe.frames
        tempo, jitter_s = redrawn(recipe, rng)
        at = (centre_s + jitter_s) * FPS + (np.arange(frames) - frames / 2) * tempo
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


def write_recordings(path: Path, parts: Iterable[tuple[str, str, npt.NDArray[np.uint8]]]) -> int:
    """Write saliences, each with its name and its work, uint8 (frames, BINS), as one file; returns how many."""
    names, works, rolls = [], [], []
    for name, work, roll in parts:
        names.append(name)
        works.append(work)
        rolls.append(roll)
    temporary = path.with_suffix(".part.npz")
    with temporary.open("wb") as file:
        np.savez(
            file,
            salience=np.concatenate([np.zeros((0, BINS), np.uint8), *rolls]),
            start=np.cumsum([0, *(len(r) for r in rolls)]),
            name=np.array(names, dtype=np.str_),
            work=np.array(works, dtype=np.str_),
        )
    os.replace(temporary, path)
    return len(names)
