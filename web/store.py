"""Reads Redis for the web edge. Nothing here writes: the pages and the API are windows, not handles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from recognizer.wire import Keys
from web import parse
from web.streams import FeedRecord, Json

REDIS_ERRORS = (RedisError, OSError)
MAX_MANIFEST_BYTES = 64 * 1024 * 1024
MAX_FEEDS = 1000
COMMAND_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Pulse:
    """What is worth asking every second.

    Attributes
    ----------
    seq : int
        Last sequence number handed out to an event.
    catalogue_stamp : tuple
        Changes when another catalogue was published.
    """

    feeds: dict[str, FeedRecord]
    workers: dict[str, Json]
    seq: int
    catalogue_stamp: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class FeedHistory:
    """Event envelopes of one feed, newest first (``open`` unordered)."""

    open: list[Json]
    closed: list[Json]
    gaps: list[Json]


@dataclass(frozen=True, slots=True)
class RawEvent:
    """An entry of the ``events`` stream; ``event`` is ``None`` when it is not a usable envelope."""

    entry_id: bytes
    seq: int | None
    feed: str
    event: Json | None


class Store:
    """Typed reads over one Redis URL (TCP, TLS or Unix socket)."""

    def __init__(self, url: str, prefix: str) -> None:
        self.keys = Keys(prefix)
        self._redis: Any = Redis.from_url(
            url,
            socket_timeout=COMMAND_TIMEOUT_S,
            socket_connect_timeout=COMMAND_TIMEOUT_S,
            health_check_interval=15,
            # One fresh connection at once; the callers' own loops wait and try again, and say so meanwhile.
            retry=Retry(NoBackoff(), 1),
        )

    async def close(self) -> None:
        """Give the connections back."""
        await self._redis.aclose()

    async def pulse(self) -> Pulse:
        """Feeds with their newest status, workers, last sequence number and catalogue stamp."""
        keys = self.keys
        pipe = self._redis.pipeline(transaction=False)
        pipe.hgetall(keys.feeds).hgetall(keys.workers).get(keys.events_seq)
        pipe.xrevrange(keys.catalogue_log, count=1).strlen(keys.catalogue_manifest)
        feeds, workers, seq, log, size = await pipe.execute()
        configs = {parse.name(feed): parse.loads(raw) or {} for feed, raw in sorted(feeds.items())[:MAX_FEEDS]}
        return Pulse(
            feeds=await self._records(configs),
            workers={parse.name(worker): parse.loads(raw) or {} for worker, raw in workers.items()},
            seq=_int(seq),
            catalogue_stamp=(log[0][0] if log else None, size),
        )

    async def _records(self, configs: dict[str, Json]) -> dict[str, FeedRecord]:
        names = [self.keys.feed(feed, part) for feed in configs for part in ("status", "capture", "clock")]
        pipe = self._redis.pipeline(transaction=False)
        for key in names:
            pipe.get(key)
        found = iter([parse.loads(raw) for raw in (await pipe.execute() if names else [])])
        return {feed: FeedRecord(config, next(found), next(found), next(found)) for feed, config in configs.items()}

    async def feeds(self) -> list[str]:
        """Ids of all feeds, in order."""
        return sorted(parse.name(feed) for feed in await self._redis.hkeys(self.keys.feeds))[:MAX_FEEDS]

    async def history_of_all(self, closed: int, gaps: int) -> tuple[int, dict[str, FeedHistory]]:
        """`history` of every feed there is at that moment."""
        feeds = await self.feeds()
        while True:
            seq, found = await self.history(feeds, closed, gaps)
            # A feed that was added before the numbers were read must not be missing from what stands at them.
            after = await self.feeds()
            if set(after) <= set(feeds):
                return seq, found
            feeds = after

    async def history(self, feeds: Sequence[str], closed: int, gaps: int) -> tuple[int, dict[str, FeedHistory]]:
        """Newest detections and gaps of feeds, and the sequence number they stand at (one transaction)."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.get(self.keys.events_seq)
        for feed in feeds:
            pipe.hgetall(self.keys.feed(feed, "open"))
            pipe.lrange(self.keys.feed(feed, "closed"), 0, closed - 1)
            pipe.lrange(self.keys.feed(feed, "gaps"), 0, gaps - 1)
        seq, *rest = await pipe.execute()
        parts = iter(rest)
        histories = {
            feed: FeedHistory(_envelopes(next(parts).values()), _envelopes(next(parts)), _envelopes(next(parts)))
            for feed in feeds
        }
        return _int(seq), histories

    async def manifest(self) -> Json | None:
        """The published catalogue's manifest, or ``None`` when there is none that can be read."""
        if await self._redis.strlen(self.keys.catalogue_manifest) > MAX_MANIFEST_BYTES:
            return None
        return parse.loads(await self._redis.get(self.keys.catalogue_manifest))

    async def catalogue_file(self, sha256: str, max_bytes: int) -> bytes | None:
        """One published file, or ``None`` when it is missing or larger than ``max_bytes``."""
        key = self.keys.catalogue_file(sha256)
        if not 0 < await self._redis.strlen(key) <= max_bytes:
            return None
        content: bytes | None = await self._redis.get(key)
        return content

    async def events_after(self, entry_id: bytes, block_ms: int, count: int) -> list[RawEvent]:
        """Events that follow ``entry_id``, waiting up to ``block_ms`` for the first one."""
        reply = await self._redis.xread({self.keys.events: entry_id}, count=count, block=block_ms)
        if not reply:
            return []
        # RESP2 answers with a list of pairs, RESP3 with a mapping of nested lists.
        entries = reply[0][1] if isinstance(reply, list) else next(iter(reply.values()))[0]
        return [_raw_event(entry_id, fields) for entry_id, fields in entries]

    async def events_before(self, entry_id: bytes, count: int) -> list[RawEvent]:
        """Up to ``count`` events before ``entry_id`` (``b"+"`` for the end), newest first."""
        newest = b"+" if entry_id == b"+" else b"(" + entry_id
        entries = await self._redis.xrevrange(self.keys.events, max=newest, count=count)
        return [_raw_event(entry_id, fields) for entry_id, fields in entries]


def _int(raw: bytes | None) -> int:
    try:
        return int(raw or 0)
    except ValueError:
        return 0


def _envelopes(raws: Iterable[bytes]) -> list[Json]:
    return [event for raw in raws if (event := usable(parse.loads(raw))) is not None]


def usable(event: Json | None) -> Json | None:
    """The envelope, if it has what every reader relies on."""
    if event is None or not isinstance(event.get("type"), str) or not isinstance(event.get("data"), dict):
        return None
    return event if isinstance(event.get("time"), str) else None


def _raw_event(entry_id: bytes, fields: dict[bytes, bytes]) -> RawEvent:
    try:
        seq = int(fields.get(b"seq", b""))
    except ValueError:
        seq = None
    return RawEvent(entry_id, seq, parse.name(fields.get(b"feed", b"")), usable(parse.loads(fields.get(b"json"))))
