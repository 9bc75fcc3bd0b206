"""The second opinion: align recent pitch frames with the stored sequences of the few references in question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from recognizer.align import Alignment, align
from recognizer.catalogue import CatalogueView
from recognizer.contract import ModelContract
from recognizer.matcher import Candidate, MatcherSettings, confidence, evidence, pooled
from recognizer.step import Floats

if TYPE_CHECKING:
    from recognizer.decision import PitchHistory

_CACHED_REFERENCES = 2048  # about 25 kB each
# Pooled sequences per view: a view is replaced as a whole, and its entries go with it.
_pooled: WeakKeyDictionary[CatalogueView, dict[tuple[int, int], Floats]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Opinion:
    """The alignment of a query with one reference, weighed against chance."""

    track: int
    strength: float
    alignment: Alignment


def opinions(view: CatalogueView, query: Floats, tracks: Sequence[int], settings: MatcherSettings) -> list[Opinion]:
    """Align a pooled query, shape (frames, bins), with references by track number."""
    references = [_reference(view, number, settings.pool) for number in tracks]
    found = align(query, references + [frames[::-1] for frames in references], settings.align)
    forward, backward = found[: len(references)], found[len(references) :]
    return [
        Opinion(number, evidence(there, back.score), there)
        for number, there, back in zip(tracks, forward, backward, strict=True)
    ]


def second_opinion(
    view: CatalogueView,
    history: PitchHistory,
    tracks: Sequence[int],
    contract: ModelContract,
    settings: MatcherSettings,
) -> list[Candidate]:
    """What the last seconds of a feed say about each of ``tracks``; references that do not align are left out."""
    # The newest frames matter most: an incomplete group is cut from the old end.
    frames = history.frames[len(history.frames) % settings.pool :]
    candidates = []
    for opinion in opinions(view, pooled(frames, settings.pool), tracks, settings):
        path = opinion.alignment
        if path.score <= 0:
            continue
        track = view.tracks[opinion.track]
        ratio = path.tempo_ratio
        # The path's ends are those of stacked frames; the music goes on to the end of the last stack.
        last = path.query_end + settings.align.stack - 1
        candidates.append(
            Candidate(
                work_id=track.work_id,
                reference_id=track.reference_id,
                title=track.title,
                artist=track.artist,
                isrc=track.isrc,
                iswc=track.iswc,
                strength=opinion.strength,
                confidence=confidence(opinion.strength, contract.calibration, settings),
                transpose_semitones=path.transpose_semitones,
                tempo_ratio=None if ratio is None else round(ratio, 3),
                heard_from=history.position(len(history.frames) - len(frames) + path.query_start * settings.pool),
                heard_to=history.position(len(history.frames) - len(frames) + last * settings.pool),
                ref_start_ms=round(path.reference_start * settings.pool * 1000 / view.pitch_fps),
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
