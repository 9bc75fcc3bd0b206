"""How a version is played and how it reaches the ear: every knob of a view, drawn once and shared by a group.

Works of one group are played in the same style, so that the style cannot tell them apart; the two views of a work
come in different styles, so that the style cannot bring them together either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PATTERNS = ("block", "arpeggio", "alberti", "offbeat", "pad", "strum", "broken_octave", "none")
ACCOMPANIMENTS = ("original", "chords", "none")


@dataclass(frozen=True, slots=True)
class Style:
    """One draw of everything that is not the composition. Levels are posterior-like, in [0, 1].

    Attributes
    ----------
    accompaniment, pattern : str
        One of `ACCOMPANIMENTS` and of `PATTERNS`.
    bass, drums : float
        Level of an added bass line and of percussion bleeding into the pitches; 0 for none.
    melody_octave : int
        Semitones added to the melody, a multiple of 12.
    melody_level, other_level : float
        Loudness of the tune and of the rest.
    melody_doubling : float
        Level of the tune doubled an octave up; 0 for none.
    decay_per_s : float
        How fast accompaniment notes die (0 for organ and strings); the melody has its own.
    melody_decay_per_s : float
    missed, melody_missed : float
        Probability that a note is not heard at all.
    ghost, upper_ghost : float
        Level of false octave (+12) and of twelfth and double octave (+19, +24) above each note.
    sub_ghost : float
        Level of a false octave below.
    smear : float
        Leak into the neighbouring semitones; what vibrato and singing do.
    attack_s, release_s : float
        Rise of a note and length of its tail.
    glide : float
        Share of melody notes that slide in from below, as singers do.
    floor, blobs : float
        Level of the noise floor; number of stray short notes per second.
    gamma, gain : float
        Contrast and level of the front end's output.
    timing_beats, swing : float
        Standard deviation of onsets; delay of off-beats in beats.
    staccato : float
        Factor on durations.
    edits : float
        Share of melody notes that are changed, left out, repeated or ornamented.
    reharmonise : float
        Share of chords that are replaced.
    """

    accompaniment: str
    pattern: str
    bass: float
    drums: float
    melody_octave: int
    melody_level: float
    other_level: float
    melody_doubling: float
    decay_per_s: float
    melody_decay_per_s: float
    missed: float
    melody_missed: float
    ghost: float
    upper_ghost: float
    sub_ghost: float
    smear: float
    attack_s: float
    release_s: float
    glide: float
    floor: float
    blobs: float
    gamma: float
    gain: float
    timing_beats: float
    swing: float
    staccato: float
    edits: float
    reharmonise: float


def draw_style(rng: np.random.Generator) -> Style:
    """A random style: a produced song (47 %), a solo instrument (38 %) or a bare voice (15 %)."""
    kind = rng.choice(3, p=(0.47, 0.38, 0.15))
    produced, bare = kind == 0, kind == 2
    sung = bool(rng.random() < (0.6 if produced else 0.1 if kind == 1 else 0.5))
    accompaniment = "none" if bare else str(rng.choice(ACCOMPANIMENTS[:2], p=(0.5, 0.5)))
    return Style(
        accompaniment=accompaniment,
        pattern=str(rng.choice(PATTERNS[:-1])),
        bass=float(rng.uniform(0.3, 1) if not bare and rng.random() < (0.8 if produced else 0.5) else 0),
        drums=float(rng.uniform(0.1, 0.6) if produced and rng.random() < 0.8 else 0),
        melody_octave=int(rng.choice((-12, 0, 12), p=(0.25, 0.5, 0.25))),
        melody_level=float(rng.uniform(0.55, 1)),
        other_level=float(rng.uniform(0.25, 1) if produced else rng.uniform(0.3, 0.8)),
        melody_doubling=float(rng.uniform(0.3, 0.9) if rng.random() < 0.25 else 0),
        decay_per_s=float(rng.choice((0.0, rng.uniform(0.5, 3.0)))),
        melody_decay_per_s=0.0 if sung else float(rng.uniform(0.0, 2.5)),
        missed=float(rng.uniform(0, 0.35 if produced else 0.15)),
        melody_missed=float(rng.uniform(0, 0.25 if produced else 0.1)),
        ghost=float(rng.uniform(0, 0.6) * (rng.random() < 0.7)),
        upper_ghost=float(rng.uniform(0, 0.35) * (rng.random() < 0.5)),
        sub_ghost=float(rng.uniform(0, 0.4) * (rng.random() < 0.3)),
        smear=float(rng.uniform(0.05, 0.4) if sung else rng.uniform(0, 0.12)),
        attack_s=float(rng.uniform(0, 0.12)),
        release_s=float(rng.uniform(0, 0.5) * (rng.random() < 0.6)),
        glide=float(rng.uniform(0.1, 0.5) if sung else 0),
        floor=float(rng.uniform(0, 0.03 if produced else 0.012)),
        blobs=float(rng.uniform(0, 8) if produced else rng.uniform(0, 2)),
        gamma=float(np.exp(rng.normal(0, 0.35))),
        gain=float(rng.uniform(0.5, 1)),
        timing_beats=float(abs(rng.normal(0, 0.05))),
        swing=float(rng.uniform(0.05, 0.17) * (rng.random() < 0.15)),
        staccato=float(rng.uniform(0.5, 1.15)),
        edits=float(rng.uniform(0, 0.2)),
        reharmonise=float(rng.uniform(0, 0.3) * (rng.random() < 0.5)),
    )
