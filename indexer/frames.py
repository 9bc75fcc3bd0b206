"""Messages between the indexer and its children: a JSON header and raw bytes, never pickles.

::

    magic "RCF1" | header bytes u32 | payload bytes u64 | header (JSON) | payload

A child that a hostile file has taken over can send what it likes; sizes and types are checked here, the meaning by
the receiver.
"""

from __future__ import annotations

import json
import os
import select
import struct
import time
from typing import Any

_HEAD = struct.Struct("<4sIQ")
_MAGIC = b"RCF1"
MAX_HEADER_BYTES = 1024 * 1024
MAX_PAYLOAD_BYTES = 1024 * 1024 * 1024


class BadFrame(Exception):
    """What arrived is no message."""


def pack(header: dict[str, Any], payload: bytes = b"") -> bytes:
    """The bytes of a message."""
    text = json.dumps(header).encode("ascii")
    return _HEAD.pack(_MAGIC, len(text), len(payload)) + text + payload


class FrameReader:
    """Reads messages from a file descriptor, with deadlines."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = bytearray()

    def read(self, timeout_s: float | None) -> tuple[dict[str, Any], bytes]:
        """The next message.

        Raises
        ------
        TimeoutError
            When it has not arrived within ``timeout_s``.
        EOFError
            When the other side is gone.
        BadFrame
            When it is malformed.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._fill(_HEAD.size, deadline)
        magic, header_bytes, payload_bytes = _HEAD.unpack_from(self._buffer)
        if magic != _MAGIC or header_bytes > MAX_HEADER_BYTES or payload_bytes > MAX_PAYLOAD_BYTES:
            raise BadFrame("a message with an impossible head")
        end = _HEAD.size + header_bytes + payload_bytes
        self._fill(end, deadline)
        try:
            header = json.loads(bytes(self._buffer[_HEAD.size : _HEAD.size + header_bytes]))
        except (ValueError, RecursionError) as error:
            raise BadFrame("a message whose header is not JSON") from error
        if not isinstance(header, dict):
            raise BadFrame("a message whose header is no object")
        payload = bytes(self._buffer[_HEAD.size + header_bytes : end])
        del self._buffer[:end]
        return header, payload

    def _fill(self, size: int, deadline: float | None) -> None:
        while len(self._buffer) < size:
            if deadline is not None:
                ready, _, _ = select.select([self._descriptor], [], [], max(0.0, deadline - time.monotonic()))
                if not ready:
                    raise TimeoutError
            data = os.read(self._descriptor, 1 << 20)
            if not data:
                raise EOFError
            self._buffer += data
