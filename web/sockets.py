"""uvicorn's ``websockets`` protocol with a limit on how long a client may leave its socket full.

``send`` waits while more than the transport's high-water mark is unsent. A client that never reads again
would keep that memory and its place for as long as the kernel believes in it; here it is cut after
``write_stall_s``. No close frame can reach such a client: the connection is aborted and counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


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
