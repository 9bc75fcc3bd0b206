"""A small catalogue of made-up tunes and a programme that plays other versions of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recognizer.catalogue import CatalogueWriter, Track
from recognizer.embedder import Embedder
from recognizer.reference import analyse
from recognizer.timeline import Pcm16
from tests.audio_samples import tune

RATE_HZ = 16_000


def played(seconds: float, seed: int, transpose: int = 0) -> Pcm16:
    """A version of tune ``seed``."""
    audio = tune(seconds, seed=seed, rate_hz=RATE_HZ, transpose_semitones=transpose)
    return (audio * 30_000).astype(np.int16)


def silence(seconds: float) -> Pcm16:
    return np.zeros(round(seconds * RATE_HZ), np.int16)


def add_tunes(directory: Path, embedder: Embedder, seeds: range, seconds: float = 45) -> None:
    """Index a piece of each tune; work ids are ``w<seed>``."""
    with CatalogueWriter(directory, embedder.contract, embedder.model_id) as writer:
        for seed in seeds:
            a = analyse([played(seconds, seed)], embedder)
            names = (f"r{seed}", f"w{seed}", f"Tune {seed}", "Trad.", None, None, None, f"{seed:064x}")
            writer.add(Track(*names, a.duration_s, len(a.embeddings)), a.embeddings, a.starts_s, a.pitch, a.pieces)
        writer.commit()


def programme() -> Pcm16:
    """Two versions in other keys, with silence around them: 120 s."""
    parts = [silence(6), played(40, 3, 4), silence(20), played(40, 5, -3), silence(14)]
    return np.concatenate(parts)
