"""Ctrl-C kept out of C code that calls back into Python, where it would be lost.

An exception that a signal raises in a callback of FFmpeg cannot pass through FFmpeg: it is printed, the source seems to
have ended, and the program goes on as if nobody had asked it to stop::

    decode ─▶ FFmpeg (C) ─▶ read() of a Python object ◀─ Ctrl-C: nowhere to go
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType

_Handler = Callable[[int, FrameType | None], object]


class Held:
    """Signals that arrive while a block runs wait for its end, except where the block itself waits.

    A context manager, to be used again and again. Signals are handled in the main thread alone, so in another there is
    nothing to hold, and neither is there where a signal ended the process or was ignored when this was made.
    """

    def __init__(self) -> None:
        self._numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if callable(signal.getsignal(n))]
        self._handlers: dict[int, _Handler] = {}
        self._arrived: list[tuple[int, FrameType | None]] = []
        self._waiting = False
        self._broken_off: BaseException | None = None

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in self._numbers:
            handler = signal.getsignal(number)
            if callable(handler):
                self._handlers[number] = handler
                signal.signal(number, self._on_signal)

    def __exit__(self, *exc: object) -> None:
        handlers, self._handlers = self._handlers, {}
        for number, handler in handlers.items():
            signal.signal(number, handler)
        error, self._broken_off = self._broken_off, None
        arrived, self._arrived = self._arrived, []
        if error is not None:
            raise error
        for number, frame in arrived:
            handlers[number](number, frame)

    def wait(self, read: Callable[[int], bytes | None], size: int) -> bytes | None:
        """``read(size)``, which a signal may break off: then ``b""``, and the block's end raises what it raised."""
        try:
            try:
                self._waiting = True
                self._deliver()
                return read(size)
            finally:
                self._waiting = False
        except Exception:  # the source's own, which finds its way
            raise
        except BaseException as error:
            if not self._handlers:  # nothing is held
                raise
            self._broken_off = error
            return b""

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._arrived.append((number, frame))
        if self._waiting:
            self._deliver()

    def _deliver(self) -> None:
        while self._arrived:
            number, frame = self._arrived.pop(0)
            self._handlers[number](number, frame)
