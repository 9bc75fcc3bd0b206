"""Audio for the front end to learn from: renders with exact truth, free recordings, both as the teacher hears them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from models.data.arrange import Notes
from models.data.hear import BINS, FPS, Roll, rasterise
from models.data.render import Samples, render
from models.data.style import Style, draw_style
from models.data.teacher import RATE_HZ as TEACHER_RATE_HZ
from models.data.teacher import Teacher
from models.data.views import Corpus, Recipe, draw_pair, play

RATE_HZ = 16000
PIECE_S = 30.0
_PEAK = 0.7


@dataclass(frozen=True, slots=True)
class Piece:
    """Thirty seconds to learn from.

    Attributes
    ----------
    pcm : int16 array, shape (PIECE_S * RATE_HZ,)
    heard : float16 array, shape (PIECE_S * FPS, BINS)
        The teacher's note posterior, as it comes.
    truth : float16 array, same shape
        What was played; zeros for recordings.
    known : bool
        Whether ``truth`` is known.
    """

    pcm: npt.NDArray[np.int16]
    heard: npt.NDArray[np.float16]
    truth: npt.NDArray[np.float16]
    known: bool


def rendered_pieces(corpus: Corpus, teacher: Teacher, soundfonts: list[Path], seed: int, count: int) -> Iterator[Piece]:
    """Renders of random passages in random styles, ``count`` of them."""
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        work = int(rng.choice(len(corpus.works), p=corpus.share))
        passage, _ = draw_pair(corpus, corpus.works[work], Recipe(), rng)
        style = replace(draw_style(rng), missed=0.0, melody_missed=0.0)
        notes = play(passage, style, PIECE_S, rng)
        soundfont = soundfonts[int(rng.integers(len(soundfonts)))]
        drums = passage.beat_s if style.drums else None
        loud = render(notes, PIECE_S, soundfont, TEACHER_RATE_HZ, rng, drums)
        yield _piece(loud, teacher, exact(notes, style))


def exact(notes: Notes, style: Style) -> Roll:
    """What sounds, at full level while a note is held; shape (PIECE_S * FPS, BINS)."""
    held = Notes(notes.onset, notes.duration, notes.pitch, np.ones(len(notes)), notes.melody)
    plain = replace(style, melody_decay_per_s=0.15, decay_per_s=0.15, attack_s=0.0)
    return rasterise(held, int(PIECE_S * FPS), plain)


def recorded_pieces(pcm: Samples, teacher: Teacher) -> Iterator[Piece]:
    """Cut a recording (float32 at the teacher's rate, shape (samples,)) into whole pieces."""
    length = int(PIECE_S * TEACHER_RATE_HZ)
    for start in range(0, len(pcm) - length + 1, length):
        part = pcm[start : start + length]
        if float(np.abs(part).max()) > 0.01:
            yield _piece(part, teacher, None)


def _piece(pcm: Samples, teacher: Teacher, truth: Roll | None) -> Piece:
    pcm = pcm * np.float32(_PEAK / max(float(np.abs(pcm).max()), 1e-3))
    resampled = soxr.resample(pcm, TEACHER_RATE_HZ, RATE_HZ)[: int(PIECE_S * RATE_HZ)]
    samples = np.zeros(int(PIECE_S * RATE_HZ), np.int16)
    samples[: len(resampled)] = np.round(np.clip(resampled, -1, 1) * 32767)
    heard = teacher.salience(pcm).astype(np.float16)
    known = truth if truth is not None else np.zeros((int(PIECE_S * FPS), BINS), np.float32)
    return Piece(samples, heard[: len(known)], known.astype(np.float16), truth is not None)


def write_shard(path: Path, pieces: list[Piece]) -> None:
    """Write pieces as one ``.npz`` atomically."""
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        np.savez(
            file,
            pcm=np.stack([p.pcm for p in pieces]),
            heard=np.stack([p.heard for p in pieces]),
            truth=np.stack([p.truth for p in pieces]),
            known=np.array([p.known for p in pieces]),
        )
    os.replace(temporary, path)
