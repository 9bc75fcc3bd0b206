"""The recordings in a folder."""

from __future__ import annotations

from pathlib import Path

from indexer.find import AUDIO_ENDINGS


def is_audio(path: Path) -> bool:
    """Whether a file is called like audio."""
    return path.suffix.lower() in AUDIO_ENDINGS


def audio_files(folder: Path, more_than_bytes: int = 0) -> list[Path]:
    """Recordings below a folder, sorted by path, so that what is drawn from them repeats."""
    found = (path for path in folder.rglob("*") if is_audio(path) and path.is_file())
    return sorted(path for path in found if path.stat().st_size > more_than_bytes)
