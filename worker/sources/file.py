"""A local audio file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from recognizer.decode import decode
from recognizer.errors import SourceError
from worker.sources import SourceOptions, SourceStream


def path_of(spec: str) -> Path:
    """The path in ``PATH``, ``file:PATH`` or ``file:///PATH``."""
    if not spec.lower().startswith("file:"):
        return Path(spec).expanduser()
    rest = spec[len("file:") :]
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host not in ("", "localhost"):
            raise SourceError(
                f"{spec!r} names the host {host!r}, expected a local file; write file:///PATH",
                state="invalid_source",
                retryable=False,
            )
        return Path(unquote(slash + path))
    return Path(rest).expanduser()


@contextlib.contextmanager
def open_stream(spec: str, rate_hz: int, options: SourceOptions) -> Iterator[SourceStream]:
    """Decode the file from its start; pacing (``realtime``) is the business of `worker.capture`."""
    path = path_of(spec)
    if not path.is_file():
        seen = "not a file" if path.exists() else "not there"
        raise SourceError(
            f"{str(path)!r} is {seen}, expected an audio file; check the path",
            state="invalid_source",
            retryable=False,
        )
    yield SourceStream(decode(path, rate_hz), live=False)
