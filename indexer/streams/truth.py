"""The table of what was played when: ``path,start_s,end_s,work_id``, with ``programme`` and ``kind`` if one likes."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from indexer.written import read_text, refuse
from recognizer.catalogue.track import clean_text
from recognizer.errors import UsageError
from recognizer.evaluation.streams import COVER, KINDS, Played

_REQUIRED = ("path", "start_s", "end_s")
_MOST_BYTES = 64 * 1024 * 1024
_OTHER = "foreign"


@dataclass(frozen=True, slots=True)
class Programme:
    """A recording and what was played in it."""

    name: str
    path: Path
    rows: tuple[Played, ...]


def read_truth(tables: Sequence[Path]) -> list[Programme]:
    """Read tables; paths count from each table's own folder.

    A row whose start and end are empty only names a recording: nothing of the catalogue is played in it. Without a
    kind, a row with a work is a cover and any other is foreign music.

    Raises
    ------
    UsageError
        When a table or a recording cannot be used, with line numbers.
    """
    names: dict[Path, str] = {}
    rows: dict[Path, list[Played]] = {}
    for table in tables:
        for audio, name, played in _read(table):
            if audio not in names:
                taken = name in names.values()
                names[audio] = f"{table.parent.name}/{name}" if taken else name
            rows.setdefault(audio, [])
            if played is not None:
                rows[audio].append(replace(played, programme=names[audio]))
    if len(set(names.values())) < len(names):
        raise UsageError("two recordings have the same name; give each its own in the column programme")
    return [Programme(names[audio], audio, tuple(found)) for audio, found in rows.items()]


def without_strangers(programmes: Iterable[Programme], works: set[str]) -> tuple[list[Programme], int]:
    """Covers of works that the catalogue does not hold become foreign music; also says how many rows those were."""
    kept, strangers = [], 0
    for programme in programmes:
        rows = []
        for row in programme.rows:
            if row.kind == COVER and row.work_id not in works:
                strangers += 1
                row = replace(row, kind=_OTHER, work_id="")
            rows.append(row)
        kept.append(replace(programme, rows=tuple(rows)))
    return kept, strangers


def _read(table: Path) -> list[tuple[Path, str, Played | None]]:
    reader = csv.DictReader(io.StringIO(read_text(table, "truth", _MOST_BYTES), newline=""), restval="")
    missing = [name for name in _REQUIRED if name not in (reader.fieldnames or ())]
    if missing:
        raise UsageError(
            f"the truth {table} has no column {missing[0]!r} in its first line; expected the columns "
            "path,start_s,end_s,work_id and, if you like, programme and kind"
        )
    found, problems = [], []
    try:
        for row in reader:
            try:
                found.append(_row(table.parent, row))
            except ValueError as error:
                problems.append(f"line {reader.line_num}: {error}")
    except csv.Error as error:
        problems.append(f"line {reader.line_num}: {error}")
    refuse(table, "truth", problems)
    if not found:
        raise UsageError(f"the truth {table} has no rows; expected one for each thing played")
    return found


def _row(folder: Path, row: dict[str, str]) -> tuple[Path, str, Played | None]:
    where = (row["path"] or "").strip()
    if not where or "\0" in where:
        raise ValueError("path is empty or impossible")
    audio = (folder / where).resolve()
    if not audio.is_file():
        raise ValueError(f"{where} is not a file")
    name = clean_text(row.get("programme") or "", 80) or audio.stem
    if not row["start_s"].strip() and not row["end_s"].strip():
        return audio, name, None
    start_s, end_s = _seconds(row["start_s"]), _seconds(row["end_s"])
    if end_s <= start_s:
        raise ValueError(f"it ends ({end_s:g} s) before it starts ({start_s:g} s)")
    work_id = clean_text(row.get("work_id") or "") or ""
    kind = (row.get("kind") or "").strip() or (COVER if work_id else _OTHER)
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r:.40}, expected one of {', '.join(KINDS)}")
    if kind == COVER and not work_id:
        raise ValueError("a cover needs a work_id")
    return audio, name, Played("", start_s, end_s, kind, work_id if kind == COVER else "")


def _seconds(cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not 0 <= value < 1e7:
        raise ValueError(f"{cell!r:.40} is not a time in seconds")
    return value
