"""Who is working, and which feeds this worker should hold: leases spread evenly over the live workers."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from worker.bus import Bus

FRESH_MS = 10_000
FORGET_MS = 60_000


@dataclass(frozen=True, slots=True)
class Wish:
    """What a worker should change: feeds to try for, at most ``room`` of them, and how many to give back."""

    candidates: list[str]
    room: int
    surplus: int


def share(feeds: Iterable[str], held: Iterable[str], workers: int, max_feeds: int) -> Wish:
    """An even share of ``feeds`` for one of ``workers``.

    Candidates are in random order, so that workers do not race for the same feed.
    """
    wanted, mine = set(feeds), set(held)
    fair = min(max_feeds, math.ceil(len(wanted | mine) / max(1, workers)))
    free = sorted(wanted - mine)
    random.shuffle(free)
    return Wish(free, max(0, fair - len(mine)), max(0, len(mine) - fair))


class Roster:
    """The ``workers`` hash and the ``feeds`` hash, seen by one worker."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def beat(self, fields: dict[str, Any]) -> None:
        """Tell the others, and the dashboard, that this worker lives."""
        entry = {**fields, "at_ms": time.time_ns() // 1_000_000}
        self._bus.client.hset(self._bus.keys.workers, self._bus.worker, json.dumps(entry))

    def leave(self) -> None:
        """Strike this worker off."""
        self._bus.client.hdel(self._bus.keys.workers, self._bus.worker)

    def look(self) -> tuple[int, set[str]]:
        """Number of live workers (this one included), and the feeds that somebody should work on.

        Feeds that a dead worker held count even when they were removed meanwhile: they have to be ended.
        """
        keys, client = self._bus.keys, self._bus.client
        feeds = {name.decode() for name in cast("list[bytes]", client.hkeys(keys.feeds))}
        entries = cast("dict[bytes, bytes]", client.hgetall(keys.workers))
        now_ms, live = time.time_ns() // 1_000_000, 0
        for worker, raw in entries.items():
            entry = json.loads(raw)
            age_ms = now_ms - int(entry["at_ms"])
            if age_ms < FRESH_MS:
                live += 1
                continue
            left = {name for name in entry["feeds"] if client.exists(keys.feed(name, "state"))}
            feeds |= left
            if age_ms > FORGET_MS and not left:
                client.hdel(keys.workers, worker)
        return max(1, live), feeds
