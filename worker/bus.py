"""What a line process does in Redis: leases with fencing, reading audio, and the atomic commit.

A lease gives one worker at a time the right to move a feed's cursor. Its value holds the owner and a token that only
grows, and every commit compares that value and the cursor *inside* Redis: a worker that was stopped, cut off or
declared dead finds its commit refused without any effect, and its successor starts from the last commit. So events
are written once, and each stretch of audio is accounted for once, whoever does the work.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from recognizer.errors import RecognizerError
from recognizer.events import Event, FeedClock
from recognizer.wire import CLOSED_RETENTION, EVENT_RETENTION_ENTRIES, Keys

LEASE_TTL_MS = 10_000
START_CURSOR = "0-0"


class LeaseLost(RecognizerError):
    """Another worker holds the feed, or moved its cursor; what this one has in memory is void."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a feed.

    Attributes
    ----------
    feed : str
    token : int
        Fencing token; a later lease of the feed has a larger one.
    value : bytes
        The exact content of ``{feed}:lease`` while the lease holds.
    tries : int
        How often the feed was leased, this time included, since its cursor last moved.
    """

    feed: str
    token: int
    value: bytes
    tries: int


@dataclass(frozen=True, slots=True)
class FeedState:
    """What the last commit left: the stream id consumed last, the line's state (None at first), whether it ended."""

    cursor: str
    blob: bytes | None
    ended: bool


@dataclass(frozen=True, slots=True)
class Commit:
    """One step forward of a feed."""

    expected_cursor: str
    cursor: str
    blob: bytes
    ended: bool
    status: Mapping[str, Any]
    events: Sequence[Event]


def connect(url: str) -> redis.Redis:
    """A client that neither hangs on a dead server nor retries behind the caller's back.

    Raises
    ------
    ValueError
        When the URL is not a Redis URL.
    """
    once = Retry(NoBackoff(), 0)
    if url.startswith("unix:"):
        return redis.Redis.from_url(url, socket_timeout=10, retry=once)
    return redis.Redis.from_url(url, socket_timeout=10, socket_connect_timeout=5, retry=once)


def around_seq(event: Event) -> tuple[str, str]:
    """An envelope's JSON before and after its sequence number, which only Redis knows."""
    marked = {**event, "data": {**event["data"], "seq": None}}
    # Inside a JSON string the quotes would be escaped, so this cannot match a title.
    head, marker, tail = json.dumps(marked, separators=(",", ":")).partition('"seq":null')
    if not marker:
        raise ValueError("the envelope has no data.seq")
    return head + '"seq":', tail


class Bus:
    """The commands of one worker.

    Every method raises `redis.RedisError` when Redis is away.
    """

    def __init__(self, client: redis.Redis, keys: Keys, worker: str, lease_ttl_ms: int = LEASE_TTL_MS) -> None:
        self.client = client
        self.keys = keys
        self.worker = worker
        self.lease_ttl_ms = lease_ttl_ms
        self._acquire, self._renew, self._commit, self._announce = (
            client.register_script((Path(__file__).parent / f"{name}.lua").read_text())
            for name in ("acquire", "renew", "commit", "announce")
        )

    def acquire(self, feed: str) -> Lease | None:
        """Take the lease of ``feed``, or None while somebody holds it."""
        parts = [self.keys.feed(feed, part) for part in ("lease", "fence", "state")]
        won = cast("list[Any]", self._acquire(keys=parts, args=[self.worker, self.lease_ttl_ms]))
        return Lease(feed, int(won[0]), bytes(won[2]), int(won[1])) if won else None

    def renew(self, lease: Lease, status: Mapping[str, Any] | None = None) -> bool:
        """Prolong a lease and refresh the feed's status; False when the lease is lost."""
        return self._set_ttl(lease, self.lease_ttl_ms, json.dumps(status) if status else "")

    def release(self, lease: Lease) -> bool:
        """Give a lease back, so that another worker may take it at once; False when it was lost before."""
        return self._set_ttl(lease, 0, "")

    def _set_ttl(self, lease: Lease, ttl_ms: int, status: str) -> bool:
        parts = [self.keys.feed(lease.feed, part) for part in ("lease", "state", "status")]
        return bool(self._renew(keys=parts, args=[lease.value, ttl_ms, status]))

    def load(self, feed: str) -> FeedState:
        """The state of the last commit."""
        fields = cast(
            "list[bytes | None]",
            self.client.hmget(self.keys.feed(feed, "state"), ["cursor", "blob", "ended"]),
        )
        cursor, blob, ended = fields
        return FeedState(cursor.decode() if cursor else START_CURSOR, blob, ended == b"1")

    def clock(self, feed: str) -> FeedClock | None:
        """The clock that capture set, or None before."""
        raw = cast("bytes | None", self.client.get(self.keys.feed(feed, "clock")))
        if raw is None:
            return None
        fields = json.loads(raw)
        return FeedClock(feed, int(fields["rate_hz"]), int(fields["started_at_ms"]))

    def read(
        self, cursors: Mapping[str, str], count: int, block_ms: int
    ) -> dict[str, list[tuple[str, dict[bytes, bytes]]]]:
        """Entries behind the cursors, at most ``count`` a feed; waits up to ``block_ms`` when there are none."""
        names = {self.keys.feed(feed, "audio"): feed for feed in cursors}
        streams = {name: cursors[feed] for name, feed in names.items()}
        found = self.client.xread(cast(Any, streams), count=count, block=block_ms) or []
        pairs = found.items() if isinstance(found, dict) else cast(Any, found)
        return {
            names[cast(bytes, name).decode()]: [(entry.decode(), fields) for entry, fields in _flat(entries)]
            for name, entries in pairs
        }

    def commit(self, lease: Lease, commit: Commit) -> int:
        """Store state, cursor, status and events at once; returns the last sequence number given out, or 0.

        Raises
        ------
        LeaseLost
            When the lease or the cursor is not what the caller thinks; nothing was written.
        """
        parts = ("lease", "state", "open", "closed", "gaps", "status")
        keys = [*(self.keys.feed(lease.feed, part) for part in parts), self.keys.events, self.keys.events_seq]
        args: list[Any] = [lease.value, lease.token, self.lease_ttl_ms, commit.expected_cursor, commit.cursor]
        args += [commit.blob, int(commit.ended), json.dumps(commit.status), lease.feed]
        args += [EVENT_RETENTION_ENTRIES, CLOSED_RETENTION]
        for event in commit.events:
            args += [event["type"], event["data"].get("detection_id", ""), *around_seq(event)]
        done, result = cast("list[Any]", self._commit(keys=keys, args=args))
        if not done:
            raise LeaseLost(f"feed {lease.feed!r}: the {result.decode()} is no longer what this worker holds")
        return int(result)

    def announce(self, guard: str, event: Event, guard_ttl_s: int = 30 * 86_400) -> bool:
        """Publish an event of no feed once for all workers; False when another was first."""
        keys = [f"{self.keys.prefix}announced:{guard}", self.keys.events, self.keys.events_seq]
        args = [guard_ttl_s, event["type"], *around_seq(event), EVENT_RETENTION_ENTRIES]
        return bool(self._announce(keys=keys, args=args))


def _flat(entries: Any) -> Any:
    """Entries of one stream; RESP3 wraps them in one more list."""
    return entries[0] if entries and isinstance(entries[0], list) else entries
