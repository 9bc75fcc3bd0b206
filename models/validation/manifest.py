"""Manifests of validation sets: a CSV that ``indexer evaluate`` reads, one row a recording."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

HALVES = ("choose", "report")
"""Models are chosen on the works of the first half and reported on those of the second."""

# Two originals of the piano covers are one recording, half a second apart.
_SAME_WORK = {"ex7a4ff73d": "ex233379a0"}


class ValidationError(ValueError):
    """A validation set cannot be made; the message says what is missing and what to do."""


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> int:
    """Write a CSV atomically and return the number of rows; keys outside ``columns`` are not written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    count = 0
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", restval="")
        writer.writeheader()
        for row in rows:
            writer.writerow(row)
            count += 1
    os.replace(temporary, path)
    return count


def read_rows(path: Path, needed: Iterable[str]) -> list[dict[str, str]]:
    """Rows of a CSV that has at least the columns ``needed``.

    Raises
    ------
    ValidationError
        When the file is missing or lacks a column.
    """
    if not path.is_file():
        raise ValidationError(f"{path}: no such file; expected a CSV with the columns {', '.join(needed)}")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = sorted(set(needed) - set(reader.fieldnames or ()))
        if missing:
            raise ValidationError(f"{path}: columns {', '.join(missing)} are missing")
        return list(reader)


def draw_of(seed: int, work_id: str) -> int:
    """A number in [0, 2**32) of a work, equal whatever other works there are, to seed or to order by."""
    return int.from_bytes(hashlib.sha256(f"{seed} {work_id}".encode()).digest()[:4], "big")


def halves(works: Iterable[str], seed: int) -> dict[str, str]:
    """Half of every work, drawn once per seed: sizes differ by at most one and order does not matter."""
    names = sorted(set(works))
    order = np.random.default_rng(seed).permutation(len(names))
    return {names[int(at)]: HALVES[rank % 2] for rank, at in enumerate(order)}


def true_work(work_id: str) -> str:
    """The work that a name stands for: some recordings are there twice, under two names."""
    return _SAME_WORK.get(work_id, work_id)
