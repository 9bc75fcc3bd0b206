"""Standard MIDI files to `Score`."""

from __future__ import annotations

import re
from pathlib import Path

import mido
import numpy as np
from mido.midifiles.meta import KeySignatureError

from models.data.score import DRUMS, MELODY, OTHER, Score, make_score, skyline

DRUM_CHANNEL = 9
_MELODY_NAME = re.compile(r"melod|vocal|voice|lead|sing", re.IGNORECASE)
# Beyond this a "file" is a stuck note or a counter overflow, not music.
_LONGEST_NOTE_BEATS = 32.0
_Note = tuple[int, int, int, int, int]  # start tick, end tick, pitch, channel, track


def read_midi(path: Path, melody_channel: int | None = None) -> Score:
    """Notes of a MIDI file in beats from its beginning.

    The melody is, in this order: ``melody_channel``, a track with a telling name, the first track of several when it
    is a single line, else the skyline of everything.

    Raises
    ------
    ValueError
        When the file cannot be parsed or holds no pitched note.
    """
    try:
        file = mido.MidiFile(path, clip=True)
    except (OSError, EOFError, ValueError, KeyError, IndexError, KeySignatureError) as error:
        raise ValueError(f"{path}: not a readable MIDI file ({error})") from error
    notes: list[_Note] = []
    names: dict[int, str] = {}
    tempi: list[tuple[int, int]] = []
    for number, track in enumerate(file.tracks):
        names[number] = track.name
        notes += _track_notes(track, number, tempi)
    notes.sort()
    pitched = [n for n in notes if n[3] != DRUM_CHANNEL]
    if not pitched:
        raise ValueError(f"{path}: no pitched note")
    ticks = max(1, file.ticks_per_beat)
    score = make_score(
        [n[0] / ticks for n in notes],
        [min((n[1] - n[0]) / ticks, _LONGEST_NOTE_BEATS) for n in notes],
        [n[2] for n in notes],
        [DRUMS if n[3] == DRUM_CHANNEL else OTHER for n in notes],
        _mean_beat_s(tempi, max(n[1] for n in notes)),
    )
    return _with_melody(score, notes, names, melody_channel)


def _track_notes(track: mido.MidiTrack, number: int, tempi: list[tuple[int, int]]) -> list[_Note]:
    """Notes of one track; tempo changes seen on the way are appended to ``tempi``."""
    now = 0
    open_notes: dict[tuple[int, int], int] = {}
    notes: list[_Note] = []
    for message in track:
        now += message.time
        if message.type == "set_tempo":
            tempi.append((now, message.tempo))
        elif message.type in ("note_on", "note_off"):
            key = (message.channel, message.note)
            start = open_notes.pop(key, None)
            if start is not None:
                notes.append((start, now, message.note, message.channel, number))
            if message.type == "note_on" and message.velocity > 0:
                open_notes[key] = now
    return notes


def _mean_beat_s(tempi: list[tuple[int, int]], end: int) -> float:
    """Time-weighted mean beat length in seconds (0.5 s where the file says nothing)."""
    if not tempi:
        return 0.5
    tempi = sorted(tempi)
    edges = np.array([t for t, _ in tempi] + [max(end, tempi[-1][0] + 1)], np.float64)
    edges[0] = 0
    weights = np.maximum(np.diff(edges), 0)
    beat_s = float(np.average([m for _, m in tempi], weights=weights)) / 1e6 if weights.sum() else tempi[0][1] / 1e6
    return min(max(beat_s, 0.2), 2.0)


def _with_melody(score: Score, notes: list[_Note], names: dict[int, str], channel: int | None) -> Score:
    channels = np.array([n[3] for n in notes])
    tracks = np.array([n[4] for n in notes])
    pitched = score.role != DRUMS
    if channel is not None and np.any(pitched & (channels == channel)):
        within = pitched & (channels == channel)
    else:
        named = [t for t in np.unique(tracks[pitched]) if _MELODY_NAME.search(names.get(int(t), ""))]
        first = tracks == (named[0] if named else tracks[pitched].min())
        several = len(np.unique(tracks[pitched])) > 1
        within = pitched & first if named or (several and _is_line(score.select(pitched & first))) else pitched
    role = skyline(score, within)
    if not np.any(role == MELODY):
        raise ValueError("no melody note")
    return Score(score.onset, score.duration, score.pitch, role, score.beat_s)


def _is_line(score: Score) -> bool:
    """Whether a part is (nearly) monophonic."""
    overlaps = score.onset[:-1] + score.duration[:-1] > score.onset[1:] + 0.05
    return len(score) > 4 and float(np.mean(overlaps)) < 0.15
