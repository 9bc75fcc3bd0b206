"""One leased feed in memory: its line, how far it has read, and how it gets past audio that breaks it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any, Protocol, cast

from recognizer.catalogue import CatalogueView
from recognizer.events import CLOSED, Event, FeedClock
from recognizer.step import StepInput, StepOutput
from recognizer.timeline import AudioChunk, SourceEnd, SourceGap, SourceItem
from recognizer.wire import decode_item
from worker.bus import Bus, Commit, Lease

log = logging.getLogger(__name__)

COMMIT_INTERVAL_S = 5.0
CAREFUL_TRIES = 3  # leased so often without progress: go entry by entry to find the one that kills workers
CAREFUL_ENTRIES = 32
SKIP_TRIES = 5  # and so often at one entry: it is that one


class Line(Protocol):
    """What a worker needs of `recognizer.pipeline.FeedLine`."""

    ended: bool

    def push(self, item: SourceItem) -> None:
        """Take in what the source delivered next."""

    def next_step(self) -> StepInput | None:
        """The next step to embed, or None."""

    def accept(self, output: StepOutput, view: CatalogueView) -> None:
        """Take in what the network said about it."""

    def take_events(self) -> list[Event]:
        """Events since the last call."""

    def save(self) -> bytes:
        """The whole state."""

    def status(self) -> dict[str, Any]:
        """The newest picture of the feed."""


LineFactory = Callable[[FeedClock, bytes | None], Line]


class LeasedFeed:
    """A feed that this worker holds.

    The line in memory is the last commit plus the entries read since; `reload` returns to the last commit.
    """

    def __init__(self, bus: Bus, lease: Lease, clock: FeedClock, make_line: LineFactory) -> None:
        self.lease = lease
        self.clock = clock
        self._bus = bus
        self._make_line = make_line
        self.line: Line
        self.cursor = ""
        self.caught_up = False
        self.last_read_s = time.monotonic()
        self._careful_until: str | None = None
        self._skip_next = lease.tries >= SKIP_TRIES
        self._orphaned: list[Event] = []
        self.reload()
        if lease.tries >= CAREFUL_TRIES:
            self._careful_until = f"{_order(self.cursor)[0] + CAREFUL_ENTRIES}-0"

    @property
    def feed(self) -> str:
        """The feed's id."""
        return self.lease.feed

    def reload(self) -> None:
        """Forget everything since the last commit."""
        state = self._bus.load(self.feed)
        self.cursor = self._committed = state.cursor
        self._committed_s = time.monotonic()
        self.caught_up = False
        self._steps = 0
        self._orphaned = []
        try:
            self.line = self._make_line(self.clock, state.blob)
        except ValueError:
            log.exception("the saved state cannot be continued; starting afresh", extra={"feed": self.feed})
            self._start_afresh()

    def take(self, entries: list[tuple[str, dict[bytes, bytes]]], count: int) -> None:
        """Push entries of the audio stream into the line; one at a time while looking for a bad one."""
        self.caught_up = len(entries) < count
        if self._careful_until is not None:
            entries = entries[:1]
        for entry, fields in entries:
            self.last_read_s = time.monotonic()
            item = self._decode(entry, fields)
            if self._skip_next:
                self._skip_next = False
                log.error("entry %s ended several workers; skipped", entry, extra={"feed": self.feed})
                item = _instead_of(item)
            before, self.cursor = self.cursor, entry
            if item is not None:
                gap = _trimmed(before, entry, item)
                if gap is not None:
                    self.line.push(gap)
                self.line.push(item)

    def _decode(self, entry: str, fields: dict[bytes, bytes]) -> SourceItem | None:
        try:
            return decode_item(fields)
        except ValueError:
            log.exception("malformed entry %s dropped", entry, extra={"feed": self.feed})
            return None

    def next_step(self) -> StepInput | None:
        """The line's next step."""
        return self.line.next_step()

    def accept(self, output: StepOutput, view: CatalogueView) -> None:
        """Hand the line its answer."""
        self._steps += 1
        self.line.accept(output, view)

    def commit(self, *, force: bool = False) -> None:
        """Commit when there is something that should not be done again; see `Bus.commit`."""
        events = self._orphaned + self.line.take_events()
        late = time.monotonic() - self._committed_s > COMMIT_INTERVAL_S
        careful = self._careful_until is not None
        if self.cursor == self._committed and not events and not force:
            return
        if not (events or self._steps or late or force or careful or self.line.ended):
            return
        blob = self.line.save()
        change = Commit(self._committed, self.cursor, blob, self.line.ended, self.status(), events)
        self._bus.commit(self.lease, change)
        self._committed, self._committed_s, self._steps, self._orphaned = self.cursor, time.monotonic(), 0, []
        if careful and _order(self.cursor) >= _order(self._careful_until or ""):
            self._careful_until = None

    def status(self) -> dict[str, Any]:
        """The line's picture, with who made it, when, and how far it is behind."""
        status = self.line.status()
        now_ms = time.time_ns() // 1_000_000
        age_ms = now_ms - self.clock.started_at_ms - int(status.get("position_ms", 0))
        lag_ms = 0 if self.caught_up else max(0, age_ms)
        return {**status, "at_ms": now_ms, "lag_ms": lag_ms, "worker": self._bus.worker}

    def recover(self) -> None:
        """After an exception: return to the last commit and go on entry by entry; drop the entry that fails alone.

        To be called in the ``except`` block.
        """
        tried = self.cursor
        log.exception("entries up to %s failed", tried, extra={"feed": self.feed})
        alone = self._careful_until is not None
        self.reload()
        if not alone:
            self._careful_until = tried
            return
        entries = self._bus.read({self.feed: self.cursor}, 1, 1).get(self.feed, [])
        if not entries:
            return
        entry, fields = entries[0]
        log.error("entry %s dropped", entry, extra={"feed": self.feed})
        instead = _instead_of(self._decode(entry, fields))
        try:
            self._pass_over(entry, instead)
        except Exception:
            log.exception("the line's state is unusable; starting afresh", extra={"feed": self.feed})
            self._start_afresh()
            self._pass_over(entry, instead)

    def _pass_over(self, entry: str, instead: SourceItem | None) -> None:
        if instead is not None:
            self.line.push(instead)
            if self.line.next_step() is not None:
                raise RuntimeError("audio from before the dropped entry is still waiting")
        self.cursor = entry
        self.commit(force=True)

    def _start_afresh(self) -> None:
        """A line without a past; detections it can no longer close are closed here."""
        self.line = self._make_line(self.clock, None)
        stored = cast("dict[bytes, bytes]", self._bus.client.hgetall(self._bus.keys.feed(self.feed, "open")))
        self._orphaned = [_closed(json.loads(raw)) for raw in stored.values()]


