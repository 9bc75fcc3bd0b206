"""The newest events in order, kept once for all clients: each client is only a position in it.

A client that falls behind costs no memory; one that asks for ``since`` is served without touching Redis.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from operator import attrgetter

MAX_RING_BYTES = 64 * 1024 * 1024
_SEQ = attrgetter("seq")


@dataclass(frozen=True, slots=True)
class Entry:
    """One event, rendered for sending."""

    seq: int
    feed: str
    event_id: str
    text: str


class Ring:
    """Events with rising sequence numbers, bounded in number and bytes.

    Parameters
    ----------
    capacity : int
        Events kept; older ones are forgotten.
    max_bytes : int
        Rendered characters kept.
    """

    def __init__(self, capacity: int, max_bytes: int = MAX_RING_BYTES) -> None:
        self.capacity = capacity
        self.max_bytes = max_bytes
        self._entries: list[Entry] = []
        self._size = 0
        # Sequence number before the first one kept; what a client may still ask for.
        self.floor = 0

    @property
    def last_seq(self) -> int:
        """Newest sequence number, or the floor when empty."""
        return self._entries[-1].seq if self._entries else self.floor

    @property
    def oldest_seq(self) -> int | None:
        """Oldest sequence number kept, or ``None`` when empty."""
        return self._entries[0].seq if self._entries else None

    def __len__(self) -> int:
        return len(self._entries)

    def reset(self, floor: int) -> None:
        """Forget everything; the next event has a sequence number above ``floor``."""
        self._entries, self._size, self.floor = [], 0, floor

    def append(self, entry: Entry) -> None:
        """Add the next event.

        Raises
        ------
        ValueError
            When its sequence number does not rise.
        """
        if entry.seq <= self.last_seq:
            raise ValueError(f"event {entry.seq} follows {self.last_seq}, expected a higher number")
        self._entries.append(entry)
        self._size += len(entry.text)
        # Trimming in chunks keeps appending cheap.
        if len(self._entries) > self.capacity + self.capacity // 8 or self._size > self.max_bytes:
            self._trim()

    def _trim(self) -> None:
        drop = max(0, len(self._entries) - self.capacity)
        size = self._size - sum(len(entry.text) for entry in self._entries[:drop])
        while size > self.max_bytes * 7 // 8 and drop < len(self._entries) - 1:
            size -= len(self._entries[drop].text)
            drop += 1
        self.floor = self._entries[drop - 1].seq if drop else self.floor
        self._entries = self._entries[drop:]
        self._size = size

    def after(self, seq: int, limit: int) -> list[Entry]:
        """Up to ``limit`` events above ``seq``, oldest first."""
        start = bisect.bisect_right(self._entries, seq, key=_SEQ)
        return self._entries[start : start + limit]

    def behind(self, seq: int) -> int:
        """How many kept events lie above ``seq``."""
        return len(self._entries) - bisect.bisect_right(self._entries, seq, key=_SEQ)

    def covers(self, seq: int, event_id: str | None = None) -> bool:
        """Whether all after ``seq`` is here, and ``seq`` is the event the client thinks it is."""
        if not self.floor <= seq <= self.last_seq:
            return False
        if event_id is None or seq == self.floor:
            return True
        at = bisect.bisect_left(self._entries, seq, key=_SEQ)
        return at < len(self._entries) and self._entries[at].seq == seq and self._entries[at].event_id == event_id
