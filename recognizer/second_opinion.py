"""The second opinion: align recent pitch frames with the stored sequences of the few references in question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from recognizer.align import Alignment, align_prepared, prepared
from recognizer.catalogue import CatalogueView
from recognizer.matcher import Candidate, MatcherSettings, Resolution, evidence, pooled
from recognizer.step import Floats

if TYPE_CHECKING:
    from recognizer.history import PitchHistory

_CACHED_REFERENCES = 2048  # about 50 kB each
# Pooled sequences per view: a view is replaced as a whole, and its entries go with it.
_pooled: WeakKeyDictionary[CatalogueView, dict[tuple[int, int], Floats]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Opinion:
    """The alignment of a query with one reference, weighed against chance."""

    track: int
    strength: float
    alignment: Alignment


def opinions(
    view: CatalogueView,
    pitch: Floats,
    tracks: Sequence[int],
    resolution: Resolution,
    *,
    transpositions: Sequence[int] | None = None,
    paths: bool = True,
) -> list[Opinion]:
    """Align a query's pitch frames, shape (frames, bins), with references by track number, in their order.

    With ``transpositions``, only that one is tried for each; without ``paths``, alignments carry no places.
    """
    query = pooled(pitch, resolution.pool)
    references = [_reference(view, number, resolution.pool) for number in tracks]
    found = align_prepared(query, references, resolution.align, transpositions=transpositions, paths=paths)
    return [
        Opinion(number, evidence(there, backward), there)
        for number, (there, backward) in zip(tracks, found, strict=True)
    ]


def strongest(found: Sequence[Opinion], count: int) -> list[int]:
    """Track numbers of the ``count`` strongest opinions."""
    return [opinion.track for opinion in sorted(found, key=lambda o: (-o.strength, o.track))[:count]]


def second_opinion(
    view: CatalogueView,
    history: PitchHistory,
    tracks: Sequence[int],
    open_works: Sequence[str],
    settings: MatcherSettings,
) -> list[Candidate]:
    """What the last seconds of a feed say about each of ``tracks``; references that do not align are left out.

    All are looked at coarsely; the promising ones, and those of ``open_works``, finely and in the transposition found.
    """
    chosen = _worth_a_closer_look(view, history, tracks, open_works, settings)
    resolution = settings.fine
    found = opinions(
        view,
        history.frames,
        [opinion.track for opinion in chosen],
        resolution,
        transpositions=[opinion.alignment.transpose_semitones for opinion in chosen],
    )
    return [_candidate(view, history, opinion, resolution) for opinion in found if opinion.alignment.score > 0]


def _worth_a_closer_look(
    view: CatalogueView,
    history: PitchHistory,
    tracks: Sequence[int],
    open_works: Sequence[str],
    settings: MatcherSettings,
) -> list[Opinion]:
    """Opinions, at a glance, of the promising references, and of the best of those already open."""
    long_enough = len(history.frames) >= settings.glance_s * view.pitch_fps
    resolution = settings.glance if long_enough else settings.coarse
    rough = opinions(view, history.frames, tracks, resolution, paths=False)
    best = sorted(rough, key=lambda o: (-o.strength, o.track))
    open_tracks = {number for work in open_works for number in view.tracks_of_work(work)}
    chosen = [o for o in best if o.strength >= settings.promising][: settings.refine]
    still_open = [o for o in best if o.track in open_tracks and o not in chosen]
    return chosen + still_open[: settings.refine]


def _candidate(
    view: CatalogueView,
    history: PitchHistory,
    opinion: Opinion,
    resolution: Resolution,
) -> Candidate:
    track, path = view.tracks[opinion.track], opinion.alignment
    ratio = path.tempo_ratio
    # The path's ends are those of stacked frames; the music goes on to the end of the last stack.
    last = path.query_end + resolution.align.stack - 1
    return Candidate(
        work_id=track.work_id,
        reference_id=track.reference_id,
        title=track.title,
        artist=track.artist,
        isrc=track.isrc,
        iswc=track.iswc,
        strength=opinion.strength,
        path=math.sqrt(path.score),
        confidence=0.0,  # for `recognizer.fusion` to say
        transpose_semitones=path.transpose_semitones,
        tempo_ratio=None if ratio is None else round(ratio, 3),
        heard_from=history.position(path.query_start * resolution.pool),
        heard_to=history.position(last * resolution.pool),
        ref_start_ms=round(path.reference_start * resolution.pool * 1000 / view.pitch_fps),
    )


def _reference(view: CatalogueView, track: int, pool: int) -> Floats:
    """Pooled pitch sequence of a reference, cached."""
    cache = _pooled.setdefault(view, {})
    key = (track, pool)
    if key not in cache:
        if len(cache) >= _CACHED_REFERENCES:
            cache.pop(next(iter(cache)))  # the oldest: dictionaries keep insertion order
        cache[key] = prepared(pooled(view.pitch(track), pool))
    return cache[key]
