"""The live channel, ``/api/v1/events``: what is said in which order.

::

    server                                             client
    hello {protocol, server, auth, seq, oldest_seq}
                                       auth {token}    first, and only when hello.auth is true
                                       subscribe {streams: […]|null, since: n|null, since_id?}    any time
    subscribed {streams, since}
    snapshot {seq, now_ms, streams, detections, gaps, states, stats}      when since is null
    CloudEvents envelopes with data.seq > seq (or > since), in order, each once
    stream.status {now_ms, streams:[…], removed:[…]}   not events: no seq, newest only, at most one a second
    system.stats {now_ms, redis, catalogue, workers …} at least every two seconds; doubles as a heartbeat
    resync_required {reason, seq, oldest_seq}          no events until the client subscribes anew (since null)
    error {detail}                                     a message was not understood; the connection stays

A client that says nothing is subscribed to everything from now, with a snapshot; the same can be asked for in
the address (``?since=8841&streams=radio1,radio2``), which saves a reconnecting client the snapshot.
``since_id`` (the id of the event that had number ``since``) lets the server notice that the numbers belong to
another history. Detections in a snapshot are envelopes in their newest revision; applying an older revision
again is harmless when the client keeps the highest ``revision`` of each ``detection_id``.

Close codes: 4400 the messages make no sense, 4401 no or wrong token, 4403 not allowed, 4408 too slow, 4429
too many messages or connections, 1009 a message above 16 KiB, 1012 the server restarts.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from web import parse
from web.access import Access, Viewer
from web.history import Snapshots
from web.hub import Hub, wall_ms
from web.settings import Settings
from web.store import REDIS_ERRORS
from web.version import PROTOCOL, server_version

BAD_MESSAGES, UNAUTHORIZED, FORBIDDEN, TOO_SLOW, TOO_MANY = 4400, 4401, 4403, 4408, 4429
MAX_MESSAGE_BYTES = 16 * 1024
MESSAGES_ALLOWED, MESSAGES_WINDOW_S = 30, 10.0
ERRORS_ALLOWED = 5
BATCH = 200
STATS_EVERY_S = 2.0
STATUS_EVERY_S = 0.9
MAX_STREAMS_NAMED = 1000


class Closed(Exception):
    """End the connection with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a client asked for."""

    streams: frozenset[str] | None = None
    since: int | None = None
    since_id: str | None = None


def read_subscription(message: dict[str, Any]) -> Subscription:
    """Check a ``subscribe`` message.

    Raises
    ------
    ValueError
        With a sentence about the first thing that is wrong.
    """
    streams, since, since_id = message.get("streams"), message.get("since"), message.get("since_id")
    if streams is not None and not (
        isinstance(streams, list) and len(streams) <= MAX_STREAMS_NAMED and all(isinstance(s, str) for s in streams)
    ):
        raise ValueError("streams is not null or a list of feed ids")
    if since is not None and (isinstance(since, bool) or not isinstance(since, int) or since < 0):
        raise ValueError("since is not null or a sequence number")
    if since_id is not None and not isinstance(since_id, str):
        raise ValueError("since_id is not null or an event id")
    return Subscription(None if streams is None else frozenset(streams), since, since_id)


class Client:
    """One live connection: a reader that takes messages and a writer that alone sends."""

    def __init__(self, socket: WebSocket, hub: Hub, snapshots: Snapshots, settings: Settings, viewer: Viewer) -> None:
        self.socket = socket
        self.hub = hub
        self.snapshots = snapshots
        self.settings = settings
        self.viewer = viewer
        self.wake = asyncio.Event()
        self.wake.set()
        self.requested: Subscription | None = None
        self._notices: deque[str] = deque(maxlen=ERRORS_ALLOWED + 1)
        self._feeds: frozenset[str] | None = viewer.feeds
        self._cursor: int | None = None  # no events flow while None
        self._allowed_lag = settings.max_lag_events
        self._era = hub.era
        self._status_version = 0
        self._status_sent = 0.0
        self._stats_sent = 0.0
        self._stats_text = ""

    async def read(self) -> None:
        """Take messages until the client goes away or misbehaves."""
        times: deque[float] = deque(maxlen=MESSAGES_ALLOWED)
        errors = 0
        while True:
            text = await receive_text(self.socket)
            now = time.monotonic()
            if len(times) == MESSAGES_ALLOWED and now - times[0] < MESSAGES_WINDOW_S:
                raise Closed(TOO_MANY, "too many messages")
            times.append(now)
            message = parse.loads(text) or {}
            if message.get("type") == "auth":
                continue  # already in, or no token is needed
            try:
                if message.get("type") != "subscribe":
                    raise ValueError('the message has no known type, expected "subscribe" or "auth"')
                self.requested = read_subscription(message)
            except ValueError as error:
                errors += 1
                if errors > ERRORS_ALLOWED:
                    raise Closed(BAD_MESSAGES, "the messages make no sense") from error
                self._notices.append(parse.dumps({"type": "error", "detail": f"{error}."}))
            self.wake.set()

    async def write(self) -> None:
        """Send whatever this client has not seen yet, then wait for more."""
        while True:
            self.wake.clear()
            while self._notices:
                await self.socket.send_text(self._notices.popleft())
            await self._begin()
            more = await self._send_events()
            await self._send_status()
            if not more:
                await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(STATS_EVERY_S):
                await self.wake.wait()
        except TimeoutError:
            return

    async def _begin(self) -> None:
        """Act on a new subscription once the history is known."""
        if self._era != self.hub.era and self.hub.ready:
            self._era = self.hub.era
            if self._cursor is not None:
                await self._resync("history_replaced")
        wanted = self.requested
        if wanted is None or not self.hub.ready or self.hub.picture.refreshed_ms is None:
            return
        self.requested = None
        self._feeds = self.viewer.narrowed(wanted.streams)
        if wanted.streams is not None and self._feeds != wanted.streams:
            raise Closed(FORBIDDEN, "a stream that was asked for is not open to this token")
        shown = None if self._feeds is None else sorted(self._feeds)
        await self._send({"type": "subscribed", "streams": shown, "since": wanted.since})
        if wanted.since is None:
            await self._send_snapshot(wanted)
        elif self.hub.ring.covers(wanted.since, wanted.since_id):
            self._follow(wanted.since)
        else:
            await self._resync("out_of_range")

    async def _send_snapshot(self, wanted: Subscription) -> None:
        version = self.hub.picture.version
        try:
            snapshot = await self.snapshots.take(self._feeds, at_least=self._cursor or 0)
        except REDIS_ERRORS:
            self.requested = self.requested or wanted  # again when Redis is back
            await asyncio.sleep(1.0)
            return
        await self._send(snapshot.body)
        self._status_version = version
        self._follow(snapshot.seq)

    def _follow(self, seq: int) -> None:
        self._cursor = seq
        self._allowed_lag = self.settings.max_lag_events + self.hub.ring.behind(seq)

    async def _resync(self, reason: str) -> None:
        self._cursor = None
        ring = self.hub.ring
        await self._send(
            {"type": "resync_required", "reason": reason, "seq": ring.last_seq, "oldest_seq": ring.oldest_seq}
        )

    async def _send_events(self) -> bool:
        """Send the next batch; true when there is more at once."""
        if self._cursor is None or not self.hub.ready or self._era != self.hub.era:
            return False
        ring = self.hub.ring
        if self._cursor < ring.floor or ring.behind(self._cursor) > self._allowed_lag:
            raise Closed(TOO_SLOW, "fell too far behind")
        batch = ring.after(self._cursor, BATCH)
        for entry in batch:
            if self._feeds is None or entry.feed in self._feeds:
                await self.socket.send_text(entry.text)
            self._cursor = entry.seq
            if self.requested is not None:
                return True
        if ring.behind(self._cursor) == 0:
            self._allowed_lag = self.settings.max_lag_events
            return False
        return True

    async def _send_status(self) -> None:
        """Newest status of changed feeds, and figures for the header; conflated, so nothing piles up."""
        now, now_ms = time.monotonic(), wall_ms()
        if self._cursor is not None and now - self._status_sent >= STATUS_EVERY_S:
            texts, removed = self.hub.picture.changed_since(self._status_version, self._feeds)
            self._status_version = self.hub.picture.version
            if texts or removed:
                self._status_sent = now
                head = f'{{"type":"stream.status","now_ms":{now_ms},"removed":{parse.dumps(removed)}'
                await self.socket.send_text(f'{head},"streams":[{",".join(texts)}]}}')
        stats = self.hub.picture.stats(now_ms)
        text = parse.dumps(stats)
        if text != self._stats_text or now - self._stats_sent >= STATS_EVERY_S:
            self._stats_text, self._stats_sent = text, now
            await self._send({"type": "system.stats", "now_ms": now_ms, **stats})

    async def _send(self, message: dict[str, Any]) -> None:
        await self.socket.send_text(parse.dumps(message))


async def receive_text(socket: WebSocket) -> str:
    """The next text message.

    Raises
    ------
    Closed
        When the message is binary.
    WebSocketDisconnect
        When the client is gone.
    """
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006), message.get("reason"))
    text = message.get("text")
    if text is None:
        raise Closed(BAD_MESSAGES, "expected text messages")
    return str(text)


async def authenticate(socket: WebSocket, access: Access, timeout_s: float) -> Viewer:
    """Who is calling; when a token is needed it is the first message.

    Raises
    ------
    Closed
        4401 without a right token in time, 4429 after too many wrong ones.
    """
    if not access.token_needed:
        return Viewer(None)
    address = socket.client.host if socket.client else "?"
    try:
        async with asyncio.timeout(timeout_s):
            message = parse.loads(await receive_text(socket)) or {}
    except TimeoutError:
        raise Closed(UNAUTHORIZED, "no token came") from None
    if access.failures.wait_s(address) > 0:
        raise Closed(TOO_MANY, "too many wrong tokens; wait a minute")
    token = message.get("token") if message.get("type") == "auth" else None
    viewer = access.viewer(token) if isinstance(token, str) else None
    if viewer is None:
        access.failures.add(address)
        raise Closed(UNAUTHORIZED, "the token is missing or wrong")
    return viewer


def hello(hub: Hub, access: Access) -> dict[str, Any]:
    """The first message."""
    known = hub.ready and not access.token_needed
    return {
        "type": "hello",
        "protocol": PROTOCOL,
        "server": server_version(),
        "auth": access.token_needed,
        "now_ms": wall_ms(),
        "seq": hub.ring.last_seq if known else None,
        "oldest_seq": hub.ring.oldest_seq if known else None,
    }
