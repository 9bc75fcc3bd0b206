"""A mixing desk: pieces go on air one after another, cross-faded or over one another, and the truth is kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.data.render import Samples
from models.programmes.perform import RATE_HZ

_MUSIC = ("cover", "foreign")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the truth: what sounds from when to when (seconds)."""

    start_s: float
    end_s: float
    kind: str
    work_id: str = ""
    note: str = ""


class Desk:
    """Collects what is on air."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._parts: list[tuple[int, Samples]] = []
        self.rows: list[Row] = []
        self.now_s = 0.0
        self._last_kind = ""

    def play(self, audio: Samples, kind: str, work_id: str = "", note: str = "") -> None:
        """Put a piece on air next; music may fade into music, other things follow with or without a pause."""
        if not len(audio):
            return
        fade_s = 0.0
        if kind in _MUSIC and self._last_kind in _MUSIC and self._rng.random() < 0.4:
            fade_s = min(float(self._rng.uniform(2, 4)), len(audio) / RATE_HZ / 4)
            self._fade_last(fade_s)
            audio = faded(audio, in_s=fade_s)
        elif self._rng.random() < 0.5:
            self.now_s += float(self._rng.uniform(0.3, 1.5))
        start_s = max(0.0, self.now_s - fade_s)
        self._add(start_s, audio, kind, work_id, note)
        self.now_s = start_s + len(audio) / RATE_HZ
        self._last_kind = kind

    def over_last(self, audio: Samples, kind: str, note: str = "") -> None:
        """Put something over the beginning or the end of the newest piece, which becomes softer there."""
        start, under = self._parts[-1]
        length = min(len(audio), len(under) // 2)
        at = 0 if self._rng.random() < 0.5 else len(under) - length
        shape = np.ones(len(under), np.float32)
        shape[at : at + length] = 0.4
        ramp = RATE_HZ // 4
        self._parts[-1] = (start, under * np.convolve(shape, np.ones(ramp, np.float32) / ramp, "same"))
        self._add((start + at) / RATE_HZ, audio[:length], kind, "", note)

    def silence(self, seconds: float) -> None:
        """Leave the air empty."""
        self.rows.append(Row(self.now_s, self.now_s + seconds, "silence"))
        self.now_s += seconds
        self._last_kind = "silence"

    def mixed(self) -> Samples:
        """Everything on air over a faint noise floor; float32, shape (samples,)."""
        length = round(self.now_s * RATE_HZ)
        length = max([length, *(start + len(audio) for start, audio in self._parts)])
        mix = (self._rng.normal(0, 1, length) * 10 ** (-70 / 20)).astype(np.float32)
        for start, audio in self._parts:
            mix[start : start + len(audio)] += audio
        return np.asarray(np.tanh(mix), np.float32)

    def _add(self, start_s: float, audio: Samples, kind: str, work_id: str, note: str) -> None:
        start = round(start_s * RATE_HZ)
        self._parts.append((start, audio))
        self.rows.append(Row(start / RATE_HZ, (start + len(audio)) / RATE_HZ, kind, work_id, note))

    def _fade_last(self, seconds: float) -> None:
        ending = self.now_s * RATE_HZ
        for number, (start, audio) in enumerate(self._parts):
            if abs(start + len(audio) - ending) < RATE_HZ * 0.1:
                self._parts[number] = (start, faded(audio, out_s=seconds))


def faded(audio: Samples, *, in_s: float = 0.0, out_s: float = 0.0) -> Samples:
    """Audio with linear fades at its ends."""
    time = np.arange(len(audio), dtype=np.float32) / np.float32(RATE_HZ)
    shape = np.ones(len(audio), np.float32)
    if in_s:
        shape *= np.minimum(1, time / np.float32(in_s))
    if out_s:
        shape *= np.minimum(1, time[::-1] / np.float32(out_s))
    return audio * shape
