"""What is on air beside covers: recordings of others, talk, applause, jingles and noise, and the room around it all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soxr

from models.audio_files import audio_files
from models.data.arrange import Notes
from models.data.render import Samples, render
from models.programmes.perform import RATE_HZ, levelled, trimmed
from recognizer.decode import decode
from recognizer.demo.synth import RATE_HZ as SYNTH_RATE_HZ
from recognizer.demo.talk import applause, simulated_talk
from recognizer.errors import RecognizerError

_SHORTEST_BYTES = 300_000  # shorter files are sound effects
_LONGEST_S = 400.0
_SHORTEST_S = 25.0
_SAID = 0.02  # of full scale: a file of speech that is softer is silence


def foreign_files(folder: Path) -> list[Path]:
    """Pieces of music below a folder (by their size)."""
    return audio_files(folder, _SHORTEST_BYTES)


def read(path: Path, seconds: float = _LONGEST_S) -> Samples:
    """A recording as float32 mono at `RATE_HZ`; empty when it cannot be read."""
    blocks, length = [], 0
    try:
        for block in decode(path, RATE_HZ):
            blocks.append(block)
            length += len(block)
            if length >= seconds * RATE_HZ:
                break
    except RecognizerError:
        return np.zeros(0, np.float32)
    pcm = np.concatenate(blocks) if blocks else np.zeros(0, np.int16)
    return pcm.astype(np.float32) / np.float32(32768)


def excerpt(path: Path, seconds: float, rng: np.random.Generator) -> Samples:
    """Some of a recording, from anywhere in it; empty when it is too short to be a piece of music."""
    audio = read(path)
    if len(audio) < _SHORTEST_S * RATE_HZ:
        return audio[:0]
    first = int(rng.integers(max(1, len(audio) - int(seconds * RATE_HZ))))
    return levelled(trimmed(audio[first : first + int(seconds * RATE_HZ)]))


def talk(files: Sequence[Path], seconds: float, rng: np.random.Generator) -> tuple[Samples, str]:
    """Sentences one after another with pauses for breath; simulated talk when there are no recordings of speech."""
    if not files:
        pitch_hz = float(rng.choice((105, 120, 190, 215)))
        made = simulated_talk(seconds, seed=int(rng.integers(1 << 30)), pitch_hz=pitch_hz)
        return _resampled(made), "simulated talk"
    parts: list[Samples] = []
    length = 0
    voices = _one_voice(files, rng)
    for _ in range(200):
        sentence = read(voices[int(rng.integers(len(voices)))], 20.0)
        pause = np.zeros(int(rng.uniform(0.15, 0.7) * RATE_HZ), np.float32)
        parts += [trimmed(sentence), pause]
        length += len(parts[-2]) + len(pause)
        if length > seconds * RATE_HZ:
            break
    return levelled(np.concatenate(parts)[: int(seconds * RATE_HZ)], 0.07), f"speech {voices[0].parent.name}"


def _one_voice(files: Sequence[Path], rng: np.random.Generator) -> list[Path]:
    """The files of one folder in which something is said."""
    for _ in range(50):
        chosen = files[int(rng.integers(len(files)))]
        if float(np.abs(read(chosen, 20.0)).max(initial=0)) > _SAID:
            return [file for file in files if file.parent == chosen.parent]
    raise ValueError(f"nothing is said in the recordings of speech, such as {files[0]}; check the folder given")


def simulated_applause(seconds: float, rng: np.random.Generator) -> Samples:
    """A hall that claps."""
    return _resampled(applause(seconds, seed=int(rng.integers(1 << 30)), claps_per_s=int(rng.integers(60, 250))))


def simulated_noise(seconds: float, rng: np.random.Generator, rms: float = 0.03) -> Samples:
    """Noise that falls by 3 to 6 dB an octave and swells slowly, as streets and crowds do."""
    count = int(seconds * RATE_HZ)
    spectrum = np.fft.rfft(rng.normal(0, 1, count))
    hz = np.maximum(np.fft.rfftfreq(count, 1 / RATE_HZ), 40)
    sound = np.fft.irfft(spectrum * hz ** -rng.uniform(0.5, 1.0), count)
    swell = 1 + 0.4 * np.sin(2 * np.pi * np.arange(count) / RATE_HZ / rng.uniform(3, 12))
    return levelled((sound * swell).astype(np.float32), rms)


def jingle(soundfont: Path, rng: np.random.Generator) -> Samples:
    """Three to nine notes of a chord, as stations play before the news."""
    count = int(rng.integers(3, 10))
    step = float(rng.choice((0.15, 0.25, 0.4)))
    chord = np.array((0, 4, 7, 12, 16, 19))
    pitch = 60 + int(rng.integers(-5, 8)) + chord[rng.integers(0, len(chord), count)]
    length = np.full(count, step)
    length[-1] = 1.5
    notes = Notes.of(np.arange(count) * step, length, pitch, 0.8, 1.0)
    return levelled(trimmed(render(notes, count * step + 2.5, soundfont, RATE_HZ, rng, None)))


def in_a_room(audio: Samples, rng: np.random.Generator) -> Samples:
    """As it may reach a microphone: with a room, a narrow band or noise, each now and then."""
    if rng.random() < 0.5:
        audio = _reverberated(audio, rng.uniform(0.2, 0.9), rng.uniform(0.1, 0.45), rng)
    if rng.random() < 0.2:
        audio = _low_passed(audio, rng.uniform(3000, 6000))
    audio = levelled(audio)
    if rng.random() < 0.5:
        noise = simulated_noise(len(audio) / RATE_HZ, rng)[: len(audio)]
        snr_db = rng.uniform(12, 30)
        scale = np.sqrt(np.mean(audio**2) / max(float(np.mean(noise**2)), 1e-12)) * 10 ** (-snr_db / 20)
        audio = audio[: len(noise)] + noise * np.float32(scale)
    return np.asarray(audio * np.float32(10 ** (rng.uniform(-8, 0) / 20)), np.float32)


def _reverberated(dry: Samples, room_s: float, wet: float, rng: np.random.Generator) -> Samples:
    length = int(room_s * RATE_HZ)
    tail = rng.normal(0, 1, length) * 10 ** (-3 * np.arange(length) / length)
    tail[: int(0.005 * RATE_HZ)] = 0
    tail /= np.sqrt(np.sum(tail**2))
    size = 1 << (len(dry) + length - 1).bit_length()
    wet_sound = np.fft.irfft(np.fft.rfft(dry, size) * np.fft.rfft(tail, size), size)[: len(dry)]
    return np.asarray(dry * (1 - wet) + wet_sound * wet, np.float32)


def _low_passed(audio: Samples, hz: float) -> Samples:
    spectrum = np.fft.rfft(audio)
    gain = 1 / (1 + (np.fft.rfftfreq(len(audio), 1 / RATE_HZ) / hz) ** 8)
    return np.asarray(np.fft.irfft(spectrum * gain, len(audio)), np.float32)


def _resampled(audio: Samples) -> Samples:
    return np.asarray(soxr.resample(audio, SYNTH_RATE_HZ, RATE_HZ), np.float32)
