"""Seeded damage to a recording: what a microphone in a room or a telephone does to it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from recognizer.errors import UsageError
from recognizer.timeline import Pcm16

Doubles = npt.NDArray[np.float64]
KINDS = "noise10 (or another signal-to-noise ratio in dB), room, band"
_NOISE = re.compile(r"noise(-?\d{1,2})")
_RT60_S = 0.6
_EARLIEST_S, _DIRECT = 0.004, 1.0
_REVERBERANT = 0.5  # energy of the reverberation over that of the direct sound
_BAND_HZ = (300.0, 3_400.0)
_EDGE_HZ = 60.0
_SILENCE = 1e-9


def check_kinds(kinds: Sequence[str]) -> None:
    """Refuse what `degrade` does not know (`UsageError`)."""
    for kind in kinds:
        if kind not in ("room", "band") and not _NOISE.fullmatch(kind):
            raise UsageError(f"{kind!r:.40} is no degradation; expected {KINDS}, separated by commas")


def degrade(pcm: Pcm16, rate_hz: int, kinds: Sequence[str], seed: int) -> Pcm16:
    """Damage a whole recording, in the order of ``kinds``.

    Parameters
    ----------
    pcm : int16 array, shape (samples,)
    rate_hz : int
    kinds : sequence of str
        ``noise<dB>``: pink noise at that signal-to-noise ratio; ``room``: a synthetic impulse response of 0.6 s;
        ``band``: nothing below 300 Hz or above 3,400 Hz.
    seed : int
        The same seed gives the same samples.

    Returns
    -------
    int16 array, shape (samples,)
        At the level of the input, lower where that would clip.

    Raises
    ------
    UsageError
        When a kind is not known.
    """
    check_kinds(kinds)
    audio = pcm.astype(np.float64)
    if not len(audio) or not audio.any():
        return pcm
    for number, kind in enumerate(kinds):
        rng = np.random.default_rng([seed, number])
        if kind == "room":
            audio = _room(audio, rate_hz, rng)
        elif kind == "band":
            audio = _band(audio, rate_hz)
        else:
            audio = _noisy(audio, float(kind.removeprefix("noise")), rng)
    audio *= _level(pcm.astype(np.float64)) / max(_level(audio), _SILENCE)
    audio *= min(1.0, 32_767 / max(float(np.abs(audio).max()), _SILENCE))
    return np.rint(audio).astype(np.int16)


def _level(audio: Doubles) -> float:
    return float(np.sqrt(np.mean(audio**2)))


def _noisy(audio: Doubles, snr_db: float, rng: np.random.Generator) -> Doubles:
    """Add noise whose power falls by 3 dB per octave."""
    size = _fft_size(len(audio))
    spectrum = np.fft.rfft(rng.standard_normal(size))
    spectrum[0] = 0
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    noise = np.fft.irfft(spectrum, size)[: len(audio)]
    return audio + noise * (_level(audio) / max(_level(noise), _SILENCE)) * 10 ** (-snr_db / 20)


def _room(audio: Doubles, rate_hz: int, rng: np.random.Generator) -> Doubles:
    """Add a decaying reverberation after the direct sound."""
    time_s = np.arange(round(_RT60_S * rate_hz)) / rate_hz
    tail = rng.standard_normal(len(time_s)) * 10 ** (-3 * time_s / _RT60_S) * (time_s >= _EARLIEST_S)
    tail *= np.sqrt(_REVERBERANT / (tail**2).sum())
    tail[0] = _DIRECT
    size = _fft_size(len(audio) + len(tail))
    wet: Doubles = np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(tail, size), size)[: len(audio)]
    return wet


def _band(audio: Doubles, rate_hz: int) -> Doubles:
    """Keep a telephone's band, with edges that do not ring for long."""
    size = _fft_size(len(audio))
    frequency_hz = np.fft.rfftfreq(size, 1 / rate_hz)
    low = np.clip((frequency_hz - _BAND_HZ[0]) / _EDGE_HZ + 0.5, 0, 1)
    high = np.clip((_BAND_HZ[1] - frequency_hz) / _EDGE_HZ + 0.5, 0, 1)
    kept: Doubles = np.fft.irfft(np.fft.rfft(audio, size) * low * high, size)[: len(audio)]
    return kept


def _fft_size(samples: int) -> int:
    """A length at least as long that transforms fast: a power of two, or three quarters of one."""
    size = 1 << max(1, (samples - 1).bit_length())
    return size * 3 // 4 if size >= 4 and size * 3 // 4 >= samples else size
