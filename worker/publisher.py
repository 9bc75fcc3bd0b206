"""Capture's side of Redis: a bounded local buffer, and one thread that empties it into the feed's stream.

Entries get consecutive ids (``1-0``, ``2-0`` …) chosen here. So an append whose answer was lost can be repeated
safely, a reader sees from the ids that entries were trimmed, and after a crash in which Redis forgot its newest
entries the ones still kept here are appended again.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import redis

from recognizer.timeline import AudioChunk, SourceEnd, SourceGap, SourceItem
from recognizer.wire import AUDIO_RETENTION_ENTRIES, Keys, decode_item, encode_item
from worker.capture import Resume

log = logging.getLogger(__name__)

BUFFER_ENTRIES = 300  # 5 minutes of chunks, 10 MB: what is kept while Redis is away
SENT_ENTRIES = 30  # kept after sending, for a Redis that loses its last second
BATCH_ENTRIES = 50
HEALTH_S = 1.0
HEALTH_TTL_S = 10
RETRY_CAP_S = 5.0


def last_entry(client: redis.Redis, keys: Keys, feed: str) -> tuple[int, SourceItem | None]:
    """Number and content of the newest entry of a feed's stream; ``(0, None)`` without one."""
    found = cast("list[Any]", client.xrevrange(keys.feed(feed, "audio"), count=1))
    if not found:
        return 0, None
    entry, fields = found[0]
    try:
        return int(entry.partition(b"-")[0]), decode_item(fields)
    except ValueError:
        return int(entry.partition(b"-")[0]), None


def resume_point(client: redis.Redis, keys: Keys, feed: str, now_ms: int) -> Resume | None:
    """Where an earlier capture of this feed stopped, or None for a new timeline."""
    clock = cast("bytes | None", client.get(keys.feed(feed, "clock")))
    if clock is None:
        return None
    fields = json.loads(clock)
    end, epoch = 0, -1
    for _, raw in cast("list[Any]", client.xrevrange(keys.feed(feed, "audio"), count=200)):
        try:
            item = decode_item(raw)
        except ValueError:
            continue
        if isinstance(item, AudioChunk | SourceGap):
            end = max(end, item.end_sample)
        elif not isinstance(item, SourceEnd):
            end = max(end, item.at_sample)
        if isinstance(item, AudioChunk):
            epoch = item.epoch
            break
    return Resume(end, epoch, max(0.0, (now_ms - int(fields["started_at_ms"])) / 1000))


class Hold:
    """The right to capture a feed, so that two supervisors on one Redis do not both do it.

    Parameters
    ----------
    client : redis.Redis
    keys : Keys
    feed : str
    owner : str
        The same for all captures that one supervisor starts: a restarted one need not wait for its predecessor's.
    ttl_ms : int
    """

    def __init__(self, client: redis.Redis, keys: Keys, feed: str, owner: str, ttl_ms: int) -> None:
        self._key, self._owner, self._ttl_ms = keys.feed(feed, "capturing"), owner, ttl_ms
        self._script = client.register_script((Path(__file__).parent / "hold.lua").read_text())

    def take(self) -> bool:
        """Take or prolong it; False while another owner has it."""
        return bool(self._script(keys=[self._key], args=[self._owner, self._ttl_ms]))

    def let_go(self) -> None:
        """Let another owner have it at once."""
        self._script(keys=[self._key], args=[self._owner, 0])


class Buffer:
    """Numbered entries waiting to be sent; the oldest audio gives way to a gap when there are too many."""

    def __init__(self, last_number: int, limit: int = BUFFER_ENTRIES) -> None:
        self._waiting: deque[tuple[int, SourceItem]] = deque()
        self._sent: deque[tuple[int, SourceItem]] = deque(maxlen=SENT_ENTRIES)
        self._next = last_number + 1
        self._limit = limit

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, item: SourceItem) -> None:
        """Number an item and keep it."""
        self._waiting.append((self._next, item))
        self._next += 1
        if len(self._waiting) > self._limit:
            self._merge_oldest()

    def _merge_oldest(self) -> None:
        """Turn the oldest stretch into one gap and number everything behind it anew (none of it was sent)."""
        items = list(self._waiting)
        count = len(items) // 10 + 2
        stretch = [item for _, item in items[:count] if isinstance(item, AudioChunk | SourceGap)]
        rest = [item for _, item in items[:count] if not isinstance(item, AudioChunk | SourceGap)][-1:]
        merged: list[SourceItem] = list(rest)
        if stretch:
            merged.insert(0, SourceGap(stretch[0].start_sample, stretch[-1].end_sample, "redis_unavailable"))
            lost_s = len(stretch)
            log.warning("Redis is away for too long: %d chunks became a gap", lost_s)
        merged += [item for _, item in items[count:]]
        first = items[0][0]
        self._waiting = deque((first + index, item) for index, item in enumerate(merged))
        self._next = first + len(merged)

    def batch(self) -> list[tuple[int, SourceItem]]:
        """The oldest entries, to be sent in this order."""
        return [self._waiting[index] for index in range(min(BATCH_ENTRIES, len(self._waiting)))]

    def done(self, number: int) -> None:
        """Entries up to ``number`` are in Redis."""
        while self._waiting and self._waiting[0][0] <= number:
            self._sent.append(self._waiting.popleft())

    def rewind(self, last_number: int) -> int:
        """Redis holds entries up to ``last_number`` only: put back what was sent after it; returns how many."""
        lost = [pair for pair in self._sent if pair[0] > last_number]
        for pair in reversed(lost):
            self._sent.remove(pair)
            self._waiting.appendleft(pair)
        return len(lost)


