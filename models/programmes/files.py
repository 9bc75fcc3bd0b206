"""The files of a benchmark set: audio written whole or not at all, and tables."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import av
import numpy as np

from models.data.render import Samples
from models.programmes.desk import Row
from models.programmes.perform import RATE_HZ

TRUTH_COLUMNS = ("programme", "path", *(field.name for field in fields(Row)))
MANIFEST_COLUMNS = ("path", "work_id", "title", "artist")
_BLOCK = 1 << 15


def write_flac(path: Path, audio: Samples) -> None:
    """Write float32 mono audio in [-1, 1] as 16-bit FLAC at `RATE_HZ`, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pcm = np.round(np.clip(audio, -1, 1) * 32767).astype(np.int16)
    temporary = path.with_suffix(".part")
    with av.open(str(temporary), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=RATE_HZ, layout="mono")
        for first in range(0, len(pcm), _BLOCK):
            frame = av.AudioFrame.from_ndarray(pcm[None, first : first + _BLOCK], format="s16", layout="mono")
            frame.sample_rate = RATE_HZ
            frame.pts = first
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    os.replace(temporary, path)


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a CSV atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    temporary = path.with_suffix(".part")
    temporary.write_text(out.getvalue(), encoding="utf-8")
    os.replace(temporary, path)


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def truth_rows(programme: str, path: str, rows: Iterable[Row]) -> list[dict[str, object]]:
    """Rows for a truth table, in order of time."""
    ordered = sorted(rows, key=lambda row: (row.start_s, row.end_s))
    return [
        {
            "programme": programme,
            "path": path,
            **asdict(row),
            "start_s": f"{row.start_s:.2f}",
            "end_s": f"{row.end_s:.2f}",
        }
        for row in ordered
    ]
