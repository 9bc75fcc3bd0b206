"""A small radio station: plays a WAV as MP3 over HTTP on this machine, in real time, to any number of listeners.

One thread encodes and paces; a thread per listener sends. A listener joins live and is handed the last seconds at
once, as Icecast does, so that its player starts quickly; one that falls behind by more than its queue is let go::

    WAV ─▶ MP3 frames ─▶ paced by a clock ─▶ recent frames ─▶ queue per listener ─▶ socket
"""

from __future__ import annotations

import queue
import threading
import time
import wave
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np

from recognizer.errors import UsageError

PATH = "/live.mp3"
BIT_RATE = 128_000
_BURST_S = 2.0
_QUEUE_FRAMES = 400  # about 15 s
_POLL_S = 0.5
_END = b""


class Broadcast:
    """A station on 127.0.0.1; use as a context manager.

    Parameters
    ----------
    wav : Path
        16-bit mono WAV at a rate MP3 knows (32, 44.1 or 48 kHz).
    once : bool
        End after one round; otherwise play round and round without a seam.
    wait_for_listener : bool
        Begin the programme when the first listener connects, so that it misses nothing.
    port : int
        0 takes any free port.
    name : str
        Sent as ``icy-name``.
    """

    def __init__(
        self, wav: Path, *, once: bool = False, wait_for_listener: bool = False, port: int = 0, name: str = "Demo"
    ) -> None:
        with wave.open(str(wav), "rb") as file:
            if file.getnchannels() != 1 or file.getsampwidth() != 2:
                raise UsageError(f"{wav} is not 16-bit mono; give a WAV such as the demo writes")
            self._rate_hz = file.getframerate()
        self._wav, self._once, self.name = wav, once, name
        self._lock = threading.Lock()
        self._listeners: set[queue.Queue[bytes]] = set()
        self._recent: deque[tuple[float, bytes]] = deque()  # (programme time, frame) of the last seconds
        self._begin, self._stop = threading.Event(), threading.Event()
        self.ended = threading.Event()
        if not wait_for_listener:
            self._begin.set()
        self._server = _Server(("127.0.0.1", port), self)
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=(0.1,), name="broadcast-http", daemon=True),
            threading.Thread(target=self._play, name="broadcast-play", daemon=True),
        ]

    @property
    def url(self) -> str:
        """Where to listen."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{PATH}"

    def __enter__(self) -> Broadcast:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Go off the air and let every listener go."""
        self._stop.set()
        self._begin.set()
        if self._threads[0].ident is not None:
            self._server.shutdown()
            for thread in self._threads:
                thread.join(timeout=5)
        self._server.server_close()

    def join(self) -> queue.Queue[bytes]:
        """A queue of MP3 frames for a new listener, already holding the burst; an empty frame is the end."""
        with self._lock:
            frames: queue.Queue[bytes] = queue.Queue(_QUEUE_FRAMES)
            for _, frame in self._recent:
                frames.put_nowait(frame)
            if self.ended.is_set():
                frames.put_nowait(_END)
            else:
                self._listeners.add(frames)
        self._begin.set()
        return frames

    def leave(self, frames: queue.Queue[bytes]) -> None:
        """Forget a listener."""
        with self._lock:
            self._listeners.discard(frames)

    def serves(self, frames: queue.Queue[bytes]) -> bool:
        """Whether a listener still gets frames; not once it fell too far behind."""
        with self._lock:
            return frames in self._listeners

    @property
    def stopping(self) -> bool:
        """Whether the station is closing."""
        return self._stop.is_set()

    def _play(self) -> None:
        self._begin.wait()
        try:
            self._keep_time()
        finally:
            with self._lock:
                self.ended.set()
                for frames in self._listeners:
                    _offer(frames, _END)
                self._listeners.clear()

    def _keep_time(self) -> None:
        """Send the programme: the first burst at once, then by the clock."""
        started = time.monotonic()
        at_s = 0.0
        for at_s, frame in self._encoded():
            ahead_s = at_s - _BURST_S - (time.monotonic() - started)
            if (ahead_s > 0 and self._stop.wait(ahead_s)) or self._stop.is_set():
                return
            self._send(at_s, frame)
        # What was sent ahead still has to be heard before the station falls silent.
        self._stop.wait(max(0.0, at_s - (time.monotonic() - started)))

    def _send(self, at_s: float, frame: bytes) -> None:
        with self._lock:
            self._recent.append((at_s, frame))
            while self._recent[0][0] < at_s - _BURST_S:
                self._recent.popleft()
            for frames in [frames for frames in self._listeners if not _offer(frames, frame)]:
                self._listeners.discard(frames)

    def _encoded(self) -> Iterator[tuple[float, bytes]]:
        """MP3 frames, each with the programme time at which it ends."""
        encoder: Any = av.CodecContext.create("libmp3lame", "w")
        encoder.sample_rate, encoder.layout, encoder.format = self._rate_hz, "mono", "s16p"
        encoder.bit_rate = BIT_RATE
        encoder.open()
        sent = 0
        size = int(encoder.frame_size)
        for position, pcm in self._blocks(size):
            frame = av.AudioFrame.from_ndarray(pcm[None, :], format="s16p", layout="mono")
            frame.sample_rate, frame.pts = self._rate_hz, position
            for packet in encoder.encode(frame):
                sent += size
                yield sent / self._rate_hz, bytes(packet)
        for packet in encoder.encode(None):
            sent += size
            yield sent / self._rate_hz, bytes(packet)

    def _blocks(self, size: int) -> Iterator[tuple[int, np.ndarray[Any, np.dtype[np.int16]]]]:
        """The programme in blocks of ``size`` samples, round and round unless ``once``; silence fills the last."""
        position, rest = 0, np.zeros(0, dtype=np.int16)
        while True:
            with wave.open(str(self._wav), "rb") as file:
                while data := file.readframes(size - len(rest)):
                    rest = np.concatenate([rest, np.frombuffer(data, dtype="<i2").astype(np.int16)])
                    if len(rest) == size:
                        yield position, rest
                        position, rest = position + size, rest[:0]
            if self._once:
                break
        if len(rest):
            yield position, np.pad(rest, (0, size - len(rest)))


