"""Set (c): one manifest of all real recordings, with two halves of works and with distractors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from models.validation.manifest import halves, read_rows, true_work, write_rows

COLUMNS = ("path", "work_id", "role", "set", "half", "note")
_NOT_AUDIO = (".txt", ".mid")


def rows(data: Path, songs: Path | None, seed: int) -> Iterator[dict[str, object]]:
    """Rows of ``data/recordings.csv`` and of the songs' queries, absolute paths, each kind of query a set of its own.

    References are repeated for every set that asks for them, so each set can be read alone. Works keep one half in
    all sets: models are chosen on ``choose`` and reported on ``report``.
    """
    recorded = [
        r
        for r in read_rows(data / "recordings.csv", ("path", "set", "work_id", "role"))
        if not r["path"].endswith(_NOT_AUDIO)
    ]
    half_of: dict[str, str] = {}
    for number, family in enumerate(sorted({r["set"] for r in recorded})):
        half_of |= halves((r["work_id"] for r in recorded if r["set"] == family), seed + number)
    for row in recorded:  # after the halves were drawn, so that the others stay where they were
        row["work_id"] = true_work(row["work_id"])
    kinds: dict[str, list[str]] = {}
    for row in recorded:
        names = kinds.setdefault(row["set"], [])
        if row["role"] != "reference" and (name := set_name(row)) not in names:
            names.append(name)
    for row in recorded:
        for name in [set_name(row)] if row["role"] != "reference" else kinds[row["set"]]:
            yield _row(str((data / row["path"]).resolve()), row["work_id"], row["role"], name, half_of, row.get("note"))
    if songs is not None:
        for row in read_rows(songs, ("path", "set", "work_id", "role")):
            if row["role"] != "distractor":
                path = str((songs.parent / row["path"]).resolve())
                yield _row(path, row["work_id"], row["role"], row["set"], half_of, None)


def set_name(row: dict[str, str]) -> str:
    """Name of the set of a query: its set, and for piano covers and songs the kind that its file is named after."""
    if row["set"] == "piano" and row["role"] == "query":
        return "piano-" + Path(row["path"]).stem.split("-")[0]
    if row["set"] == "songs" and row["role"] == "query":
        return "songs-" + Path(row["path"]).stem
    return row["set"]


def _row(path: str, work_id: str, role: str, name: str, half_of: dict[str, str], note: str | None) -> dict[str, object]:
    half = half_of.get(work_id, "")
    return {"path": path, "work_id": work_id, "role": role, "set": name, "half": half, "note": note or ""}


def distractor_rows(folder: Path, name: str) -> Iterator[dict[str, object]]:
    """Rows of a folder made by ``distractors``, each recording a work of its own."""
    for row in read_rows(folder / "distractors.csv", ("path", "package", "sha256")):
        yield {
            "path": str((folder / row["path"]).resolve()),
            "work_id": f"distractor:{row['sha256'][:12]}",
            "role": "distractor",
            "set": name,
            "note": row["package"],
        }


def make(data: Path, songs: Path | None, distractors: Iterable[tuple[Path, str]], out: Path, seed: int) -> int:
    """Write the manifest; the number of its rows."""
    listed = list(rows(data, songs, seed))
    for folder, name in distractors:
        listed += distractor_rows(folder, name)
    return write_rows(out, COLUMNS, listed)
