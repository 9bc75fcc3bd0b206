"""Analyses on disk, by model and content, so that a run that was ended goes on where it stopped."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from pathlib import Path

import numpy as np

from recognizer.contract import ModelContract
from recognizer.reference import Analysis

_ARRAYS = ("embeddings", "starts_s", "pitch", "pieces")
_MAX_FILE_BYTES = 512 * 1024 * 1024


class AnalysisCache:
    """Analyses of one model under one alteration.

    Parameters
    ----------
    folder : Path
        May be shared by models and runs; files it did not write are left alone.
    model_id : str
        ``sha256:`` and 64 digits.
    contract : ModelContract
    label : str
        Of the alteration.
    """

    def __init__(self, folder: Path, model_id: str, contract: ModelContract, label: str) -> None:
        self._folder = folder / f"analyses-{model_id.removeprefix('sha256:')[:16]}"
        self._contract = contract
        self._label = re.sub(r"[^A-Za-z0-9.-]", "_", label)
        self._folder.mkdir(parents=True, exist_ok=True)

    def _path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}-{self._label}.npz"

    def get(self, sha256: str) -> Analysis | None:
        """What is kept of a content; ``None`` when there is nothing, or nothing whole."""
        path = self._path(sha256)
        try:
            if path.stat().st_size > _MAX_FILE_BYTES:
                return None
            with np.load(path, allow_pickle=False) as data:
                arrays = [np.asarray(data[name], dtype=np.float32) for name in _ARRAYS]
                duration_s = float(data["duration_s"])
            os.utime(path)  # the least recently used goes first
        except Exception:  # a damaged archive fails in many ways; all mean that it is computed again
            return None
        embeddings, starts_s, pitch, pieces = arrays
        windows, frames = len(embeddings), len(pitch)
        width = self._contract.dimension
        shapes = ((windows, width), (windows,), (frames, self._contract.pitch_bins), (len(pieces), width))
        fits = tuple(array.shape for array in arrays) == shapes and min(windows, frames) and duration_s > 0
        if not fits or not all(np.isfinite(array).all() for array in arrays):
            return None
        return Analysis(embeddings, starts_s, pitch, duration_s, pieces)

    def put(self, sha256: str, analysis: Analysis) -> None:
        """Keep an analysis; either all of it is there afterwards or nothing."""
        descriptor, temporary = tempfile.mkstemp(dir=self._folder, suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as file:
                np.savez(
                    file, embeddings=analysis.embeddings, starts_s=analysis.starts_s, pitch=analysis.pitch,
                    pieces=analysis.pieces, duration_s=np.float64(analysis.duration_s),
                )  # fmt: skip
            os.replace(temporary, self._path(sha256))
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def prune(folder: Path, limit_bytes: int) -> None:
    """Remove the least recently used analyses until the rest fit."""
    files = []
    for path in [*folder.glob("analyses-*/*.npz"), *folder.glob("analyses-*/*.part")]:
        with contextlib.suppress(OSError):
            status = path.stat()
            files.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= limit_bytes:
            return
        with contextlib.suppress(OSError):
            path.unlink()
            total -= size
