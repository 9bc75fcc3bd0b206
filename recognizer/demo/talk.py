"""Simulated talk and applause: the build of speech in no language, so that the demo has something to ignore.

Talk is babble made as a mouth makes it: a buzz whose pitch falls through each phrase, coloured by the resonances of a
vowel per syllable, broken by hissed consonants, with pauses for breath. Nobody speaks and nothing is said.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recognizer.demo.synth import RATE_HZ, Audio, level

_FRAME_HZ = 200
_VOWELS = (  # first three resonances in Hz
    (730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410), (490, 1350, 1690),
)  # fmt: skip
_WIDTHS = (80.0, 110.0, 170.0)
_STRENGTHS = (1.0, 0.5, 0.25)
_HARMONIC_LIMIT_HZ = 4000

_Track = npt.NDArray[np.float64]


def simulated_talk(seconds: float, *, seed: int, pitch_hz: float = 115.0) -> Audio:
    """Babble for ``seconds``.

    Parameters
    ----------
    seconds : float
    seed : int
        Of what is babbled.
    pitch_hz : float
        Mean pitch: about 115 for a low voice, 200 for a high one.

    Returns
    -------
    float32 array, shape (samples,)
        Mono at `RATE_HZ`.
    """
    rng = np.random.default_rng(seed)
    pitch, voiced, hiss, formants = _score(seconds, pitch_hz, rng)
    samples = int(seconds * RATE_HZ)
    at = np.arange(samples) / RATE_HZ
    frames = np.arange(len(pitch)) / _FRAME_HZ
    phase = 2 * np.pi * np.cumsum(np.interp(at, frames, pitch)) / RATE_HZ
    sound = np.zeros(samples)
    for harmonic in range(1, int(_HARMONIC_LIMIT_HZ / pitch.min()) + 1):
        strength = voiced * _mouth(harmonic * pitch, formants) / harmonic**0.8
        sound += np.interp(at, frames, strength) * np.sin(harmonic * phase)
    noise = np.diff(rng.normal(0, 1, samples + 1))
    sound += np.interp(at, frames, hiss) * noise * 0.12
    sound += rng.normal(0, 0.0008, samples)
    return level(sound.astype(np.float32), rms=0.09)


def _score(seconds: float, pitch_hz: float, rng: np.random.Generator) -> tuple[_Track, _Track, _Track, _Track]:
    """Tracks at 200 Hz of pitch, voicing and hiss, shape (frames,), and resonances, shape (frames, 3)."""
    total = int(seconds * _FRAME_HZ) + 1
    pitch, voiced, hiss = np.full(total, pitch_hz), np.zeros(total), np.zeros(total)
    formants = np.tile(np.array(_VOWELS[0], dtype=float), (total, 1))
    at = int(0.15 * _FRAME_HZ)
    while at < total:
        syllables = int(rng.integers(5, 14))
        for number in range(syllables):
            consonant, vowel = int(rng.integers(8, 20)), int(rng.integers(14, 38))
            end = min(at + consonant, total)
            if rng.random() < 0.5:
                hiss[at:end] = rng.uniform(0.3, 1.0)
            at = end
            end = min(at + vowel, total)
            accent = rng.normal(0, 0.10) + (0.15 if number == 1 else 0)
            bend = rng.normal(0, 0.16) * np.linspace(0, 1, vowel)[: end - at]
            pitch[at:end] = pitch_hz * np.exp(0.18 - 0.4 * number / syllables + accent + bend)
            voiced[at:end] = np.sin(np.pi * np.linspace(0.06, 0.94, vowel))[: end - at] * rng.uniform(0.6, 1.0)
            formants[at:end] = np.array(_VOWELS[rng.integers(len(_VOWELS))]) * rng.normal(1, 0.04, 3)
            at = end
        at += int(rng.uniform(0.25, 0.7) * _FRAME_HZ)
    smooth = np.hanning(13) / np.hanning(13).sum()
    formants = np.stack([np.convolve(np.pad(f, 6, mode="edge"), smooth, "valid") for f in formants.T], axis=1)
    return pitch, np.convolve(voiced, smooth, "same"), np.convolve(hiss, smooth[3:10], "same"), formants


def _mouth(hz: _Track, formants: _Track) -> _Track:
    """Gain of the resonances at one frequency per frame."""
    gain = np.full(len(hz), 0.01)
    for number, (width, strength) in enumerate(zip(_WIDTHS, _STRENGTHS, strict=True)):
        gain += strength / (1 + ((hz - formants[:, number]) / width) ** 2)
    return np.where(hz < _HARMONIC_LIMIT_HZ, gain, 0.0)


def applause(seconds: float, *, seed: int, claps_per_s: int = 150) -> Audio:
    """A hall that claps, rising and dying away; float32 mono at `RATE_HZ`."""
    rng = np.random.default_rng(seed)
    samples = int(seconds * RATE_HZ)
    length = int(0.03 * RATE_HZ)
    sound = np.zeros(samples + length)
    time = np.arange(length) / RATE_HZ
    hands = []
    for _ in range(40):
        clap = rng.normal(0, 1, length) * np.exp(-time / rng.uniform(0.002, 0.006))
        hands.append(clap * np.cos(2 * np.pi * rng.uniform(900, 2600) * time))
    for start in rng.integers(0, samples, int(seconds * claps_per_s)):
        sound[start : start + length] += hands[rng.integers(40)] * rng.uniform(0.2, 1.0)
    shape = np.minimum(1, np.minimum(np.arange(samples), np.arange(samples)[::-1]) / (0.2 * samples))
    return level((sound[:samples] * shape).astype(np.float32), rms=0.08)
