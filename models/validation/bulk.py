"""Many performances in one run of FluidSynth: loading a soundfont takes longer than playing a piece."""

from __future__ import annotations

import subprocess
import tempfile
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
import numpy.typing as npt

from models.data.arrange import Notes
from models.data.mixing import over
from models.data.render import Programs, to_midi
from models.validation.manifest import ValidationError

RATE_HZ = 16000
_GAP_S = 2
_TICKS_PER_S = 960  # as in `models.data.render`
_CHANNELS = 16
_ALL_SOUND_OFF = 120
Pcm = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Take:
    """One performance to be rendered: notes in seconds, its length, the beat of its drums (None for none), its seed.

    ``programs`` are the General MIDI programs of tune, chords and bass; None draws them.
    """

    notes: Notes
    seconds: float
    drums_beat_s: float | None
    seed: tuple[int, ...]
    programs: Programs | None = None


def render_all(takes: Sequence[Take], soundfont: Path) -> list[Pcm]:
    """Render takes one after the other in instruments drawn from their seeds.

    Returns
    -------
    list of int16 arrays, shape (seconds * RATE_HZ,) each
        Mono, peaks between a quarter and nine tenths of full scale.

    Raises
    ------
    ValidationError
        When FluidSynth is missing or fails, or a take stays silent.
    """
    with tempfile.TemporaryDirectory() as folder:
        midi, raw = Path(folder) / "in.mid", Path(folder) / "out.raw"
        starts = _one_after_another(takes, midi)
        # Dry and in large blocks, which takes half the time; only the samples in use are loaded.
        command = ["fluidsynth", "-ni", "-q", "-T", "raw", "-O", "s16", "-E", "little", "-r", str(RATE_HZ), "-g", "0.4"]
        quick = ["-R", "0", "-C", "0", "-z", "4096", "-o", "synth.dynamic-sample-loading=1"]
        try:
            done = subprocess.run([*command, *quick, "-F", raw, soundfont, midi], capture_output=True, check=False)
        except FileNotFoundError as error:
            raise ValidationError("fluidsynth is not on this machine; install it (Debian: fluidsynth)") from error
        if done.returncode or not raw.exists():
            raise ValidationError(f"fluidsynth failed on {soundfont}: {done.stderr.decode(errors='replace').strip()}")
        stereo = np.memmap(raw, "<i2", "r")
        return [_level(_cut(stereo, at, take.seconds), take, soundfont) for at, take in zip(starts, takes, strict=True)]


def _one_after_another(takes: Sequence[Take], target: Path) -> list[int]:
    """Write all takes into one MIDI file; the tick at which each begins."""
    track = mido.MidiTrack()
    starts: list[int] = []
    now = 0
    for take in takes:
        starts.append(now)
        whole_s = int(np.ceil(take.seconds))
        rng = np.random.default_rng(take.seed)
        part = to_midi(take.notes, whole_s, rng, take.drums_beat_s, take.programs).tracks[0]
        rest = 0
        for message in part:
            if message.type == "end_of_track":
                rest = message.time
            else:
                track.append(message)
        off = [mido.Message("control_change", channel=c, control=_ALL_SOUND_OFF, value=0) for c in range(_CHANNELS)]
        off[0].time = rest + _GAP_S * _TICKS_PER_S
        track.extend(off)
        now += (whole_s + _GAP_S) * _TICKS_PER_S
    track.append(mido.MetaMessage("end_of_track", time=_TICKS_PER_S))
    file = mido.MidiFile(ticks_per_beat=_TICKS_PER_S // 2)
    file.tracks.append(track)
    file.save(target)
    return starts


def _cut(stereo: npt.NDArray[np.int16], tick: int, seconds: float) -> npt.NDArray[np.float32]:
    """Mono samples of one take, silence where the file ends early."""
    first, wanted = tick * RATE_HZ // _TICKS_PER_S, int(seconds * RATE_HZ)
    mono = np.asarray(stereo[2 * first : 2 * (first + wanted)]).reshape(-1, 2).mean(1, dtype=np.float32)
    return np.pad(mono, (0, wanted - len(mono)))


def _level(mono: npt.NDArray[np.float32], take: Take, soundfont: Path) -> Pcm:
    peak = float(np.abs(mono).max(initial=0.0))
    if peak < 30:
        raise ValidationError(f"a performance of {len(take.notes)} notes is silent in {soundfont}; use a complete one")
    wanted = 32767 * np.random.default_rng((*take.seed, 1)).uniform(0.25, 0.9)
    return np.round(mono * (wanted / peak)).astype(np.int16)


def mixed(first: Pcm, second: Pcm, first_db: float) -> Pcm:
    """Two parts of equal length with the first so many decibels above the second, at the first's peak level."""
    a, b = first.astype(np.float32), second.astype(np.float32)
    both = over(a, b, first_db, RATE_HZ)
    return np.round(both * (float(np.abs(a).max()) / float(np.abs(both).max()))).astype(np.int16)


def write_wav(path: Path, pcm: Pcm) -> None:
    """Write mono 16-bit audio at `RATE_HZ` atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    with wave.open(str(temporary), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(pcm.astype("<i2").tobytes())
    temporary.replace(path)
