"""The second opinion: align recent pitch frames with the stored sequences of the few references in question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from recognizer.align import Alignment, align
from recognizer.catalogue import CatalogueView
from recognizer.contract import ModelContract
from recognizer.matcher import Candidate, MatcherSettings, Resolution, evidence, pooled
from recognizer.step import Floats

if TYPE_CHECKING:
    from recognizer.history import PitchHistory

_CACHED_REFERENCES = 2048  # about 25 kB each
# Pooled sequences per view: a view is replaced as a whole, and its entries go with it.
_pooled: WeakKeyDictionary[CatalogueView, dict[tuple[int, int], Floats]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Opinion:
    """The alignment of a query with one reference, weighed against chance."""

    track: int
    strength: float
    alignment: Alignment


def opinions(view: CatalogueView, pitch: Floats, tracks: Sequence[int], resolution: Resolution) -> list[Opinion]:
    """Align a query's pitch frames, shape (frames, bins), with references by track number, in their order."""
    query = pooled(pitch, resolution.pool)
    references = [_reference(view, number, resolution.pool) for number in tracks]
    found = align(query, references + [frames[::-1] for frames in references], resolution.align)
    forward, backward = found[: len(references)], found[len(references) :]
    return [
        Opinion(number, evidence(there, back.score), there)
        for number, there, back in zip(tracks, forward, backward, strict=True)
    ]


def strongest(found: Sequence[Opinion], count: int) -> list[int]:
    """Track numbers of the ``count`` strongest opinions."""
    return [opinion.track for opinion in sorted(found, key=lambda o: (-o.strength, o.track))[:count]]


def second_opinion(
    view: CatalogueView,
    history: PitchHistory,
    tracks: Sequence[int],
    open_works: Sequence[str],
    contract: ModelContract,
    settings: MatcherSettings,
) -> list[Candidate]:
    """What the last seconds of a feed say about each of ``tracks``; references that do not align are left out.

    All are aligned coarsely; the strongest, and those of ``open_works``, finely.
    """
    chosen = list(tracks)
    if len(chosen) > settings.refine:
        rough = opinions(view, history.frames, chosen, settings.coarse)
        open_tracks = {number for work in open_works for number in view.tracks_of_work(work)}
        best = strongest(rough, settings.refine)
        best += strongest([o for o in rough if o.track in open_tracks and o.track not in best], settings.refine)
        chosen = best
    resolution = settings.fine
    candidates = []
    for opinion in opinions(view, history.frames, chosen, resolution):
        path = opinion.alignment
        if path.score <= 0:
            continue
        track = view.tracks[opinion.track]
        ratio = path.tempo_ratio
        # The path's ends are those of stacked frames; the music goes on to the end of the last stack.
        last = path.query_end + resolution.align.stack - 1
        candidates.append(
            Candidate(
                work_id=track.work_id,
                reference_id=track.reference_id,
                title=track.title,
                artist=track.artist,
                isrc=track.isrc,
                iswc=track.iswc,
                strength=opinion.strength,
                confidence=0.0,  # for `recognizer.fusion` to say
                transpose_semitones=path.transpose_semitones,
                tempo_ratio=None if ratio is None else round(ratio, 3),
                heard_from=history.position(path.query_start * resolution.pool),
                heard_to=history.position(last * resolution.pool),
                ref_start_ms=round(path.reference_start * resolution.pool * 1000 / view.pitch_fps),
            )
        )
    return candidates


def _reference(view: CatalogueView, track: int, pool: int) -> Floats:
    """Pooled pitch sequence of a reference, cached."""
    cache = _pooled.setdefault(view, {})
    key = (track, pool)
    if key not in cache:
        if len(cache) >= _CACHED_REFERENCES:
            cache.pop(next(iter(cache)))  # the oldest: dictionaries keep insertion order
        cache[key] = pooled(view.pitch(track), pool)
    return cache[key]
