"""Event envelopes: what the line says about a feed (CloudEvents 1.0 fields, see the README's API section).

Every revision of a detection carries its full state, so a lost update is harmless. Identifiers are derived from the
feed, the start of its timeline and sample positions, never from a random source: a worker that takes over a feed tells
the same events as the one before.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

SCHEMA = 1
Event = dict[str, Any]

OPENED = "detection.opened"
UPDATED = "detection.updated"
CLOSED = "detection.closed"
RETRACTED = "detection.retracted"
STATE_CHANGED = "stream.state_changed"
GAP = "stream.gap"
CATALOGUE_CHANGED = "catalogue.version_changed"
DETECTION_TYPES = (OPENED, UPDATED, CLOSED, RETRACTED)


def utc(at_ms: int) -> str:
    """UTC milliseconds since 1970 as RFC 3339 with a ``Z``."""
    moment = dt.datetime.fromtimestamp(at_ms / 1000, tz=dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stable_id(*parts: object) -> str:
    """A 26-digit hexadecimal id that depends only on ``parts``."""
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.blake2b(text.encode(), digest_size=13).hexdigest()


@dataclass(frozen=True, slots=True)
class FeedClock:
    """Turns positions on one feed's timeline into milliseconds and UTC.

    Attributes
    ----------
    feed : str
        Feed id; appears in ``source``.
    rate_hz : int
        Samples per second of the timeline.
    started_at_ms : int
        UTC milliseconds at position 0.
    """

    feed: str
    rate_hz: int
    started_at_ms: int

    def ms(self, sample: int) -> int:
        """Milliseconds from the start of the source."""
        return round(sample * 1000 / self.rate_hz)

    def utc(self, sample: int) -> str:
        """UTC time of a position."""
        return utc(self.started_at_ms + self.ms(sample))

    def envelope(self, kind: str, event_id: str, at_sample: int, data: dict[str, Any]) -> Event:
        """Wrap ``data``; ``seq`` is filled in where events are given an order."""
        return {
            "specversion": "1.0",
            "type": kind,
            "id": event_id,
            "source": f"/streams/{quote(self.feed, safe='')}",
            "time": self.utc(at_sample),
            "data": {"schema": SCHEMA, "seq": None, **data},
        }


@dataclass(frozen=True, slots=True)
class Detection:
    """One work heard on a feed: a life of revisions under one id.

    Positions are samples on the feed's timeline; fields that nobody has measured are ``None``.
    """

    detection_id: str
    revision: int
    state: str
    start_sample: int
    end_sample: int | None
    work_id: str
    reference_id: str
    title: str | None
    artist: str | None
    isrc: str | None
    iswc: str | None
    confidence: float
    confidence_kind: str
    evidence_windows: int
    ref_start_ms: int | None
    transpose_semitones: int | None
    tempo_ratio: float | None
    alternatives: tuple[dict[str, Any], ...] = field(default=())
    close_reason: str | None = None

    def revised(self, **changes: Any) -> Detection:
        """The next revision, with ``changes``."""
        return replace(self, revision=self.revision + 1, **changes)

    def event(self, kind: str, clock: FeedClock, at_sample: int, index_version: int, model_id: str) -> Event:
        """The envelope of this revision."""
        end = self.end_sample
        data = {
            "detection_id": self.detection_id,
            "revision": self.revision,
            "state": self.state,
            "start_time": clock.utc(self.start_sample),
            "end_time": None if end is None else clock.utc(end),
            "start_ms": clock.ms(self.start_sample),
            "end_ms": None if end is None else clock.ms(end),
            "work_id": self.work_id,
            "reference_id": self.reference_id,
            "title": self.title,
            "artist": self.artist,
            "isrc": self.isrc,
            "iswc": self.iswc,
            "confidence": round(self.confidence, 4),
            "confidence_kind": self.confidence_kind,
            "evidence_windows": self.evidence_windows,
            "relation": None,
            "ref_start_ms": self.ref_start_ms,
            "transpose_semitones": self.transpose_semitones,
            "tempo_ratio": self.tempo_ratio,
            "alternatives": list(self.alternatives),
            "close_reason": self.close_reason,
            "clip_url": None,
            "index_version": index_version,
            "model_id": model_id,
        }
        return clock.envelope(kind, f"{self.detection_id}-{self.revision}", at_sample, data)


def state_event(clock: FeedClock, at_sample: int, state: str, previous: str | None, detail: str | None) -> Event:
    """A ``stream.state_changed`` envelope."""
    event_id = stable_id(clock.feed, clock.started_at_ms, "state", at_sample, state, previous)
    data = {"state": state, "previous": previous, "detail": detail, "at_ms": clock.ms(at_sample)}
    return clock.envelope(STATE_CHANGED, event_id, at_sample, data)


def gap_event(clock: FeedClock, start_sample: int, end_sample: int, reason: str) -> Event:
    """A ``stream.gap`` envelope for a stretch without audio."""
    event_id = stable_id(clock.feed, clock.started_at_ms, "gap", start_sample, end_sample)
    data = {
        "start_ms": clock.ms(start_sample),
        "end_ms": clock.ms(end_sample),
        "start_time": clock.utc(start_sample),
        "end_time": clock.utc(end_sample),
        "reason": reason,
    }
    return clock.envelope(GAP, event_id, end_sample, data)
