"""Plays capture and worker towards the web edge: the keys and events they would write, built by our own builders."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from typing import Any

import redis

from recognizer.events import (
    CLOSED,
    DETECTION_TYPES,
    GAP,
    OPENED,
    RETRACTED,
    UPDATED,
    Detection,
    Event,
    FeedClock,
    gap_event,
    stable_id,
    state_event,
)
from recognizer.wire import CLOSED_RETENTION, EVENT_RETENTION_ENTRIES, Keys

RATE_HZ = 16_000
MODEL_ID = "sha256:" + "ab" * 32


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Feed:
    """One feed on the stage; its timeline began ``started_s_ago``."""

    def __init__(self, stage: Stage, feed: str, started_s_ago: float, **config: Any) -> None:
        self.stage, self.feed = stage, feed
        self.clock = FeedClock(feed, RATE_HZ, now_ms() - round(started_s_ago * 1000))
        self.config = {"source": f"https://user:secret@radio.example/{feed}?key=hidden", **config}
        keys, client = stage.keys, stage.redis
        client.hset(keys.feeds, feed, json.dumps(self.config))
        client.set(
            keys.feed(feed, "clock"),
            json.dumps({"started_at_ms": self.clock.started_at_ms, "rate_hz": RATE_HZ}),
        )

    def sample(self, s_ago: float = 0.0) -> int:
        """The timeline position of ``s_ago`` seconds before now."""
        return round((now_ms() - s_ago * 1000 - self.clock.started_at_ms) * RATE_HZ / 1000)

    def beat(
        self,
        *,
        state: str = "running",
        gate: str = "music",
        level_dbfs: float | None = -18.0,
        maybe: bool = False,
        detail: str | None = None,
        lag_ms: int = 900,
        age_s: float = 0.0,
        capture_state: str | None = None,
        index_version: int = 7,
    ) -> None:
        """Heartbeats of capture and worker, as old as ``age_s``."""
        at_ms = now_ms() - round(age_s * 1000)
        flowing = state in ("running", "silent", "no_music")
        capture = {
            "state": capture_state or ("running" if flowing else state),
            "detail": detail,
            "level_dbfs": level_dbfs,
            "at_ms": at_ms,
        }
        status = {
            "feed": self.feed,
            "state": state,
            "detail": detail,
            "gate": gate,
            "level_dbfs": level_dbfs,
            "position_ms": self.clock.ms(self.sample()),
            "started_at": self.clock.utc(0),
            "maybe": maybe,
            "index_version": index_version,
            "at_ms": at_ms,
            "lag_ms": lag_ms,
            "worker": "worker-1",
        }
        self._set("capture", capture)
        self._set("status", status)

    def _set(self, part: str, value: dict[str, Any]) -> None:
        self.stage.redis.set(self.stage.keys.feed(self.feed, part), json.dumps(value))

    def open(self, title: str, artist: str | None, *, s_ago: float = 24.0, **changes: Any) -> Detection:
        """Open a detection that began ``s_ago`` seconds before now."""
        start = self.sample(s_ago)
        detection = Detection(
            detection_id=stable_id(self.feed, title, start),
            revision=1,
            state="open",
            start_sample=start,
            end_sample=None,
            work_id=f"work-{title}",
            reference_id=f"ref-{title}",
            title=title,
            artist=artist,
            isrc=None,
            iswc=None,
            confidence=0.86,
            confidence_kind="calibrated",
            evidence_windows=3,
            ref_start_ms=12_000,
            transpose_semitones=-2,
            tempo_ratio=1.06,
        )
        detection = replace(detection, **changes)
        self._say(OPENED, detection)
        return detection

    def update(self, detection: Detection, **changes: Any) -> Detection:
        """The next revision."""
        revised = detection.revised(**{"evidence_windows": detection.evidence_windows + 1, **changes})
        self._say(UPDATED, revised)
        return revised

    def close(self, detection: Detection, *, s_ago: float = 0.0, reason: str = "no_longer_heard") -> Detection:
        """Close it, ended ``s_ago`` seconds before now."""
        closed = detection.revised(state="closed", end_sample=self.sample(s_ago), close_reason=reason)
        self._say(CLOSED, closed)
        return closed

    def retract(self, detection: Detection) -> Detection:
        """It was a mistake."""
        gone = detection.revised(state="retracted", end_sample=self.sample(), close_reason="overtaken")
        self._say(RETRACTED, gone)
        return gone

    def gap(self, from_s_ago: float, to_s_ago: float, reason: str = "connection lost") -> None:
        """A stretch without audio."""
        self.stage.commit(self.feed, gap_event(self.clock, self.sample(from_s_ago), self.sample(to_s_ago), reason))

    def state(self, state: str, previous: str | None, *, s_ago: float = 0.0, detail: str | None = None) -> None:
        """A change of state."""
        self.stage.commit(self.feed, state_event(self.clock, self.sample(s_ago), state, previous, detail))

    def _say(self, kind: str, detection: Detection) -> None:
        self.stage.commit(self.feed, detection.event(kind, self.clock, self.sample(), 7, MODEL_ID))

    def played(self, title: str, artist: str | None, from_s_ago: float, to_s_ago: float, **changes: Any) -> None:
        """A detection that is over."""
        self.close(self.open(title, artist, s_ago=from_s_ago, **changes), s_ago=to_s_ago)


class Stage:
    """A Redis under one key prefix, with feeds, workers and a catalogue."""

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self.redis: Any = client
        self.prefix = prefix
        self.keys = Keys(prefix)

    def feed(self, feed: str, *, started_s_ago: float = 3600.0, **config: Any) -> Feed:
        """Add a feed."""
        return Feed(self, feed, started_s_ago, **config)

    def commit(self, feed: str, event: Event) -> int:
        """Store an event and what follows from it, in one step and in order, as a worker does."""
        keys, text = self.keys, json.dumps(event)
        seq = int(self.redis.get(keys.events_seq) or 0) + 1
        pipe = self.redis.pipeline(transaction=True)
        pipe.set(keys.events_seq, seq)
        fields = {"seq": seq, "feed": feed, "type": event["type"], "json": text}
        pipe.xadd(keys.events, fields, maxlen=EVENT_RETENTION_ENTRIES, approximate=True)
        if event["type"] in DETECTION_TYPES:
            detection_id = event["data"]["detection_id"]
            if event["type"] in (OPENED, UPDATED):
                pipe.hset(keys.feed(feed, "open"), detection_id, text)
            else:
                pipe.hdel(keys.feed(feed, "open"), detection_id)
            if event["type"] == CLOSED:
                pipe.lpush(keys.feed(feed, "closed"), text).ltrim(keys.feed(feed, "closed"), 0, CLOSED_RETENTION - 1)
        elif event["type"] == GAP:
            pipe.lpush(keys.feed(feed, "gaps"), text)
        pipe.execute()
        return seq

    def worker(self, worker: str = "worker-1", *, age_s: float = 0.0, feeds: Any = ("radio1",)) -> None:
        """A worker's heartbeat."""
        info = {
            "pid": 1,
            "feeds": list(feeds),
            "at_ms": now_ms() - round(age_s * 1000),
            "generation": 7,
            "embed_ms": 41,
        }
        self.redis.hset(self.keys.workers, worker, json.dumps(info))

    def catalogue(self, generation: int = 7, tracks: int = 1204, works: int = 980) -> None:
        """A published catalogue."""
        manifest = {"generation": generation, "tracks": tracks, "works": works, "model_id": MODEL_ID}
        self.redis.set(self.keys.catalogue_manifest, json.dumps(manifest))
        self.redis.xadd(self.keys.catalogue_log, {"generation": generation})


class Heartbeats:
    """Keeps feeds alive in the background until it is left; ``beats`` maps each to arguments of `Feed.beat`."""

    def __init__(self, beats: dict[Feed, dict[str, Any]], worker_feeds: Any = ("radio1",)) -> None:
        self.beats = beats
        self._worker_feeds = worker_feeds
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while True:
            for feed, how in list(self.beats.items()):
                feed.beat(**how)
                feed.stage.worker(feeds=self._worker_feeds)
            if self._end.wait(0.5):
                return

    def __enter__(self) -> Heartbeats:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._end.set()
        self._thread.join()
