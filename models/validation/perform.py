"""A score as a performance of its own: key, tempo, instruments and accompaniment, without invented mistakes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.data.arrange import Notes, perform
from models.data.arrange import excerpt as cut
from models.data.harmony import SEGMENT_BEATS, harmonise
from models.data.score import Score
from models.data.style import Style, draw_style

_STEADIEST_BEND, _WIDEST_BEND = 0.0, 0.04


@dataclass(frozen=True, slots=True)
class Part:
    """What to play: ``seconds`` of a score from the beat ``start`` at ``beat_s`` seconds a beat.

    A score shorter than that is played again from its beginning, at the next bar of four beats.
    """

    score: Score
    start: float
    beat_s: float
    seconds: float
    semitones: int


def draw_player(rng: np.random.Generator) -> Style:
    """A random style with every note as written and the tune in front, so that what differs is what people changed."""
    style = draw_style(rng)
    return replace(
        style,
        missed=0.0,
        melody_missed=0.0,
        edits=0.0,
        timing_beats=float(rng.uniform(0, 0.03)),
        melody_level=float(rng.uniform(0.75, 1.0)),
        other_level=float(rng.uniform(0.2, 0.55)),
        bass=float(rng.uniform(0.2, 0.55)) if style.bass else 0.0,
    )


def notes_of(part: Part, style: Style, rng: np.random.Generator) -> Notes:
    """Perform a part; notes in seconds from its beginning, along a gently bending tempo."""
    score, beat_s = part.score, part.beat_s
    beats = part.seconds / beat_s
    grid = float(np.floor(part.start / SEGMENT_BEATS) * SEGMENT_BEATS)
    length = beats + (part.start - grid) + SEGMENT_BEATS
    loop = rounds_beats(score) if part.start + beats > score.beats + 4 else None
    segment = np.arange(int(np.ceil(length / SEGMENT_BEATS))) + round(grid / SEGMENT_BEATS)
    if loop:
        segment = segment % max(1, int(loop / SEGMENT_BEATS))
    chords = harmonise(score)
    chords = chords[np.clip(segment, 0, len(chords) - 1)]
    played = perform(cut(score, grid, grid + length, loop), chords, style, length, rng)
    onset = (played.onset - (part.start - grid)) * beat_s
    period_s, phase = rng.uniform(8, 20), rng.random()
    bend = rng.uniform(_STEADIEST_BEND, _WIDEST_BEND) * period_s / (2 * np.pi)
    onset = onset + bend * (np.sin(2 * np.pi * (onset / period_s + phase)) - np.sin(2 * np.pi * phase))
    return Notes(onset, played.duration * beat_s, played.pitch + part.semitones, played.level, played.melody)


def rounds_beats(score: Score) -> float:
    """Beats after which a repeated score begins again."""
    return max(4.0, float(np.ceil(score.beats / 4) * 4))
