"""Which recordings are tried: tables, lists of pairs, folders of strangers.

::

    path,work_id,role,set,kind          role: reference, query, either (when empty) or distractor
    a/original.flac,song-7,reference,piano,
    a/cover.flac,song-7,query,piano,close
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.find import AUDIO_ENDINGS, find_audio
from indexer.written import read_text, refuse
from recognizer.catalogue.track import clean_text
from recognizer.errors import UsageError

ROLES = ("reference", "query", "either", "distractor")
NO_SET, DISTRACTORS = "recordings", "distractors"


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording of a list.

    Attributes
    ----------
    path : Path
    name : str
        As the list writes it.
    work_id : str
        Equal for versions of one work; a distractor has one of its own.
    role : str
        One of `ROLES`.
    group : str
        Its set.
    kind : str or None
        What sort of query it is, reported separately.
    """

    path: Path
    name: str
    work_id: str
    role: str = "either"
    group: str = NO_SET
    kind: str | None = None

    @property
    def is_reference(self) -> bool:
        """Whether queries are ranked against it."""
        return self.role != "query"

    @property
    def is_query(self) -> bool:
        """Whether it is asked for."""
        return self.role in ("query", "either")


def read_table(path: Path, root: Path | None, *, kinds_from_names: bool = False) -> list[Recording]:
    """Rows of a table; relative paths count from ``root``, else from the table's folder.

    Files that are notation or text beside the audio (by their ending) are passed over.

    Raises
    ------
    UsageError
        When columns are missing or rows cannot be used, with line numbers.
    """
    reader = csv.DictReader(io.StringIO(read_text(path, "list"), newline=""), strict=True)
    missing = {"path", "work_id"} - set(reader.fieldnames or ())
    if missing:
        raise UsageError(
            f"the table {path} has no column {' and no column '.join(sorted(missing))}; "
            "expected path,work_id and, if wanted, role,set,kind"
        )
    recordings: list[Recording] = []
    problems: list[str] = []
    try:
        for row in reader:
            try:
                recording = _recording({k: (v or "").strip() for k, v in row.items() if k}, root or path.parent)
            except ValueError as error:
                problems.append(f"line {reader.line_num}: {error}")
                continue
            if recording.path.suffix.lower() in AUDIO_ENDINGS:
                recordings.append(_with_kind(recording) if kinds_from_names else recording)
    except csv.Error as error:
        problems.append(f"line {reader.line_num}: {error}")
    refuse(path, "list", problems)
    return recordings


def _recording(row: dict[str, str], root: Path) -> Recording:
    name, work, role = row["path"], clean_text(row["work_id"]), row.get("role") or "either"
    if not name or "\0" in name:
        raise ValueError("path is empty or impossible")
    if role not in ROLES:
        raise ValueError(f"role is {role!r:.40}, expected {', '.join(ROLES)} or nothing")
    if role == "distractor":
        return stranger(root / name, name, clean_text(row.get("set", "")) or DISTRACTORS)
    if work is None:
        raise ValueError("work_id is empty; only a distractor has none")
    kind = clean_text(row.get("kind", ""))
    return Recording(root / name, name, work, role, clean_text(row.get("set", "")) or NO_SET, kind)


def stranger(path: Path, name: str, group: str = DISTRACTORS) -> Recording:
    """A recording that is a version of nothing."""
    return Recording(path, name, f"distractor {path}"[-400:], "distractor", group)


def _with_kind(recording: Recording) -> Recording:
    """The kind of a query is its file's name without a number at the end."""
    if recording.role != "query" or recording.kind is not None:
        return recording
    kind = re.sub(r"[-_ ]?\d+$", "", recording.path.stem) or None
    return Recording(recording.path, recording.name, recording.work_id, recording.role, recording.group, kind)


def read_pairs(list1: Path, list2: Path, root: Path | None) -> list[Recording]:
    """Two lists as covers80 has them: line n of one and line n of the other are versions of one work.

    Paths may lack their ending, as they do there.
    """
    both = [[line.strip() for line in read_text(path, "list").splitlines() if line.strip()] for path in (list1, list2)]
    if len(both[0]) != len(both[1]) or not both[0]:
        raise UsageError(f"{list1} has {len(both[0])} lines and {list2} has {len(both[1])}; expected as many in both")
    folder = root or list1.parent
    return [
        Recording(_with_ending(folder / name), name, f"pair {number + 1}", role, "pairs")
        for number, pair in enumerate(zip(*both, strict=True))
        for name, role in zip(pair, ("query", "reference"), strict=True)
    ]


def _with_ending(path: Path) -> Path:
    if path.suffix.lower() in AUDIO_ENDINGS or path.is_file():
        return path
    found = (path.with_name(path.name + ending) for ending in sorted(AUDIO_ENDINGS))
    return next((candidate for candidate in found if candidate.is_file()), path)


def read_paths(path: Path) -> list[Path]:
    """A list of files, one a line, as MIREX hands them over; relative ones count from the list's folder."""
    lines = [line.split("\t")[0].strip() for line in read_text(path, "list").splitlines()]
    found = [path.parent / line for line in lines if line]
    if not found or any("\0" in str(name) for name in found):
        raise UsageError(f"the list {path} names no files; expected one path a line")
    return found


def strangers_in(folders: Iterable[Path]) -> list[Recording]:
    """Every audio file of folders as a distractor."""
    found = []
    for folder in folders:
        files, _ = find_audio([folder])
        if not folder.is_dir() or not files:
            raise UsageError(f"{folder} holds no audio files; name a folder of recordings with --distractors")
        found += [stranger(file, os.path.relpath(file, folder)) for file in files]
    return found


def chosen_sets(recordings: Sequence[Recording], sets: str | None) -> list[Recording]:
    """Recordings of the sets named (comma-separated), and all distractors, unless a set of these is named."""
    if sets is None:
        return list(recordings)
    wanted = {name.strip() for name in sets.split(",") if name.strip()}
    there = {recording.group for recording in recordings}
    if unknown := wanted - there:
        raise UsageError(f"no set {sorted(unknown)[0]!r:.60} in the list; it has {', '.join(sorted(there))}")
    strangers = {r.group for r in recordings if r.role == "distractor"}
    kept = wanted if strangers & wanted else wanted | strangers
    return [r for r in recordings if r.group in kept]


def fingerprint(recordings: Sequence[Recording], contents: Sequence[str]) -> str:
    """``sha256:…`` of what was tried: contents, works, roles and sets, whatever the paths and the order."""
    lines = sorted(
        "\t".join((content, "" if r.role == "distractor" else r.work_id, r.role, r.group, r.kind or ""))
        for r, content in zip(recordings, contents, strict=True)
    )
    return f"sha256:{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()}"
