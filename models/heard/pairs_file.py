"""Batches of `models.heard.aligned` on disk, one a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.heard.aligned import Aligned
from models.settings import SettingsError

TRAIN, HELD_OUT = "train", "val"


def path_of(folder: Path, split: str, batch: int) -> Path:
    """The file of a batch."""
    return folder / f"{split}-{batch:04d}.npz"


def read_pairs(folder: Path, split: str, count: int) -> list[Aligned]:
    """The first batches of a split.

    Raises
    ------
    SettingsError
        When one is missing or no batch of pairs.
    """
    found = []
    for batch in range(count):
        path = path_of(folder, split, batch)
        try:
            with np.load(path, allow_pickle=False) as stored:
                found.append(Aligned(stored["salience"], stored["line"]))
        except (OSError, KeyError, ValueError) as error:
            raise SettingsError(
                f"{path} cannot be read ({error}); python -m models.passages makes the {count} batches of {split}"
            ) from error
    return found


def write_pairs(path: Path, pairs: Aligned) -> None:
    """Write a batch so that a kill at any moment leaves a whole file or none."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez_compressed(file, salience=pairs.salience, line=pairs.line)
    part.replace(path)
