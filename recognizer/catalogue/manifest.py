"""The manifest: everything a generation consists of, checked field by field before any file is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from recognizer.catalogue.track import clean_text, is_fit_text, is_sha256
from recognizer.contract import ModelContract
from recognizer.errors import CatalogueCorrupt, ModelMismatch

FORMAT = "recognizer-catalogue"
VERSION = 2
_READABLE = (1, 2)  # catalogues of version 1 hold no pieces
MAX_MANIFEST_BYTES = 32 * 1024 * 1024
MAX_FILE_BYTES = 512 * 1024 * 1024  # what one Redis value holds
MAX_SEGMENTS = 100_000
MAX_DIMENSION = 8_192
MAX_ROWS = 1 << 40
FILE_NAMES = ("vectors", "starts", "pitch", "tracks")
PIECES = "pieces"  # a file that only segments with pieces have


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file, addressed by content."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """One immutable segment and which of its tracks have been removed since.

    Attributes
    ----------
    files : dict
        ``vectors``, ``starts``, ``pitch`` and ``tracks``; ``pieces`` where there are any.
    tracks, windows, frames : int
        Rows of each table, removed ones included.
    removed : tuple of int
        Positions of removed tracks within the segment, ascending.
    pieces : int
        Rows of that table.
    """

    files: dict[str, FileEntry]
    tracks: int
    windows: int
    frames: int
    removed: tuple[int, ...] = ()
    pieces: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """One generation of a catalogue.

    Attributes
    ----------
    generation : int
        Grows by one with every commit; 0 is the empty catalogue.
    model_id, model_name : str
        The model that made the vectors.
    dimension, pitch_bins : int
    pitch_fps, step_s, window_s : float
        As in the model's contract.
    tracks, works, windows : int
        Totals without what was removed.
    segments : tuple of SegmentEntry
    """

    generation: int
    model_id: str
    model_name: str
    dimension: int
    pitch_bins: int
    pitch_fps: float
    step_s: float
    window_s: float
    tracks: int = 0
    works: int = 0
    windows: int = 0
    segments: tuple[SegmentEntry, ...] = ()

    @classmethod
    def empty(cls, contract: ModelContract, model_id: str) -> Manifest:
        """Generation 0 for a model."""
        return cls(
            generation=0,
            model_id=model_id,
            model_name=clean_text(contract.name) or "unnamed",
            dimension=contract.dimension,
            pitch_bins=contract.pitch_bins,
            pitch_fps=contract.pitch_fps,
            step_s=contract.step_s,
            window_s=contract.window_s,
        )

    def files(self) -> list[FileEntry]:
        """Every file the generation needs, each once."""
        return list({file.sha256: file for segment in self.segments for file in segment.files.values()}.values())

    def require_model(self, model_id: str, model_name: str = "") -> None:
        """Refuse another model than the catalogue was built with.

        Raises
        ------
        ModelMismatch
            Saying how to rebuild.
        """
        if model_id != self.model_id:
            raise ModelMismatch(
                f"the catalogue was built with model {self.model_name} ({self.model_id[:19]}…), the model in "
                f"use is {model_name or 'another'} ({model_id[:19]}…); run `indexer rebuild --into NEW_DIR` "
                "to compute it again from the source files, `indexer add MUSIC --catalogue NEW_DIR` to start "
                "another, or name the old model with --model"
            )

    def to_bytes(self) -> bytes:
        """The manifest file, with a checksum over its other fields."""
        body: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            **{name: getattr(self, name) for name in _NUMBERS},
            "segments": [
                {
                    "files": {n: {"sha256": f.sha256, "bytes": f.size_bytes} for n, f in s.files.items()},
                    "tracks": s.tracks,
                    "windows": s.windows,
                    "frames": s.frames,
                    "removed": list(s.removed),
                    **({PIECES: s.pieces} if s.pieces else {}),
                }
                for s in self.segments
            ],
        }
        return _dump({**body, "checksum": _checksum(body)})

    def emptied(self) -> Manifest:
        """Generation 0 for the same model."""
        return replace(self, generation=0, tracks=0, works=0, windows=0, segments=())

    def next(self, **changes: Any) -> Manifest:
        """The following generation, with ``changes``."""
        return replace(self, generation=self.generation + 1, **changes)

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Parse and check a manifest.

        Raises
        ------
        CatalogueCorrupt
            When it is damaged, or of another format or version.
        """
        body = _load(data)
        for name, check in _NUMBERS.items():
            if not check(body.get(name)):
                raise CatalogueCorrupt(f"the manifest's {name} is {body.get(name)!r:.80}, which cannot be; {_RESTORE}")
        segments = body.get("segments")
        if not isinstance(segments, list) or len(segments) > MAX_SEGMENTS:
            raise CatalogueCorrupt(f"the manifest lists no segments or too many; {_RESTORE}")
        return cls(
            **{name: body[name] for name in _NUMBERS},
            segments=tuple(_segment(raw, body["dimension"], body["pitch_bins"]) for raw in segments),
        )


