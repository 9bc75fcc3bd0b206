"""Follows the global event stream and wakes the clients; survives Redis going away and coming back.

::

    Redis events ──tail──▶ Ring ◀── position of client 1
    Redis status ──poll──▶ Picture  ◀── version seen by client 1 …

No event is queued per client. When Redis comes back with an older history (a failover, or a server without
persistence), the sequence numbers would no longer mean what clients believe: the hub then starts a new
``era`` and every client is told ``resync_required``.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable

from recognizer.events import STATE_CHANGED
from web import parse, tasks
from web.picture import Picture
from web.ring import Entry, Ring
from web.settings import Settings
from web.store import REDIS_ERRORS, RawEvent, Store
from web.streams import Json

log = logging.getLogger("web.hub")

POLL_S = 1.0
BLOCK_MS = 1000
PAGE = 1000
RETRY_MAX_S = 5.0
STATES_PER_FEED = 200


def wall_ms() -> int:
    """UTC milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Hub:
    """One per process. `start` and `stop` belong to the server's lifespan."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.store = store
        self.ring = Ring(settings.replay_events)
        self.picture = Picture(stale_after_ms=round(settings.stale_after_s * 1000))
        self.ready = False
        self.era = 0
        self.started_ms = wall_ms()
        self.events_by_type: Counter[str] = Counter()
        self.malformed_events = 0
        self.states: dict[str, deque[Json]] = {}
        self._last_id = b"0"
        self._catalogue_stamp: tuple[object, ...] | None = None
        self._redis_up: bool | None = None
        self._wakers: set[asyncio.Event] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin following."""
        for loop in (self._tail, self._poll):
            self._tasks.append(asyncio.create_task(self._forever(loop), name=f"hub{loop.__name__}"))

    async def stop(self) -> None:
        """Stop following and close the connections."""
        await tasks.end(self._tasks)
        await self.store.close()

    def watch(self, waker: asyncio.Event) -> None:
        """Set ``waker`` whenever there is something new."""
        self._wakers.add(waker)

    def unwatch(self, waker: asyncio.Event) -> None:
        """Stop waking."""
        self._wakers.discard(waker)

    def wake(self) -> None:
        """Let every client look."""
        for waker in self._wakers:
            waker.set()

    async def _forever(self, step: Callable[[], Awaitable[None]]) -> None:
        """Run ``step`` again and again; an absent Redis is waited for with growing, jittered pauses."""
        pause_s = 0.2
        while True:
            try:
                await step()
            except REDIS_ERRORS as error:
                self._redis_failed(error)
            except Exception:
                # One unforeseen value must not end the following for everybody.
                log.exception("unexpected error in %s; going on", step.__name__)
            else:
                pause_s = 0.2
                continue
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(RETRY_MAX_S, pause_s * 2)

    def _redis_failed(self, error: Exception) -> None:
        if self._redis_up is not False:
            log.warning("Redis does not answer (%s); serving what is known and trying again", error)
        self._redis_up = False
        self.picture.redis_error = str(error) or type(error).__name__
        self.picture.age(wall_ms())
        self.wake()

    async def _poll(self) -> None:
        """Once a second: feeds, workers, catalogue, and whether the history is still the one we know."""
        started = time.monotonic()
        known = self.ring.last_seq
        pulse = await self.store.pulse()
        if self._redis_up is False:
            log.warning("Redis answers again")
        self._redis_up = True
        if self.ready and pulse.seq < known:
            self._new_era("the event history went back")
        if pulse.catalogue_stamp != self._catalogue_stamp:
            self.picture.catalogue = await self.store.manifest()
            self._catalogue_stamp = pulse.catalogue_stamp
        self.picture.refresh(pulse, wall_ms())
        self.wake()
        await asyncio.sleep(max(0.05, POLL_S - (time.monotonic() - started)))

    async def _tail(self) -> None:
        if not self.ready:
            await self._load()
        for raw in await self.store.events_after(self._last_id, BLOCK_MS, PAGE):
            if not self.ready:
                return
            self._take(raw, live=True)
        self.wake()

    async def _load(self) -> None:
        """Fill the ring with what Redis retains, newest pages first so that only what fits is read."""
        last_seq = (await self.store.pulse()).seq  # before the events: one added meanwhile lies above it
        pages: list[list[RawEvent]] = []
        count, before = 0, b"+"
        while count < self.ring.capacity:
            page = await self.store.events_before(before, min(PAGE, self.ring.capacity - count))
            if not page:
                break
            pages.append(page)
            count, before = count + len(page), page[-1].entry_id
        events = [raw for page in reversed(pages) for raw in reversed(page)]
        first = next((raw.seq for raw in events if raw.seq is not None), None)
        self.ring.reset(last_seq if first is None else first - 1)
        self._last_id = b"0"
        for raw in events:
            self._take(raw, live=False)
        self.ready = True
        log.info("following events from %d (%d kept for replay)", self.ring.last_seq, len(self.ring))
        self.wake()

    def _take(self, raw: RawEvent, *, live: bool) -> None:
        self._last_id = raw.entry_id
        if raw.seq is None or raw.event is None:
            self.malformed_events += 1
            return
        if raw.seq <= self.ring.last_seq:
            if live:
                self._new_era(f"event {raw.seq} follows {self.ring.last_seq}")
            return
        raw.event["data"]["seq"] = raw.seq
        kind = raw.event["type"]
        self.ring.append(Entry(raw.seq, raw.feed, str(raw.event.get("id")), parse.dumps(raw.event)))
        if kind == STATE_CHANGED:
            self.states.setdefault(raw.feed, deque(maxlen=STATES_PER_FEED)).append(raw.event)
        if live:
            self.events_by_type[kind] += 1

    def _new_era(self, why: str) -> None:
        """The history is another one: forget ours, read the new one, have every client start over."""
        log.warning("starting over: %s", why)
        self.era += 1
        self.ready = False
        self.states.clear()
        self.ring.reset(0)
