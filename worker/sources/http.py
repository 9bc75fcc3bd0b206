"""Audio over HTTP(S): Icecast, SHOUTcast and plain files.

The fetching is ours (`worker.net`), so the decoder sees bytes and never opens the network.
"""

from __future__ import annotations

import contextlib
import http.client
import io
from collections.abc import Generator, Iterator
from typing import BinaryIO, cast

from recognizer.decode import decode
from recognizer.errors import DecodeError, SourceError
from recognizer.timeline import Pcm16
from worker.net.fetch import Fetched, fetch, invalid, parse, without_credentials
from worker.sources import SourceOptions, SourceStream

SILENT_BYTES = 4 << 20  # what may be read without a single block of audio coming out


class Body(io.RawIOBase):
    """A response body as it arrives, ICY metadata removed, bounded while no audio comes of it."""

    def __init__(self, fetched: Fetched) -> None:
        super().__init__()
        self._response = fetched.response
        self._metaint = fetched.metaint
        self._until_metadata = fetched.metaint
        self._without_audio = 0
        self.error: SourceError | None = None

    def readable(self) -> bool:
        """Always."""
        return True

    def audio_seen(self) -> None:
        """Tell that a block of audio was decoded."""
        self._without_audio = 0

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes as soon as there are any; empty at the end and after a failure (see ``error``)."""
        try:
            return b"" if self.error is not None else self._read_some(size)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.error = SourceError(f"the connection broke ({str(error) or type(error).__name__})")
        except SourceError as error:
            self.error = error
        return b""

    def _read_some(self, size: int) -> bytes:
        if self._without_audio > SILENT_BYTES:
            raise invalid(f"{SILENT_BYTES} bytes held no audio", retryable=True)
        if self._metaint and not self._until_metadata:
            self._skip_metadata()
        limit = self._until_metadata if self._metaint else 65_536
        data = self._response.read1(limit if size < 0 else min(size, limit))
        self._until_metadata -= len(data) if self._metaint else 0
        self._without_audio += len(data)
        return data

    def _skip_metadata(self) -> None:
        length = self._response.read(1)
        if length:
            self._response.read(16 * length[0])
        self._until_metadata = self._metaint


def _blocks(body: Body, rate_hz: int, shown: str) -> Generator[Pcm16, None, None]:
    heard = False
    try:
        for block in decode(cast(BinaryIO, body), rate_hz):
            heard = True
            body.audio_seen()
            yield block
    except DecodeError as error:
        if body.error is not None:  # the network failed; the decoder only noticed
            raise body.error from error
        if heard:
            raise SourceError(f"{shown} turned into something that does not decode: {error}") from error
        raise invalid(f"{shown} is not audio that can be decoded: {error}", retryable=True) from error
    if body.error is not None:
        raise body.error


@contextlib.contextmanager
def open_stream(spec: str, rate_hz: int, options: SourceOptions) -> Iterator[SourceStream]:
    """Connect and decode; a body of known length is a file, anything else is live."""
    fetched = fetch(spec, options)
    blocks = _blocks(Body(fetched), rate_hz, without_credentials(parse(spec)))
    try:
        yield SourceStream(blocks, live=not fetched.finite)
    finally:
        blocks.close()
        fetched.response.close()
        fetched.connection.close()
