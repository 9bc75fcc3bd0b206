"""Chunks of audio with salience targets, cut and roughened at random from the shards of `models.data.distil`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.data.damage import in_a_room, through_a_line
from models.data.hear import BINS, FPS

# The teacher answers silence with about 0.1 and a sure note with about 0.7.
_SILENCE, _SURE = 0.12, 0.70
Floats = npt.NDArray[np.float32]


def teacher_level(heard: npt.NDArray[np.floating]) -> Floats:
    """Teacher posteriors stretched onto [0, 1], any shape."""
    return np.asarray(np.clip((np.asarray(heard, np.float32) - _SILENCE) / (_SURE - _SILENCE), 0, 1))


class Pieces:
    """All shards of a folder in memory.

    Parameters
    ----------
    paths
        Shards written by `models.data.distil.write_shard`.
    truth_share : float
        Weight of the exact truth where it is known; the teacher has the rest.
    rooms, lines : float
        Share of rough chunks that sound in a room, and that come through a narrow line; the target stays what it was.
    """

    def __init__(self, paths: list[Path], truth_share: float, rooms: float = 0.0, lines: float = 0.0) -> None:
        pcm, target = [], []
        for path in paths:
            with np.load(path, allow_pickle=False) as shard:
                heard, truth = teacher_level(shard["heard"]), shard["truth"].astype(np.float32)
                share = truth_share * shard["known"][:, None, None].astype(np.float32)
                pcm.append(shard["pcm"])
                target.append(((1 - share) * heard + share * truth).astype(np.float16))
        self._rooms, self._lines = rooms, lines
        self.pcm = np.concatenate(pcm)
        self.target = np.concatenate(target)

    def batch(
        self, count: int, frames: int, context: int, rate_hz: int, rng: np.random.Generator, rough: bool = True
    ) -> tuple[Floats, Floats]:
        """Random chunks.

        Returns
        -------
        float32 array, shape (count, context + frames * rate_hz / FPS + context)
        float32 array, shape (count, frames, BINS)
        """
        hop = rate_hz // FPS
        audio = np.zeros((count, 2 * context + frames * hop), np.float32)
        target = np.zeros((count, frames, BINS), np.float32)
        for i in range(count):
            piece = int(rng.integers(len(self.pcm)))
            first = int(rng.integers(0, self.target.shape[1] - frames + 1))
            padded_start = first * hop - context
            low, high = max(0, padded_start), min(self.pcm.shape[1], padded_start + audio.shape[1])
            audio[i, low - padded_start : high - padded_start] = self.pcm[piece, low:high] / np.float32(32768)
            target[i] = self.target[piece, first : first + frames]
            if rough:
                audio[i] = roughened(self._damaged(audio[i], rate_hz, rng), rng)
        return audio, target

    def _damaged(self, pcm: Floats, rate_hz: int, rng: np.random.Generator) -> Floats:
        if self._rooms and rng.random() < self._rooms:
            pcm = in_a_room(pcm, rate_hz, rng)
        if self._lines and rng.random() < self._lines:
            pcm = through_a_line(pcm, rate_hz, rng)
        return pcm


def roughened(pcm: Floats, rng: np.random.Generator) -> Floats:
    """Another gain, tone, noise and clipping; shape (samples,) kept."""
    spectrum = np.fft.rfft(pcm)
    x = np.linspace(0, 1, len(spectrum), dtype=np.float32)
    tilt_db = rng.normal(0, 8) * (x - 0.3) + rng.normal(0, 3) * np.sin(x * rng.uniform(3, 20) + rng.uniform(0, 6))
    if rng.random() < 0.2:
        tilt_db = tilt_db - 60 * np.clip((x - rng.uniform(0.25, 0.9)) * 8, 0, 1)
    out = np.fft.irfft(spectrum * 10 ** (tilt_db / 20), len(pcm)).astype(np.float32)
    if rng.random() < 0.5:
        noise = np.fft.rfft(rng.standard_normal(len(pcm)).astype(np.float32))
        colour = (np.arange(len(noise)) + 20.0) ** -rng.uniform(0, 1)
        hiss = np.fft.irfft(noise * colour, len(pcm))
        snr_db = rng.uniform(5, 40)
        out = out + (hiss * np.sqrt(np.mean(out**2) / (np.mean(hiss**2) + 1e-12)) * 10 ** (-snr_db / 20)).astype(
            np.float32
        )
    out = out * np.float32(10 ** (rng.uniform(-25, 5) / 20))
    return np.clip(out, -1, 1)
