"""Accepts live connections, runs their reader and writer, and counts how they end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from web import parse, tasks
from web.access import Access
from web.history import Snapshots
from web.hub import Hub
from web.live import (
    BAD_MESSAGES,
    FORBIDDEN,
    TOO_MANY,
    TOO_SLOW,
    UNAUTHORIZED,
    Client,
    Closed,
    Subscription,
    authenticate,
    hello,
    read_subscription,
)
from web.settings import Settings

CLOSE_TIMEOUT_S = 2.0
DROP_REASONS = {
    BAD_MESSAGES: "bad_messages",
    UNAUTHORIZED: "unauthorized",
    FORBIDDEN: "forbidden",
    TOO_SLOW: "too_slow",
    TOO_MANY: "too_many",
}


class LiveRoute:
    """The endpoint and its counts."""

    def __init__(self, settings: Settings, hub: Hub, access: Access, snapshots: Snapshots) -> None:
        self.settings = settings
        self.hub = hub
        self.access = access
        self.snapshots = snapshots
        self.connected = 0
        self.dropped: Counter[str] = Counter()

    async def serve(self, socket: WebSocket) -> None:
        """One connection from handshake to close."""
        headers = socket.headers
        if not self.access.origin_allowed(headers.get("origin"), headers.get("host")):
            self.dropped["origin"] += 1
            await socket.close(FORBIDDEN)  # before accepting: the handshake is answered with 403
            return
        await socket.accept()
        self.connected += 1
        try:
            await self._talk(socket)
        except Closed as closed:
            self.dropped[DROP_REASONS.get(closed.code, "other")] += 1
            with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await socket.close(closed.code, closed.reason)
        except WebSocketDisconnect:
            pass
        finally:
            self.connected -= 1

    async def _talk(self, socket: WebSocket) -> None:
        if self.connected > self.settings.max_clients:
            raise Closed(TOO_MANY, "this server has all the viewers it can serve; try again later")
        await socket.send_text(parse.dumps(hello(self.hub, self.access)))
        viewer = await authenticate(socket, self.access, self.settings.auth_timeout_s)
        client = Client(socket, self.hub, self.snapshots, self.settings, viewer)
        client.requested = _from_address(socket)
        self.hub.watch(client.wake)
        try:
            await _first_to_end(client.read(), client.write())
        finally:
            self.hub.unwatch(client.wake)


def _from_address(socket: WebSocket) -> Subscription:
    query = socket.query_params
    streams = query.get("streams")
    try:
        since = int(query["since"]) if "since" in query else None
        return read_subscription(
            {
                "streams": None if streams is None else [name for name in streams.split(",") if name],
                "since": since,
                "since_id": query.get("since_id"),
            }
        )
    except ValueError as error:
        raise Closed(BAD_MESSAGES, "since or streams in the address is not understood") from error


async def _first_to_end(*parts: Coroutine[None, None, None]) -> None:
    """Run coroutines until one ends, cancel the rest, and raise what the first one raised."""
    running = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await tasks.end(running)
