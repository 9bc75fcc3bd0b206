"""The one writer of a catalogue directory.

A commit, in the order that makes any moment of it safe to be the last::

    1  files/<sha256> of new segments     written aside, synced, renamed; nothing refers to them yet
    2  manifest.previous.json             a copy of the current manifest
    3  manifest.json                      replaced in one step: this is the commit
    4  files that neither names           deleted
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np

from recognizer.catalogue import disk
from recognizer.catalogue.directory import FILES_NAME, MANIFEST_NAME, PREVIOUS_NAME, Catalogue, exists
from recognizer.catalogue.manifest import MAX_MANIFEST_BYTES, Manifest, SegmentEntry
from recognizer.catalogue.segment import Floats, TrackData, decode, encode, too_long, track_lines
from recognizer.catalogue.track import Track
from recognizer.contract import ModelContract
from recognizer.errors import CatalogueBusy, CatalogueCorrupt, CatalogueError

LOCK_NAME = "lock"
SEGMENT_BYTES = 64 * 1024 * 1024  # of vectors; larger segments are not merged any more
_MERGE_COUNT = 8  # segments of one size class that become one
_SMALL_BYTES = 1024 * 1024  # the smallest size class; each next one is eight times larger


@dataclass(slots=True)
class _Segment:
    """A segment and the tracks in it that have not been removed."""

    entry: SegmentEntry
    rows: dict[str, int]  # reference id -> position in the segment


class CatalogueWriter:
    """Adds and removes references; a context manager that holds the catalogue's lock.

    Parameters
    ----------
    directory : Path
        Made when it is not there, if a model is given.
    contract : ModelContract, optional
    model_id : str, optional
        The model in use; with its contract it is what a new catalogue is made for.
    like : Manifest, optional
        Of another catalogue, whose model is to be used.

    Raises
    ------
    CatalogueError
        When there is no catalogue and no model to make one for, or the directory cannot be written.
    CatalogueBusy
        When another process is writing.
    ModelMismatch
        When the catalogue was built with another model.
    """

    def __init__(
        self,
        directory: Path,
        contract: ModelContract | None = None,
        model_id: str | None = None,
        *,
        like: Manifest | None = None,
    ) -> None:
        self.directory = directory
        if contract is not None and model_id is not None:
            like = Manifest.empty(contract, model_id)
        if like is None and not exists(directory):
            Catalogue.open(directory)  # raises the sentence for "there is none"
        try:
            (directory / FILES_NAME).mkdir(parents=True, exist_ok=True)
            self._lock = _lock(directory)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise CatalogueError(f"{directory} cannot be written ({reason}); name another directory") from error
        try:
            if like is not None and not exists(directory):
                self._put_manifest(like.emptied().to_bytes())
            self._load(Catalogue.open(directory))
            if like is not None:
                self.manifest.require_model(like.model_id, like.model_name)
            with contextlib.suppress(OSError):
                self._clean()
        except BaseException:
            os.close(self._lock)
            raise

    def _load(self, catalogue: Catalogue) -> None:
        self.manifest = catalogue.manifest
        self._read = catalogue.read
        self._segments: list[_Segment] = []
        self._pending: dict[str, TrackData] = {}
        self._changed = False
        self.tracks: dict[str, Track] = {}  # reference id -> track, uncommitted ones included
        for entry in catalogue.manifest.segments:
            try:
                lines = track_lines(entry, self._read)
            except FileNotFoundError as error:
                raise CatalogueCorrupt(
                    f"a file of the catalogue in {self.directory} is missing; "
                    "restore the catalogue from an export, or build it again in another directory"
                ) from error
            live = [(n, line.track) for n, line in enumerate(lines) if n not in set(entry.removed)]
            self._segments.append(_Segment(entry, {track.reference_id: n for n, track in live}))
            self.tracks.update((track.reference_id, track) for _, track in live)

    def __enter__(self) -> CatalogueWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lock back; what was not committed is forgotten."""
        os.close(self._lock)

    def add(self, track: Track, vectors: Floats, starts_s: Floats, pitch: Floats, pieces: Floats | None = None) -> None:
        """Add a recording, to be stored by the next `commit`.

        Parameters
        ----------
        track : Track
            Its ``windows`` is the number of rows.
        vectors : float32 array, shape (windows, dimension)
            Unit-norm embeddings.
        starts_s : float32 array, shape (windows,)
            Start of each window in the recording.
        pitch : float32 array, shape (frames, pitch_bins)
            Non-negative; stored with 8 bits.
        pieces : float32 array, shape (pieces, dimension), optional
            Unit-norm embeddings of pieces shorter than a window; stored in half precision.

        Raises
        ------
        ValueError
            When the shapes do not fit the catalogue, numbers are not finite, vectors exceed unit norm, or the reference
            is there.
        """
        if pieces is None:
            pieces = np.zeros((0, self.manifest.dimension), dtype=np.float32)
        self.add_row(TrackData.of(track, vectors, starts_s, pitch, pieces))

    def add_row(self, row: TrackData) -> None:
        """Add a recording as it was stored, for instance in an export; see `add`."""
        track, shape = row.track, (row.track.windows, self.manifest.dimension)
        if row.vectors.shape != shape or row.starts_s.shape != shape[:1]:
            raise ValueError(f"vectors have shape {row.vectors.shape}, expected {shape}")
        if row.pitch.ndim != 2 or row.pitch.shape[1] != self.manifest.pitch_bins or not len(row.pitch):
            raise ValueError(f"pitch has shape {row.pitch.shape}, expected (frames, {self.manifest.pitch_bins})")
        if len(row.pieces) and row.pieces.shape[1:] != shape[1:]:
            raise ValueError(f"pieces have shape {row.pieces.shape}, expected (pieces, {shape[1]})")
        if not all(np.isfinite(numbers).all() for numbers in (row.vectors, row.starts_s, row.pieces)):
            raise ValueError(f"the vectors of {track.reference_id} are not finite")
        if too_long(row.vectors) or too_long(row.pieces):
            raise ValueError(f"the vectors of {track.reference_id} are longer than 1, expected unit norm")
        if track.reference_id in self.tracks:
            raise ValueError(f"reference {track.reference_id} is in the catalogue already; remove it first")
        self.tracks[track.reference_id] = track
        self._pending[track.reference_id] = row

    def remove(self, reference_ids: Iterable[str]) -> list[Track]:
        """Remove recordings, as of the next `commit`; unknown ones are passed over.

        Returns
        -------
        list of Track
            What was removed.
        """
        gone = []
        for reference_id in reference_ids:
            if reference_id not in self.tracks:
                continue
            gone.append(self.tracks.pop(reference_id))
            if self._pending.pop(reference_id, None) is None:
                self._mark_removed(reference_id)
        return gone

    def _mark_removed(self, reference_id: str) -> None:
        for segment in self._segments:
            if reference_id in segment.rows:
                removed = (*segment.entry.removed, segment.rows.pop(reference_id))
                segment.entry = replace(segment.entry, removed=tuple(sorted(removed)))
                self._changed = True

    def commit(self, *, compact: bool = False) -> int:
        """Make everything since the last commit the next generation.

        Parameters
        ----------
        compact : bool
            Rewrite all segments into as few as possible, dropping what was removed.

        Returns
        -------
        int
            The current generation; the same as before when nothing changed.

        Raises
        ------
        CatalogueError
            When the disk refuses; the generation before stays current and nothing added is forgotten.
        """
        if not self._pending and not self._changed and not compact:
            return self.manifest.generation
        try:
            self._commit(compact)
        except OSError as error:
            raise CatalogueError(
                f"generation {self.manifest.generation + 1} could not be written to {self.directory} "
                f"({error.strerror or error}); generation {self.manifest.generation} is unchanged"
            ) from error
        return self.manifest.generation

    def _commit(self, compact: bool) -> None:
        new_files: dict[str, bytes] = {}
        segments = [segment for segment in self._segments if segment.rows]
        segments += self._pack(list(self._pending.values()), new_files)
        segments = self._merge(segments, new_files, compact)
        manifest = self.manifest.next(
            tracks=len(self.tracks),
            works=len({track.work_id for track in self.tracks.values()}),
            windows=sum(track.windows for track in self.tracks.values()),
            segments=tuple(segment.entry for segment in segments),
        )
        needed = {file.sha256 for file in manifest.files()}
        for sha256 in needed & new_files.keys():
            disk.write_aside(self.directory / FILES_NAME / sha256, new_files[sha256])
        disk.sync_directory(self.directory / FILES_NAME)
        self._put_manifest(manifest.to_bytes())
        self.manifest, self._segments = manifest, segments
        self._pending, self._changed = {}, False
        with contextlib.suppress(OSError):  # the commit is done; the next writer cleans up too
            self._clean()

    def _put_manifest(self, data: bytes) -> None:
        if len(data) > MAX_MANIFEST_BYTES:
            raise CatalogueError("the catalogue has too many segments; divide the music among several catalogues")
        current = self.directory / MANIFEST_NAME
        if current.exists():
            disk.write_aside(self.directory / PREVIOUS_NAME, disk.read_bounded(current, MAX_MANIFEST_BYTES))
        disk.write_aside(current, data)
        disk.sync_directory(self.directory)

    def _pack(self, rows: list[TrackData], new_files: dict[str, bytes]) -> list[_Segment]:
        """Encode tracks into segments of at most about `SEGMENT_BYTES`."""
        segments: list[_Segment] = []
        batch: list[TrackData] = []
        size_bytes = 0
        for row in rows:
            if batch and size_bytes + row.vectors.nbytes > SEGMENT_BYTES:
                segments.append(_encoded(batch, new_files))
                batch, size_bytes = [], 0
            batch.append(row)
            size_bytes += row.vectors.nbytes
        return [*segments, _encoded(batch, new_files)] if batch else segments

    def _merge(self, segments: list[_Segment], new_files: dict[str, bytes], everything: bool) -> list[_Segment]:
        """Keep the number of segments logarithmic: eight of one size class become one of the next."""
        while True:
            group = _group_to_merge(segments, self.manifest.dimension, everything)
            if not group:
                return segments
            chosen = {id(segment) for segment in group}
            rows = [row for segment in group for row in self._rows(segment.entry, new_files)]
            segments = [s for s in segments if id(s) not in chosen] + self._pack(rows, new_files)
            if everything:
                return segments

    def _rows(self, entry: SegmentEntry, new_files: dict[str, bytes]) -> list[TrackData]:
        return decode(self.manifest, entry, lambda sha256: new_files.get(sha256) or self._read(sha256))

    def _clean(self) -> None:
        """Delete what neither the current nor the previous generation names, and leftovers of a crash."""
        keep = {file.sha256 for file in self.manifest.files()}
        with contextlib.suppress(OSError, CatalogueCorrupt):
            previous = disk.read_bounded(self.directory / PREVIOUS_NAME, MAX_MANIFEST_BYTES)
            keep |= {file.sha256 for file in Manifest.from_bytes(previous).files()}
        for path in (self.directory / FILES_NAME).iterdir():
            if path.name not in keep:
                path.unlink()
        for path in self.directory.glob(disk.TEMPORARY + "*"):
            path.unlink()


def _encoded(rows: list[TrackData], new_files: dict[str, bytes]) -> _Segment:
    entry, files = encode(rows)
    new_files.update(files)
    return _Segment(entry, {row.track.reference_id: n for n, row in enumerate(rows)})


def _group_to_merge(segments: list[_Segment], dimension: int, everything: bool) -> list[_Segment]:
    classes: dict[int, list[_Segment]] = {}
    for segment in segments:
        size_bytes = 4 * dimension * segment.entry.windows
        worn = 2 * len(segment.entry.removed) > segment.entry.tracks
        if everything or worn:
            classes.setdefault(-1, []).append(segment)
        elif size_bytes < SEGMENT_BYTES // 2:
            size_class = ((size_bytes // _SMALL_BYTES).bit_length() + 2) // 3
            classes.setdefault(size_class, []).append(segment)
    if classes.get(-1):
        return classes[-1]
    return next((group for group in classes.values() if len(group) >= _MERGE_COUNT), [])


def _lock(directory: Path) -> int:
    """Take the writer's lock; it is given back when the process ends, however it ends."""
    descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.read(descriptor, 20).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise CatalogueBusy(
            f"another process (number {owner}) is writing to the catalogue in {directory}; "
            "wait until it is done, or end it, and run this again"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor
