"""Batches of view pairs, drawn from a corpus of scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from models.data.anchors import Doubles, anchors
from models.data.arrange import Notes, excerpt, perform, together
from models.data.harmony import SEGMENT_BEATS, Chords, harmonise
from models.data.hear import BINS, FPS, Roll, hear, stray_notes
from models.data.interrupted import interrupt
from models.data.manifest import Entry
from models.data.score import MELODY, Score
from models.data.store import ScoreStore
from models.data.style import Style, draw_style

_FEWEST_NOTES = 10
_LOOP_BELOW_S = 60.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """How pairs are drawn.

    Attributes
    ----------
    frames : int
        Length of a view in frames of 1 / `models.data.hear.FPS` seconds.
    group : int
        Works that share the two styles of their pairs.
    human : float
        Probability of taking two human-made versions of a work that has them.
    tempo_spread : float
        Standard deviation of the log tempo of each view, cut at a factor of 1.4.
    jitter_s : float
        Largest offset between the middles of the two views.
    hard : float
        Share of groups whose works are alike, where the corpus knows which are.
    views, windows : int
        Performances of a work; windows of a performance, which follow each other without overlap.
    recent, begun : float
        Share of groups whose second views are cut as a feed cuts them (`models.data.interrupted`).
    """

    frames: int = 20 * FPS
    group: int = 8
    views: int = 2
    windows: int = 1
    human: float = 0.75
    tempo_spread: float = 0.16
    jitter_s: float = 3.0
    hard: float = 0.5
    recent: float = 0.0
    begun: float = 0.0


@dataclass(frozen=True, slots=True)
class Passage:
    """Where to look: a score and the beat in the middle of the view."""

    score: Score
    chords: Chords
    centre: float
    beat_s: float


@dataclass(slots=True)
class Corpus:
    """Works of one split.

    Parameters
    ----------
    entries : list of Entry
        Files; those missing from the store are passed over.
    store : ScoreStore
    weights : mapping of str to float
        Relative share of a work by its collection (default 1).
    near : int32 array, shape (works, k), optional
        Works that a network takes for each other (`models.neighbours`).
    versions : float
        Relative share of a work with several versions, on top of its collection's.
    """

    entries: list[Entry]
    store: ScoreStore
    weights: Mapping[str, float] = field(default_factory=dict)
    near: npt.NDArray[np.int32] | None = None
    versions: float = 1.0
    works: list[list[str]] = field(init=False)
    share: npt.NDArray[np.float64] = field(init=False)
    _chords: dict[str, Chords] = field(init=False, default_factory=dict)
    _anchors: dict[tuple[str, str], Doubles] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        by_work: dict[str, list[Entry]] = {}
        for entry in self.entries:
            if entry.path in self.store:
                by_work.setdefault(entry.work_id, []).append(entry)
        self.works = [[e.path for e in files] for files in by_work.values()]
        share = np.array([max(self.weights.get(e.collection, 1.0) for e in files) for files in by_work.values()])
        share = share * np.array([self.versions if len(files) > 1 else 1.0 for files in self.works])
        self.share = share / share.sum()

    def part(self, number: int, of: int) -> Corpus:
        """The same corpus, works numbered as before, that draws only every ``of``-th work, from ``number`` on."""
        if of == 1:
            return self
        mine = np.arange(len(self.works)) % of == number
        parted = Corpus(self.entries, self.store, self.weights, self.near, self.versions)
        parted.share = np.where(mine, self.share, 0.0)
        parted.share /= parted.share.sum()
        return parted

    def chords(self, path: str) -> Chords:
        """Chords of one score, worked out once."""
        if path not in self._chords:
            self._chords[path] = harmonise(self.store[path])
        return self._chords[path]

    def anchors(self, a: str, b: str) -> Doubles:
        """Matching passages of two scores, worked out once."""
        if (a, b) not in self._anchors:
            self._anchors[a, b] = anchors(self.store[a], self.store[b])
        return self._anchors[a, b]


class Pairs(Protocol):
    """A further source of pairs beside the scores (`models.data.recorded`)."""

    def __len__(self) -> int:
        """How many works it has."""

    def pair(self, number: int, styles: tuple[Style, Style], recipe: Recipe, rng: np.random.Generator) -> list[Roll]:
        """Two views, float32 (frames, BINS), of one work."""


def batch(
    corpus: Corpus, recipe: Recipe, works: int, seed: tuple[int, ...], extra: Pairs | None = None, extra_works: int = 0
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """One batch of views; equal seeds give equal batches.

    Returns
    -------
    uint8 array, shape (views * works * windows, frames, BINS)
        Salience times 255; with one window, rows ``i``, ``works + i``, ... are views of one work. The windows of a view
        follow each other.
    int64 array, shape (works,)
        Positions of the works in ``corpus.works``, all different; those of ``extra``, in the last groups, go on from
        there.
    """
    rng = np.random.default_rng(seed)
    chosen = chosen_works(corpus, recipe, works, rng)
    rolls = np.zeros((recipe.views, works, recipe.windows, recipe.frames, BINS), np.uint8)
    for first in range(0, works, recipe.group):
        part = chosen[first : first + recipe.group]
        if extra is not None and first >= works - extra_works:
            others = rng.choice(len(extra), len(part), replace=False)
            part[:] = len(corpus.works) + others
            styles = (draw_style(rng), draw_style(rng))
            pairs = np.stack([np.stack(extra.pair(int(n), styles, recipe, rng)) for n in others], 1)
            rolls[:, first : first + recipe.group, 0] = np.round(pairs * 255)
        else:
            rolls[:, first : first + recipe.group] = group_of_views(corpus, recipe, part, rng)
        if recipe.recent or recipe.begun:
            interrupt(rolls[1, first : first + recipe.group, 0], recipe.recent, recipe.begun, rng)
    return rolls.reshape(-1, recipe.frames, BINS), chosen.astype(np.int64)


def chosen_works(corpus: Corpus, recipe: Recipe, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Different works by their share; in some groups all are works that a network takes for the first one."""
    chosen = rng.choice(len(corpus.works), count, replace=False, p=corpus.share)
    if corpus.near is None:
        return chosen
    for start in range(0, count, recipe.group):
        if rng.random() < recipe.hard:
            near = np.setdiff1d(corpus.near[chosen[start]], chosen)
            near = rng.permutation(near[corpus.share[near] > 0])
            others = near[: len(chosen[start + 1 : start + recipe.group])]
            chosen[start + 1 : start + 1 + len(others)] = others
    return chosen


