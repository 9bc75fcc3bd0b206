"""Makes the file of `models.heard.sounds`: FluidSynth plays every note of a soundfont once."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import mido
import numpy as np
import numpy.typing as npt
import torch

from models.heard.sounds import DB_STEP, DRUMS, FLOOR, LEAD_FRAMES, NOTE_FRAMES, PITCHES, PROGRAMS
from models.heard.spectra import Bytes
from models.nets.constantq import ConstantQ, ConstantQConfig

_HOLD_S, _EVERY_S = 2.0, 3.5
_TICKS_PER_S = 960
_PERCUSSION = 9


def write_sounds(path: Path, soundfonts: Sequence[Path]) -> None:
    """Play every note of every soundfont and keep its spectrum, atomically.

    Raises
    ------
    RuntimeError
        When FluidSynth fails.
    """
    played = [_spectra(font) for font in soundfonts]
    tones, peak = zip(*(p[0] for p in played), strict=True)
    drums, drum_peak = zip(*(p[1] for p in played), strict=True)
    temporary = path.with_suffix(".part.npz")
    np.savez_compressed(
        temporary, tones=np.stack(tones), drums=np.stack(drums), peak=np.stack(peak), drum_peak=np.stack(drum_peak)
    )
    os.replace(temporary, path)


def _spectra(font: Path) -> tuple[tuple[Bytes, npt.NDArray[np.float32]], tuple[Bytes, npt.NDArray[np.float32]]]:
    """Tones and drums of one soundfont, each with its peaks."""
    notes = [(0, int(program), int(pitch)) for program in PROGRAMS for pitch in PITCHES]
    notes += [(_PERCUSSION, 0, drum) for drum in DRUMS]
    config = ConstantQConfig()
    pcm = _played(notes, font, config.rate_hz)
    constantq, found = ConstantQ(config), []
    every = int(_EVERY_S * config.rate_hz)
    # Frame LEAD_FRAMES begins at the onset, which is half a second into a note's share of the recording.
    first = config.rate_hz // 2 - LEAD_FRAMES * config.hop
    with torch.no_grad():
        for start in range(0, len(notes), 64):
            cut = [pcm[k * every : (k + 1) * every] for k in range(start, min(start + 64, len(notes)))]
            whole = torch.from_numpy(np.stack([np.pad(c, (constantq.margin, constantq.margin)) for c in cut]))
            heard = whole[:, first : first + NOTE_FRAMES * config.hop + 2 * constantq.margin]
            found.append(constantq(heard).numpy())
    decibels = 10 * np.concatenate(found)
    power = (10 ** (decibels / 10)).sum(2).max(1)
    loudest = decibels.max((1, 2))
    units = np.clip(np.round((decibels - loudest[:, None, None]) / DB_STEP) + FLOOR, 0, FLOOR).astype(np.uint8)
    # A soundfont that lacks a note leaves silence there, which must not be made loud.
    units[loudest < -75] = 0
    peak = (loudest - 10 * np.log10(power)).astype(np.float32)
    tones, shape = len(PROGRAMS) * len(PITCHES), (len(PROGRAMS), len(PITCHES))
    return (
        (units[:tones].reshape(*shape, *units.shape[1:]), peak[:tones].reshape(shape)),
        (units[tones:], peak[tones:]),
    )


def _played(notes: Sequence[tuple[int, int, int]], font: Path, rate_hz: int) -> npt.NDArray[np.float32]:
    """Mono samples of notes (channel, program, pitch), one every `_EVERY_S`, the first at half a second; dry."""
    track, now = mido.MidiTrack(), 0

    def add(at_s: float, message: mido.Message) -> None:
        nonlocal now
        tick = round(at_s * _TICKS_PER_S)
        track.append(message.copy(time=tick - now))
        now = tick

    for number, (channel, program, pitch) in enumerate(notes):
        start = number * _EVERY_S
        add(start + 0.3, mido.Message("control_change", channel=channel, control=120, value=0))
        if channel != _PERCUSSION:
            add(start + 0.35, mido.Message("program_change", channel=channel, program=program))
        add(start + 0.5, mido.Message("note_on", channel=channel, note=pitch, velocity=100))
        add(start + 0.5 + _HOLD_S, mido.Message("note_off", channel=channel, note=pitch, velocity=0))
    track.append(mido.MetaMessage("end_of_track", time=_TICKS_PER_S * 2))
    file = mido.MidiFile(ticks_per_beat=_TICKS_PER_S // 2)
    file.tracks.append(track)
    with tempfile.TemporaryDirectory() as folder:
        midi, raw = Path(folder) / "in.mid", Path(folder) / "out.raw"
        file.save(midi)
        command = [
            "fluidsynth",
            "-ni",
            "-q",
            "-R",
            "0",
            "-C",
            "0",
            "-T",
            "raw",
            "-O",
            "s16",
            "-E",
            "little",
            "-g",
            "0.5",
        ]
        command += ["-r", str(rate_hz), "-o", "synth.dynamic-sample-loading=1", "-F", str(raw), str(font), str(midi)]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode or not raw.exists():
            raise RuntimeError(f"fluidsynth failed on {font}: {done.stderr.decode(errors='replace').strip()}")
        mono = np.fromfile(raw, "<i2").reshape(-1, 2).mean(1, dtype=np.float32) / 32768
    wanted = int(len(notes) * _EVERY_S * rate_hz)
    return np.pad(mono[:wanted], (0, max(0, wanted - len(mono))))
