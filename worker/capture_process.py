"""The process that captures one feed: ``python -m worker.capture_process SETTINGS``.

A decoder that crashes, hangs or leaks costs this feed alone: the process has a memory limit, a watchdog and a parent
without which it ends.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import signal
import sys
import threading
import time
from typing import Any, cast

import numpy as np
import redis

from recognizer.errors import SourceError
from recognizer.timeline import AudioChunk, SourceEnd, SourceGap, SourceItem, SourceState, StreamState
from recognizer.wire import Keys
from worker import lifeline
from worker.bus import connect
from worker.capture import Surroundings, capture
from worker.feeds import FeedConfig
from worker.logs import setup
from worker.publisher import Hold, Publisher, resume_point
from worker.settings import Settings

log = logging.getLogger("worker.capture_process")

MEMORY_BYTES = 1 << 30
HANG_S = 60.0
UNREAD_ENTRIES = 120  # how far an unpaced file may run ahead of its worker
EXIT_REFUSED = 3  # trying again cannot help
EXIT_HUNG = 70
EXIT_LOST = 75


class CaptureProcess:
    """Runs `capture` for one feed and publishes what it delivers."""

    def __init__(self, client: redis.Redis, settings: Settings, feed: str, owner: str) -> None:
        self._client, self._settings, self._feed = client, settings, feed
        self._keys = Keys(settings.prefix)
        self._hold = Hold(client, self._keys, feed, owner, settings.lease_ttl_ms)
        self._publisher = Publisher(client, self._keys, feed, self._health, self._tick)
        self._clock: str | None = None
        self._state: tuple[str, str | None] = (StreamState.CONNECTING.value, None)
        self._level_dbfs = -120.0
        self._audio_at_ms: int | None = None
        self._progress_s = time.monotonic()
        self._end_sample = 0
        self._held_back: list[SourceItem] = []
        self._clock_set = False

    def run(self, config: FeedConfig) -> int:
        """Capture until the source ends; returns the exit status."""
        resume = resume_point(self._client, self._keys, self._feed, _now_ms())
        self._clock_set = resume is not None
        if resume is not None:
            self._clock = cast(bytes, self._client.get(self._keys.feed(self._feed, "clock"))).decode()
        self._end_sample = resume.end_sample if resume else 0
        self._publisher.start()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        world = Surroundings(sleep=self._sleep)
        unpaced = not config.realtime
        try:
            for item in capture(
                config.source, self._settings.rate_hz, config.options(), resume=resume, surroundings=world
            ):
                self._progress_s = time.monotonic()
                _stop_if_asked()
                self._deliver(item)
                if unpaced:
                    self._wait_for_worker()
        except SourceError as error:
            log.error("%s", error, extra={"feed": self._feed})
            return EXIT_REFUSED
        except _Stop:
            self._end_if_removed()
        finally:
            self._publisher.stop(timeout_s=5.0)
            with contextlib.suppress(redis.RedisError):
                self._hold.let_go()
        return 0

    def _deliver(self, item: SourceItem) -> None:
        if isinstance(item, SourceState):
            self._state = (item.state.value, item.detail)
            level = logging.INFO if item.state in (StreamState.CONNECTING, StreamState.RUNNING) else logging.WARNING
            detail = f": {item.detail}" if item.detail else ""
            log.log(level, "%s%s", item.state.value, detail, extra={"feed": self._feed})
        elif isinstance(item, AudioChunk):
            self._audio_at_ms = _now_ms()
            self._level_dbfs = _level_dbfs(item)
        if isinstance(item, AudioChunk | SourceGap):
            self._end_sample = item.end_sample
        if not self._clock_set:
            # Position 0 is the arrival of the first audio, or the first failure: wait for one of them.
            self._held_back.append(item)
            if isinstance(item, SourceState) and item.state in (StreamState.CONNECTING, StreamState.RUNNING):
                return
            self._set_clock(item)
            for held in self._held_back:
                self._publisher.put(held)
            self._held_back = []
            return
        self._publisher.put(item)

    def _set_clock(self, item: SourceItem) -> None:
        """Set the feed's clock, however long Redis takes; nothing was published before it."""
        heard_s = len(item.pcm) / self._settings.rate_hz if isinstance(item, AudioChunk) else 0.0
        started_at_ms = _now_ms() - round(heard_s * 1000)
        self._clock = json.dumps({"started_at_ms": started_at_ms, "rate_hz": self._settings.rate_hz})
        while True:
            try:
                self._client.set(self._keys.feed(self._feed, "clock"), self._clock, nx=True)
                self._clock_set = True
                return
            except redis.RedisError:
                self._sleep(1.0)

    def _tick(self) -> None:
        """Each second, in the publisher's thread: keep the right to capture, and the clock should Redis lose it."""
        if not self._hold.take():
            log.error("another supervisor captures this feed now; ending", extra={"feed": self._feed})
            os._exit(EXIT_LOST)
        if self._clock is not None:
            self._client.set(self._keys.feed(self._feed, "clock"), self._clock, nx=True)

    def _wait_for_worker(self) -> None:
        """Let an unpaced file not run further ahead than the stream keeps; live sources never come near."""
        while True:
            self._progress_s = time.monotonic()
            if self._publisher.waiting < UNREAD_ENTRIES // 2 and self._unread() < UNREAD_ENTRIES:
                return
            self._sleep(0.05)

    def _unread(self) -> int:
        try:
            cursor = cast("bytes | None", self._client.hget(self._keys.feed(self._feed, "state"), "cursor"))
            newest = cast("list[Any]", self._client.xrevrange(self._keys.feed(self._feed, "audio"), count=1))
        except redis.RedisError:
            return UNREAD_ENTRIES
        read = int(cursor.partition(b"-")[0]) if cursor else 0
        return (int(newest[0][0].partition(b"-")[0]) if newest else read) - read

    def _end_if_removed(self) -> None:
        """When stopped because the feed is gone, say so on its timeline, so that open detections are closed."""
        try:
            if not self._client.hexists(self._keys.feeds, self._feed):
                self._publisher.put(SourceEnd(self._end_sample, "feed removed"))
        except redis.RedisError:
            log.debug("Redis is away", exc_info=True)

    def _health(self) -> dict[str, Any]:
        state, detail = self._state
        return {
            "state": state,
            "detail": detail,
            "level_dbfs": round(self._level_dbfs, 1),
            "at_ms": _now_ms(),
            "last_audio_at_ms": self._audio_at_ms,
            "waiting": self._publisher.waiting,
            "pid": os.getpid(),
        }

    def _sleep(self, seconds: float) -> None:
        """Sleep in slices, so that the watchdog sees that nothing hangs."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(1.0, left_s))
            _stop_if_asked()
            self._progress_s = time.monotonic()

    def _watch(self) -> None:
        while True:
            time.sleep(1.0)
            if time.monotonic() - self._progress_s > HANG_S:
                log.error("nothing moved for %.0f s; ending this process", HANG_S, extra={"feed": self._feed})
                os._exit(EXIT_HUNG)


class _Stop(BaseException):
    """SIGTERM arrived."""


_stopping = threading.Event()


def _on_term(*_: object) -> None:
    if not _stopping.is_set():
        _stopping.set()
        raise _Stop


def _stop_if_asked() -> None:
    """Raise again what a library may have swallowed."""
    if _stopping.is_set():
        raise _Stop


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _level_dbfs(chunk: AudioChunk) -> float:
    power = float(np.mean(np.square(chunk.pcm.astype(np.float32) / 32768.0))) if len(chunk.pcm) else 0.0
    return 10 * math.log10(power) if power > 1e-12 else -120.0


def _leave_when_orphaned(parent: int) -> None:
    while not lifeline.orphaned(parent):
        time.sleep(1.0)
    os._exit(0)


def _begin(client: redis.Redis, settings: Settings, feed: str, owner: str) -> CaptureProcess:
    """Wait for Redis, and for the right to capture this feed (another machine may be doing it)."""
    keys = Keys(settings.prefix)
    waiting = ""
    while True:
        try:
            if Hold(client, keys, feed, owner, settings.lease_ttl_ms).take():
                return CaptureProcess(client, settings, feed, owner)
            reason = "another supervisor captures this feed; standing by"
        except redis.RedisError as error:
            reason = f"Redis is away ({error}); waiting"
        if reason != waiting:
            log.warning("%s", reason, extra={"feed": feed})
            waiting = reason
        time.sleep(1.0)


def main() -> int:
    """Entry of the child process; settings in ``argv[1]``."""
    settings, (feed, owner, parent) = Settings.from_argument(sys.argv[1], "feed", "owner", "parent")
    lifeline.die_with_parent(parent)
    lifeline.limit(MEMORY_BYTES)
    setup(settings.log_json)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    signal.signal(signal.SIGTERM, _on_term)
    threading.Thread(target=_leave_when_orphaned, args=(parent,), name="lifeline", daemon=True).start()
    client = connect(settings.redis_url)
    try:
        process = _begin(client, settings, feed, owner)
        raw = cast("bytes | None", client.hget(Keys(settings.prefix).feeds, feed))
        return 0 if raw is None else process.run(FeedConfig.from_json(feed, raw.decode()))
    except _Stop:
        return 0


if __name__ == "__main__":
    sys.exit(main())
