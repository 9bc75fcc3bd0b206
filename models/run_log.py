"""The table that a training run writes as it goes: one row a probe, appended across restarts."""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping
from pathlib import Path


def log_row(path: Path, step: int, fields: Mapping[str, str]) -> None:
    """Append the time, the step and ``fields`` (column to text); a new file begins with the names of the columns."""
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if fresh:
            writer.writerow(["unix_s", "step", *fields])
        writer.writerow([int(time.time()), step, *fields.values()])
