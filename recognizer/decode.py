"""Any audio file or byte stream to mono int16 at the model's rate.

::

    bytes ─▶ demux ─▶ decode ─▶ mean of the channels ─▶ soxr, stateful ─▶ int16 blocks

The bytes are hostile. FFmpeg only ever sees a file object that this module hands it: it opens no path, no URL
and no playlist by itself, and only the containers of ``FORMATS`` and the decoders of ``CODECS`` are tried.
Decoders can still crash or hang on crafted input, so callers that cannot afford that run this in a child
process with limits.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import av
import av.error
import numpy as np
import numpy.typing as npt

from recognizer import ogg
from recognizer.errors import DecodeError
from recognizer.held import Held
from recognizer.resample import Resampler
from recognizer.timeline import Pcm16

# FFmpeg demuxers that read one file and nothing else (no hls, dash, concat, image2, sdp …).
FORMATS = (
    "wav,w64,aiff,au,caf,flac,mp3,aac,ogg,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,asf,ape,wv,tta,mpc,mpc8,ac3,eac3,mpegts"
)
CODECS = (
    "mp3float,mp3,mp2float,mp2,aac,aac_latm,flac,alac,vorbis,libvorbis,opus,libopus,speex,libspeex,ac3,eac3,dca,"
    "wmav1,wmav2,wmapro,wmalossless,ape,wavpack,tta,mpc7,mpc8,adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,gsm_ms,"
    "pcm_u8,pcm_s8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,"
    "pcm_f64be,pcm_alaw,pcm_mulaw,pcm_bluray,pcm_s16le_planar,pcm_s24le_planar,pcm_s32le_planar"
)
READABLE = "WAV, AIFF, FLAC, MP3, AAC/M4A, Ogg (Vorbis, Opus, FLAC), Matroska/WebM or MP4"
MAX_FILE_SECONDS = 6 * 3600.0
MAX_DAMAGED_PACKETS = 500  # in a row; about 13 s of MP3
MAX_DAMAGED_LINKS = 20  # in a row, of a chained Ogg stream
_BUFFER_BYTES = 32_768
# A live body is probed only as far as needed to say what it is: the audio behind it arrives in real time.
_LIVE_PROBE = {"probesize": "65536", "analyzeduration": "1000000"}

_DTYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "flt": "f4", "dbl": "f8"}
_MAX_PLANES = 8

Floats = npt.NDArray[np.float32]


def decode(source: Path | BinaryIO, rate_hz: int, *, max_seconds: float | None = None) -> Iterator[Pcm16]:
    """Decode audio, block by block as it arrives.

    Damaged packets are skipped; a change of rate or channels in mid-stream is followed.

    Parameters
    ----------
    source : Path or binary file object
        A regular file, or an object with ``read`` (``read1`` is preferred; ``seek`` is not needed). Its own
        exceptions pass through unchanged.
    rate_hz : int
        Sample rate of the result.
    max_seconds : float, optional
        Most audio to accept; longer input ends in an error after that much. When omitted it is six
        hours for a path and unlimited for a file object; ``math.inf`` lifts it.

    Yields
    ------
    int16 array, shape (samples,)
        Mono audio, never empty. Blocks are of any length; their concatenation does not depend on how the
        bytes came.

    Raises
    ------
    DecodeError
        When the source cannot be opened, is in no known format, holds no decodable audio or is too long.
    """
    if isinstance(source, Path):
        limit_s = MAX_FILE_SECONDS if max_seconds is None else max_seconds
        with _open_regular(source) as file:
            yield from _limited(_decode(_Reader(file), source.name, {}, rate_hz), source.name, rate_hz, limit_s)
        return
    seekable = getattr(source, "seekable", None)
    live = seekable is None or not seekable()
    name = "the stream" if live else "the file"
    limit_s = math.inf if max_seconds is None else max_seconds
    blocks = _decode(_Reader(source), name, _LIVE_PROBE if live else {}, rate_hz)
    yield from _limited(blocks, name, rate_hz, limit_s)


def _open_regular(path: Path) -> BinaryIO:
    """Open a regular file, never a pipe or a device that could block."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DecodeError(f"{path} cannot be opened: {reason}; check the path and its permissions") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
        os.close(descriptor)
        kind = "empty" if stat.S_ISREG(status.st_mode) else "not a regular file"
        raise DecodeError(f"{path} is {kind}; expected an audio file ({READABLE})")
    return os.fdopen(descriptor, "rb")


