"""Who may see what: tokens compared in constant time, guesses slowed down, origins and hosts checked."""

from __future__ import annotations

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from web.settings import Settings

FAILURES_ALLOWED = 10
FAILURES_WINDOW_S = 60.0
ADDRESSES_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who may read; ``feeds`` is ``None`` for all feeds."""

    feeds: frozenset[str] | None

    def may_see(self, feed: str) -> bool:
        """Whether this feed is open to the viewer."""
        return self.feeds is None or feed in self.feeds

    def narrowed(self, wanted: frozenset[str] | None) -> frozenset[str] | None:
        """The feeds wanted, without those that are not open."""
        if self.feeds is None or wanted is None:
            return self.feeds if wanted is None else wanted
        return self.feeds & wanted


class Failures:
    """Counts failed attempts per address within a sliding window, for a bounded number of addresses."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: OrderedDict[str, list[float]] = OrderedDict()

    def add(self, address: str) -> None:
        """Note a failed attempt."""
        recent = self._recent(address)
        self._times[address] = [*recent[-FAILURES_ALLOWED:], self._clock()]
        self._times.move_to_end(address)
        while len(self._times) > ADDRESSES_REMEMBERED:
            self._times.popitem(last=False)

    def wait_s(self, address: str) -> float:
        """Seconds until this address may try again; 0 when it may now."""
        recent = self._recent(address)
        if len(recent) < FAILURES_ALLOWED:
            return 0.0
        return max(0.0, recent[-FAILURES_ALLOWED] + FAILURES_WINDOW_S - self._clock())

    def _recent(self, address: str) -> list[float]:
        oldest = self._clock() - FAILURES_WINDOW_S
        return [at for at in self._times.get(address, []) if at > oldest]


class Access:
    """Decides from the settings; holds the counts of failed attempts."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.failures = Failures(clock)
        self._origins = frozenset(settings.allow_origins)

    @property
    def token_needed(self) -> bool:
        """Whether anybody must show a token."""
        return self.settings.token is not None

    def viewer(self, token: str | None) -> Viewer | None:
        """Who holds this token, or ``None``. Every known token is compared, whatever matches."""
        if not self.token_needed:
            return Viewer(None)
        shown = (token or "").encode("utf-8", "replace")
        known = [(None, self.settings.token or ""), *self.settings.kiosk_tokens.items()]
        found: Viewer | None = None
        for feed, secret in known:
            if hmac.compare_digest(shown, secret.encode()) and found is None:
                found = Viewer(None if feed is None else frozenset({feed}))
        return found

    def origin_allowed(self, origin: str | None, host: str | None) -> bool:
        """Whether a live connection may come from this page; programs send no origin."""
        if origin is None or origin in self._origins:
            return True
        parts = urlsplit(origin)
        return parts.scheme in {"http", "https"} and bool(host) and parts.netloc.lower() == (host or "").lower()

    def host_allowed(self, host: str | None) -> bool:
        """Whether the ``Host`` header is ours: without a token, only loopback names and allowed origins.

        A hostile page may let its own name point at 127.0.0.1; its requests then carry that name.
        """
        if self.token_needed:
            return True
        try:
            name = urlsplit(f"//{host or ''}").hostname
        except ValueError:
            return False
        return name in self.settings.open_hosts
