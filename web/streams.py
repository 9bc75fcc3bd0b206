"""The picture of one feed: what capture, worker and configuration say, put together with their ages.

A feed is never silently stale: when the newest heartbeat of its capture or of its worker is older than
allowed, the view says so, whatever the last words were. Pure functions; the caller brings the clock.

Fields of a view (``GET /api/v1/streams``, ``snapshot.streams``; those marked * also in every
``stream.status``)::

    id*             feed id
    title           name to show
    source          {"kind": "http", "label": "https://host/…"}   never credentials or query strings
    state*          a StreamState: running, silent, no_music, connecting, reconnecting, stalled …
    detail*         why, in words, or null
    health*         down | degraded | quiet | ok      (worst first in lists)
    stale*          null | capture | worker | both | never     which heartbeat is missing
    gate*           music | speech_or_noise | silence | starting
    maybe*          true while a candidate gathers evidence
    hearing*        work | unknown | nothing: a recognized work, music that is not recognized, or no music
    level_dbfs*     level of the newest audio, or null
    lag_ms*         how far the worker is behind the capture, or null
    last_audio_ms*  UTC milliseconds of the newest audio, or null
    heard_ms*       UTC milliseconds of the newest heartbeat of the two, or null
    position_ms, started_at, worker, index_version
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from recognizer.events import utc
from recognizer.timeline import StreamState
from web import parse

Json = dict[str, Any]

HEALTH_ORDER = ("down", "degraded", "quiet", "ok")
LAGGING_MS = 10_000
DOWN = frozenset({StreamState.FAILED, StreamState.INVALID_SOURCE, StreamState.AUTH_FAILED})
DEGRADED = frozenset({StreamState.CONNECTING, StreamState.RECONNECTING, StreamState.STALLED})
QUIET = frozenset({StreamState.SILENT, StreamState.NO_MUSIC, StreamState.PAUSED})
FLOWING = frozenset({StreamState.RUNNING, StreamState.SILENT, StreamState.NO_MUSIC})
HEARING = ("work", "unknown", "nothing")
GATES = frozenset({"music", "speech_or_noise", "silence", "starting"})
STATUS_FIELDS = (
    "id",
    "state",
    "detail",
    "health",
    "stale",
    "gate",
    "maybe",
    "hearing",
    "level_dbfs",
    "lag_ms",
    "last_audio_ms",
    "heard_ms",
)


@dataclass(frozen=True, slots=True)
class FeedRecord:
    """The JSON objects that Redis holds about one feed; ``None`` where there is none."""

    config: Mapping[str, Any]
    status: Mapping[str, Any] | None
    capture: Mapping[str, Any] | None
    clock: Mapping[str, Any] | None


def stream_view(feed: str, record: FeedRecord, *, now_ms: int, stale_after_ms: int, last_audio_ms: int | None) -> Json:
    """Build the view of a feed.

    Parameters
    ----------
    feed : str
        Its id.
    record : FeedRecord
        What Redis holds about it.
    now_ms : int
        UTC milliseconds of now.
    stale_after_ms : int
        Age from which a heartbeat counts as missing.
    last_audio_ms : int or None
        UTC milliseconds of the newest audio so far; see `newest_audio_ms`.
    """
    status, capture = record.status or {}, record.capture or {}
    stale = _stale(record, now_ms - stale_after_ms)
    state, detail = _state(status, capture, stale)
    lag_ms = parse.integer(status.get("lag_ms"))
    gate = status.get("gate")
    started_ms = parse.integer((record.clock or {}).get("started_at_ms"))
    heard = [at for at in (_at_ms(record.capture), _at_ms(record.status)) if at is not None]
    level = parse.number(capture.get("level_dbfs"))
    return {
        "id": feed,
        "title": parse.text(record.config.get("title"), 200) or feed,
        "source": public_source(record.config.get("source")),
        "state": state.value,
        "detail": detail,
        "health": _health(state, stale, lag_ms),
        "stale": stale,
        "gate": gate if gate in GATES else "starting",
        "maybe": status.get("maybe") is True and stale is None,
        "hearing": status["hearing"] if status.get("hearing") in HEARING and stale is None else "nothing",
        "level_dbfs": parse.number(status.get("level_dbfs")) if level is None else level,
        "lag_ms": lag_ms,
        "last_audio_ms": last_audio_ms,
        "heard_ms": max(heard, default=None),
        "position_ms": parse.integer(status.get("position_ms")),
        "started_at": parse.text(status.get("started_at")) or (None if started_ms is None else utc(started_ms)),
        "worker": parse.text(status.get("worker")),
        "index_version": parse.integer(status.get("index_version")),
    }


def newest_audio_ms(record: FeedRecord, previous_ms: int | None) -> int | None:
    """UTC milliseconds of the newest audio: said by capture, or its heartbeat while audio flows."""
    capture = record.capture or {}
    said = parse.integer(capture.get("last_audio_at_ms"))
    if said is None and _known_state(capture.get("state")) in FLOWING:
        said = _at_ms(capture)
    candidates = [at for at in (said, previous_ms) if at is not None]
    return max(candidates, default=None)


def status_part(view: Mapping[str, Any]) -> Json:
    """The small part of a view that is pushed when it changes."""
    return {key: view[key] for key in STATUS_FIELDS}


def worst_first(views: list[Json]) -> list[Json]:
    """Views ordered by health, then by title."""
    return sorted(views, key=lambda view: (HEALTH_ORDER.index(view["health"]), str(view["title"]).casefold()))


def public_source(source: Any) -> Json:
    """What may be shown of a source: never user names, passwords, query strings or folders."""
    spec = source if isinstance(source, str) else ""
    if "://" in spec:
        try:
            parts = urlsplit(spec)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return {"kind": "unknown", "label": ""}
        shown = f"[{host}]" if ":" in host else host
        place = shown if port is None else f"{shown}:{port}"
        last = parts.path.rsplit("/", 1)[-1] if parts.scheme == "file" else parts.path
        label = last if parts.scheme == "file" else f"{parts.scheme}://{place}{last}"
        return {"kind": parts.scheme or "unknown", "label": label[:200]}
    kind, colon, rest = spec.partition(":")
    if kind == "mic":
        return {"kind": "mic", "label": (rest if colon else "default microphone")[:200]}
    if spec == "-":
        return {"kind": "stdin", "label": "standard input"}
    return {"kind": "file" if spec else "unknown", "label": spec.rsplit("/", 1)[-1][:200]}


def _at_ms(record: Mapping[str, Any] | None) -> int | None:
    return None if record is None else parse.integer(record.get("at_ms"))


def _stale(record: FeedRecord, oldest_ms: int) -> str | None:
    """Which heartbeat is missing: a feed needs both its capture and its worker."""
    if record.capture is None and record.status is None:
        return "never"
    if _paused(record):
        return None  # it was stopped or has ended: nobody is expected to speak
    capture, worker = ((at := _at_ms(part)) is None or at < oldest_ms for part in (record.capture, record.status))
    if capture and worker:
        return "both"
    return "capture" if capture else "worker" if worker else None


def _paused(record: FeedRecord) -> bool:
    """Capture says so; or the worker did, and no capture has begun anew since."""
    heard = _known_state((record.capture or {}).get("state"))
    judged = _known_state((record.status or {}).get("state"))
    return heard is StreamState.PAUSED or (heard is None and judged is StreamState.PAUSED)


def _known_state(value: Any) -> StreamState | None:
    try:
        return StreamState(value)
    except ValueError:
        return None


def _state(status: Mapping[str, Any], capture: Mapping[str, Any], stale: str | None) -> tuple[StreamState, str | None]:
    """Capture knows whether audio comes; while it does, the worker knows what it is."""
    heard = _known_state(capture.get("state"))
    judged = _known_state(status.get("state"))
    if heard is not None and heard not in FLOWING:
        return heard, parse.text(capture.get("detail"))
    if judged is not None and (heard is None or judged in FLOWING):
        fresh = stale in (None, "capture") or heard is None
        return (judged if fresh else StreamState.RUNNING), parse.text(status.get("detail"))
    return heard or StreamState.CONNECTING, parse.text(capture.get("detail"))


def _health(state: StreamState, stale: str | None, lag_ms: int | None) -> str:
    if stale is not None or state in DOWN:
        return "down"
    if state in DEGRADED or (lag_ms is not None and lag_ms > LAGGING_MS):
        return "degraded"
    return "quiet" if state in QUIET else "ok"
