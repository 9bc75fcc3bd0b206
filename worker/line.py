"""The loop of a worker: read all its feeds, embed their steps in one batch, commit each feed."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import redis

from recognizer.catalogue import CatalogueView
from recognizer.step import StepInput, StepOutput
from recognizer.timeline import SourceEnd
from worker.bus import Bus, LeaseLost
from worker.leased import LeasedFeed, LineFactory
from worker.roster import Roster, share

log = logging.getLogger(__name__)

READ_ENTRIES = 16
BLOCK_MS = 500
KEEP_S = 2.0  # between heartbeats, lease renewals and looks at the roster; less when leases are short
REMOVED_IDLE_S = 10.0
REFUSED_S = 60.0
RETRY_CAP_S = 5.0
REMOVED_PARTS = ("audio", "state", "status", "capture", "clock", "config", "open")


class Runs(Protocol):
    """What a worker needs of `recognizer.embedder.Embedder`."""

    def run(self, steps: Sequence[StepInput]) -> list[StepOutput]:
        """Embed steps."""


class LineWorker:
    """Holds leases and works on them until stopped.

    Parameters
    ----------
    bus : Bus
    embedder : Embedder
    view : callable
        Returns the catalogue to search in now.
    make_line : callable
        Makes a feed's line from its clock and saved state.
    max_feeds : int
        Most feeds to hold.
    about : callable, optional
        More fields for the heartbeat.
    """

    def __init__(
        self,
        bus: Bus,
        embedder: Runs,
        view: Callable[[], CatalogueView],
        make_line: LineFactory,
        *,
        max_feeds: int = 64,
        about: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self._bus, self._embedder, self._view, self._make_line = bus, embedder, view, make_line
        self._max_feeds, self._about = max_feeds, about
        self._roster = Roster(bus)
        self._held: dict[str, LeasedFeed] = {}
        self._refused: dict[str, float] = {}  # feed → when it may be tried again
        self._keep_s = min(KEEP_S, bus.lease_ttl_ms / 4000)
        self._kept_s = self._renewed_s = float("-inf")
        self._unsure = False  # whether the lines in memory may differ from what Redis holds
        self._embed_ms = 0.0
        self._steps = 0

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set, then commit and give everything back."""
        failures = 0
        while not stop.is_set():
            try:
                self.turn(stop)
                failures = 0
            except redis.RedisError as error:
                failures += 1
                wait_s = min(RETRY_CAP_S, 0.1 * 2.0 ** min(failures, 10))
                log.warning("Redis is away (%s); next try in %.1f s", error, wait_s)
                stop.wait(wait_s)
                self._unsure = True
        self._drain()

    def turn(self, stop: threading.Event) -> None:
        """One round; returns after at most about ``BLOCK_MS`` of waiting."""
        if self._unsure:
            self._resume()
        if time.monotonic() - self._kept_s > self._keep_s:
            self._keep()
            self._kept_s = time.monotonic()
        if not self._held:
            stop.wait(BLOCK_MS / 1000)
            return
        read = self._bus.read({feed: held.cursor for feed, held in self._held.items()}, READ_ENTRIES, BLOCK_MS)
        for feed, entries in read.items():
            held = self._held[feed]
            self._guard(held, lambda held=held, entries=entries: held.take(entries, READ_ENTRIES))  # type: ignore[misc]
        for feed in self._held.keys() - read.keys():
            self._held[feed].caught_up = True
        self._embed([self._held[feed] for feed in read])
        for feed in read:
            if feed in self._held:
                self._guard(self._held[feed], self._held[feed].commit)

    def _guard(self, held: LeasedFeed, action: Callable[[], Any]) -> Any:
        """Do something for one feed so that its failure stays its own."""
        try:
            return action()
        except LeaseLost as error:
            log.warning("%s; dropping it", error, extra={"feed": held.feed})
            self._held.pop(held.feed, None)
        except redis.RedisError:
            raise
        except Exception:
            try:
                held.recover()
            except LeaseLost:
                self._held.pop(held.feed, None)
        return None

    def _embed(self, busy: list[LeasedFeed]) -> None:
        """Embed and accept until no line has a step left."""
        view = self._view()
        while busy:
            steps = [(held, self._guard(held, held.next_step)) for held in busy]
            waiting = [(held, step) for held, step in steps if step is not None and held.feed in self._held]
            busy = []
            outputs = self._run(waiting)
            self._renew()  # catching up may take longer than a lease
            for held, output in outputs:
                cursor = held.cursor
                self._guard(held, lambda held=held, output=output: held.accept(output, view))  # type: ignore[misc]
                if held.cursor == cursor:  # not sent back to its last commit
                    busy.append(held)

    def _run(self, waiting: list[tuple[LeasedFeed, StepInput]]) -> list[tuple[LeasedFeed, StepOutput]]:
        """One batched call; when it fails, one call a feed to find whose step it was."""
        if not waiting:
            return []
        began_s = time.perf_counter()
        try:
            outputs = self._embedder.run([step for _, step in waiting])
        except Exception:
            log.exception("a batch of %d steps failed; trying one by one", len(waiting))
            single = [
                (held, self._guard(held, lambda step=step: self._embedder.run([step])))  # type: ignore[misc]
                for held, step in waiting
            ]
            return [(held, found[0]) for held, found in single if found is not None]
        self._embed_ms = (time.perf_counter() - began_s) * 1000 / len(waiting)
        self._steps += len(waiting)
        return [(held, output) for (held, _), output in zip(waiting, outputs, strict=True)]

    def _keep(self) -> None:
        """Beat, renew, and move towards a fair share of the feeds."""
        self._roster.beat(self._picture())
        self._renew(now=True)
        workers, feeds = self._roster.look()
        self._retire(feeds)
        wish = share(feeds, self._held, workers, self._max_feeds)
        for feed in list(self._held)[: wish.surplus]:
            self._give_back(self._held[feed])
        room = wish.room
        for feed in wish.candidates:
            if room and self._take(feed):
                room -= 1

    def _renew(self, *, now: bool = False) -> None:
        """Renew all leases when it is time."""
        if not now and time.monotonic() - self._renewed_s < self._keep_s:
            return
        self._renewed_s = time.monotonic()
        for held in list(self._held.values()):
            if not self._bus.renew(held.lease, held.status()):
                log.warning("lease lost", extra={"feed": held.feed})
                del self._held[held.feed]

    def _picture(self) -> dict[str, Any]:
        own = {"pid": os.getpid(), "feeds": sorted(self._held), "max_feeds": self._max_feeds}
        return {**own, "embed_ms": round(self._embed_ms, 2), "steps": self._steps, **self._about()}

    def _retire(self, feeds: set[str]) -> None:
        """Give back what has ended; end what was removed, once nothing more comes of it."""
        for held in list(self._held.values()):
            if held.line.ended and held.caught_up:
                self._give_back(held)
            if held.feed in feeds or not held.caught_up:
                continue
            if held.line.ended or time.monotonic() - held.last_read_s > REMOVED_IDLE_S:
                self._end_removed(held)

    def _end_removed(self, held: LeasedFeed) -> None:
        if not held.line.ended:
            held.line.push(SourceEnd(0, "feed removed"))
            self._embed([held])
            self._guard(held, lambda: held.commit(force=True))
        if self._held.pop(held.feed, None) is not None:
            self._bus.release(held.lease)
        self._bus.client.delete(*(self._bus.keys.feed(held.feed, part) for part in REMOVED_PARTS))
        log.info("removed", extra={"feed": held.feed})

    def _take(self, feed: str) -> bool:
        """Try to lease a feed that has something to do."""
        clock = self._bus.clock(feed)
        if clock is None or self._refused.get(feed, 0.0) > time.monotonic():
            return False
        state = self._bus.load(feed)
        if state.ended and not self._bus.read({feed: state.cursor}, 1, 1):
            return False
        lease = self._bus.acquire(feed)
        if lease is None:
            return False
        try:
            self._held[feed] = LeasedFeed(self._bus, lease, clock, self._make_line)
        except redis.RedisError:
            raise
        except Exception:
            log.exception("the feed cannot be worked on; next try in %.0f s", REFUSED_S, extra={"feed": feed})
            self._refused[feed] = time.monotonic() + REFUSED_S
            self._bus.release(lease)
            return False
        log.info("leased (token %d)", lease.token, extra={"feed": feed})
        return True

    def _give_back(self, held: LeasedFeed) -> None:
        self._guard(held, lambda: held.commit(force=True))
        if self._held.pop(held.feed, None) is not None:
            self._bus.release(held.lease)
            log.info("given back", extra={"feed": held.feed})

    def _resume(self) -> None:
        """After Redis was away nobody knows what was committed: go on from what Redis says."""
        for held in list(self._held.values()):
            if self._bus.renew(held.lease):
                held.reload()
            else:
                del self._held[held.feed]
        self._unsure = False

    def _drain(self) -> None:
        try:
            for held in list(self._held.values()):
                self._give_back(held)
            self._roster.leave()
        except redis.RedisError as error:
            log.warning("could not give the leases back (%s); they run out by themselves", error)
