"""From embeddings and pitch sequences to candidates: which works may be sounding, and how sure we are.

Nearest windows only make a *shortlist*: they are cheap and search everything, and their scores are accumulated over
the steps of a feed. The few references on it are then aligned with the last minute of the feed's pitch sequence (the
second opinion, `recognizer.align`), and it is the alignment that is trusted.

An alignment score means little by itself: music that sits on one chord aligns with everything. So each reference is
also aligned *reversed in time*, where no true match can exist but every tonal accident stays; what the real direction
gains over the reversed one is the evidence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from recognizer.align import Alignment, AlignSettings
from recognizer.catalogue import CatalogueView
from recognizer.step import Floats


@dataclass(frozen=True, slots=True)
class Candidate:
    """A work that may be sounding.

    Attributes
    ----------
    strength : float
        Evidence of the alignment (see `evidence`); comparable between works.
    confidence : float
        All evidence as a probability in [0, 1] (`recognizer.fusion`).
    transpose_semitones : int
        How far the feed sounds above the reference.
    tempo_ratio : float or None
        Feed tempo over reference tempo.
    heard_from, heard_to : int
        Timeline positions (samples) of the aligned stretch.
    ref_start_ms : int
        Where in the reference the aligned stretch begins.
    hits : int
        Windows of the last half minute whose nearest windows of this work lie on one line of time.
    similarity : float
        How near the work's windows were to those of the last steps (cosine), 0 when unknown.
    """

    work_id: str
    reference_id: str
    title: str | None
    artist: str | None
    isrc: str | None
    iswc: str | None
    strength: float
    confidence: float
    transpose_semitones: int
    tempo_ratio: float | None
    heard_from: int
    heard_to: int
    ref_start_ms: int
    hits: int = 0
    similarity: float = 0.0


@dataclass(frozen=True, slots=True)
class Resolution:
    """How finely sequences are aligned.

    ``pool`` pitch frames are averaged into one first; half as many frames on either side are a quarter of the work.
    """

    pool: int
    align: AlignSettings


@dataclass(frozen=True, slots=True)
class MatcherSettings:
    """Numbers of the matching.

    Attributes
    ----------
    hits : int
        Nearest windows fetched per step.
    decay : float
        What remains of a reference's accumulated score after a step.
    shortlist : int
        References aligned coarsely per decision.
    refine : int
        Of these, the best that are aligned finely; only they can be named.
    coarse, fine : Resolution
    """

    hits: int = 64
    decay: float = 0.85
    shortlist: int = 32
    refine: int = 4
    coarse: Resolution = Resolution(2, AlignSettings(stack=4, offset=1.0))
    fine: Resolution = Resolution(1, AlignSettings(stack=8, offset=1.2))


class Shortlist:
    """References worth a second opinion, by accumulated nearness of their windows."""

    def __init__(self, settings: MatcherSettings) -> None:
        self._settings = settings
        self.scores: dict[str, float] = {}

    def update(self, view: CatalogueView, embedding: Floats) -> None:
        """Add the evidence of one window; ``embedding`` has shape (dimension,)."""
        count = min(self._settings.hits, len(view.vectors))
        if count == 0:
            return
        scores, rows = view.index.search(embedding[None, :], count)
        nearest: dict[str, float] = {}
        for score, row in zip(scores[0].tolist(), rows[0].tolist(), strict=True):
            reference = view.tracks[int(view.vector_track[row])].reference_id
            nearest[reference] = max(nearest.get(reference, -1.0), score)
        # Scores count above the weakest hit: being near what everything is near to says nothing.
        floor = min(nearest.values())
        decayed = {key: value * self._settings.decay for key, value in self.scores.items()}
        for reference, score in nearest.items():
            decayed[reference] = decayed.get(reference, 0.0) + score - floor
        keep = sorted(decayed.items(), key=lambda item: (-item[1], item[0]))[: 4 * self._settings.shortlist]
        self.scores = dict(keep)

    def best(self, view: CatalogueView, works: Sequence[str] = ()) -> list[int]:
        """Track numbers to look at: the best references, and those of ``works`` (already open)."""
        if len(view.tracks) <= self._settings.shortlist:
            return list(range(len(view.tracks)))
        ranked = sorted(self.scores.items(), key=lambda item: (-item[1], item[0]))
        numbers = [view.track_number(key) for key, _ in ranked[: self._settings.shortlist]]
        chosen = [number for number in numbers if number is not None]
        for work in works:
            chosen += [number for number in view.tracks_of_work(work) if number not in chosen]
        return chosen


def pooled(pitch: Floats, factor: int) -> Floats:
    """Average ``factor`` consecutive frames; an incomplete last group is dropped."""
    frames = len(pitch) // factor
    means: Floats = pitch[: frames * factor].reshape(frames, factor, -1).mean(axis=1)
    return means


def evidence(forward: Alignment, reversed_score: float) -> float:
    """Strength of an alignment: what it gains over the time-reversed reference, per root of its length.

    Under chance, the two scores are alike and vary like the root of the path's length.
    """
    return (forward.score - reversed_score) / math.sqrt(max(forward.score + reversed_score, 1.0))
