"""A microphone through PyAudio (extra ``[mic]``), chosen by a part of its name.

The device is looked up by *name* at each connection, since its number changes when something is plugged in or out.
PortAudio calls back from its own thread into a bounded queue; overflows, PortAudio's or ours, become lost samples.
"""

from __future__ import annotations

import contextlib
import os
import queue
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import soxr

from recognizer.errors import SourceError
from recognizer.timeline import Pcm16
from worker.sources import SourceOptions, SourceStream

BLOCK_S = 0.1
QUEUE_BLOCKS = 100  # 10 s: a reader slower than that is losing audio anyway


@dataclass(frozen=True, slots=True)
class Device:
    """An input device."""

    index: int
    name: str
    channels: int
    rate_hz: int
    default: bool


def _pyaudio() -> Any:
    try:
        import pyaudio
    except ImportError as error:
        raise SourceError(
            "PyAudio is not installed, expected for microphones; install the extra with "
            "pip install 'live-cover-recognizer[mic]' (it needs PortAudio: apt install portaudio19-dev)",
            state="invalid_source",
            retryable=False,
        ) from error
    return pyaudio


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Send file descriptor 2 away while ALSA and JACK report every driver that is not there."""
    saved = os.dup(2)
    away = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(away, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(away)


@contextlib.contextmanager
def _session() -> Iterator[Any]:
    """A PortAudio session; opening one anew lists the devices anew."""
    module = _pyaudio()
    with _quiet():
        session = module.PyAudio()
    try:
        yield session
    finally:
        with _quiet():
            session.terminate()


def _devices(session: Any) -> list[Device]:
    try:
        default = session.get_default_input_device_info()["index"]
    except OSError:
        default = None
    infos = [session.get_device_info_by_index(index) for index in range(session.get_device_count())]
    return [
        Device(
            i["index"],
            i["name"],
            int(i["maxInputChannels"]),
            int(i["defaultSampleRate"]),
            i["index"] == default,
        )
        for i in infos
        if i["maxInputChannels"] > 0
    ]


def list_devices() -> list[dict[str, Any]]:
    """The input devices there are now, with the fields of `Device`.

    Raises
    ------
    SourceError
        When PyAudio is not installed.
    """
    with _session() as session:
        return [asdict(device) for device in _devices(session)]


def choose(devices: list[Device], name: str) -> Device:
    """The device called ``name``, else the first whose name contains it (any case); the default for no name.

    Raises
    ------
    SourceError
        When no device fits; retryable, because it may be plugged in later.
    """
    wanted = name.casefold()
    fits = [d for d in devices if (d.name.casefold() == wanted if wanted else d.default)]
    fits += [d for d in devices if wanted in d.name.casefold()]
    if fits:
        return fits[0]
    known = ", ".join(repr(d.name) for d in devices) or "none"
    missing = f"no microphone named {name!r}" if name else "no default microphone"
    raise SourceError(f"{missing}; the input devices are: {known}", state="reconnecting")


class Recorder:
    """PortAudio's callback on one side, an iterator of blocks on the other."""

    def __init__(self, rate_hz: int, device_rate_hz: int, timeout_s: float, overflow_flag: int) -> None:
        self._queue: queue.Queue[tuple[bytes, int]] = queue.Queue(QUEUE_BLOCKS)
        self._rate_hz = rate_hz
        self._device_rate_hz = device_rate_hz
        self._timeout_s = timeout_s
        self._overflow_flag = overflow_flag
        self._received = 0
        self._earliest_s = float("inf")
        self._dropped = 0
        self.stream: SourceStream | None = None
        self._resampler = None
        if rate_hz != device_rate_hz:
            self._resampler = soxr.ResampleStream(device_rate_hz, rate_hz, 1, dtype="int16")

    def callback(self, data: bytes, frames: int, times: Any, flags: int) -> None:
        """Take one block from PortAudio; never blocks."""
        begin_s = time.monotonic() - (self._received + frames) / self._device_rate_hz
        if flags & self._overflow_flag and self._received:
            # The flag does not say how much is missing; the clock does: blocks come later than their count says.
            missing = max(0, round((begin_s - self._earliest_s) * self._device_rate_hz))
            self._dropped += missing
            self._received += missing
        else:
            self._earliest_s = min(self._earliest_s, begin_s)
        self._received += frames
        try:
            self._queue.put_nowait((data, self._dropped))
            self._dropped = 0
        except queue.Full:
            self._dropped += frames

    def blocks(self) -> Iterator[Pcm16]:
        """Blocks at the rate asked for; a device that delivers nothing is an outage."""
        while True:
            try:
                data, lost = self._queue.get(timeout=self._timeout_s)
            except queue.Empty:
                raise SourceError(
                    f"the microphone delivered nothing for {self._timeout_s:g} s; is it still plugged in?",
                    state="stalled",
                ) from None
            if lost and self.stream is not None:
                self.stream.add_lost(round(lost * self._rate_hz / self._device_rate_hz))
            pcm = np.frombuffer(data, dtype="<i2").astype(np.int16)
            yield pcm if self._resampler is None else self._resampler.resample_chunk(pcm)


@contextlib.contextmanager
def open_stream(spec: str, rate_hz: int, options: SourceOptions) -> Iterator[SourceStream]:
    """Record from ``mic`` (the default device) or ``mic:NAME``."""
    module = _pyaudio()
    with _session() as session:
        device = choose(_devices(session), spec.partition(":")[2])
        native = _native_rate(session, module, device, rate_hz)
        recorder = Recorder(rate_hz, native, options.read_timeout_s, module.paInputOverflow)

        def callback(data: bytes, frames: int, times: Any, flags: int) -> tuple[None, int]:
            recorder.callback(data, frames, times, flags)
            return None, module.paContinue

        try:
            with _quiet():
                opened = session.open(
                    native, 1, module.paInt16, input=True, input_device_index=device.index,
                    frames_per_buffer=round(native * BLOCK_S), stream_callback=callback,
                )  # fmt: skip
        except OSError as error:
            raise SourceError(
                f"microphone {device.name!r} does not open ({error}); is another program using it?"
            ) from error
        try:
            stream = SourceStream(recorder.blocks(), live=True)
            recorder.stream = stream
            yield stream
        finally:
            opened.close()


def _native_rate(session: Any, module: Any, device: Device, rate_hz: int) -> int:
    """The model's rate when the device records at it, else the device's own."""
    try:
        with _quiet():
            session.is_format_supported(
                rate_hz, input_device=device.index, input_channels=1, input_format=module.paInt16
            )
    except ValueError:
        return device.rate_hz
    return rate_hz
