"""What happened on the feeds: the snapshot a live client starts from, and the paged list of detections.

A stored envelope is shown as it is; `detection_row` is its ``data`` with the feed's id, as REST returns it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import datetime as dt
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from recognizer.wire import CLOSED_RETENTION
from web import parse
from web.hub import Hub, wall_ms
from web.store import FeedHistory, Store
from web.streams import Json

RECENT_CLOSED = 20
RECENT_ALWAYS = 5
RECENT_GAPS = 40
RECENT_MS = 20 * 60 * 1000
SNAPSHOT_CACHE_S = 0.5


def utc_ms(text: Any) -> int | None:
    """UTC milliseconds of an RFC 3339 time with an offset, else ``None``."""
    if not isinstance(text, str):
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else round(moment.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a viewer needs to start: valid at ``seq``; events above it follow."""

    seq: int
    body: Json


@dataclass(frozen=True, slots=True)
class _Read:
    at_s: float
    era: int
    seq: int
    histories: dict[str, FeedHistory]


class Snapshots:
    """Builds snapshots; many clients that come at once share one read."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._lock = asyncio.Lock()
        self._cached: _Read | None = None

    def _fresh(self, read: _Read, at_least: int) -> bool:
        young = time.monotonic() - read.at_s <= SNAPSHOT_CACHE_S
        return young and read.era == self._hub.era and read.seq >= at_least

    async def take(self, feeds: frozenset[str] | None, at_least: int = 0) -> Snapshot:
        """The state of the feeds a viewer may see (all when ``None``), no older than event ``at_least``.

        Raises
        ------
        redis.exceptions.RedisError
            When Redis does not answer.
        """
        async with self._lock:
            cached = self._cached
            if cached is None or not self._fresh(cached, at_least):
                era = self._hub.era
                seq, found = await self._hub.store.history_of_all(RECENT_CLOSED, RECENT_GAPS)
                self._cached = cached = _Read(time.monotonic(), era, seq, found)
        seq, histories = cached.seq, cached.histories
        now_ms = wall_ms()
        chosen = {feed: history for feed, history in histories.items() if feeds is None or feed in feeds}
        since_ms = now_ms - RECENT_MS
        detections = [event for history in chosen.values() for event in [*_recent_closed(history, since_ms)]]
        body = {
            "type": "snapshot",
            "seq": seq,
            "now_ms": now_ms,
            "streams": self._hub.picture.views(feeds),
            "detections": [event for history in chosen.values() for event in history.open] + detections,
            "gaps": [gap for history in chosen.values() for gap in history.gaps if _ends_after(gap, since_ms)],
            "states": [state for feed in chosen for state in _recent(self._hub.states.get(feed, ()), since_ms)],
            "stats": self._hub.picture.stats(now_ms),
        }
        return Snapshot(seq, body)


def _recent(states: Iterable[Json], since_ms: int) -> list[Json]:
    """The changes since then, and the one before them: it says what the time began with."""
    kept: list[Json] = []
    for state in states:
        if (utc_ms(state["time"]) or 0) < since_ms:
            kept.clear()
        kept.append(state)
    return kept


def _ends_after(event: Json, since_ms: int) -> bool:
    end_ms = utc_ms(event["data"].get("end_time")) or utc_ms(event["time"])
    return end_ms is not None and end_ms >= since_ms


def _recent_closed(history: FeedHistory, since_ms: int) -> list[Json]:
    return [event for at, event in enumerate(history.closed) if at < RECENT_ALWAYS or _ends_after(event, since_ms)]


@dataclass(frozen=True, slots=True)
class DetectionQuery:
    """Filters of the list of detections.

    Attributes
    ----------
    feeds : frozenset of str or None
        Feeds to show; ``None`` for all.
    from_ms, to_ms : int or None
        Only detections that overlap this span of UTC milliseconds.
    state : str or None
        ``open``, ``closed`` or ``retracted``.
    """

    feeds: frozenset[str] | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    state: str | None = None


def detection_row(feed: str, event: Json) -> Json:
    """An envelope of a detection as a flat row."""
    data = {key: value for key, value in event["data"].items() if key not in {"schema", "seq"}}
    return {"feed": feed, **data}


async def detections(store: Store, known_feeds: list[str], query: DetectionQuery) -> list[Json]:
    """All retained detections that fit, newest start first (ties by id), as rows."""
    feeds = [feed for feed in known_feeds if query.feeds is None or feed in query.feeds]
    _, histories = await store.history(feeds, CLOSED_RETENTION, 0)
    rows: dict[tuple[str, str], Json] = {}
    for feed, history in histories.items():
        for event in [*history.closed, *history.open]:
            row = detection_row(feed, event)
            if _fits(row, query):
                rows.setdefault((feed, str(row.get("detection_id"))), row)
    return sorted(rows.values(), key=_position, reverse=True)


def _fits(row: Json, query: DetectionQuery) -> bool:
    if query.state is not None and row.get("state") != query.state:
        return False
    start_ms, end_ms = utc_ms(row.get("start_time")), utc_ms(row.get("end_time"))
    if start_ms is None:
        return False
    if query.to_ms is not None and start_ms >= query.to_ms:
        return False
    return query.from_ms is None or end_ms is None or end_ms > query.from_ms


def _position(row: Json) -> tuple[int, str, str]:
    return utc_ms(row["start_time"]) or 0, str(row.get("detection_id")), str(row["feed"])


def page(rows: list[Json], limit: int, cursor: str | None) -> tuple[list[Json], str | None]:
    """One page and the cursor of the next; rows that appear meanwhile neither repeat nor hide others.

    Raises
    ------
    ValueError
        When the cursor is not one of ours.
    """
    if cursor is not None:
        last = _read_cursor(cursor)
        rows = [row for row in rows if _position(row) < last]
    shown = rows[:limit]
    more = len(rows) > limit
    return shown, _write_cursor(_position(shown[-1])) if more and shown else None


def _write_cursor(position: tuple[int, str, str]) -> str:
    return base64.urlsafe_b64encode(parse.dumps(position).encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[int, str, str]:
    try:
        raw = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode()
        position = parse.loads(f'{{"at":{raw}}}')
    except (binascii.Error, ValueError) as error:
        raise ValueError("the cursor is not one this server gave out; start without it") from error
    at = (position or {}).get("at")
    if not (isinstance(at, list) and len(at) == 3 and isinstance(at[0], int)):
        raise ValueError("the cursor is not one this server gave out; start without it")
    return at[0], str(at[1]), str(at[2])
