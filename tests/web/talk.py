"""A websocket client for tests that keeps what it was told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

PATIENCE_S = 20.0  # for what a busy machine does later than an idle one


class Talk:
    """One live connection; ``messages`` holds everything received."""

    def __init__(self, url: str, **options: Any) -> None:
        self._exit = ExitStack()
        self.socket: ClientConnection = self._exit.enter_context(connect(url, max_size=None, **options))
        self.messages: list[dict[str, Any]] = []

    def __enter__(self) -> Talk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """Close the connection."""
        self._exit.close()

    def say(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def next(self, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.socket.recv(timeout=timeout_s))
        self.messages.append(message)
        return message

    def until(self, wanted: str | Callable[[dict[str, Any]], bool], timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """Receive until a message of this type, or one that fits, arrives."""
        fits = (lambda m: m.get("type") == wanted) if isinstance(wanted, str) else wanted
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            message = self.next(max(0.05, deadline - time.monotonic()))
            if fits(message):
                return message
        raise AssertionError(f"{wanted} did not arrive; got {[m.get('type') for m in self.messages]}")

    def events(self, count: int) -> list[dict[str, Any]]:
        """The next ``count`` events, other messages left aside."""
        found: list[dict[str, Any]] = []
        deadline = time.monotonic() + 2 * PATIENCE_S
        while len(found) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} events arrived"
            message = self.next()
            if "specversion" in message:
                found.append(message)
        return found

    def quiet(self, seconds: float = 1.5) -> list[dict[str, Any]]:
        """Events that arrive within this time (none, one hopes)."""
        found, deadline = [], time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                message = self.next(left)
            except TimeoutError:
                break
            if "specversion" in message:
                found.append(message)
        return found

    def closed(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait for the close and return its code."""
        deadline = time.monotonic() + timeout_s
        try:
            while True:
                self.next(max(0.05, deadline - time.monotonic()))
        except ConnectionClosed as error:
            return error.rcvd.code if error.rcvd else 1006


def seqs(events: list[dict[str, Any]]) -> list[int]:
    return [event["data"]["seq"] for event in events]
