"""The list of files to train on: a CSV with at least ``path, work_id, split``, the project's own or anyone's."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path


class ManifestError(ValueError):
    """The manifest cannot be used; the message says what is wrong and where."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file: a version of a work.

    Attributes
    ----------
    path : str
        Relative to the folder that holds the collection.
    work_id, version : str
        Files with one ``work_id`` are versions of one work.
    split : str
        ``train`` or ``val``, the same for all versions of a work.
    collection : str
        Where the file comes from, for licences and balancing; ``""`` when unknown.
    melody_channel : int or None
        MIDI channel of the tune where known.
    """

    path: str
    work_id: str
    version: str
    split: str
    collection: str
    melody_channel: int | None


def read_manifest(path: Path, collections: Collection[str] | None = None) -> list[Entry]:
    """Entries of a manifest, in file order.

    Parameters
    ----------
    collections
        Keep these collections only; None keeps all.

    Raises
    ------
    ManifestError
        On a missing column, an unknown split, a work in two splits, or when nothing is left.
    """
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = {"path", "work_id", "split"} - set(reader.fieldnames or ())
        if missing:
            raise ManifestError(f"{path}: columns {sorted(missing)} are missing")
        entries = [_entry(path, line, row) for line, row in enumerate(reader, 2)]
    kept = [e for e in entries if collections is None or e.collection in collections]
    if not kept:
        raise ManifestError(f"{path}: no file is left of collections {sorted(collections or ())}")
    _check_splits(path, entries)
    return kept


def _entry(path: Path, line: int, row: dict[str, str]) -> Entry:
    if row["split"] not in ("train", "val"):
        raise ManifestError(f"{path}:{line}: split is {row['split']!r}, expected 'train' or 'val'")
    channel = (row.get("melody_channel") or "").strip()
    return Entry(
        path=row["path"],
        work_id=row["work_id"],
        version=row.get("version") or row["path"],
        split=row["split"],
        collection=row.get("collection") or "",
        melody_channel=int(float(channel)) if channel else None,
    )


def _check_splits(path: Path, entries: Iterable[Entry]) -> None:
    split_of: dict[str, str] = {}
    for entry in entries:
        if split_of.setdefault(entry.work_id, entry.split) != entry.split:
            raise ManifestError(f"{path}: work {entry.work_id!r} is in both 'train' and 'val'")