def _instead_of(item: SourceItem | None) -> SourceItem | None:
    """What stands for an entry that cannot be processed: its audio becomes a gap, the rest stays."""
    if isinstance(item, AudioChunk):
        return SourceGap(item.start_sample, item.end_sample, "unprocessable")
    return item if isinstance(item, SourceEnd | SourceGap) else None


def _order(entry: str) -> tuple[int, int]:
    """A stream id as something to compare."""
    milliseconds, _, number = entry.partition("-")
    return int(milliseconds or 0), int(number or 0)


def _trimmed(before: str, entry: str, item: SourceItem) -> SourceGap | None:
    """A gap up to ``item`` when entries between two ids are gone; capture numbers them without holes."""
    if not isinstance(item, AudioChunk) or _order(entry)[0] <= _order(before)[0] + 1:
        return None
    return SourceGap(0, item.start_sample, "overload")  # the line counts only what it has not seen


def _closed(event: Event) -> Event:
    """The closing revision of a detection whose line was lost."""
    data = event["data"]
    revision = int(data["revision"]) + 1
    end = {"end_time": data["end_time"] or event["time"], "close_reason": "line_reset"}
    end_ms = data["end_ms"] if data["end_ms"] is not None else data["start_ms"]
    changed = {**data, **end, "end_ms": end_ms, "state": "closed", "revision": revision}
    return {**event, "type": CLOSED, "id": f"{data['detection_id']}-{revision}", "data": changed}
