"""A segment's tables: to bytes, and back after every check.

::

    tracks.jsonl   one line a track: the fields of `Track`, its pitch frames, their scale, and its pieces
    vectors.npy    float32 (windows, dimension)   rows of track 0, of track 1, …
    starts.npy     float32 (windows,)             start of each window in its recording, seconds
    pitch.npy      uint8 (frames, pitch_bins)     times scale / 255 gives the pitch sequence
    pieces.npy     float16 (pieces, dimension)    of each step its newest seconds alone; where the model has that
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from recognizer.catalogue.manifest import PIECES, FileEntry, Manifest, SegmentEntry
from recognizer.catalogue.track import MAX_LINE_BYTES, Track, dump_line, track_from_json
from recognizer.errors import CatalogueCorrupt

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]
Bytes = npt.NDArray[np.uint8]
Read = Callable[[str], bytes]
_LONGEST_SQUARED = 1.02  # of a unit vector, with room for rounding


@dataclass(frozen=True, slots=True)
class TrackData:
    """A track with its rows.

    Attributes
    ----------
    track : Track
    vectors : float32 array, shape (windows, dimension)
    starts_s : float32 array, shape (windows,)
    pitch : uint8 array, shape (frames, pitch_bins)
    pitch_scale : float
        Value of the byte 255.
    pieces : float16 array, shape (pieces, dimension)
        Embeddings of pieces shorter than a window, one for each step; none where the model makes none.
    """

    track: Track
    vectors: Floats
    starts_s: Floats
    pitch: Bytes
    pitch_scale: float
    pieces: Halves = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float16))

    @classmethod
    def of(cls, track: Track, vectors: Floats, starts_s: Floats, pitch: Floats, pieces: Floats) -> TrackData:
        """What an analysis found, as it is stored: pitch in bytes, pieces in half precision."""
        with np.errstate(over="ignore"):  # too large becomes infinite, and is refused by whoever stores it
            half = pieces.astype(np.float16)
        return cls(track, vectors, starts_s, *quantise(pitch), half)


@dataclass(frozen=True, slots=True)
class TrackLine:
    """A line of the table of tracks, and how many rows of the others belong to it."""

    track: Track
    frames: int
    pitch_scale: float
    pieces: int


def quantise(pitch: Floats) -> tuple[Bytes, float]:
    """A non-negative pitch sequence as bytes and the value that 255 stands for."""
    scale = float(pitch.max(initial=0.0))
    if not math.isfinite(scale) or scale <= 0:
        return np.zeros(pitch.shape, dtype=np.uint8), 1.0
    return np.rint(np.clip(pitch, 0.0, None) * (255.0 / scale)).astype(np.uint8), scale


def encode(rows: Sequence[TrackData]) -> tuple[SegmentEntry, dict[str, bytes]]:
    """A segment of one or more tracks: its manifest entry, and its files by SHA-256."""
    lines = [
        {
            **row.track.to_json(),
            "frames": len(row.pitch),
            "pitch_scale": row.pitch_scale,
            **({PIECES: len(row.pieces)} if len(row.pieces) else {}),
        }
        for row in rows
    ]
    contents = {
        "vectors": _npy(np.concatenate([row.vectors for row in rows]), "<f4"),
        "starts": _npy(np.concatenate([row.starts_s for row in rows]), "<f4"),
        "pitch": _npy(np.concatenate([row.pitch for row in rows]), "|u1"),
        "tracks": b"".join(map(dump_line, lines)),
    }
    pieces = [row.pieces for row in rows if len(row.pieces)]
    if pieces:
        contents[PIECES] = _npy(np.concatenate(pieces), "<f2")
    files = {name: FileEntry(hashlib.sha256(data).hexdigest(), len(data)) for name, data in contents.items()}
    entry = SegmentEntry(
        files=files,
        tracks=len(rows),
        windows=sum(len(row.vectors) for row in rows),
        frames=sum(len(row.pitch) for row in rows),
        pieces=sum(map(len, pieces)),
    )
    return entry, {files[name].sha256: data for name, data in contents.items()}


def decode(manifest: Manifest, entry: SegmentEntry, read: Read) -> list[TrackData]:
    """The tracks of a segment that have not been removed.

    Raises
    ------
    CatalogueCorrupt
        When a file's hash, size, shape or content does not hold.
    """
    lines = track_lines(entry, read)
    vectors = _array(entry, "vectors", read, "<f4", (entry.windows, manifest.dimension))
    starts_s = _array(entry, "starts", read, "<f4", (entry.windows,))
    pitch = _array(entry, "pitch", read, "|u1", (entry.frames, manifest.pitch_bins))
    shape = (entry.pieces, manifest.dimension)
    pieces = _array(entry, PIECES, read, "<f2", shape) if entry.pieces else np.zeros(shape, dtype=np.float16)
    if not all(np.isfinite(numbers).all() for numbers in (vectors, starts_s, pieces)):
        raise CatalogueCorrupt("a segment of the catalogue holds numbers that are not finite; build it again")
    if too_long(vectors) or too_long(pieces):
        raise CatalogueCorrupt("a segment of the catalogue holds vectors longer than 1; build it again")
    rows, window, frame, piece = [], 0, 0, 0
    removed = set(entry.removed)
    for number, line in enumerate(lines):
        windows, frames = slice(window, window + line.track.windows), slice(frame, frame + line.frames)
        own = slice(piece, piece + line.pieces)
        if number not in removed:
            rows.append(
                TrackData(line.track, vectors[windows], starts_s[windows], pitch[frames], line.pitch_scale, pieces[own])
            )
        window, frame, piece = windows.stop, frames.stop, own.stop
    return rows


def too_long(vectors: Floats | Halves) -> bool:
    """Whether a vector exceeds unit norm: its products are no cosines, and it would be near to everything."""
    squared = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float32)
    return float(squared.max(initial=0.0)) > _LONGEST_SQUARED


def track_lines(entry: SegmentEntry, read: Read) -> list[TrackLine]:
    """Every track of a segment (removed ones too).

    Raises
    ------
    CatalogueCorrupt
        When the table does not hold what the manifest says.
    """
    lines = verified(entry.files["tracks"], read).split(b"\n")[:-1]
    if len(lines) != entry.tracks:
        raise CatalogueCorrupt(f"a segment has {len(lines)} tracks, its manifest says {entry.tracks}")
    rows = [_track_line(line) for line in lines]
    counted = [(row.track.windows, row.frames, row.pieces) for row in rows]
    if [sum(numbers) for numbers in zip(*counted, strict=True)] != [entry.windows, entry.frames, entry.pieces]:
        raise CatalogueCorrupt("the tracks of a segment do not add up to its windows, frames and pieces")
    return rows


def _track_line(line: bytes) -> TrackLine:
    if len(line) > MAX_LINE_BYTES:
        raise CatalogueCorrupt(f"a track line has {len(line)} bytes, expected at most {MAX_LINE_BYTES}")
    try:
        raw: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CatalogueCorrupt(f"a track line is not JSON ({error!s:.80})") from error
    if not isinstance(raw, dict):
        raise CatalogueCorrupt("a track line is no JSON object; build the catalogue again")
    frames, pieces = _count(raw.pop("frames", None)), _count(raw.pop(PIECES, 0))
    scale = raw.pop("pitch_scale", None)
    if not isinstance(scale, float | int) or isinstance(scale, bool) or not 0 < scale < 1e9:
        raise CatalogueCorrupt(f"a track has pitch scale {scale!r:.40}, expected a positive number")
    return TrackLine(track_from_json(raw), frames, float(scale), pieces)


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise CatalogueCorrupt(f"a track has {value!r:.40} pitch frames or pieces, expected a count")
    return value


def verified(file: FileEntry, read: Read) -> bytes:
    """The content of a file, whose size and SHA-256 were checked.

    Raises
    ------
    CatalogueCorrupt
        When they do not match.
    """
    data = read(file.sha256)
    if len(data) != file.size_bytes or hashlib.sha256(data).hexdigest() != file.sha256:
        raise CatalogueCorrupt(
            f"file {file.sha256[:12]}… of the catalogue is damaged ({len(data)} bytes, expected "
            f"{file.size_bytes}); restore the catalogue from an export, or build it again"
        )
    return data


def _npy(array: npt.NDArray[Any], dtype: str) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array, dtype=dtype), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _array(entry: SegmentEntry, name: str, read: Read, dtype: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """An array without trusting its header: type, shape and length must be what the manifest implies."""
    data = verified(entry.files[name], read)
    buffer = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(buffer)
        if version != (1, 0):
            raise ValueError(f"npy version {version}")
        seen_shape, fortran, seen_dtype = np.lib.format.read_array_header_1_0(buffer)
    except Exception as error:  # numpy parses the header as Python source, which fails in many ways
        raise CatalogueCorrupt(f"a segment's {name} is no array file ({error!s:.80})") from error
    size_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    if fortran or seen_shape != shape or seen_dtype != np.dtype(dtype) or len(data) - buffer.tell() != size_bytes:
        raise CatalogueCorrupt(
            f"a segment's {name} has shape {seen_shape} of {seen_dtype}, its manifest says {shape} of {dtype}"
        )
    return np.frombuffer(data, dtype=dtype, offset=buffer.tell()).reshape(shape)
