"""What a room and a narrow line do to sound, drawn at random, for training (`recognizer.evaluation.degrade` tests)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def in_a_room(pcm: Floats, rate_hz: int, rng: np.random.Generator) -> Floats:
    """Reverberation of 0.2 to 1.2 s, from quieter than the direct sound by 10 dB to louder by 4; (samples,) kept.

    The tail is noise that decays faster at high frequencies, as walls and air absorb them first, behind a few distinct
    early reflections.
    """
    rt60_s, ratio_db = float(np.exp(rng.uniform(np.log(0.2), np.log(1.2)))), rng.uniform(-10, 4)
    time_s = np.arange(round(rt60_s * rate_hz), dtype=np.float32) / rate_hz
    tail = np.zeros(len(time_s), np.float32)
    for share, decay in ((0.6, 1.0), (0.4, float(rng.uniform(1.2, 3.0)))):
        noise = rng.standard_normal(len(time_s), np.float32)
        if decay == 1.0:
            noise = np.convolve(noise, np.full(6, 1 / 6, np.float32), "same")
        tail += np.float32(share) * noise * 10 ** (-3 * decay * time_s / rt60_s)
    early = int(rng.uniform(0.002, 0.02) * rate_hz)
    tail[:early] = 0
    reflections = rng.integers(early // 2 + 1, max(early + 2, int(0.06 * rate_hz)), 6)
    np.add.at(tail, np.minimum(reflections, len(tail) - 1), rng.normal(0, 2.0, 6).astype(np.float32))
    tail *= np.float32(10 ** (ratio_db / 20) / (np.sqrt(np.sum(tail**2)) + 1e-9))
    tail[0] = 1.0
    size = 1 << (len(pcm) + len(tail)).bit_length()
    wet = np.fft.irfft(np.fft.rfft(pcm, size) * np.fft.rfft(tail, size), size)[: len(pcm)]
    return wet.astype(np.float32)


def through_a_line(pcm: Floats, rate_hz: int, rng: np.random.Generator) -> Floats:
    """Nothing below 80 to 400 Hz nor above 2.5 to 5 kHz; (samples,) kept."""
    low_hz, high_hz, edge_hz = rng.uniform(80, 400), rng.uniform(2_500, 5_000), rng.uniform(40, 200)
    spectrum, frequency_hz = np.fft.rfft(pcm), np.fft.rfftfreq(len(pcm), 1 / rate_hz)
    kept = np.clip((frequency_hz - low_hz) / edge_hz + 0.5, 0, 1) * np.clip((high_hz - frequency_hz) / edge_hz, 0, 1)
    return np.fft.irfft(spectrum * kept, len(pcm)).astype(np.float32)
