"""From embeddings and pitch sequences to candidates: which works may be sounding, and how sure we are.

Nearest windows make a *shortlist* (`recognizer.shortlist`): they are cheap and search everything, and their scores are
accumulated over the steps of a feed. How its references stand among each other (`recognizer.standing`) says which few
are worth aligning with the last seconds of the feed's pitch sequence (the second opinion, `recognizer.align`).

An alignment score means little by itself: music that sits on one chord aligns with everything. So each reference is
also aligned *reversed in time*, where no true match can exist but every tonal accident stays; what the real direction
gains over the reversed one is the evidence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from recognizer.align import Alignment, AlignSettings
from recognizer.step import Floats


@dataclass(frozen=True, slots=True)
class Candidate:
    """A work that may be sounding.

    Attributes
    ----------
    strength : float
        Evidence of the alignment (see `evidence`); comparable between works.
    path : float
        Root of the score of the alignment's best path, whatever the reversed reference reaches.
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
    """

    work_id: str
    reference_id: str
    title: str | None
    artist: str | None
    isrc: str | None
    iswc: str | None
    strength: float
    path: float
    confidence: float
    transpose_semitones: int
    tempo_ratio: float | None
    heard_from: int
    heard_to: int
    ref_start_ms: int


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
    decay, fresh_decay : float
        What remains of a reference's lasting and fresh score after a step.
    shortlist : int
        References on the list of the nearest.
    look : int
        Of these, how many are aligned at most per decision, the most promising ones.
    promise : float
        Probability, by the embedding alone, below which a reference is not aligned at all.
    nearest : int
        Works, the most promising ones, that are aligned finely whatever a glance says of them.
    promising : float
        Strength at a glance below which a reference is not aligned finely.
    glance : Resolution
        How references are looked at first, when `glance_s` of history or more are there; less at ``coarse``.
    refine : int
        Of these, the best that are aligned finely; only they can be named.
    coarse, fine : Resolution
    """

    hits: int = 64
    decay: float = 0.9
    fresh_decay: float = 0.7
    shortlist: int = 12
    look: int = 6
    promise: float = 0.02
    nearest: int = 2
    promising: float = 0.7
    glance: Resolution = Resolution(4, AlignSettings(stack=2, offset=0.8))
    glance_s: float = 24.0
    refine: int = 2
    coarse: Resolution = Resolution(2, AlignSettings(stack=4, offset=1.0))
    fine: Resolution = Resolution(1, AlignSettings(stack=8, offset=1.2))


def best_per_work(candidates: Iterable[Candidate], worth: Callable[[Candidate], float]) -> dict[str, Candidate]:
    """The candidate of each work that is worth most; of equals the first."""
    best: dict[str, Candidate] = {}
    for candidate in candidates:
        held = best.get(candidate.work_id)
        if held is None or worth(candidate) > worth(held):
            best[candidate.work_id] = candidate
    return best


def pooled(pitch: Floats, factor: int) -> Floats:
    """Average ``factor`` consecutive frames; an incomplete last group is dropped."""
    frames = len(pitch) // factor
    means: Floats = pitch[: frames * factor].reshape(frames, factor, pitch.shape[1]).mean(axis=1)
    return means


def evidence(forward: Alignment, reversed_score: float) -> float:
    """Strength of an alignment: what it gains over the time-reversed reference, per root of its length.

    Under chance, the two scores are alike and vary like the root of the path's length.
    """
    return (forward.score - reversed_score) / math.sqrt(max(forward.score + reversed_score, 1.0))
