"""uvicorn's ``websockets`` protocol with a limit on how long a client may leave its socket full.

``send`` waits while more than the transport's high-water mark is unsent. A client that never reads again
would keep that memory and its place for as long as the kernel believes in it; here it is cut after
``write_stall_s``. No close frame can reach such a client: the connection is aborted and counted.

`ImpatientHttp` likewise does not wait for ever for a request that never becomes whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

HEAD_S = 10.0


def bounded_protocol(write_stall_s: float, on_cut: Callable[[], None]) -> type[asyncio.Protocol]:
    """A protocol class for ``uvicorn.Config(ws=…)``."""

    class BoundedWebSockets(WebSocketsSansIOProtocol):
        """Cuts clients that stop reading."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._stall_timer: asyncio.TimerHandle | None = None

        def pause_writing(self) -> None:
            super().pause_writing()
            if self._stall_timer is None:
                self._stall_timer = self.loop.call_later(write_stall_s, self._cut)

        def resume_writing(self) -> None:
            self._cancel_stall()
            super().resume_writing()

        def connection_lost(self, exc: Exception | None) -> None:
            self._cancel_stall()
            super().connection_lost(exc)

        def _cut(self) -> None:
            on_cut()
            self.transport.abort()

        def _cancel_stall(self) -> None:
            if self._stall_timer is not None:
                self._stall_timer.cancel()
                self._stall_timer = None

    return BoundedWebSockets


class ImpatientHttp(H11Protocol):
    """uvicorn's HTTP protocol that hangs up when a request's head does not arrive within ``HEAD_S``."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for the first request."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Take bytes; stop the clock once a request is whole."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._expect_head()
        else:
            self._head_arrived()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clock."""
        self._head_arrived()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_S, self._give_up)

    def _head_arrived(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        self.transport.abort()
