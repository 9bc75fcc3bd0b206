"""A line that counts instead of recognizing, to test the bus and the worker alone; and a process that runs it.

It opens a "detection" every 10 s of audio and closes it 6 s later; its events carry a checksum of all audio so far,
so that any sample missed, repeated or reordered changes them.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import zlib
from collections import deque
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from recognizer.catalogue import CatalogueView
from recognizer.events import CLOSED, OPENED, Event, FeedClock, gap_event, stable_id, state_event
from recognizer.step import StepInput, StepOutput
from recognizer.timeline import AudioChunk, SourceGap, SourceItem, SourceState
from recognizer.wire import Keys, encode_item
from worker import lifeline
from worker.bus import Bus, connect
from worker.line import LineWorker

RATE_HZ = 16_000
STEP = 2 * RATE_HZ
POISON_PUSH, POISON_STEP, POISON_EMBED, POISON_EXIT = 32_767, 32_766, 32_765, 32_764
NOTHING = np.zeros((0, 0), np.float32)


class CountingLine:
    def __init__(self, clock: FeedClock, blob: bytes | None = None) -> None:
        state = json.loads(blob) if blob else {"position": 0, "sum": 0, "held": [], "open": None, "ended": False}
        self.clock = clock
        self.position: int = state["position"]
        self.sum: int = state["sum"]
        self.held = np.array(state["held"], np.int16)
        self.open: str | None = state["open"]
        self.ended: bool = state["ended"]
        self.work: deque[SourceItem] = deque()
        self.outstanding: AudioChunk | None = None
        self.events: list[Event] = []

    def push(self, item: SourceItem) -> None:
        if isinstance(item, AudioChunk):
            if POISON_PUSH in item.pcm:
                raise RuntimeError("poison")
            assert item.start_sample >= self.position, "the worker marks what is missing"
            self.held = np.concatenate([self.held, item.pcm])
            while len(self.held) >= STEP:
                start = item.end_sample - len(self.held)
                self.work.append(AudioChunk(0, start, self.held[:STEP]))
                self.held = self.held[STEP:]
            self.position = item.end_sample
        elif isinstance(item, SourceGap):
            self.held = self.held[:0]
            self.work.append(SourceGap(max(item.start_sample, self.position), item.end_sample, item.reason))
            self.position = item.end_sample
        else:
            self.work.append(item)

    def next_step(self) -> StepInput | None:
        assert self.outstanding is None
        while self.work:
            item = self.work.popleft()
            if isinstance(item, AudioChunk):
                if POISON_STEP in item.pcm:
                    raise RuntimeError("poison")
                self.outstanding = item
                return StepInput(item.start_sample, item.pcm.astype(np.float32), NOTHING)
            if isinstance(item, SourceGap):
                self.events.append(gap_event(self.clock, item.start_sample, item.end_sample, item.reason))
            elif isinstance(item, SourceState):
                self.events.append(state_event(self.clock, item.at_sample, item.state.value, None, item.detail))
            else:
                self.ended = True
        return None

    def accept(self, output: StepOutput, view: CatalogueView) -> None:
        step = self.outstanding
        assert step is not None
        self.outstanding = None
        self.sum = zlib.crc32(step.pcm.tobytes(), self.sum)
        number = step.start_sample // STEP % 5
        if self.open is None and number == 0:
            self.open = stable_id(self.clock.feed, step.start_sample)
            self.events.append(self._event(OPENED, 1, step.end_sample))
        elif self.open is not None and number == 3:
            self.events.append(self._event(CLOSED, 2, step.end_sample))
            self.open = None

    def _event(self, kind: str, revision: int, at_sample: int) -> Event:
        ms = self.clock.ms(at_sample)
        times = {"end_time": None, "start_ms": ms, "end_ms": None, "title": 'has "seq":null in it'}
        data = {"detection_id": self.open, "revision": revision, "state": "open", "sum": self.sum, **times}
        return self.clock.envelope(kind, f"{self.open}-{revision}", at_sample, data)

    def take_events(self) -> list[Event]:
        events, self.events = self.events, []
        return events

    def save(self) -> bytes:
        assert self.outstanding is None and not self.work
        assert not self.events
        state = {"position": self.position, "sum": self.sum, "held": self.held.tolist()}
        return json.dumps({**state, "open": self.open, "ended": self.ended}).encode()

    def status(self) -> dict[str, Any]:
        return {"feed": self.clock.feed, "state": "running", "position_ms": self.clock.ms(self.position)}


class CountingEmbedder:
    """Answers nothing, after ``pause_s``; batches are remembered by size."""

    def __init__(self, pause_s: float = 0.0) -> None:
        self.pause_s = pause_s
        self.batches: list[int] = []

    def run(self, steps: Sequence[StepInput]) -> list[StepOutput]:
        self.batches.append(len(steps))
        for step in steps:
            if POISON_EXIT in step.pcm:
                os.kill(os.getpid(), signal.SIGKILL)
            if POISON_EMBED in step.pcm:
                raise RuntimeError("poison")
        if self.pause_s:
            time.sleep(self.pause_s)
        return [StepOutput(NOTHING, NOTHING, NOTHING) for _ in steps]


def no_view() -> CatalogueView:
    return cast(CatalogueView, None)


def second(number: int, poison: int | None = None) -> AudioChunk:
    """The chunk of one second of a made-up programme."""
    pcm = np.random.default_rng(number).integers(-20_000, 20_000, RATE_HZ).astype(np.int16)
    if poison is not None:
        pcm[500] = poison
    return AudioChunk(0, number * RATE_HZ, pcm)


def fill(client: Any, keys: Keys, feed: str, items: Sequence[SourceItem], first: int = 1) -> None:
    """Publish items as capture would."""
    client.hset(keys.feeds, feed, json.dumps({"source": f"{feed}.wav", "title": feed}))
    client.set(keys.feed(feed, "clock"), json.dumps({"started_at_ms": 1_700_000_000_000, "rate_hz": RATE_HZ}), nx=True)
    pipe = client.pipeline(transaction=False)
    for number, item in enumerate(items, first):
        pipe.xadd(keys.feed(feed, "audio"), encode_item(item), id=f"{number}-0")
    pipe.execute()


def undisturbed(feed: str, items: Sequence[SourceItem]) -> list[Event]:
    """The events of a line that nobody disturbs, numbered by nobody."""
    line = CountingLine(FeedClock(feed, RATE_HZ, 1_700_000_000_000))
    events: list[Event] = []
    for item in items:
        line.push(item)
        while line.next_step() is not None:
            line.accept(StepOutput(NOTHING, NOTHING, NOTHING), no_view())
        events += line.take_events()
    return events


def published(client: Any, keys: Keys, feed: str | None = None) -> list[Event]:
    """Events in Redis, checked to be numbered 1, 2, 3 …; those of ``feed`` with their number taken out."""
    entries = [fields for _, fields in client.xrange(keys.events)]
    events = [json.loads(fields[b"json"]) for fields in entries]
    assert [event["data"]["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [int(fields[b"seq"]) for fields in entries] == list(range(1, len(events) + 1))
    chosen = [e for e, fields in zip(events, entries, strict=True) if feed in (None, fields[b"feed"].decode())]
    return [{**event, "data": {**event["data"], "seq": None}} for event in chosen]


def main() -> None:
    """``python -m tests.worker.counting URL PREFIX WORKER PAUSE_S LEASE_MS``: a worker process."""
    lifeline.die_with_parent(0)
    url, prefix, worker, pause_s, lease_ms = sys.argv[1:6]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with connect(url) as client:
        bus = Bus(client, Keys(prefix), worker, int(lease_ms))
        LineWorker(bus, CountingEmbedder(float(pause_s)), no_view, CountingLine).run(stop)


if __name__ == "__main__":
    main()
