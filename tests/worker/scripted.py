"""HTTP servers that behave as a test says, byte by byte, and a source and clock that a test winds by hand."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from worker.sources import SourceStream

RATE_HZ = 16_000


class ScriptedServer:
    """Serves each connection with ``script(path, connection)``; remembers the requests.

    Attributes
    ----------
    requests : list of (path, headers)
    """

    def __init__(self, script: Callable[[str, socket.socket], None], family: int = socket.AF_INET) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self._script = script
        self._socket = socket.socket(family)
        self._socket.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self._socket.listen(16)
        self.port = self._socket.getsockname()[1]
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            data = b""
            while b"\r\n\r\n" not in data:
                part = connection.recv(4096)
                if not part:
                    return
                data += part
            lines = data.decode("latin-1").split("\r\n")
            path = lines[0].split(" ")[1]
            headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
            self.requests.append((path, headers))
            self._script(path, connection)

    def close(self) -> None:
        self._stop.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in [self._acceptor, *self._threads]:
            thread.join(5)
        for connection in self._open:
            connection.close()


@contextlib.contextmanager
def serve(script: Callable[[str, socket.socket], None], family: int = socket.AF_INET) -> Iterator[ScriptedServer]:
    """A running `ScriptedServer`."""
    server = ScriptedServer(script, family)
    try:
        yield server
    finally:
        server.close()


def answer(status: str = "200 OK", headers: str = "", body: bytes = b"") -> bytes:
    """A whole HTTP/1.0 answer."""
    return f"HTTP/1.0 {status}\r\n{headers}\r\n".encode("latin-1") + body


class Clock:
    """Time that passes only when somebody sleeps or a test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.sleeps: list[float] = []

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now_s += seconds


# What a scripted connection does next: deliver samples, let time pass, lose samples, or raise.
Move = np.ndarray[Any, Any] | float | int | Exception


class ScriptedSource:
    """An opener for `worker.capture.capture`: each connection plays one list of moves.

    An array is delivered at once, a float lets that many seconds pass, an int loses that many samples before the next
    array, an exception is raised. After the last connection opening fails with ``StopTest``.
    """

    def __init__(self, clock: Clock, connections: Sequence[Sequence[Move]], *, live: bool = True) -> None:
        self._clock = clock
        self._connections = list(connections)
        self._live = live

    @contextlib.contextmanager
    def __call__(self, spec: str, *, rate_hz: int, options: Any) -> Iterator[SourceStream]:
        if not self._connections:
            raise StopTest
        moves = self._connections.pop(0)
        if moves and isinstance(moves[0], Exception):
            raise moves[0]
        stream = SourceStream(iter(()), live=self._live)

        def blocks() -> Iterator[np.ndarray[Any, Any]]:
            for move in moves:
                if isinstance(move, np.ndarray):
                    yield move
                elif isinstance(move, float):
                    self._clock.now_s += move
                elif isinstance(move, int):
                    stream.add_lost(move)
                else:
                    raise move

        stream._blocks = blocks()
        yield stream


class StopTest(Exception):
    """The script is over."""


def counting(seconds: float, start_s: float = 0.0) -> np.ndarray[Any, Any]:
    """Samples that say where they are from: sample ``n`` has the value ``n // 16 % 30000`` (1 ms resolution)."""
    first = round(start_s * RATE_HZ)
    return ((np.arange(first, first + round(seconds * RATE_HZ)) // 16) % 30_000).astype(np.int16)
