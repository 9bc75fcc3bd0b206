"""What the web edge is told at start, checked before anything listens."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from recognizer.errors import UsageError
from recognizer.wire import DEFAULT_PREFIX, EVENT_RETENTION_ENTRIES

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
MIN_TOKEN_CHARS = 16


@dataclass(frozen=True, slots=True)
class Settings:
    """How to serve.

    Attributes
    ----------
    redis_url : str
        ``redis://…``, ``rediss://…`` or ``unix:///path``.
    token : str or None
        Opens everything; required unless bound to loopback.
    kiosk_tokens : mapping of str to str
        Feed id → token that opens this feed alone, read-only.
    allow_origins : tuple of str
        Origins (``https://host``) beside the page's own that may open the live channel.
    stale_after_s : float
        Age of a heartbeat from which a feed counts as stale.
    max_clients : int
        Live connections served at once; more are turned away.
    max_lag_events : int
        Events a live client may fall behind before it is dropped.
    replay_events : int
        Events kept in memory for ``since``.
    auth_timeout_s : float
        Time a client has to send its token.
    write_stall_s : float
        Time a client may leave its socket full before it is cut.
    """

    redis_url: str
    host: str = "127.0.0.1"
    port: int = 8321
    token: str | None = None
    kiosk_tokens: Mapping[str, str] = field(default_factory=dict)
    allow_origins: tuple[str, ...] = ()
    prefix: str = DEFAULT_PREFIX
    stale_after_s: float = 10.0
    max_clients: int = 1000
    max_lag_events: int = 2000
    replay_events: int = EVENT_RETENTION_ENTRIES
    auth_timeout_s: float = 5.0
    write_stall_s: float = 10.0

    def check(self) -> None:
        """Refuse settings that would be unsafe or could not work.

        Raises
        ------
        UsageError
            With one sentence that says what to change.
        """
        if urlsplit(self.redis_url).scheme not in {"redis", "rediss", "unix"}:
            raise UsageError(f"the Redis URL {self.redis_url!r} is not redis://, rediss:// or unix:///path; use one")
        if self.token is None and not is_loopback(self.host):
            raise UsageError(
                f"bound to {self.host}, which others can reach, but no token is set; "
                "set RECOGNIZER_WEB_TOKEN (or --token-file), or bind to 127.0.0.1"
            )
        if self.token is None and self.kiosk_tokens:
            raise UsageError("kiosk tokens do nothing without a main token; set RECOGNIZER_WEB_TOKEN as well")
        for token in (self.token, *self.kiosk_tokens.values()):
            if token is not None and len(token) < MIN_TOKEN_CHARS:
                raise UsageError(
                    f"a token of {len(token)} characters can be guessed; use at least {MIN_TOKEN_CHARS}, "
                    "for example the output of: openssl rand -hex 24"
                )
        for origin in self.allow_origins:
            parts = urlsplit(origin)
            if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path or parts.query:
                raise UsageError(f"the origin {origin!r} is not like https://host or http://host:port; write it so")

    @property
    def open_hosts(self) -> frozenset[str]:
        """Host names a request may carry when there is no token (a guard against DNS rebinding)."""
        hosts = {urlsplit(origin).hostname or "" for origin in self.allow_origins}
        return frozenset({*LOOPBACK_NAMES, *hosts} - {""})


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
