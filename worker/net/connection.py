"""One HTTP exchange over a socket that is connected to a checked address, within deadlines and size limits."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from typing import Any

from recognizer.errors import SourceError
from worker.net.addresses import Endpoint

HEADER_LIMIT_BYTES = 65_536
HEADER_DEADLINE_S = 15.0
# A body slower than this is a stall: the leanest speech codecs need about 700 bytes a second.
MIN_BODY_BYTES_PER_S = 64


class PacedSocketIO(io.RawIOBase):
    """The reading side of a socket that gives up on peers that send nothing, or next to nothing.

    While the headers are read there is one deadline and one size limit for all of them, since a server that sends a
    byte now and then passes every timeout of single reads. After `start_body` each span of ``timeout_s`` must bring
    ``MIN_BODY_BYTES_PER_S``; time in which nobody reads does not count.
    """

    def __init__(self, sock: socket.socket, timeout_s: float, keeper: io.IOBase) -> None:
        super().__init__()
        self._keeper = keeper
        self._sock = sock
        self._timeout_s = timeout_s
        self._deadline_s = time.monotonic() + HEADER_DEADLINE_S
        self._header_bytes = 0
        self._in_body = False
        self._span_bytes = 0
        self._span_s = 0.0

    def readable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Let go of the socket."""
        self._keeper.close()
        super().close()

    def start_body(self) -> None:
        """Headers are over: from here on the rate is watched."""
        self._in_body = True

    def readinto(self, buffer: Any) -> int:
        """Read what has arrived, at most ``len(buffer)`` bytes."""
        left_s = self._timeout_s if self._in_body else min(self._timeout_s, self._deadline_s - time.monotonic())
        self._sock.settimeout(max(left_s, 0.001))
        began_s = time.monotonic()
        try:
            count = self._sock.recv_into(buffer)
        except TimeoutError as error:
            raise SourceError(
                f"nothing was received for {left_s:.0f} s; waiting to connect again", state="stalled"
            ) from error
        self._watch(count, time.monotonic() - began_s)
        return count

    def _watch(self, count: int, waited_s: float) -> None:
        if not self._in_body:
            self._header_bytes += count
            if self._header_bytes > HEADER_LIMIT_BYTES + io.DEFAULT_BUFFER_SIZE:
                raise _too_large()
            return
        self._span_bytes += count
        self._span_s += waited_s
        if self._span_s >= self._timeout_s:
            if count and self._span_bytes < MIN_BODY_BYTES_PER_S * self._span_s:
                raise SourceError(
                    f"only {self._span_bytes} bytes were received in {self._span_s:.0f} s, expected audio; "
                    "waiting to connect again",
                    state="stalled",
                )
            self._span_bytes, self._span_s = 0, 0.0


def _too_large() -> SourceError:
    return SourceError(f"the server's headers exceed {HEADER_LIMIT_BYTES} bytes", state="invalid_source")


class _HeaderReader(io.BufferedReader):
    """Also reads the status line ``ICY 200 OK`` of old SHOUTcast servers as HTTP."""

    def __init__(self, raw: PacedSocketIO) -> None:
        super().__init__(raw)
        self.paced = raw
        self._first = True
        self._left = HEADER_LIMIT_BYTES

    def readline(self, size: int | None = -1) -> bytes:
        line = super().readline(size)
        if not self.paced._in_body:
            self._left -= len(line)
            if self._left < 0:
                raise _too_large()
        if self._first and line.startswith(b"ICY "):
            line = b"HTTP/1.0 " + line[4:]
        self._first = False
        return line


class _Response(http.client.HTTPResponse):
    """A response that reads through `PacedSocketIO`."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        # The reader made by the standard library stays, unread: it keeps the socket open until the response closes.
        self.fp = _HeaderReader(PacedSocketIO(sock, sock.gettimeout(), keeper=self.fp))

    def begin(self) -> None:
        reader: Any = self.fp
        super().begin()
        reader.paced.start_body()


class Connection(http.client.HTTPConnection):
    """An HTTP(S) connection to checked endpoints, tried in order."""

    response_class = _Response

    def __init__(
        self,
        host: str,
        port: int,
        endpoints: list[Endpoint],
        tls: bool,
        connect_timeout_s: float,
        read_timeout_s: float,
    ) -> None:
        super().__init__(host, port)
        self._endpoints = endpoints
        self._tls = tls
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s

    def connect(self) -> None:
        """Connect to the first endpoint that answers; the name is not looked up again."""
        failure: OSError | None = None
        for endpoint in self._endpoints:
            sock = socket.socket(endpoint.family, socket.SOCK_STREAM)
            try:
                sock.settimeout(self._connect_timeout_s)
                sock.connect(endpoint.sockaddr)
                if self._tls:
                    sock = ssl.create_default_context().wrap_socket(sock, server_hostname=self.host)
                sock.settimeout(self._read_timeout_s)
            except OSError as error:
                sock.close()
                failure = error
                continue
            self.sock = sock
            return
        assert failure is not None
        raise failure
