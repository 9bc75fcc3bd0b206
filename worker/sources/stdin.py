"""Audio on standard input: raw s16le PCM when its rate is given, else a container that is recognised by its magic."""

from __future__ import annotations

import contextlib
import io
import struct
import sys
from collections.abc import Iterator
from typing import BinaryIO, cast

from recognizer.decode import decode
from recognizer.errors import SourceError
from worker.sources import SourceOptions, SourceStream

SNIFF_BYTES = 12
MAGIC = (b"RIFF", b"RF64", b"fLaC", b"OggS", b"ID3", b"FORM", b"\x1aE\xdf\xa3", b"caff", b".snd", b"ADIF")


def is_container(head: bytes) -> bool:
    """Whether ``head`` starts an audio container or an MP3/ADTS frame (sync word of 11 set bits)."""
    framed = len(head) > 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x18 != 0x08
    return head.startswith(MAGIC) or head[4:8] == b"ftyp" or framed


def wav_header(rate_hz: int, channels: int) -> bytes:
    """A WAV header of unknown length, so that raw PCM takes the same way through the decoder as everything else."""
    size = 0xFFFFFFFF
    form = struct.pack("<HHIIHH", 1, channels, rate_hz, rate_hz * channels * 2, channels * 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", size)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + form
        + b"data"
        + struct.pack("<I", size)
    )


class Prefixed(io.RawIOBase):
    """Bytes already seen (or made up), then the rest of a stream, as it comes."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes as soon as there are any; empty at the end."""
        if self._head:
            part, self._head = (self._head[:size], self._head[size:]) if size >= 0 else (self._head, b"")
            return part
        read_some = getattr(self._rest, "read1", self._rest.read)
        return cast(bytes, read_some(size))


@contextlib.contextmanager
def open_stream(spec: str, rate_hz: int, options: SourceOptions) -> Iterator[SourceStream]:
    """Read standard input to its end."""
    stdin = sys.stdin.buffer
    if options.pcm_rate_hz is not None:
        head = wav_header(options.pcm_rate_hz, options.pcm_channels)
    else:
        head = stdin.read(SNIFF_BYTES)
        if not is_container(head):
            seen = "nothing" if not head else f"bytes starting {head[:4].hex(' ')}"
            raise SourceError(
                f"standard input holds {seen}, expected WAV, FLAC, MP3, Ogg or another container; "
                "for raw s16le PCM give its sample rate (--raw-rate HZ)",
                state="invalid_source",
                retryable=False,
            )
    yield SourceStream(decode(cast(BinaryIO, Prefixed(head, stdin)), rate_hz), live=False)
