"""The table of music a user hands over: ``path,work_id,title,artist,isrc,iswc``, only ``path`` required.

Spreadsheets execute cells that begin with ``=``, ``+``, ``-`` or ``@``. Tables are therefore written with an
apostrophe in front of such cells, which spreadsheets hide, and one apostrophe in front of such text is taken away
again when a table is read: what was written is what is read.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from indexer.tags import isrc, iswc
from indexer.written import read_text, refuse
from recognizer.catalogue import Track
from recognizer.catalogue.track import MAX_PATH, clean_text
from recognizer.errors import UsageError

COLUMNS = ("path", "work_id", "title", "artist", "isrc", "iswc")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


@dataclass(frozen=True, slots=True)
class Entry:
    """What the user says about one file; ``None`` where the cell was empty."""

    path: Path
    work_id: str | None = None
    title: str | None = None
    artist: str | None = None
    isrc: str | None = None
    iswc: str | None = None


def read_manifest(path: Path) -> list[Entry]:
    """Read a table; relative paths count from its own folder.

    Raises
    ------
    UsageError
        When it cannot be used, with line numbers.
    """
    return _entries(path, read_text(path, "table"))


def _entries(path: Path, text: str) -> list[Entry]:
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    entries: dict[Path, tuple[int, Entry]] = {}
    problems: list[str] = []
    columns: list[str] | None = None
    try:
        for row in reader:
            if columns is None:
                columns = _columns(path, row)
                continue
            if not any(cell.strip() for cell in row):
                continue
            try:
                entry = _entry(path.parent, columns, row)
                first = entries.setdefault(entry.path, (reader.line_num, entry))[0]
                if first != reader.line_num:
                    raise ValueError(f"path {entry.path.name!r:.80} is in line {first} already")
            except ValueError as error:
                problems.append(f"line {reader.line_num}: {error}")
    except csv.Error as error:
        problems.append(f"line {reader.line_num}: {error}")
    if columns is None:
        _columns(path, [])
    refuse(path, "table", problems)
    return [entry for _, entry in entries.values()]


def _columns(path: Path, row: list[str]) -> list[str]:
    columns = [cell.strip().lower() for cell in row]
    if "path" not in columns:
        seen = clean_text(", ".join(columns), 80) or "nothing"
        raise UsageError(
            f"the table {path} has no column 'path' in its first line (seen: {seen}); "
            f"expected the columns {','.join(COLUMNS)}, of which only path is required"
        )
    if twice := [name for name in COLUMNS if columns.count(name) > 1]:
        raise UsageError(f"the table {path} has the column {twice[0]!r} twice; keep one")
    return columns


def _entry(folder: Path, columns: list[str], row: list[str]) -> Entry:
    if len(row) > len(columns):
        raise ValueError(f"{len(row)} cells, expected {len(columns)}; quote cells that hold the separator")
    cells = {name: unguard(cell.strip()) for name, cell in zip(columns, row, strict=False) if cell.strip()}
    where = cells.pop("path", None)
    if where is None:
        raise ValueError("path is empty")
    if "\0" in where or len(where) > MAX_PATH:
        raise ValueError("path is impossible")
    for name, parse, example in (("isrc", isrc, "USRC17607839"), ("iswc", iswc, "T-034.524.680-1")):
        if name in cells and parse(cells[name]) is None:
            raise ValueError(f"{name} {cells[name]!r:.40} is not one; expected like {example}")
    return Entry(
        path=folder / where,
        work_id=clean_text(cells.get("work_id", "")),
        title=clean_text(cells.get("title", "")),
        artist=clean_text(cells.get("artist", "")),
        isrc=isrc(cells.get("isrc")),
        iswc=iswc(cells.get("iswc")),
    )


def write_manifest(tracks: Iterable[Track]) -> str:
    """A table of references, which `read_manifest` reads back."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for track in tracks:
        writer.writerow([guard(getattr(track, name) or "") for name in COLUMNS])
    return out.getvalue()


def guard(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguard(cell: str) -> str:
    """Inverse of `guard`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
