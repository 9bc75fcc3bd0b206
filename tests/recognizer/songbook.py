"""Catalogues of made-up songs: chords that change every few frames, and embeddings that move as a song goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from recognizer.catalogue import Catalogue, CatalogueView, CatalogueWriter, Track
from recognizer.step import Floats
from tests.recognizer.catalogue.builders import CONTRACT, MODEL_ID

FPS = 4
HOP_S = 4


def chords(frames: int, seed: int) -> Floats:
    """A pitch sequence, shape (frames, 12)."""
    rng = np.random.default_rng(seed)
    changes = frames // 2 + 1
    lengths = rng.integers(2, 6, changes)
    picked = (rng.random((changes, 12)).argsort(axis=1) < 3).astype(np.float32)
    return np.repeat(picked, lengths, axis=0)[:frames] + 0.1 * rng.random((frames, 12)).astype(np.float32)


def unit(vectors: Floats) -> Floats:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def windows(count: int, dimension: int, seed: int) -> Floats:
    """Unit embeddings of a song's windows; neighbours are alike."""
    rng = np.random.default_rng(seed)
    steps = rng.standard_normal((count + 4, dimension))
    return unit(np.stack([steps[i : i + 5].sum(axis=0) for i in range(count)]))


def pieces(song: int, dimension: int, seconds: int = 80) -> Floats:
    """Unit embeddings of a song's pieces, one every 2 s; they have nothing in common with its windows."""
    return windows(seconds // 2, dimension, 10_000 + song)


def songbook(
    directory: Path,
    songs: int,
    *,
    seconds: int = 80,
    dimension: int = 32,
    hub: Floats | None = None,
    same_work: bool = False,
    with_pieces: bool = False,
) -> CatalogueView:
    """Works w0, w1, … with one reference r0, r1, … each; ``hub`` are the windows of the last one, if given.

    With ``same_work`` all references are of w0. `pieces` of each are in it on demand, as of a model that hears them.
    """
    contract = replace(CONTRACT, dimension=dimension)
    count = seconds // HOP_S
    with CatalogueWriter(directory, contract, MODEL_ID) as writer:
        for number in range(songs):
            vectors = hub if hub is not None and number == songs - 1 else windows(count, dimension, number)
            starts_s = (HOP_S * np.arange(len(vectors))).astype(np.float32)
            unknown = (None,) * 5
            track = Track(
                f"r{number}",
                "w0" if same_work else f"w{number}",
                *unknown,
                f"{number:064x}",
                float(seconds),
                len(vectors),
            )
            short = pieces(number, dimension, seconds) if with_pieces else None
            writer.add(track, vectors, starts_s, chords(seconds * FPS, number), short)
        writer.commit()
    return Catalogue.open(directory).view()