def manifest_files(manifest: bytes) -> list[str]:
    """SHA-256 of every file that a manifest needs, each once, in the order of its segments.

    Raises
    ------
    CatalogueCorrupt
        When the manifest is damaged.
    """
    return [file.sha256 for file in Manifest.from_bytes(manifest).files()]


_RESTORE = "restore the catalogue from an export, or build it again with `indexer add`"


def _count(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e6


_NUMBERS: dict[str, Callable[[Any], bool]] = {
    "generation": _count(0, MAX_ROWS),
    "model_id": is_fit_text,
    "model_name": is_fit_text,
    "dimension": _count(1, MAX_DIMENSION),
    "pitch_bins": _count(1, MAX_DIMENSION),
    "pitch_fps": _positive,
    "step_s": _positive,
    "window_s": _positive,
    "tracks": _count(0, MAX_ROWS),
    "works": _count(0, MAX_ROWS),
    "windows": _count(0, MAX_ROWS),
}


def _dump(body: dict[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, indent=1, allow_nan=False).encode("ascii") + b"\n"


def _checksum(body: dict[str, Any]) -> str:
    return hashlib.sha256(_dump(body)).hexdigest()


def _load(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_MANIFEST_BYTES:
        raise CatalogueCorrupt(f"the manifest has {len(data)} bytes, expected at most {MAX_MANIFEST_BYTES}")
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CatalogueCorrupt(f"the manifest is not JSON ({error!s:.80}); {_RESTORE}") from error
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise CatalogueCorrupt(f"the manifest is not one of a {FORMAT}; check the path of the catalogue")
    if body.get("version") not in _READABLE:
        raise CatalogueCorrupt(
            f"the catalogue has format version {body.get('version')!r:.20}, this program reads {VERSION}; "
            "use the program that wrote it, or build the catalogue again"
        )
    checksum = body.pop("checksum", None)
    try:
        expected = _checksum(body)
    except ValueError as error:
        raise CatalogueCorrupt(f"the manifest holds numbers that cannot be; {_RESTORE}") from error
    if checksum != expected:
        raise CatalogueCorrupt(f"the manifest does not match its checksum; {_RESTORE}")
    return body


def _segment(raw: Any, dimension: int, pitch_bins: int) -> SegmentEntry:
    rows = _count(1, MAX_ROWS)
    files = raw.get("files") if isinstance(raw, dict) else None
    names = {*FILE_NAMES, PIECES} if isinstance(raw, dict) and PIECES in raw else set(FILE_NAMES)
    if not isinstance(files, dict) or set(files) != names:
        raise CatalogueCorrupt(f"a segment of the manifest does not name its {len(names)} files; {_RESTORE}")
    if not all(rows(raw.get(name)) for name in ("tracks", "windows", "frames", *names - set(FILE_NAMES))):
        raise CatalogueCorrupt(f"a segment of the manifest has impossible sizes; {_RESTORE}")
    removed = raw.get("removed")
    position = _count(0, raw["tracks"] - 1)
    if not isinstance(removed, list) or not all(map(position, removed)) or removed != sorted(set(removed)):
        raise CatalogueCorrupt(f"a segment of the manifest has an impossible list of removed tracks; {_RESTORE}")
    entries = {name: _file(files[name]) for name in files}
    least = {
        "vectors": 4 * raw["windows"] * dimension,
        "starts": 4 * raw["windows"],
        "pitch": raw["frames"] * pitch_bins,
        **({PIECES: 2 * raw[PIECES] * dimension} if PIECES in raw else {}),
    }
    for name, size_bytes in least.items():
        # The arrays are preceded by a header of at most a few hundred bytes.
        if not size_bytes < entries[name].size_bytes <= size_bytes + 4096:
            raise CatalogueCorrupt(f"the size of a segment's {name} does not fit its rows; {_RESTORE}")
    pieces = raw.get(PIECES, 0)
    return SegmentEntry(entries, raw["tracks"], raw["windows"], raw["frames"], tuple(removed), pieces)


def _file(raw: Any) -> FileEntry:
    size_ok = _count(1, MAX_FILE_BYTES)
    if not isinstance(raw, dict) or not is_sha256(raw.get("sha256")) or not size_ok(raw.get("bytes")):
        raise CatalogueCorrupt(f"a file entry of the manifest cannot be; {_RESTORE}")
    return FileEntry(raw["sha256"], raw["bytes"])
