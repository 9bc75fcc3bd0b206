"""Rank the works of a catalogue by how likely a recording is a version of them.

Every reference gets a score from the embeddings: the mean cosine of the query's windows with its own along the best
straight lines of time, whitened, in standard deviations above what unrelated music gets of it
(`recognizer.whitening`). In that order, as many references as the budget allows are aligned coarsely, and the best of
them finely, twice: with frames stacked over two seconds and over four. Short stacks follow a singer's timing, long ones
tell a free arrangement from chance; each errs on other references, so the mean of both is better than either. Most of
that evidence is added to the nearness. Neither decides alone: alignment knows close covers, the embedding free ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from recognizer.align import AlignSettings
from recognizer.catalogue import CatalogueView
from recognizer.embedded import Embedded
from recognizer.matcher import MatcherSettings, Resolution
from recognizer.reference import Analysis
from recognizer.second_opinion import Opinion, opinions
from recognizer.step import Floats
from recognizer.whitening import whitening

# Cells of coarse alignment per query: about 5 s of one core, or 700 references of 4 minutes against 60 s.
ALIGN_BUDGET_CELLS = 40_000_000
SEGMENT_S = 60.0
MAX_SEGMENTS = 3
REFINED = 20  # references aligned finely, each in two ways
LONG_STACKS = Resolution(1, AlignSettings(stack=16, offset=1.0))
# Chosen on half of the works of the real recordings; anything between 0.5 and 1.6 ranks about as well.
_EVIDENCE_WEIGHT = 0.9
STRETCH_WINDOWS = 6  # of a query on one line: tempo drifts and parts are left out in more
_SHORTEST_HOP_S = 0.01  # a catalogue that says less is damaged
_LINE_RATIOS = (0.8, 1.0, 1.25)  # tempo of the query over that of the reference


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One work, by its best reference.

    Attributes
    ----------
    rank : int
        From 1.
    score : float
        Standard deviations by which the embedding is nearer than strangers are, plus 0.9 of the alignment's evidence.
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
    scorer = ReferenceScorer(view, analysis, settings)
    scores = scorer.scores().tolist()
    results: list[SearchResult] = []
    seen: set[str] = set()
    for number in sorted(range(len(scores)), key=lambda n: (-scores[n], view.tracks[n].reference_id)):
        work = view.tracks[number].work_id
        if work not in seen:
            seen.add(work)
            results.append(_result(len(results) + 1, view, number, scores[number], scorer.found(number)))
            if len(results) == top_k:
                break
    return results


class ReferenceScorer:
    """The score of every reference for one query; alignments are computed once, however often they are asked for.

    Parameters
    ----------
    view : CatalogueView
        With at least one track.
    analysis : Analysis
        Of the query, from `recognizer.reference.analyse` with ``hop_steps=1``.
    settings : MatcherSettings, optional
    budget_cells : int
        Cells of coarse alignment that may be spent on one ranking; 0 leaves the ranking to the embedding.
    nearness : float32 array, shape (tracks,), optional
        Of `track_nearness`, when it is known already.
    """

    def __init__(
        self,
        view: CatalogueView,
        analysis: Analysis,
        settings: MatcherSettings | None = None,
        *,
        budget_cells: int = ALIGN_BUDGET_CELLS,
        nearness: Floats | None = None,
    ) -> None:
        self._view = view
        self._settings = settings or MatcherSettings()
        self._segments = _segments(analysis, view.pitch_fps)
        self._budget = budget_cells
        nearness = track_nearness(view, analysis) if nearness is None else nearness
        self._nearness = nearness.astype(np.float64)
        self._coarse: dict[int, _Found] = {}
        self._fine: dict[int, _Found] = {}
        self._long: dict[int, _Found] = {}
        self._aligned: dict[int, _Found] = {}

    def scores(self, among: Sequence[int] | None = None) -> npt.NDArray[np.float64]:
        """Scores as in `SearchResult`, shape (tracks,).

        Parameters
        ----------
        among : sequence of int, optional
            Track numbers to rank, as if there were no others (but what is usual for a reference stays what the whole
            catalogue says); the rest get minus infinity.
        """
        chosen = np.arange(len(self._view.tracks)) if among is None else np.asarray(among, dtype=np.intp)
        order = chosen[np.argsort(-self._nearness[chosen], kind="stable")].tolist()
        self._aligned = self._align(order)
        result = np.full(len(self._view.tracks), -np.inf)
        result[chosen] = self._nearness[chosen]
        for number, found in self._aligned.items():
            result[number] += _EVIDENCE_WEIGHT * found.score
        return result

    def found(self, number: int) -> _Found:
        """What the last ranking knows about a track."""
        return self._aligned.get(number, _Found(0.0, None, 0.0, 1))

    def _align(self, order: list[int]) -> dict[int, _Found]:
        """Evidence of the references that the budget allows, by track number, the best of them refined."""
        coarse = self._evidence(self._coarse, order[: self._allowed(order)], self._settings.coarse)
        so_far = {number: self._nearness[number] + _EVIDENCE_WEIGHT * found.score for number, found in coarse.items()}
        refined = sorted(coarse, key=lambda number: (-so_far[number], number))[:REFINED]
        fine = self._evidence(self._fine, refined, self._settings.fine)
        long = self._evidence(self._long, refined, LONG_STACKS)
        return coarse | {
            number: replace(found, score=(found.score + long[number].score) / 2) for number, found in fine.items()
        }

    def _allowed(self, order: list[int]) -> int:
        if self._budget < 1 or not order:
            return 0
        pool, fps = self._settings.coarse.pool, self._view.pitch_fps
        query_frames = sum(len(segment) for _, segment in self._segments) / pool
        reference_frames = fps / pool * np.array([self._view.tracks[n].duration_s for n in order])
        return max(1, int(np.searchsorted(np.cumsum(reference_frames) * query_frames, self._budget)))

    def _evidence(self, known: dict[int, _Found], tracks: list[int], resolution: Resolution) -> dict[int, _Found]:
        known |= _evidence(self._view, self._segments, [n for n in tracks if n not in known], resolution)
        return {number: known[number] for number in tracks}


def track_similarity(view: CatalogueView, query: Analysis) -> Floats:
    """How near a query comes to each track along straight lines of time; shape (tracks,).

    Mean, over stretches of six windows, of the best mean cosine with windows of the track that follow each other as the
    query's do, in one of three tempi. A long track has more windows to be near with, but not more lines in order.
    """
    return _along_lines(view, query, Embedded.windows(view).cosine)


def track_nearness(view: CatalogueView, query: Analysis) -> Floats:
    """The same of the whitened cosines, in standard deviations above what strangers get; shape (tracks,)."""
    white = whitening(view)
    return white.standardised(_along_lines(view, query, white.cosine))


def _along_lines(view: CatalogueView, query: Analysis, cosine_with_all: Callable[[Floats], Floats]) -> Floats:
    total = np.zeros(len(view.tracks), dtype=np.float32)
    windows = len(query.embeddings)
    if not len(view.vectors) or not windows:
        return total
    track = view.vector_track
    first_rows = np.flatnonzero(np.diff(track, prepend=-1))
    rows, last_rows = np.arange(len(track)), np.searchsorted(track, track, side="right") - 1
    hop_s = _hop_s(view)
    for start in range(0, windows, STRETCH_WINDOWS):
        stretch = slice(start, start + STRETCH_WINDOWS)
        cosine = cosine_with_all(query.embeddings[stretch])
        later_s = query.starts_s[stretch] - query.starts_s[start]
        best = np.full(len(first_rows), -np.inf, dtype=np.float32)
        for ratio in _LINE_RATIOS:
            line = np.zeros(len(track), dtype=np.float32)
            for row, ahead in zip(cosine, np.rint(ratio * later_s / hop_s).astype(np.int64).tolist(), strict=True):
                line += row[np.minimum(rows + ahead, last_rows)]
            best = np.maximum(best, np.maximum.reduceat(line, first_rows))
        total[track[first_rows]] += best
    return np.asarray(total / windows, dtype=np.float32)


def _hop_s(view: CatalogueView) -> float:
    """Seconds between windows of a track; any number when no track has two, or the catalogue does not tell."""
    hops = np.diff(view.vector_start_s)[np.diff(view.vector_track) == 0]
    usual = float(np.median(hops)) if len(hops) else 1.0
    return usual if usual > _SHORTEST_HOP_S else 1.0


def _segments(analysis: Analysis, fps: float) -> list[tuple[float, Floats]]:
    """Up to `MAX_SEGMENTS` stretches of the query, evenly spread: (start in seconds, pitch frames)."""
    length = round(SEGMENT_S * fps)
    count = min(MAX_SEGMENTS, max(1, round(len(analysis.pitch) / length)))
    last = max(0, len(analysis.pitch) - length)
    starts = [round(k * last / max(1, count - 1)) for k in range(count)]
    return [(start / fps, analysis.pitch[start : start + length]) for start in starts]


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
