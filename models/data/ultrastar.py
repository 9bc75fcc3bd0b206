"""Sung melodies as written down by karaoke players (UltraStar ``song.txt``), and a voice to hum them with."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.data.arrange import Notes

_NOTE = re.compile(r"^[:*FRG] *(-?\d+) +(\d+) +(-?\d+)")
_MIDDLE_C = 60
_GLIDE_S = 0.06


def read_song(path: Path) -> Notes:
    """Notes of a song in seconds of its recording, as melody notes at full level.

    Raises
    ------
    ValueError
        When there is no tempo or no note.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    tempo = re.search(r"^#BPM: *([\d.,]+)", text, re.MULTILINE)
    gap = re.search(r"^#GAP: *([\d.,]+)", text, re.MULTILINE)
    rows = [[int(v) for v in m.groups()] for m in map(_NOTE.match, text.splitlines()) if m]
    if tempo is None or not rows:
        raise ValueError(f"{path}: no tempo or no note; expected an UltraStar song")
    # The file's beats are quarters of what it calls a beat.
    tick_s = 60.0 / (float(tempo[1].replace(",", ".")) * 4)
    start_s = float(gap[1].replace(",", ".")) / 1000 if gap else 0.0
    table = np.array(rows, np.float64)
    return Notes.of(start_s + table[:, 0] * tick_s, table[:, 1] * tick_s, table[:, 2] + _MIDDLE_C, 1.0, 1.0)


def hum(notes: Notes, seconds: float, rate_hz: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """An untrained voice: vibrato, glides from note to note, a slow drift of pitch, few harmonics, some breath.

    Returns
    -------
    float32 array, shape (seconds * rate_hz,)
    """
    time = np.arange(int(seconds * rate_hz)) / rate_hz
    order = np.argsort(notes.onset)
    pitch, loud = np.zeros(len(time)), np.zeros(len(time))
    current = float(notes.pitch[order[0]])
    last = 0
    for i in order:
        a, b = (int(t * rate_hz) for t in (notes.onset[i], notes.onset[i] + max(notes.duration[i], 0.08)))
        pitch[last:a] = current
        current = float(notes.pitch[i])
        pitch[a:b], loud[a:b] = current, 1.0
        last = b
    pitch[last:] = current
    smooth = np.hanning(int(_GLIDE_S * rate_hz))
    pitch = np.convolve(np.pad(pitch, len(smooth) // 2, mode="edge"), smooth / smooth.sum(), "same")
    pitch = pitch[len(smooth) // 2 :][: len(time)]
    loud = np.convolve(loud, smooth / smooth.sum(), "same")
    drift = 0.25 * np.sin(2 * np.pi * time / rng.uniform(7, 15) + rng.uniform(0, 6))
    vibrato = 0.25 * np.sin(2 * np.pi * rng.uniform(4.5, 6.5) * time)
    phase = 2 * np.pi * np.cumsum(440 * 2 ** ((pitch + drift + vibrato - 69) / 12)) / rate_hz
    voice = sum(np.sin(k * phase) / k**1.5 for k in range(1, 7))
    breath = rng.standard_normal(len(time)) * 0.03
    return np.asarray(0.25 * loud * voice + 0.25 * breath * (0.3 + loud), np.float32)
