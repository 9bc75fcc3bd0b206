"""The newest picture of all that is not an event, refreshed every second: feeds, workers, catalogue.

REST, metrics, health and the ``stream.status`` messages all read this one picture, so any number of viewers
costs Redis the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from web import catalogue, parse
from web.store import Pulse
from web.streams import FeedRecord, Json, newest_audio_ms, status_part, stream_view, worst_first

WORKER_ALIVE_MS = 15_000


@dataclass(slots=True)
class Shown:
    """One feed's view, and the version at which its pushed part last changed."""

    view: Json
    status_text: str
    version: int


@dataclass(slots=True)
class Picture:
    """Mutable; touched only from the event loop."""

    stale_after_ms: int
    redis_error: str | None = "not asked yet"
    refreshed_ms: int | None = None
    seq: int = 0
    version: int = 0
    catalogue: Json | None = None
    workers: dict[str, Json] = field(default_factory=dict)
    shown: dict[str, Shown] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)
    _records: dict[str, FeedRecord] = field(default_factory=dict)
    _last_audio_ms: dict[str, int] = field(default_factory=dict)

    def refresh(self, pulse: Pulse, now_ms: int) -> None:
        """Take in what Redis said."""
        self.redis_error, self.refreshed_ms, self.seq = None, now_ms, pulse.seq
        self.workers = pulse.workers
        self._records = pulse.feeds
        for gone in self.shown.keys() - pulse.feeds.keys():
            self.version += 1
            self.removed[gone] = self.version
            del self.shown[gone]
            self._last_audio_ms.pop(gone, None)
        for feed in self.removed.keys() & pulse.feeds.keys():
            del self.removed[feed]
        self.age(now_ms)

    def age(self, now_ms: int) -> None:
        """Look at the same records again: time alone makes a feed stale."""
        for feed, record in self._records.items():
            audio_ms = newest_audio_ms(record, self._last_audio_ms.get(feed))
            if audio_ms is not None:
                self._last_audio_ms[feed] = audio_ms
            view = stream_view(feed, record, now_ms=now_ms, stale_after_ms=self.stale_after_ms, last_audio_ms=audio_ms)
            text = parse.dumps(status_part(view))
            old = self.shown.get(feed)
            if old is None or old.status_text != text:
                self.version += 1
                self.shown[feed] = Shown(view, text, self.version)
            else:
                old.view = view

    @property
    def feeds(self) -> list[str]:
        """Ids of all feeds."""
        return sorted(self.shown)

    def views(self, feeds: frozenset[str] | None = None) -> list[Json]:
        """Views of the feeds asked for, worst first."""
        return worst_first([shown.view for feed, shown in self.shown.items() if feeds is None or feed in feeds])

    def changed_since(self, version: int, feeds: frozenset[str] | None) -> tuple[list[str], list[str]]:
        """Rendered status parts and removed feeds that are newer than ``version``."""
        texts = [
            shown.status_text
            for feed, shown in self.shown.items()
            if shown.version > version and (feeds is None or feed in feeds)
        ]
        gone = [feed for feed, at in self.removed.items() if at > version and (feeds is None or feed in feeds)]
        return texts, gone

    def workers_alive(self, now_ms: int) -> dict[str, Json]:
        """Workers whose heartbeat is fresh."""
        oldest = now_ms - WORKER_ALIVE_MS
        return {
            worker: info for worker, info in self.workers.items() if (parse.integer(info.get("at_ms")) or 0) >= oldest
        }

    def stats(self, now_ms: int) -> dict[str, Any]:
        """Figures for the page header (``system.stats``)."""
        return {
            "redis": self.redis_error is None,
            "catalogue": catalogue.summary(self.catalogue),
            "workers": len(self.workers_alive(now_ms)),
            "feeds": len(self.shown),
            "oldest_index_version": min(
                (
                    shown.view["index_version"]
                    for shown in self.shown.values()
                    if shown.view["index_version"] is not None
                ),
                default=None,
            ),
        }
