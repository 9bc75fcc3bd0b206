"""Audio at any rate to int16 at one rate, with soxr, without a seam between calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from recognizer.errors import DecodeError
from recognizer.timeline import Pcm16

MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 768_000
_BLOCK_S = 0.1  # audio gathered before one call of soxr
_NONE: Pcm16 = np.zeros(0, dtype=np.int16)
Floats = npt.NDArray[np.float32]


class Resampler:
    """Gathers mono audio and gives it back at ``rate_hz``.

    The concatenated result does not depend on how the input is cut. When the rate of the input changes, what
    is held is finished at the old rate first.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._source_hz = 0
        self._stream: Any = None
        self._parts: list[Floats] = []
        self._gathered = 0

    def push(self, mono: Floats, source_hz: int) -> Pcm16:
        """Add float audio in [-1, 1], shape (samples,); returns what is ready, often nothing.

        Raises
        ------
        DecodeError
            When ``source_hz`` is out of any sensible range.
        """
        before = None
        if source_hz != self._source_hz:
            before = self.flush()
            self._start(source_hz)
        self._parts.append(mono)
        self._gathered += len(mono)
        ready = self._take(last=False) if self._gathered >= _BLOCK_S * source_hz else _NONE
        return ready if before is None or not len(before) else np.concatenate([before, ready])

    def flush(self) -> Pcm16:
        """Everything still held, the resampler's tail included."""
        return self._take(last=True) if self._source_hz else _NONE

    def _start(self, source_hz: int) -> None:
        if not MIN_RATE_HZ <= source_hz <= MAX_RATE_HZ:
            raise DecodeError(f"the audio has {source_hz} samples per second; expected {MIN_RATE_HZ} to {MAX_RATE_HZ}")
        self._source_hz = source_hz
        self._stream = None
        if source_hz != self._rate_hz:
            self._stream = soxr.ResampleStream(source_hz, self._rate_hz, 1, dtype="float32", quality="HQ")

    def _take(self, *, last: bool) -> Pcm16:
        mono = np.concatenate([*self._parts, np.zeros(0, dtype=np.float32)])
        self._parts, self._gathered = [], 0
        # Float formats can carry NaN and huge numbers, which would ring on in the resampler.
        mono = np.clip(np.nan_to_num(mono, copy=False, nan=0.0), -1.0, 1.0)
        if self._stream is not None:
            mono = self._stream.resample_chunk(mono, last=last)
        pcm: Pcm16 = np.clip(np.rint(mono * 32768.0), -32768, 32767).astype(np.int16)
        return pcm
