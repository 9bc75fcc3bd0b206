"""Performances to audio with FluidSynth, in random instruments: exact pitch truth beside realistic sound."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import mido
import numpy as np
import numpy.typing as npt

from models.data.arrange import Notes
from models.data.instruments import BASS_BELOW, BASSES, CHORDS, LEADS

Samples = npt.NDArray[np.float32]
Programs = tuple[int, int, int]

_TICKS_PER_S = 960  # 480 ticks a beat at 120 beats a minute
_MELODY, _OTHER, _BASS, _DRUMS = 0, 1, 2, 9


def render(
    notes: Notes,
    seconds: float,
    soundfont: Path,
    rate_hz: int,
    rng: np.random.Generator,
    drums_beat_s: float | None,
    programs: Programs | None = None,
) -> Samples:
    """Play notes (in seconds) on instruments of a soundfont.

    Parameters
    ----------
    drums_beat_s
        Beat length of an added drum part; None for no drums.
    programs
        General MIDI programs of tune, chords and bass; None draws them.

    Returns
    -------
    float32 array, shape (seconds * rate_hz,)

    Raises
    ------
    FileNotFoundError
        When there is no such soundfont (FluidSynth would play on another one).
    RuntimeError
        When FluidSynth fails; the message is its own.
    """
    if not soundfont.is_file():
        raise FileNotFoundError(f"the soundfont {soundfont} is not there; name a .sf2 or .sf3 file")
    with tempfile.TemporaryDirectory() as folder:
        midi, raw = Path(folder) / "in.mid", Path(folder) / "out.raw"
        to_midi(notes, seconds, rng, drums_beat_s, programs).save(midi)
        command = ["fluidsynth", "-ni", "-q", "-T", "raw", "-O", "s16", "-E", "little", "-r", str(rate_hz), "-g", "0.5"]
        # Instruments that are not played are not read: a large soundfont then costs no more than a small one.
        command += ["-o", "synth.dynamic-sample-loading=1"]
        done = subprocess.run([*command, "-F", str(raw), str(soundfont), str(midi)], capture_output=True, check=False)
        if done.returncode or not raw.exists():
            raise RuntimeError(f"fluidsynth failed: {done.stderr.decode(errors='replace').strip()}")
        stereo = np.fromfile(raw, "<i2").reshape(-1, 2)
    wanted = int(seconds * rate_hz)
    mono = stereo[:wanted].mean(1, dtype=np.float32) / 32768
    return np.pad(mono, (0, wanted - len(mono)))


def to_midi(
    notes: Notes,
    seconds: float,
    rng: np.random.Generator,
    drums_beat_s: float | None = None,
    programs: Programs | None = None,
) -> mido.MidiFile:
    """A MIDI file of a performance: tune, chords, bass and drums on channels of their own."""
    channel = np.where(notes.melody > 0, _MELODY, np.where(notes.pitch < BASS_BELOW, _BASS, _OTHER))
    events: list[tuple[int, int, mido.Message]] = []
    for i in np.flatnonzero((notes.onset < seconds) & (notes.onset + notes.duration > 0)):
        start, end = max(0.0, notes.onset[i]), min(seconds, notes.onset[i] + max(notes.duration[i], 0.05))
        pitch, velocity = int(np.clip(notes.pitch[i], 12, 115)), int(np.clip(30 + 97 * notes.level[i], 1, 127))
        _add(events, start, end, int(channel[i]), pitch, velocity)
    if drums_beat_s is not None:
        loud = rng.uniform(40, 110, 3)
        for k, at in enumerate(np.arange(0, seconds, drums_beat_s / 2)):
            for hit, note, level in ((k % 4 == 0, 36, loud[0]), (k % 4 == 2, 38, loud[1]), (True, 42, loud[2] * 0.7)):
                if hit and rng.random() < 0.93:
                    _add(events, at, at + 0.1, _DRUMS, note, int(level))
    track = mido.MidiTrack()
    chosen = programs or tuple(int(rng.choice(p)) for p in (LEADS, CHORDS, BASSES))
    for part, program in zip((_MELODY, _OTHER, _BASS), chosen, strict=True):
        track.append(mido.Message("program_change", channel=part, program=program))
        track.append(mido.Message("control_change", channel=part, control=91, value=int(rng.integers(0, 100))))
    track.append(mido.Message("control_change", channel=_MELODY, control=1, value=int(rng.choice((0, 0, 40, 90)))))
    now = 0
    for tick, _, message in sorted(events, key=lambda e: e[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=max(0, int(seconds * _TICKS_PER_S) - now)))
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks.append(track)
    return file


def _add(
    events: list[tuple[int, int, mido.Message]], start: float, end: float, channel: int, pitch: int, velocity: int
) -> None:
    """Append a note-on and a note-off; at one tick the offs come first."""
    on, off = int(start * _TICKS_PER_S), max(int(end * _TICKS_PER_S), int(start * _TICKS_PER_S) + 1)
    events.append((on, 1, mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)))
    events.append((off, 0, mido.Message("note_off", channel=channel, note=pitch, velocity=0)))