def _offer(frames: queue.Queue[bytes], frame: bytes) -> bool:
    """Put a frame unless the listener is too far behind; says whether it was put."""
    try:
        frames.put_nowait(frame)
    except queue.Full:
        return False
    return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], station: Broadcast) -> None:
        self.station = station
        super().__init__(address, _Listener)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A listener that hangs up is no error; nothing to print."""


class _Listener(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.0"  # as Icecast: no length, the connection is the stream
    timeout = 15

    def do_GET(self) -> None:  # noqa: N802
        """Send the stream until it ends or the listener leaves."""
        if not self._greet():
            return
        station = self.server.station
        frames = station.join()
        try:
            while not station.stopping:
                try:
                    frame = frames.get(timeout=_POLL_S)
                except queue.Empty:
                    if not station.serves(frames):
                        break
                    continue
                if frame == _END:
                    break
                self.wfile.write(frame)
        except OSError:
            pass  # the listener left, or took nothing for 15 s
        finally:
            station.leave(frames)

    def do_HEAD(self) -> None:  # noqa: N802
        """Send the headers alone."""
        self._greet()

    def _greet(self) -> bool:
        if self.path.partition("?")[0] != PATH:
            self.send_error(404, f"the programme is at {PATH}")
            return False
        if self.server.station.ended.is_set():
            self.send_error(503, "the programme is over")
            return False
        self.send_response(200)
        for name, value in (
            ("Content-Type", "audio/mpeg"),
            ("icy-name", self.server.station.name),
            ("icy-br", str(BIT_RATE // 1000)),
            ("Cache-Control", "no-cache"),
        ):
            self.send_header(name, value)
        self.end_headers()
        return True

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet: the terminal belongs to the detections."""
