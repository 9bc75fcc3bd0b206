"""Starts a capture process for every feed and a number of line processes, and keeps them alive.

The ``feeds`` hash in Redis says which feeds there are; it is looked at every second. The supervisor knows nothing of
audio or lines: it starts modules by name.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterable
from typing import Any, cast

import redis

from recognizer.errors import UsageError
from recognizer.timeline import SourceEnd, SourceState, StreamState
from recognizer.wire import Keys, encode_item
from worker.bus import connect
from worker.capture import END_OF_SOURCE
from worker.capture_process import EXIT_REFUSED
from worker.children import Child, end_all
from worker.feeds import FeedConfig
from worker.publisher import HEALTH_TTL_S, last_entry, resume_point
from worker.settings import Settings

log = logging.getLogger(__name__)

LOOK_S = 1.0
SILENT_HEARTBEAT_S = 30.0
TIMELINE_PARTS = ("audio", "state", "status", "capture", "clock", "open")


class Supervisor:
    """Parent of one machine's captures and lines.

    Parameters
    ----------
    settings : Settings
    processes : int
        Number of line processes.
    capture : bool
        Whether this machine captures; with False it only runs lines.
    """

    def __init__(self, settings: Settings, *, processes: int = 1, capture: bool = True) -> None:
        self._settings, self._capturing = settings, capture
        self._keys = Keys(settings.prefix)
        self._client = connect(settings.redis_url)
        self._captures: dict[str, tuple[str, Child]] = {}
        self._finished: dict[str, tuple[str, StreamState, str]] = {}
        self._reachable_since_s: float | None = None
        self._name = f"{socket.gethostname()}-{uuid.uuid4().hex[:6]}"
        self._lines = [self._line(f"{self._name}-{number}") for number in range(processes)]

    def _line(self, worker: str) -> Child:
        argument = self._settings.argument(worker=worker, parent=os.getpid())
        return Child(f"line {worker}", "worker.line_process", argument, self._settings.environment())

    def put_feeds(self, feeds: Iterable[FeedConfig]) -> None:
        """Make the ``feeds`` hash say exactly this.

        Raises
        ------
        redis.RedisError
        """
        wanted = {config.id: config.to_json() for config in feeds}
        present = {name.decode() for name in cast("list[bytes]", self._client.hkeys(self._keys.feeds))}
        pipe = self._client.pipeline()
        for name in present - wanted.keys():
            pipe.hdel(self._keys.feeds, name)
        if wanted:
            pipe.hset(self._keys.feeds, mapping=cast(Any, wanted))
        pipe.execute()

    def run(self, stop: threading.Event) -> None:
        """Tend the children until ``stop`` is set, then end them: captures first, then lines."""
        try:
            while not stop.is_set():
                for line in self._lines:
                    line.tend()
                if self._capturing:
                    self._tend_captures()
                stop.wait(LOOK_S)
        finally:
            end_all([child for _, child in self._captures.values()])
            end_all(self._lines)
            self._client.close()

    def pids(self) -> list[int]:
        """Process ids of the children that run."""
        children = [*self._lines, *(child for _, child in self._captures.values())]
        return [child.pid for child in children if child.pid is not None]

    def _tend_captures(self) -> None:
        for feed, (_, child) in list(self._captures.items()):
            if child.tend():
                self._after_end(feed, child)
        try:
            self._follow_feeds()
            now_s = time.monotonic()
            self._reachable_since_s = self._reachable_since_s or now_s
            if now_s - self._reachable_since_s > SILENT_HEARTBEAT_S:
                self._kill_silent(now_s)
        except redis.RedisError as error:
            self._reachable_since_s = None
            log.debug("Redis is away: %s", error)

    def _follow_feeds(self) -> None:
        """Start, restart and stop captures as the ``feeds`` hash says."""
        stored = cast("dict[bytes, bytes]", self._client.hgetall(self._keys.feeds))
        wanted = {name.decode(): raw.decode() for name, raw in stored.items()}
        leaving = [feed for feed, (config, _) in self._captures.items() if wanted.get(feed) != config]
        end_all([self._captures[feed][1] for feed in leaving])
        for feed in leaving:
            del self._captures[feed]
            log.info("capture stopped", extra={"feed": feed})
        for feed in list(self._finished):
            if self._finished[feed][0] != wanted.get(feed):
                del self._finished[feed]
        for feed, config in wanted.items():
            if feed in self._finished:
                _, state, detail = self._finished[feed]
                self._say(feed, state, detail)
            elif feed not in self._captures:
                self._start_capture(feed, config)

    def _start_capture(self, feed: str, config: str) -> None:
        try:
            FeedConfig.from_json(feed, config)
        except UsageError as error:
            log.error("%s", error)
            self._finished[feed] = (config, StreamState.INVALID_SOURCE, str(error))
            return
        if not self._prepare(feed, config):
            return
        argument = self._settings.argument(feed=feed, owner=self._name, parent=os.getpid())
        child = Child(
            f"capture {feed}", "worker.capture_process", argument, self._settings.environment(), (EXIT_REFUSED,)
        )
        self._captures[feed] = (config, child)
        log.info("capture started", extra={"feed": feed})
        child.tend()

    def _prepare(self, feed: str, config: str) -> bool:
        """Whether to capture at all: a source that was read to its end is not read again until its entry changes."""
        captured = cast("bytes | None", self._client.get(self._keys.feed(feed, "config")))
        _, last = last_entry(self._client, self._keys, feed)
        ended = isinstance(last, SourceEnd)
        read_through = isinstance(last, SourceEnd) and last.reason == END_OF_SOURCE
        if read_through and captured is not None and captured.decode() == config:
            self._finished[feed] = (config, StreamState.PAUSED, END_OF_SOURCE)
            return False
        clock = cast("bytes | None", self._client.get(self._keys.feed(feed, "clock")))
        other_rate = clock is not None and json.loads(clock).get("rate_hz") != self._settings.rate_hz
        if ended or other_rate:  # a new timeline
            self._client.delete(*(self._keys.feed(feed, part) for part in TIMELINE_PARTS))
        self._client.set(self._keys.feed(feed, "config"), config)
        return True

    def _after_end(self, feed: str, child: Child) -> None:
        """A capture ended by itself: done, refused, or crashed."""
        config, _ = self._captures[feed]
        if child.status in (0, EXIT_REFUSED):
            raw = cast("bytes | None", self._tolerant(lambda: self._client.get(self._keys.feed(feed, "capture"))))
            said = json.loads(raw) if raw else {}
            refused = child.status == EXIT_REFUSED
            state = StreamState(said.get("state", StreamState.FAILED)) if refused else StreamState.PAUSED
            self._finished[feed] = (config, state, str(said.get("detail") or END_OF_SOURCE))
            del self._captures[feed]
        elif child.failed:
            detail = f"capture ended again and again (status {child.status}); it is tried again in some minutes"
            self._tolerant(lambda: self._mark_failed(feed, detail))

    def _mark_failed(self, feed: str, detail: str) -> None:
        """Put the failure on the feed's timeline and into its health."""
        log.error("%s", detail, extra={"feed": feed})
        number, _ = last_entry(self._client, self._keys, feed)
        resume = resume_point(self._client, self._keys, feed, 0)
        if resume is not None:
            item = SourceState(StreamState.FAILED, resume.end_sample, detail)
            self._client.xadd(self._keys.feed(feed, "audio"), cast(Any, encode_item(item)), id=f"{number + 1}-0")
        self._say(feed, StreamState.FAILED, detail)

    def _kill_silent(self, now_s: float) -> None:
        """Kill captures that neither publish nor end (stopped, or stuck where no watchdog runs)."""
        now_ms = time.time_ns() // 1_000_000
        for feed, (_, child) in self._captures.items():
            if child.pid is None or now_s - child.started_s < SILENT_HEARTBEAT_S:
                continue
            raw = cast("bytes | None", self._client.get(self._keys.feed(feed, "capture")))
            age_ms = now_ms - int(json.loads(raw)["at_ms"]) if raw else None
            if age_ms is None or age_ms > SILENT_HEARTBEAT_S * 1000:
                log.error("capture gives no sign of life; killing it", extra={"feed": feed})
                child.kill()

    def _say(self, feed: str, state: StreamState, detail: str) -> None:
        """Health on behalf of a capture that is not running."""
        health = {"state": state.value, "detail": detail, "level_dbfs": -120.0}
        text = json.dumps({**health, "at_ms": time.time_ns() // 1_000_000, "last_audio_at_ms": None})
        self._client.set(self._keys.feed(feed, "capture"), text, ex=HEALTH_TTL_S)

    def _tolerant(self, action: Any) -> Any:
        try:
            return action()
        except redis.RedisError as error:
            log.debug("Redis is away: %s", error)
            return None
