"""A benchmark set from recordings: each query of ``recordings.csv`` on air among talk and unknown music."""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from models.data.render import Samples
from models.programmes.broadcast import Ingredients, something_else
from models.programmes.desk import Desk
from models.programmes.files import (
    MANIFEST_COLUMNS,
    TRUTH_COLUMNS,
    read_table,
    truth_rows,
    write_flac,
    write_table,
)
from models.programmes.material import read
from models.programmes.perform import levelled, trimmed
from models.validation.manifest import true_work

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recording:
    """A row of ``recordings.csv``; paths start from its folder."""

    path: str
    group: str
    work_id: str
    role: str


def read_recordings(folder: Path) -> tuple[list[Recording], list[Recording]]:
    """References and queries; of a work whose files may be either, the first is the reference."""
    with (folder / "recordings.csv").open(encoding="utf-8", newline="") as file:
        rows = [Recording(r["path"], r["set"], true_work(r["work_id"]), r["role"]) for r in csv.DictReader(file)]
    known = {row.work_id for row in rows if row.role == "reference"}
    references: list[Recording] = []
    queries: list[Recording] = []
    for row in rows:
        role = row.role
        if role == "either":
            role = "query" if row.work_id in known else "reference"
            known.add(row.work_id)
        (references if role == "reference" else queries).append(replace(row, role=role))
    held = {row.work_id for row in references}
    return references, [row for row in queries if row.work_id in held]


def write_references(out: Path, folder: Path, references: Sequence[Recording]) -> Path:
    """The table for ``indexer add --manifest``; the recordings stay where they are."""
    rows: list[dict[str, object]] = [
        {"path": os.path.relpath(folder / r.path, out), "work_id": r.work_id, "title": f"{r.group} {r.work_id}"}
        for r in references
    ]
    table = out / "catalogue.csv"
    write_table(table, MANIFEST_COLUMNS, rows)
    return table


def write_recorded(
    out: Path, folder: Path, queries: Sequence[Recording], material: Ingredients, minutes: float, seed: int
) -> Path:
    """Write the programmes that are missing and the truth of all; returns the truth's path."""
    order = [queries[int(i)] for i in np.random.default_rng((seed, 5)).permutation(len(queries))]
    tables: list[dict[str, str]] = []
    number = done = 0
    while done < len(order):
        name = f"recorded-{number:02d}"
        audio, table = out / "programmes" / f"{name}.flac", out / "programmes" / f"{name}.csv"
        if not (audio.exists() and table.exists()):
            rng = np.random.default_rng((seed, 6, number))
            desk = _programme(folder, order[done:], material, minutes * 60, rng)
            write_flac(audio, desk.mixed())
            write_table(table, TRUTH_COLUMNS, truth_rows(name, audio.name, desk.rows))
        rows = read_table(table)
        played = sum(row["kind"] == "cover" for row in rows)
        done, number = done + max(played, 1), number + 1
        log.info("%s: %d queries, %d of %d done", name, played, done, len(order))
        tables += [{**row, "path": f"programmes/{row['path']}"} for row in rows]
    truth = out / "truth.csv"
    write_table(truth, TRUTH_COLUMNS, tables)
    return truth


def _programme(
    folder: Path, queries: Sequence[Recording], material: Ingredients, seconds: float, rng: np.random.Generator
) -> Desk:
    """As many queries as there is time for, each after something else; the recordings are played as they are."""
    desk = Desk(rng)
    for query in queries:
        if desk.now_s >= seconds:
            break
        something_else(desk, material, rng)
        desk.play(_played(folder / query.path), "cover", query.work_id, f"{query.group} {query.path}")
    something_else(desk, material, rng)
    return desk


def _played(path: Path) -> Samples:
    audio = levelled(trimmed(read(path)))
    if not len(audio):
        raise ValueError(f"{path} cannot be read as audio; every query must be played")
    return audio
