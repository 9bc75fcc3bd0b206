"""From works to audio: the catalogue's recording of a work, and covers of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from models.data.arrange import Notes
from models.data.mixing import TUNE_DB, over
from models.data.passages import Matched, matched
from models.data.render import Samples, render
from models.data.score import Score
from models.data.style import Style, draw_style
from models.data.views import Corpus, Passage, play
from models.programmes.choose import Work

RATE_HZ = 16_000
REFERENCE_S, LONG_REFERENCE_S = 75.0, 150.0
_SHORTEST_REFERENCE_S = 40.0
_LEAD_S = 0.3
_AUDIBLE = 0.02  # of the peak: the first and the last sound of a piece
_RMS = 0.08


@dataclass(frozen=True, slots=True)
class Cover:
    """A performance and what is said about it in the truth."""

    audio: Samples
    note: str


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Beats of a score (repeated often enough) and the length of a beat."""

    path: str
    first: float
    beats: float
    beat_s: float

    @property
    def seconds(self) -> float:
        return self.beats * self.beat_s


class Players:
    """Performs works of a corpus on soundfonts.

    Parameters
    ----------
    corpus : Corpus
        Holds the scores and their chords.
    soundfonts : list of Path
        One is drawn for each performance.
    seed : int
        A work's reference depends on the seed and the work alone.
    """

    def __init__(self, corpus: Corpus, soundfonts: list[Path], seed: int) -> None:
        self._corpus = corpus
        self._soundfonts = soundfonts
        self._seed = seed

    def reference(self, work: Work) -> Samples:
        """What the catalogue holds of a work: its beginning, once or (short tunes) several times over."""
        rng = self._rng(work)
        stretch = self._reference_stretch(work, rng)
        return self._performed(stretch, replace(draw_style(rng), edits=0.0), rng)

    def cover(self, work: Work, rng: np.random.Generator) -> Cover:
        """Another human's version where there is one whose tune agrees with the reference's, else another arrangement.

        In any case in another style and tempo, in a key drawn anew, and of music that the reference holds. What differs
        in a human version is what people changed: no more mistakes are invented.
        """
        reference = self._reference_stretch(work, self._rng(work))
        versions = self._versions(work.paths, reference)
        style = draw_style(rng)
        if versions:
            path, place = versions[int(rng.integers(len(versions)))]
            stretch, style = self._other_version(reference, path, place, rng), replace(style, edits=0.0)
            how = "human version"
        else:
            stretch, how = self._arrangement(reference, rng), "arrangement"
        return Cover(self._performed(stretch, style, rng), f"{how} {stretch.path}")

    def _versions(self, paths: Sequence[str], reference: _Stretch) -> list[tuple[str, Matched]]:
        """Other versions that play a passage of the reference, and where they do.

        Works are cliques found by machine: some of their files have no music in common.
        """
        store = self._corpus.store
        found = [(path, matched(store[paths[0]], store[path], reference.beat_s)) for path in paths[1:]]
        return [(path, place) for path, place in found if place is not None and place.a < reference.beats]

    def unknown(self, work: Work, seconds: float, rng: np.random.Generator) -> Cover:
        """Some of a work that is not in the catalogue."""
        score = self._corpus.store[work.paths[0]]
        beat_s = _beat_s(score, rng)
        beats = seconds / beat_s
        first = float(rng.uniform(0, score.beats - beats)) if score.beats > beats else 0.0
        audio = self._performed(_Stretch(work.paths[0], first, beats, beat_s), draw_style(rng), rng)
        return Cover(audio, f"not in the catalogue: {work.work_id}")

    def _rng(self, work: Work) -> np.random.Generator:
        return np.random.default_rng((self._seed, 2, *work.work_id.encode()))

    def _reference_stretch(self, work: Work, rng: np.random.Generator) -> _Stretch:
        score = self._corpus.store[work.paths[0]]
        beat_s = _beat_s(score, rng)
        longest = LONG_REFERENCE_S if len(work.paths) > 1 else REFERENCE_S
        once_s = score.beats * beat_s
        rounds = max(1, int(np.ceil(_SHORTEST_REFERENCE_S / once_s)))
        return _Stretch(work.paths[0], 0.0, min(longest, rounds * once_s) / beat_s, beat_s)

    def _arrangement(self, reference: _Stretch, rng: np.random.Generator) -> _Stretch:
        """The whole of what the reference holds or, every second time, a part of it."""
        beat_s = float(np.clip(reference.beat_s / _tempo(rng), 0.2, 1.4))
        score = self._corpus.store[reference.path]
        if score.beats * reference.beat_s < _SHORTEST_REFERENCE_S:  # played round and round: as often as one likes
            return _Stretch(reference.path, 0.0, rng.uniform(40, 120) / beat_s, beat_s)
        beats = reference.beats
        if rng.random() < 0.5 and beats * beat_s > 50:
            beats = rng.uniform(40 / beat_s, beats)
        return _Stretch(reference.path, rng.uniform(0, reference.beats - beats), beats, beat_s)

    def _other_version(self, reference: _Stretch, path: str, place: Matched, rng: np.random.Generator) -> _Stretch:
        """The part of another version in which the reference's music is played, as far as their tunes tell.

        The tempo is the reference's or somewhat off; a crotchet of one may be a quaver of the other.
        """
        score = self._corpus.store[path]
        beat_s = reference.beat_s / place.ratio / _tempo(rng)
        beats = rng.uniform(45, 120) / beat_s
        if score.beats < beats:
            return _Stretch(path, 0.0, beats, beat_s)
        found = self._corpus.anchors(reference.path, path)
        inside = found[found[:, 0] < reference.beats, 1] if len(found) else found[:, :1]
        if not len(inside):
            return _Stretch(path, 0.0, beats, beat_s)
        low, high = np.quantile(inside, (0.1, 0.9))
        beats = float(np.clip(high - low, 45 / beat_s, beats))
        middle = np.clip((low + high - beats) / 2, place.b - beats, place.b)
        first = float(np.clip(middle, 0, score.beats - beats))
        return _Stretch(path, first, beats, beat_s)

    def _performed(self, stretch: _Stretch, style: Style, rng: np.random.Generator) -> Samples:
        score, chords = self._corpus.store[stretch.path], self._corpus.chords(stretch.path)
        last = stretch.first + stretch.beats
        if last > score.beats:
            score, chords = _repeated(score, chords, last)
        seconds = stretch.seconds + _LEAD_S
        centre = stretch.first + (seconds / 2 - _LEAD_S) / stretch.beat_s
        notes = play(
            Passage(score, chords, centre, stretch.beat_s), replace(style, missed=0.0, melody_missed=0.0), seconds, rng
        )
        return levelled(trimmed(self._sounded(notes, seconds, stretch.beat_s if style.drums else None, rng)))

    def _sounded(self, notes: Notes, seconds: float, drums_beat_s: float | None, rng: np.random.Generator) -> Samples:
        """Tune and accompaniment rendered apart, so that the tune can be put in front as mixing engineers do."""
        soundfont = self._soundfonts[int(rng.integers(len(self._soundfonts)))]
        tune, rest = notes.pick(notes.melody > 0), notes.pick(notes.melody == 0)
        front = render(tune, seconds, soundfont, RATE_HZ, rng, None)
        if not len(rest) and drums_beat_s is None:
            return front
        behind = render(rest, seconds, soundfont, RATE_HZ, rng, drums_beat_s)
        return over(front, behind, float(rng.uniform(*TUNE_DB)), RATE_HZ)


