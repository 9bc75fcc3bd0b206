"""Where live audio comes from: one module a kind, named as the part of the spec before its first colon.

============================ ==================================================================
spec                         module
============================ ==================================================================
``http://…``, ``https://…``  `worker.sources.http`
``mic``, ``mic:NAME``        `worker.sources.mic`
``-``                        `worker.sources.stdin`
``file:PATH`` or a path      `worker.sources.file` (write ``./a:b.wav`` for a path with a colon)
============================ ==================================================================

A kind ``x`` is a file ``x.py`` here with one function::

    open_stream(target: str, rate_hz: int, options: SourceOptions) -> AbstractContextManager[SourceStream]

where ``target`` is the whole spec. Only the requested module is imported, so a missing PortAudio costs only ``mic``.
"""

from __future__ import annotations

import importlib
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recognizer.errors import SourceError
from recognizer.timeline import Pcm16

ALIASES = {"https": "http", "-": "stdin"}
Resolver = Callable[..., list[Any]]


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How a source may be opened.

    Attributes
    ----------
    allow_private : bool
        Whether private and loopback addresses may be connected to.
    realtime : bool
        Whether a finite source is paced as if it were live.
    live : bool or None
        Whether an end of data is an outage (True) or the end (False); None leaves it to the source.
    pcm_rate_hz, pcm_channels : int
        Layout of raw s16le PCM on stdin; ``pcm_rate_hz`` None means a container is expected.
    connect_timeout_s, read_timeout_s : float
        How long a connection, and the wait for the next data, may take.
    resolve : callable
        Address lookup with the signature of `socket.getaddrinfo`.
    """

    allow_private: bool = False
    realtime: bool = False
    live: bool | None = None
    pcm_rate_hz: int | None = None
    pcm_channels: int = 1
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 10.0
    resolve: Resolver = socket.getaddrinfo


class SourceStream:
    """An open source: an iterator of int16 mono blocks, shape (samples,), at the rate asked for.

    Attributes
    ----------
    live : bool
        True when the end of the iterator is an outage rather than the end of the source, and when the source sets
        the pace.
    """

    def __init__(self, blocks: Iterator[Pcm16], *, live: bool) -> None:
        self._blocks = blocks
        self.live = live
        self._lost_samples = 0

    def __iter__(self) -> SourceStream:
        return self

    def __next__(self) -> Pcm16:
        return next(self._blocks)

    def add_lost(self, samples: int) -> None:
        """Note that ``samples`` were lost just before the block that comes next (an overflow)."""
        self._lost_samples += samples

    def take_lost(self) -> int:
        """Samples lost just before the block returned last; zero when asked again."""
        lost, self._lost_samples = self._lost_samples, 0
        return lost


def kinds() -> list[str]:
    """The kinds there are: the modules in this folder."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))


def kind_of(spec: str) -> str:
    """The kind of a spec; a spec without a kind is a path.

    Raises
    ------
    SourceError
        When the spec names a kind that does not exist.
    """
    if spec in ALIASES:
        return ALIASES[spec]
    named = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", spec)
    if named is None:
        return spec if spec == "mic" else "file"
    kind = ALIASES.get(named[1].lower(), named[1].lower())
    if kind not in kinds():
        raise SourceError(
            f"source {spec[:80]!r} is of the kind {kind!r}, expected one of {', '.join(kinds())} or https; "
            "for a file name with a colon write ./NAME",
            state="invalid_source",
            retryable=False,
        )
    return kind


def open_source(
    spec: str, *, rate_hz: int, options: SourceOptions | None = None
) -> AbstractContextManager[SourceStream]:
    """Open a source; entering the context connects.

    Raises
    ------
    SourceError
        When the source cannot be opened, or (while iterating) when it fails. `DecodeError` passes through.
    """
    module = importlib.import_module(f"worker.sources.{kind_of(spec)}")
    opened: AbstractContextManager[SourceStream] = module.open_stream(spec, rate_hz, options or SourceOptions())
    return opened
