"""What a pitch-salience front end makes of a performance: a blurred, incomplete, ghostly piano roll."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.data.arrange import Notes, together
from models.data.style import Style

LOWEST_PITCH = 24
"""MIDI number of the first salience bin (C1)."""

BINS = 84
"""Semitones from C1 to B7: seven whole octaves, so that folding onto pitch classes is a reshape."""

FPS = 8
"""Salience frames per second."""

Roll = npt.NDArray[np.float32]


def hear(notes: Notes, frames: int, style: Style, beat_s: float, rng: np.random.Generator) -> Roll:
    """Salience of a performance.

    Parameters
    ----------
    notes : Notes
        In seconds from the beginning of the window.
    frames : int
        Length of the window in frames of 1 / `FPS` seconds.
    beat_s : float
        Length of a beat, for drums.

    Returns
    -------
    float32 array, shape (frames, BINS), in [0, 1]
    """
    roll = rasterise(_with_ghosts(notes, style, rng), frames, style)
    if style.smear:
        smear = style.smear * rng.random((frames, 1)).astype(np.float32) * 2
        beside = np.maximum(np.pad(roll[:, 1:], ((0, 0), (0, 1))), np.pad(roll[:, :-1], ((0, 0), (1, 0))))
        roll = np.maximum(roll, np.minimum(smear, 0.9) * beside)
    if style.release_s:
        _add_tails(roll, style.release_s)
    if style.drums:
        _add_drums(roll, style.drums, beat_s, rng)
    roll *= rng.uniform(0.75, 1.1, roll.shape).astype(np.float32)
    roll = np.clip(roll, 0, 1) ** np.float32(style.gamma) * np.float32(style.gain)
    if style.floor:
        roll += np.abs(rng.standard_normal(roll.shape, np.float32)) * np.float32(style.floor)
    return np.clip(masked(roll, rng), 0, 1)


def rasterise(notes: Notes, frames: int, style: Style) -> Roll:
    """Draw notes (seconds) as levels per frame and semitone; overlapping notes keep the louder.

    Returns
    -------
    float32 array, shape (frames, BINS)
    """
    row = np.round(notes.pitch).astype(np.int64) - LOWEST_PITCH
    start, end = notes.onset * FPS, (notes.onset + np.maximum(notes.duration, 0.06)) * FPS
    keep = (row >= 0) & (row < BINS) & (end > 0) & (start < frames)
    row, start, end = row[keep], start[keep], end[keep]
    level, melody = notes.level[keep], notes.melody[keep]
    first = np.maximum(np.floor(start), 0).astype(np.int64)
    count = np.minimum(np.ceil(end), frames).astype(np.int64) - first
    note = np.repeat(np.arange(len(row)), count)
    frame = np.arange(len(note)) - np.repeat(np.cumsum(count) - count, count) + first[note]
    cover = np.minimum(end[note], frame + 1) - np.maximum(start[note], frame)
    age_s = np.maximum(frame + 0.5 - start[note], 0) / FPS
    decay = np.where(melody[note] > 0, style.melody_decay_per_s, style.decay_per_s)
    attack = np.clip((age_s + 0.03) / (style.attack_s + 0.03), 0, 1)
    roll = np.zeros((frames, BINS), np.float32)
    np.maximum.at(roll, (frame, row[note]), (level[note] * cover * attack * np.exp(-decay * age_s)).astype(np.float32))
    return roll


def _with_ghosts(notes: Notes, style: Style, rng: np.random.Generator) -> Notes:
    parts = [notes]
    for semitones, level in (
        (12, style.ghost), (19, style.upper_ghost), (24, style.upper_ghost), (-12, style.sub_ghost),
    ):  # fmt: skip
        if level > 0.02:
            some = notes.pick(rng.random(len(notes)) < 0.7)
            leak = some.level * level * rng.uniform(0.3, 1.3, len(some))
            parts.append(Notes(some.onset, some.duration * 0.8, some.pitch + semitones, leak, some.melody))
    return together(parts)


def _add_tails(roll: Roll, release_s: float) -> None:
    """Let every bin ring on for up to a second, in place."""
    dry = roll.copy()
    for late in range(1, FPS + 1):
        level = np.float32(np.exp(-late / (FPS * release_s)))
        if level > 0.05:
            np.maximum(roll[late:], dry[:-late] * level, out=roll[late:])


def _add_drums(roll: Roll, level: float, beat_s: float, rng: np.random.Generator) -> None:
    """Hits leak into random neighbouring bins, each drum into its own region, in place."""
    seconds = len(roll) / FPS
    for centre, spread, every in ((12, 4, 1.0), (36, 10, 1.0), (62, 12, 0.5)):
        hits = np.arange(rng.random() * beat_s, seconds, beat_s * every)
        hits = hits[rng.random(len(hits)) < 0.8]
        at = np.minimum((hits * FPS).astype(np.int64), len(roll) - 1)
        width = 6
        bins = np.clip(np.round(rng.normal(centre, spread, (len(at), 1)) + np.arange(width)), 0, BINS - 1)
        power = level * rng.random((len(at), width)) * rng.random()
        np.maximum.at(roll, (at[:, None], bins.astype(np.int64)), power.astype(np.float32))


def stray_notes(style: Style, seconds: float, rng: np.random.Generator) -> Notes:
    """Short notes nobody played."""
    count = rng.poisson(style.blobs * seconds)
    pitch = np.clip(rng.normal(60, 16, count), LOWEST_PITCH, LOWEST_PITCH + BINS - 1)
    return Notes.of(
        rng.random(count) * seconds, rng.exponential(0.15, count), np.round(pitch), rng.beta(1.5, 3, count), 0.0
    )


def masked(roll: Roll, rng: np.random.Generator) -> Roll:
    """Silence a stretch of time or a band of pitches now and then, in place; returns the same array."""
    if rng.random() < 0.2:
        length = int(rng.integers(2, len(roll) // 6))
        start = int(rng.integers(0, len(roll) - length))
        roll[start : start + length] *= np.float32(rng.choice((0.0, 0.3)))
    if rng.random() < 0.15:
        roll[:, : int(rng.integers(4, 24))] = 0
    if rng.random() < 0.15:
        roll[:, -int(rng.integers(10, 36)) :] = 0
    return roll