def _beat_s(score: Score, rng: np.random.Generator) -> float:
    return float(np.clip(score.beat_s * np.exp(rng.normal(0, 0.1)), 0.25, 1.2))


def _tempo(rng: np.random.Generator) -> float:
    """Speed of a cover against the reference."""
    return float(np.exp(np.clip(rng.normal(0, 0.14), -0.29, 0.29)))


def _repeated(score: Score, chords: np.ndarray, beats: float) -> tuple[Score, np.ndarray]:
    """The score over and over for so many beats, in whole bars of four; chords likewise."""
    bar = float(np.ceil(score.beats / 4) * 4)
    rounds = int(np.ceil(beats / bar))
    shift = np.repeat(np.arange(rounds, dtype=np.float32) * np.float32(bar), len(score))
    again = Score(
        np.tile(score.onset, rounds) + shift,
        np.tile(score.duration, rounds),
        np.tile(score.pitch, rounds),
        np.tile(score.role, rounds),
        score.beat_s,
    )
    padded = np.pad(chords, (0, max(0, int(bar / 2) - len(chords))), mode="edge")[: int(bar / 2)]
    return again, np.tile(padded, rounds)


def trimmed(audio: Samples) -> Samples:
    """Without the silence before the first and after the last sound."""
    heard = np.flatnonzero(np.abs(audio) > _AUDIBLE * max(float(np.abs(audio).max(initial=0)), 1e-4))
    return audio[heard[0] : heard[-1] + 1] if len(heard) else audio[:0]


def levelled(audio: Samples, rms: float = _RMS) -> Samples:
    """At a common loudness, with peaks rounded off."""
    loud = audio[np.abs(audio) > 1e-4]
    if not len(loud):
        return audio
    return np.asarray(np.tanh(audio * np.float32(rms / np.sqrt(np.mean(np.square(loud))))), dtype=np.float32)