class _Reader:
    """What FFmpeg may do with a source: read, and seek when that is possible.

    It never returns more bytes than were asked for (the caller copies them into a buffer of that size) and
    prefers ``read1``, which returns what has arrived instead of waiting for a full buffer.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._read = getattr(source, "read1", None) or source.read
        self._rest = b""
        self.held = Held()  # FFmpeg runs only while signals are
        seekable = getattr(source, "seekable", None)
        if seekable is not None and seekable():
            self._source = source
            self.seek, self.tell = self._seek, source.tell

    def read(self, size: int) -> bytes:
        data = self._rest or bytes(self.held.wait(self._read, size) or b"")
        self._rest = data[size:]
        return data[:size]

    def starts_with(self, magic: bytes) -> bool:
        """Whether the first bytes are ``magic``; they stay to be read."""
        while len(self._rest) < len(magic) and (more := bytes(self._read(_BUFFER_BYTES) or b"")):
            self._rest += more
        return self._rest.startswith(magic)

    def _seek(self, offset: int, whence: int) -> int:
        self._rest = b""
        return self._source.seek(offset, whence)


def _refuse_nested(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    raise DecodeError("the audio refers to another file or address, which is not followed; give the audio itself")


def _decode(reader: _Reader, name: str, probe: dict[str, str], rate_hz: int) -> Iterator[Pcm16]:
    if not reader.starts_with(ogg.CAPTURE):
        yield from _decode_container(reader, reader.held, name, probe, rate_hz)
        return
    found = failed = 0
    for link in ogg.links(reader.read):
        try:
            for block in _decode_container(link, reader.held, name, _LIVE_PROBE, rate_hz):
                found, failed = found + 1, 0
                yield block
        except DecodeError:  # a link may hold a title only
            failed += 1
            if failed > MAX_DAMAGED_LINKS:
                raise
    if not found:
        raise _nothing_in(name)


def _decode_container(
    file: _Reader | ogg.OggLink, held: Held, name: str, probe: dict[str, str], rate_hz: int
) -> Iterator[Pcm16]:
    options = {
        "format_whitelist": FORMATS,
        "codec_whitelist": CODECS,
        "protocol_whitelist": "none",
        **probe,
    }
    try:
        with held:
            container = av.open(
                file, mode="r", container_options=options, buffer_size=_BUFFER_BYTES, io_open=_refuse_nested,
                metadata_errors="replace",
            )  # fmt: skip
    except av.error.FFmpegError as error:
        raise DecodeError(f"{name} is not audio in a known format ({error.strerror}); expected {READABLE}") from error
    with closing(container):
        stream = next((s for s in container.streams.audio if _is_known(s)), None)
        if stream is None:
            raise DecodeError(f"{name} holds no audio track that can be decoded; expected {READABLE}")
        resampler = Resampler(rate_hz)
        found = False
        for frame in _frames(container, stream, held, name):
            block = resampler.push(_mono(frame), frame.sample_rate)
            if len(block):
                found = True
                yield block
        tail = resampler.flush()
        if len(tail):
            yield tail
        elif not found:
            raise _nothing_in(name)


def _is_known(stream: Any) -> bool:
    return stream.codec_context is not None and stream.codec_context.codec.name in CODECS.split(",")


def _nothing_in(name: str) -> DecodeError:
    return DecodeError(f"{name} holds no decodable audio; the file may be damaged, or only be named like audio")


def _frames(container: Any, stream: Any, held: Held, name: str) -> Iterator[Any]:
    """Decoded frames of one stream; damaged packets are skipped up to a limit."""
    stream.codec_context.thread_count = 1
    damaged = 0
    last: Exception | None = None
    while damaged <= MAX_DAMAGED_PACKETS:
        try:
            packets = container.demux(stream)
            while True:
                with held:
                    packet = next(packets, None)
                if packet is None:
                    return
                try:
                    frames = packet.decode()
                except (
                    av.error.InvalidDataError,
                    av.error.PatchWelcomeError,
                    av.error.UndefinedError,
                ) as error:
                    damaged, last = damaged + 1, error
                    if damaged > MAX_DAMAGED_PACKETS:
                        break
                    continue
                for frame in frames:
                    if not _is_readable(frame):
                        damaged += 1
                    elif frame.samples:
                        damaged = 0
                        yield frame
        except av.error.EOFError:  # the decoder was already drained
            return
        except av.error.FFmpegError as error:  # the demuxer lost its place: go on behind the damage
            damaged, last = damaged + 1, error
    raise DecodeError(f"{name} is damaged: {MAX_DAMAGED_PACKETS} packets in a row could not be decoded") from last


def _is_readable(frame: Any) -> bool:
    """Whether a frame's samples can be taken; a damaged header may promise dozens of channels."""
    planes = frame.layout.nb_channels if frame.format.is_planar else 1
    return _kind(frame) in _DTYPES and 1 <= planes <= _MAX_PLANES


def _kind(frame: Any) -> str:
    return str(frame.format.name).removesuffix("p")


def _mono(frame: Any) -> Floats:
    """The mean of a frame's channels as float32 in [-1, 1], shape (samples,)."""
    channels = frame.layout.nb_channels
    planar = frame.format.is_planar
    # Not frame.to_ndarray(): with eight channels it takes what lies behind the last plane for a ninth, and crashes.
    planes = frame.planes[: channels if planar else 1]
    per_plane = frame.samples if planar else frame.samples * channels
    data = np.stack([np.frombuffer(plane, _DTYPES[_kind(frame)], count=per_plane) for plane in planes])
    if not planar:
        data = data.reshape(frame.samples, channels).T
    if data.dtype == np.uint8:
        data = (data.astype(np.float32) - 128.0) / 128.0
    elif data.dtype.kind == "i":
        data = data.astype(np.float32) / np.float32(-float(np.iinfo(data.dtype).min))
    mono: Floats = data.mean(axis=0, dtype=np.float32) if channels > 1 else data[0].astype(np.float32)
    return mono


def _limited(blocks: Iterator[Pcm16], name: str, rate_hz: int, limit_s: float) -> Iterator[Pcm16]:
    """Pass blocks on until they exceed a duration."""
    samples = 0
    for block in blocks:
        samples += len(block)
        if samples > limit_s * rate_hz:
            raise DecodeError(f"{name} is longer than {limit_s:g} s, the most that is read; cut it into parts")
        yield block
