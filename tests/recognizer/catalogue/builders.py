"""Small catalogues with made-up vectors: what is tested here does not depend on audio."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from recognizer.catalogue import CatalogueWriter, Track
from recognizer.contract import ModelContract

MODEL_ID = "sha256:" + "a" * 64
CONTRACT = ModelContract(
    name="made-up",
    sample_rate_hz=16_000,
    step_samples=32_000,
    context_samples=6_000,
    window_steps=10,
    index_hop_steps=2,
    frames_per_step=8,
    feature_dim=12,
    pitch_frames_per_step=8,
    pitch_bins=12,
    dimension=6,
    calibration={},
)


def made_up(number: int, **fields: Any) -> tuple[Track, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Track ``number`` with its vectors, window starts, pitch and pieces; the same number gives the same.

    Every third has no pieces.
    """
    rng = np.random.default_rng(number)
    windows = 1 + number % 5
    values = {
        "reference_id": f"r{number}",
        "work_id": f"w{number // 2}",
        "title": f"Title {number}",
        "artist": None,
        "isrc": None,
        "iswc": None,
        "path": f"/music/{number}.mp3",
        "sha256": hashlib.sha256(str(number).encode()).hexdigest(),
        "duration_s": 20.0 + number,
        "windows": windows,
    }
    vectors = rng.standard_normal((windows, CONTRACT.dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    starts_s = (4.0 * np.arange(windows)).astype(np.float32)
    pitch = rng.random((20 + number % 7, CONTRACT.pitch_bins)).astype(np.float32) * (1 + number)
    pieces = rng.standard_normal((number % 3, CONTRACT.dimension)).astype(np.float32)
    pieces /= np.linalg.norm(pieces, axis=1, keepdims=True)
    return Track(**{**values, **fields}), vectors, starts_s, pitch, pieces


def writer(directory: Path) -> CatalogueWriter:
    return CatalogueWriter(directory, CONTRACT, MODEL_ID)


def fill(directory: Path, numbers: range, *, per_commit: int = 10**6) -> int:
    """Add tracks, some per commit; returns the generation."""
    with writer(directory) as open_writer:
        for count, number in enumerate(numbers, 1):
            open_writer.add(*made_up(number))
            if count % per_commit == 0:
                open_writer.commit()
        return open_writer.commit()