class Publisher:
    """Sends a feed's items and its health from a thread of its own, so that a slow Redis never stops the audio.

    Parameters
    ----------
    client : redis.Redis
    keys : Keys
    feed : str
    health : callable
        Returns the JSON-able health of the capture; called each second.
    on_tick : callable, optional
        Called each second while Redis answers, from the same thread, before anything is sent after an outage.
    """

    def __init__(
        self,
        client: redis.Redis,
        keys: Keys,
        feed: str,
        health: Callable[[], dict[str, Any]],
        on_tick: Callable[[], None] = lambda: None,
    ) -> None:
        self._client, self._keys, self._feed, self._health, self._on_tick = client, keys, feed, health, on_tick
        self._audio = keys.feed(feed, "audio")
        number, _ = last_entry(client, keys, feed)
        self._buffer = Buffer(number)
        self._wake = threading.Condition()
        self._stopping = False
        self._connected = True
        self._thread = threading.Thread(target=self._work, name="publisher", daemon=True)

    def start(self) -> None:
        """Start sending."""
        self._thread.start()

    def put(self, item: SourceItem) -> None:
        """Hand over an item; never blocks."""
        with self._wake:
            self._buffer.put(item)
            self._wake.notify()

    @property
    def waiting(self) -> int:
        """Items not in Redis yet."""
        return len(self._buffer)

    def stop(self, timeout_s: float) -> None:
        """Send what is left, for at most ``timeout_s``."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join(timeout_s)

    def _work(self) -> None:
        next_health_s, failures = 0.0, 0
        while True:
            with self._wake:
                if not len(self._buffer) and not self._stopping:
                    self._wake.wait(HEALTH_S)
                batch = self._buffer.batch()
                stopping = self._stopping
            try:
                due = time.monotonic() >= next_health_s
                if due or not self._connected:
                    self._on_tick()
                if not self._connected:
                    self._reconnect()
                self._send(batch)
                if due:
                    health = json.dumps(self._health())
                    self._client.set(self._keys.feed(self._feed, "capture"), health, ex=HEALTH_TTL_S)
                    next_health_s = time.monotonic() + HEALTH_S
                failures = 0
            except redis.RedisError as error:
                self._connected = False
                failures += 1
                wait_s = min(RETRY_CAP_S, 0.1 * 2.0 ** min(failures, 10))
                log.warning("Redis is away (%s); %d items wait", error, len(self._buffer), extra={"feed": self._feed})
                time.sleep(wait_s)
                continue
            if stopping and not len(self._buffer):
                return

    def _reconnect(self) -> None:
        number, _ = last_entry(self._client, self._keys, self._feed)
        with self._wake:
            again = self._buffer.rewind(number)
        self._connected = True
        if again:
            log.warning("Redis lost its newest %d entries; sending them again", again, extra={"feed": self._feed})
            with self._wake:
                batch = self._buffer.batch()
            self._send(batch)

    def _send(self, batch: list[tuple[int, SourceItem]]) -> None:
        if not batch:
            return
        pipe = self._client.pipeline(transaction=False)
        for number, item in batch:
            pipe.xadd(self._audio, cast(Any, encode_item(item)), id=f"{number}-0", maxlen=AUDIO_RETENTION_ENTRIES)
        results = pipe.execute(raise_on_error=False)
        for (number, _), result in zip(batch, results, strict=True):
            # "equal or smaller" says that an earlier attempt, whose answer was lost, did arrive.
            if isinstance(result, redis.ResponseError) and "equal or smaller" in str(result):
                result = None
            if isinstance(result, Exception):
                raise result
            with self._wake:
                self._buffer.done(number)
