"""A corpus of ten random tunes and a stage that trains on it in seconds."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from models.data.score import MELODY, make_score
from models.data.store import _write

CONFIG = """
name = "{name}"
[data]
manifest = "works.csv"
store = "s.npz"
works_per_batch = 4
group = 2
helpers = 0
[net]
widths = [4, 6, 8, 8]
dimension = 16
hidden = 16
[loss]
kind = "{loss}"
memory = {memory}
[schedule]
steps = {steps}
warmup = 2
save_s = 0.0
probe_steps = {probe_steps}
"""


def write_corpus(folder: Path, works: int = 10, versions: int = 1) -> None:
    """``works.csv`` and ``s.npz``; held out are the last 30 %; even works have further versions, a fourth higher."""
    rng = np.random.default_rng(0)
    onset = np.arange(0, 64, 0.5)
    scores, rows = [], []
    for work in range(works):
        pitch = 60 + rng.integers(0, 12, len(onset))
        for version in range(versions if work % 2 == 0 else 1):
            path = f"{work}-{version}.mid"
            scores.append(make_score(onset, onset * 0 + 0.5, pitch + 5 * version, np.full(len(onset), MELODY), 0.5))
            rows.append([path, str(work), "val" if work >= 0.7 * works else "train", str(version)])
    _write(folder / "s.npz", [row[0] for row in rows], scores)
    with (folder / "works.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "work_id", "split", "version"])
        writer.writerows(rows)


def write_config(
    folder: Path, name: str, loss: str = "contrastive", memory: int = 0, steps: int = 4, probe_steps: int = 2
) -> Path:
    """A configuration for `write_corpus`."""
    path = folder / f"{name}.toml"
    path.write_text(CONFIG.format(name=name, loss=loss, memory=memory, steps=steps, probe_steps=probe_steps))
    return path
