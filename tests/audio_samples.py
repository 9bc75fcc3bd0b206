"""Short pieces of tonal music for tests, synthesised from a seed and written through PyAV."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

_SCALE = (0, 2, 4, 5, 7, 9, 11)  # semitones of the major scale
_NOTE_S = 0.4
# file ending: (container, encoder, sample format)
_WRITERS = {
    ".wav": ("wav", "pcm_s16le", "s16"),
    ".mp3": ("mp3", "libmp3lame", "s16p"),
    ".ogg": ("ogg", "vorbis", "fltp"),
    ".opus": ("ogg", "libopus", "s16"),
    ".flac": ("flac", "flac", "s16"),
    ".m4a": ("mp4", "aac", "fltp"),
    ".webm": ("webm", "libopus", "s16"),
    ".aac": ("adts", "aac", "fltp"),
}


def tune(seconds: float, seed: int = 0, rate_hz: int = 44_100, transpose_semitones: int = 0) -> npt.NDArray[np.float32]:
    """A melody over held chords, float32 in [-1, 1], shape (samples,); the same seed gives the same notes."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    note_of = (time_s / _NOTE_S).astype(int)
    count = math.ceil(seconds / _NOTE_S) + 1
    degrees = np.abs(np.cumsum(rng.integers(-2, 3, size=count))) % 14
    chords = rng.integers(0, 7, size=count // 4 + 1)
    audio = np.zeros(len(time_s))
    for number in range(count):
        here = note_of == number
        if not here.any():
            continue
        local_s = time_s[here] - number * _NOTE_S
        decay = np.exp(-3.0 * local_s) * np.minimum(1.0, local_s / 0.01)
        octave, degree = divmod(int(degrees[number]), 7)
        audio[here] += 0.4 * decay * _tone(60 + 12 * octave + _SCALE[degree] + transpose_semitones, local_s)
        root = int(chords[number // 4])
        for third in (0, 2, 4):
            octave, degree = divmod(root + third, 7)
            pitch = 48 + 12 * octave + _SCALE[degree] + transpose_semitones
            audio[here] += 0.12 * np.minimum(1.0, local_s / 0.02) * _tone(pitch, local_s)
    return (0.6 * audio / max(1e-9, float(np.abs(audio).max()))).astype(np.float32)


def _tone(midi: float, time_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    frequency_hz = 440.0 * 2 ** ((midi - 69) / 12)
    harmonics = np.arange(1, 5)[:, None]
    tone: npt.NDArray[np.float64] = (np.sin(2 * np.pi * frequency_hz * harmonics * time_s) / harmonics**1.5).sum(0)
    return tone


def write_audio(
    path: Path, audio: npt.NDArray[np.float32], rate_hz: int, *, tags: dict[str, str] | None = None
) -> Path:
    """Write float audio, shape (samples,) or (channels, samples), in the format of the file's ending."""
    container_name, encoder, sample_format = _WRITERS[path.suffix]
    planes = np.atleast_2d(audio)
    if encoder == "vorbis" and len(planes) == 1:  # the encoder writes two channels only
        planes = np.concatenate([planes, planes])
    layout = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}[len(planes)]
    with av.open(str(path), "w", format=container_name) as container:
        container.metadata.update(tags or {})
        stream: Any = container.add_stream(encoder, rate=rate_hz, layout=layout)
        stream.codec_context.format = sample_format
        if encoder == "vorbis":  # FFmpeg's own encoder calls itself experimental
            stream.codec_context.options = {"strict": "experimental"}
        resampler = av.AudioResampler(format=sample_format, layout=layout, rate=rate_hz)
        samples = np.clip(np.rint(planes.T.reshape(1, -1) * 32767), -32768, 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="s16", layout=layout)
        frame.sample_rate = rate_hz
        frame.pts = 0
        fifo = av.AudioFifo()
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            part.pts = None
            fifo.write(part)
        size = stream.codec_context.frame_size or 1024
        while (piece := fifo.read(size, partial=True)) is not None:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def write_tune(
    path: Path,
    *,
    seconds: float = 30.0,
    seed: int = 0,
    rate_hz: int = 44_100,
    transpose_semitones: int = 0,
    tags: dict[str, str] | None = None,
) -> Path:
    """Write a tune; the ending of ``path`` picks WAV, MP3, OGG, OPUS, FLAC, M4A, WEBM or AAC."""
    audio = tune(seconds, seed, rate_hz, transpose_semitones)
    return write_audio(path, audio, rate_hz, tags=tags)
