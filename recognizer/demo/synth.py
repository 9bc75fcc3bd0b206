"""A small synthesizer: notes in, mono audio out.

A voice is a handful of harmonics. Those of one note are summed once into a single-cycle table (several tables when the
high ones die sooner than the low ones), and the note is read from the table at its pitch::

    harmonics ─▶ tables (low, middle, high) ─▶ read at pitch (+ vibrato) ─▶ × envelope ─▶ mix ─▶ room ─▶ level

Reading a table costs the same for four harmonics as for forty, and equal notes are made once, which is what makes this
some hundred times faster than real time on one core.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recognizer.demo.voices import VOICES, Voice
from recognizer.errors import UsageError

Audio = npt.NDArray[np.float32]

RATE_HZ = 32_000
_TABLE = 4096
_HIGHEST_HZ = 0.42 * RATE_HZ
_GROUPS = ((1, 2), (3, 6), (7, 64))  # harmonics that decay together
_STEP_S = 0.02  # note lengths are rounded to this, so that equal notes are made once


@dataclass(frozen=True, slots=True)
class Note:
    """One sounding note; ``velocity`` is 0 .. 1, ``voice`` a key of `VOICES` or ``drums``."""

    start_s: float
    duration_s: float
    midi: int
    velocity: float
    voice: str


def render(notes: Iterable[Note], *, room_s: float = 0.9, wet: float = 0.18, seed: int = 0) -> Audio:
    """Play notes.

    Parameters
    ----------
    notes : iterable of Note
    room_s : float
        Reverberation time.
    wet : float
        Share of reverberation, 0 .. 1.
    seed : int
        Of the noise in breath, drums and room.

    Returns
    -------
    float32 array, shape (samples,)
        Mono at `RATE_HZ`, in (-1, 1), RMS about 0.1; ends when the last sound has died away.

    Raises
    ------
    UsageError
        When there is no note, or a voice is unknown.
    """
    played = list(notes)
    if not played:
        raise UsageError("there is no note to render; give at least one")
    rng = np.random.default_rng(seed)
    end_s = max(note.start_s + note.duration_s for note in played)
    mix = np.zeros(int((end_s + room_s + 1.0) * RATE_HZ), dtype=np.float32)
    made: dict[tuple[str, int, int], Audio] = {}
    for note in played:
        key = (note.voice, note.midi, max(1, round(note.duration_s / _STEP_S)))
        if key not in made:
            made[key] = _drum(note.midi, rng) if note.voice == "drums" else _tone(*key, rng)
        sound = made[key]
        start = max(0, int(note.start_s * RATE_HZ))
        room = mix[start : start + len(sound)]
        room += sound[: len(room)] * np.float32(note.velocity**1.5)
    return level(_reverberate(mix, room_s, wet, rng))


def level(audio: Audio, rms: float = 0.1) -> Audio:
    """Bring audio to an RMS level and round off what would clip."""
    loud = audio[np.abs(audio) > 1e-4]
    if not len(loud):
        return audio
    scaled = audio * np.float32(rms / np.sqrt(np.mean(np.square(loud))))
    return np.asarray(np.tanh(scaled), dtype=np.float32)


def _tone(name: str, midi: int, steps: int, rng: np.random.Generator) -> Audio:
    if name not in VOICES:
        raise UsageError(f"voice {name!r} was asked for, expected one of {', '.join(sorted(VOICES))}")
    voice, hz = VOICES[name], 440.0 * 2 ** ((midi - 69) / 12)
    held = steps * _STEP_S
    time = _time(held + 4 * voice.release_s)
    sound = np.zeros_like(time)
    tables = _tables(voice, hz)
    for cents in voice.detune_cents:
        phase = _phase(voice, hz * 2 ** (cents / 1200), time) + rng.integers(_TABLE)
        index = phase.astype(np.int32) & (_TABLE - 1)
        for number, table in enumerate(tables):
            part = table[index]
            if voice.decay_s is not None:
                constant = voice.decay_s * 2.0 ** -((midi - 60) / 18) / (1, 2.2, 5)[number]
                part *= np.exp(time / np.float32(-constant))
            sound += part
    if voice.breath:
        sound += rng.normal(0, voice.breath, len(sound)).astype(np.float32)
    shape = np.minimum(time / np.float32(voice.attack_s), 1)
    shape *= np.exp(np.minimum(held - time, 0) / np.float32(voice.release_s))
    return np.asarray(sound * shape * (voice.gain / len(voice.detune_cents)), dtype=np.float32)


def _time(seconds: float) -> Audio:
    """Times of the samples of a stretch of audio."""
    return np.arange(int(seconds * RATE_HZ), dtype=np.float32) / np.float32(RATE_HZ)


def _phase(voice: Voice, hz: float, time: Audio) -> npt.NDArray[np.float64]:
    """Position in the table, in table samples, at each time."""
    phase = time.astype(np.float64) * (hz * _TABLE)
    if voice.vibrato_cents:
        depth = voice.vibrato_cents / 1200 * np.log(2) * np.minimum(time * 2, 1)
        turn = 2 * np.pi * voice.vibrato_hz
        phase += depth * np.sin(turn * time) * (hz * _TABLE / turn)
    return phase


def _tables(voice: Voice, hz: float) -> list[Audio]:
    """One cycle of each group of harmonics, shape (4096,); voices that do not decay need one group only."""
    groups = _GROUPS if voice.decay_s is not None else ((1, 64),)
    number = np.arange(1, len(voice.partials) + 1)
    strength = np.array(voice.partials)
    if voice.formants:
        frequency = number * hz
        strength *= sum(gain / (1 + ((frequency - f) / width) ** 2) for f, width, gain in voice.formants) + 0.03
    strength[number * hz > _HIGHEST_HZ] = 0
    strength /= np.sqrt(np.sum(strength**2)) + 1e-9
    tables = []
    for first, last in groups:
        spectrum = np.zeros(_TABLE // 2 + 1, dtype=np.complex128)
        chosen = (number >= first) & (number <= last)
        # Phases that turn with the number keep the wave from peaking, as in a real instrument.
        spectrum[number[chosen]] = strength[chosen] * np.exp(1j * np.pi * number[chosen] ** 2 * 0.37) * _TABLE / 2
        tables.append(np.fft.irfft(spectrum).astype(np.float32))
    return tables


def _drum(kind: int, rng: np.random.Generator) -> Audio:
    """The drum with a General MIDI number: 36 kick, 38 snare, anything else a closed hi-hat."""
    time = _time(0.25)
    noise = rng.normal(0, 1, len(time)).astype(np.float32)
    if kind == 36:
        sound = np.sin(2 * np.pi * (48 * time - 3.5 * np.exp(-time * 35))) * np.exp(-time * 16)
    elif kind == 38:
        sound = (0.5 * noise + 0.5 * np.sin(2 * np.pi * 185 * time)) * np.exp(-time * 24)
    else:
        sound = np.diff(noise, prepend=np.float32(0)) * np.exp(-time * 70) * 0.3
    return np.asarray(sound, dtype=np.float32)


def _reverberate(dry: Audio, room_s: float, wet: float, rng: np.random.Generator) -> Audio:
    """Convolve with decaying noise that grows dull, a rough but pleasant room."""
    length = int(room_s * RATE_HZ)
    time = np.arange(length) / room_s / RATE_HZ
    tail = rng.normal(0, 1, length) * 10 ** (-3 * time)
    tail = np.cumsum(tail - np.concatenate([np.zeros(6), tail[:-6]])) / 6  # a moving mean takes the hiss off
    tail[: int(0.012 * RATE_HZ)] = 0
    tail /= np.sqrt(np.sum(tail**2))
    size = 1 << (len(dry) + length - 1).bit_length()
    spectrum = np.fft.rfft(dry, size)
    spectrum *= np.fft.rfft(tail.astype(np.float32), size)
    reverberation = np.fft.irfft(spectrum, size)[: len(dry)].astype(np.float32)
    return dry * np.float32(1 - wet) + reverberation * np.float32(wet)
