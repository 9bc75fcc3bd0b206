"""Rank the works of a catalogue by how likely a recording is a version of them.

Every reference gets a score from the embeddings: the mean over the query's windows of the nearest of its own windows
(the reduction that Sony's CLEWS evaluates as "bpwr"). In that order, as many references as the budget allows are
aligned coarsely; the strongest of them are aligned finely, and their evidence decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from recognizer.catalogue import CatalogueView
from recognizer.matcher import MatcherSettings, Resolution
from recognizer.reference import Analysis
from recognizer.second_opinion import Opinion, opinions
from recognizer.step import Floats

# Cells of coarse alignment per query: about 5 s of one core, or 700 references of 4 minutes against 60 s.
ALIGN_BUDGET_CELLS = 40_000_000
SEGMENT_S = 60.0
MAX_SEGMENTS = 3
REFINED = 40  # references aligned finely
# What was looked at more closely stands above the rest; the embedding breaks ties.
_EMBEDDING_WEIGHT = 0.5
_COARSE_ONLY = -10.0
_NOT_ALIGNED = -20.0


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One work, by its best reference.

    Attributes
    ----------
    rank : int
        From 1.
    score : float
        Evidence of the fine alignment plus half the embedding's similarity; lower by 10 for works that were aligned
        coarsely only, by 20 for those not aligned.
    transpose_semitones, tempo_ratio, query_start_s, reference_start_s
        Of the alignment; ``None`` where there was none.
    """

    rank: int
    work_id: str
    reference_id: str
    title: str | None
    artist: str | None
    score: float
    transpose_semitones: int | None
    tempo_ratio: float | None
    query_start_s: float | None
    reference_start_s: float | None

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Found:
    score: float
    opinion: Opinion | None
    segment_start_s: float
    pool: int


def search(
    view: CatalogueView, analysis: Analysis, top_k: int, settings: MatcherSettings | None = None
) -> list[SearchResult]:
    """Rank works, best first, at most one row per work.

    Parameters
    ----------
    view : CatalogueView
    analysis : Analysis
        Of the query, from `recognizer.reference.analyse` with ``hop_steps=1``.
    top_k : int
        Rows wanted; may exceed the number of works.
    settings : MatcherSettings, optional
    """
    if not view.tracks or top_k < 1:
        return []
    settings = settings or MatcherSettings()
    similarity = track_similarity(view, analysis.embeddings)
    order = np.argsort(-similarity, kind="stable")
    aligned = _aligned(view, analysis, order.tolist(), settings)
    found = [aligned.get(number, _Found(_NOT_ALIGNED, None, 0.0, 1)) for number in range(len(view.tracks))]
    scores = [entry.score + _EMBEDDING_WEIGHT * float(s) for entry, s in zip(found, similarity, strict=True)]
    results: list[SearchResult] = []
    seen: set[str] = set()
    for number in sorted(range(len(scores)), key=lambda n: (-scores[n], view.tracks[n].reference_id)):
        work = view.tracks[number].work_id
        if work not in seen:
            seen.add(work)
            results.append(_result(len(results) + 1, view, number, scores[number], found[number]))
            if len(results) == top_k:
                break
    return results


def track_similarity(view: CatalogueView, embeddings: Floats) -> Floats:
    """Mean over query windows of the best cosine with each track's windows; shape (tracks,)."""
    total = np.zeros(len(view.tracks), dtype=np.float32)
    first_rows = np.flatnonzero(np.diff(view.vector_track, prepend=-1))
    vectors = np.asarray(view.vectors)
    for start in range(0, len(embeddings), 8):  # a few windows at a time bounds memory on large catalogues
        cosine = embeddings[start : start + 8] @ vectors.T
        total += np.maximum.reduceat(cosine, first_rows, axis=1).sum(axis=0)
    return total / np.float32(max(1, len(embeddings)))


def _segments(analysis: Analysis, fps: float) -> list[tuple[float, Floats]]:
    """Up to `MAX_SEGMENTS` stretches of the query, evenly spread: (start in seconds, pitch frames)."""
    length = round(SEGMENT_S * fps)
    count = min(MAX_SEGMENTS, max(1, round(len(analysis.pitch) / length)))
    last = max(0, len(analysis.pitch) - length)
    starts = [round(k * last / max(1, count - 1)) for k in range(count)]
    return [(start / fps, analysis.pitch[start : start + length]) for start in starts]


def _aligned(
    view: CatalogueView, analysis: Analysis, order: Sequence[int], settings: MatcherSettings
) -> dict[int, _Found]:
    """Evidence of the references that the budget allows, by track number."""
    segments = _segments(analysis, view.pitch_fps)
    query_frames = sum(len(segment) for _, segment in segments) / settings.coarse.pool
    reference_frames = view.pitch_fps / settings.coarse.pool * np.array([view.tracks[n].duration_s for n in order])
    allowed = max(1, int(np.searchsorted(np.cumsum(reference_frames) * query_frames, ALIGN_BUDGET_CELLS)))
    coarse = _evidence(view, segments, order[:allowed], settings.coarse)
    refined = sorted(coarse, key=lambda number: (-coarse[number].score, number))[:REFINED]
    fine = _evidence(view, segments, refined, settings.fine)
    return {
        number: fine.get(number) or replace(found, score=found.score + _COARSE_ONLY) for number, found in coarse.items()
    }


def _evidence(
    view: CatalogueView, segments: list[tuple[float, Floats]], tracks: Sequence[int], resolution: Resolution
) -> dict[int, _Found]:
    """Mean evidence of each track over the better half of the segments."""
    per_track: dict[int, list[_Found]] = {number: [] for number in tracks}
    for start_s, segment in segments:
        for first in range(0, len(tracks), 32):
            for opinion in opinions(view, segment, tracks[first : first + 32], resolution):
                per_track[opinion.track].append(_Found(opinion.strength, opinion, start_s, resolution.pool))
    result = {}
    for number, entries in per_track.items():
        entries.sort(key=lambda entry: -entry.score)
        # Half of the segments must speak for it: a cover may add an introduction or a solo, not a whole song.
        half = entries[: (len(entries) + 1) // 2]
        result[number] = replace(entries[0], score=sum(entry.score for entry in half) / len(half))
    return result


def _result(rank: int, view: CatalogueView, number: int, score: float, found: _Found) -> SearchResult:
    track, opinion = view.tracks[number], found.opinion
    path = opinion.alignment if opinion is not None and opinion.alignment.score > 0 else None
    ratio = path.tempo_ratio if path is not None else None
    frame_s = found.pool / view.pitch_fps
    return SearchResult(
        rank=rank,
        work_id=track.work_id,
        reference_id=track.reference_id,
        title=track.title,
        artist=track.artist,
        score=round(score, 4),
        transpose_semitones=path.transpose_semitones if path is not None else None,
        tempo_ratio=round(ratio, 3) if ratio is not None else None,
        query_start_s=round(found.segment_start_s + path.query_start * frame_s, 2) if path is not None else None,
        reference_start_s=round(path.reference_start * frame_s, 2) if path is not None else None,
    )
