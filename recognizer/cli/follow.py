"""Follows the live channel of the web part, as any client would."""

from __future__ import annotations

import json
import queue
import threading
from types import TracebackType
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from recognizer.events import Event

RETRY_S = 0.5


class Follower:
    """A context manager that receives events in a thread, across reconnections.

    Parameters
    ----------
    url : str
        Of the dashboard, ``http://HOST:PORT/``.
    """

    def __init__(self, url: str) -> None:
        self._url = url.replace("http", "ws", 1) + "api/v1/events"
        self._queue: queue.Queue[Event] = queue.Queue()
        self._stop = threading.Event()
        self._seq = 0
        self._thread = threading.Thread(target=self._run, name="follow events", daemon=True)

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def take(self, timeout_s: float) -> list[Event]:
        """Events that have arrived; waits up to ``timeout_s`` for the first."""
        events: list[Event] = []
        try:
            events.append(self._queue.get(timeout=timeout_s))
            while True:
                events.append(self._queue.get_nowait())
        except queue.Empty:
            return events

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                # From the beginning, or from where the last connection broke off.
                with connect(f"{self._url}?since={self._seq}", proxy=None) as channel:
                    self._receive(channel)
            except (OSError, TimeoutError, WebSocketException):
                self._stop.wait(RETRY_S)

    def _receive(self, channel: Any) -> None:
        while not self._stop.is_set():
            try:
                message = json.loads(channel.recv(timeout=0.5))
            except TimeoutError:
                continue
            if message.get("type") == "resync_required":
                channel.send(json.dumps({"type": "subscribe", "streams": None, "since": None}))
            elif "specversion" in message:
                self._seq = message["data"]["seq"]
                self._queue.put(message)