def group_of_views(
    corpus: Corpus, recipe: Recipe, works: npt.NDArray[np.integer], rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Views of works (positions in ``corpus.works``) that share their styles: the first views one, and so on.

    Returns
    -------
    uint8 array, shape (views, works, windows, frames, BINS)
    """
    rolls = np.zeros((recipe.views, len(works), recipe.windows, recipe.frames, BINS), np.uint8)
    styles = [draw_style(rng) for _ in range(recipe.views)]
    for i, work in enumerate(works):
        passages = draw_versions(corpus, corpus.works[int(work)], recipe, rng)
        for side, places in enumerate(consecutive(passages, recipe)):
            for k, place in enumerate(places):
                rolls[side, i, k] = np.round(view(place, styles[side], recipe.frames, rng) * 255)
    return rolls


def draw_versions(corpus: Corpus, files: list[str], recipe: Recipe, rng: np.random.Generator) -> list[Passage]:
    """Passages that are the same place of one work: a pair, then both again in other tempos, as often as needed."""
    pair = draw_pair(corpus, files, recipe, rng)
    passages = [*pair]
    for side in range(2, recipe.views):
        old = pair[side % 2]
        tempo, jitter_s = redrawn(recipe, rng)
        beat_s = old.beat_s * tempo
        passages.append(Passage(old.score, old.chords, old.centre + jitter_s / beat_s, beat_s))
    return passages


def redrawn(recipe: Recipe, rng: np.random.Generator) -> tuple[float, float]:
    """How much faster another view of a passage is, and how many seconds beside its place."""
    tempo = float(np.exp(np.clip(rng.normal(0, recipe.tempo_spread), -0.336, 0.336)))
    return tempo, float(rng.uniform(-0.5, 0.5)) * recipe.jitter_s


def consecutive(passages: list[Passage], recipe: Recipe) -> list[list[Passage]]:
    """The windows of each passage, one after the other, towards the side where more of the first score is left."""
    first = passages[0]
    forward = first.score.beats - first.centre >= first.centre
    step_s = recipe.frames / FPS * (1 if forward else -1)
    return [
        [Passage(p.score, p.chords, p.centre + k * step_s / p.beat_s, p.beat_s) for k in range(recipe.windows)]
        for p in passages
    ]


class Line(NamedTuple):
    """The time of one view in another.

    What sounds ``t`` s after the middle of the first sounds ``ratio * t + offset_s`` after the middle of the second.
    """

    ratio: float
    offset_s: float


def draw_pair(corpus: Corpus, files: list[str], recipe: Recipe, rng: np.random.Generator) -> tuple[Passage, Passage]:
    """Two passages that are the same place of one work, from two human-made versions where there are any."""
    first, second, _ = draw_line(corpus, files, recipe, rng)
    return first, second


def draw_line(
    corpus: Corpus, files: list[str], recipe: Recipe, rng: np.random.Generator
) -> tuple[Passage, Passage, Line]:
    """The same with the line of time between the two, as exact as two humans' note values are."""
    a = b = files[int(rng.integers(len(files)))]
    found: Doubles = np.zeros((0, 3))
    if len(files) > 1 and rng.random() < recipe.human:
        b = files[(files.index(a) + int(rng.integers(1, len(files)))) % len(files)]
        found = corpus.anchors(a, b)
    if not len(found):
        b = a
    first = corpus.store[a]
    base_s = min(max(first.beat_s * float(np.exp(rng.normal(0, 0.15))), 0.25), 1.2)
    tempo = np.exp(np.clip(rng.normal(0, recipe.tempo_spread, 2), -0.336, 0.336))
    if len(found):
        at_a, at_b, ratio = found[int(rng.integers(len(found)))]
        shift_s = rng.uniform(-8, 8)
        at_a, at_b = at_a + shift_s / base_s, at_b + shift_s / base_s * ratio
    else:
        at_a = at_b = _centre(first, base_s * recipe.frames / FPS / 20, rng)
        ratio = 1.0
    jitter = rng.uniform(-0.5, 0.5, 2) * recipe.jitter_s
    beat_a, beat_b = base_s * float(tempo[0]), base_s * float(tempo[1]) / ratio
    faster = float(tempo[1] / tempo[0])
    return (
        Passage(first, corpus.chords(a), float(at_a + jitter[0] / beat_a), beat_a),
        Passage(corpus.store[b], corpus.chords(b), float(at_b + jitter[1] / beat_b), beat_b),
        Line(faster, float(jitter[0] * faster - jitter[1])),
    )


def _centre(score: Score, beat_s: float, rng: np.random.Generator) -> float:
    """A beat around which the tune is heard."""
    margin = min(8.0 / beat_s, score.beats / 2)
    tune = score.onset[score.role == MELODY]
    centre = 0.0
    for _ in range(6):
        centre = float(rng.uniform(margin, max(margin, score.beats - margin)))
        if np.count_nonzero(np.abs(tune - centre) * beat_s < 9) >= _FEWEST_NOTES:
            break
    return centre


def view(passage: Passage, style: Style, frames: int, rng: np.random.Generator) -> Roll:
    """Play and hear one passage in a key and a tempo curve of its own.

    Returns
    -------
    float32 array, shape (frames, BINS), in [0, 1]
    """
    seconds = frames / FPS
    notes = together([play(passage, style, seconds, rng), stray_notes(style, seconds, rng)])
    return hear(notes, frames, style, passage.beat_s, rng)


def play(passage: Passage, style: Style, seconds: float, rng: np.random.Generator) -> Notes:
    """Perform one passage in a random key; notes in seconds from the beginning of the view."""
    score, beat_s = passage.score, passage.beat_s
    start = passage.centre - seconds / beat_s / 2
    grid = np.floor(start / SEGMENT_BEATS) * SEGMENT_BEATS
    beats = seconds / beat_s + 2 * SEGMENT_BEATS
    loop = np.ceil(score.beats / 4) * 4 if score.beats * beat_s < _LOOP_BELOW_S and rng.random() < 0.9 else None
    segment = np.arange(int(np.ceil(beats / SEGMENT_BEATS))) + int(grid / SEGMENT_BEATS)
    wrapped = segment % max(1, int(loop / SEGMENT_BEATS)) if loop else segment
    chords = passage.chords[np.clip(wrapped, 0, len(passage.chords) - 1)]
    notes = perform(excerpt(score, grid, grid + beats, loop), chords, style, beats, rng)
    # Where the score has ended (or not begun) no accompaniment plays on.
    at = notes.onset + grid
    notes = notes.pick((at >= -2) & (at < score.beats + 2) if loop is None else at >= -2)
    played = _in_seconds(notes, grid - start, beat_s, rng)
    shift = int(rng.integers(-6, 7))
    return Notes(played.onset, played.duration, played.pitch + shift, played.level, played.melody)


def _in_seconds(notes: Notes, lead_beats: float, beat_s: float, rng: np.random.Generator) -> Notes:
    """Beats to seconds along a gently bending tempo (up to 6 % faster or slower)."""
    onset = (notes.onset + lead_beats) * beat_s
    period_s = rng.uniform(6, 20)
    bend = abs(rng.normal(0, 0.03)) * period_s / (2 * np.pi)
    onset = onset + min(bend, 0.06 * period_s / (2 * np.pi)) * np.sin(2 * np.pi * (onset / period_s + rng.random()))
    return Notes(onset, notes.duration * beat_s, notes.pitch, notes.level, notes.melody)
