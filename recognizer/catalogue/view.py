"""The catalogue as it is searched: immutable, complete, verified."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from recognizer.catalogue.manifest import Manifest
from recognizer.catalogue.segment import Bytes, Halves, TrackData, decode
from recognizer.catalogue.track import Track
from recognizer.contract import ModelContract
from recognizer.errors import CatalogueCorrupt
from recognizer.index import FlatIndex, VectorIndex

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Pitch:
    values: Bytes
    scale: float


class CatalogueView:
    """One generation of a catalogue, ready to be searched.

    Attributes
    ----------
    manifest : Manifest
    tracks : tuple of Track
        In the order of their rows; a *track number* is a position in it.
    vectors : float32 array, shape (windows, dimension)
    vector_track : int32 array, shape (windows,)
        Track number of each row.
    vector_start_s : float32 array, shape (windows,)
        Start of each row's window in its recording.
    pieces : float16 array, shape (pieces, dimension)
        Embeddings of pieces shorter than a window, one for each step; none where the model or the version of the
        catalogue has none.
    piece_track : int32 array, shape (pieces,)
        Track number of each piece.
    index : VectorIndex
        Over ``vectors``.
    """

    def __init__(self, manifest: Manifest, rows: Iterable[TrackData]) -> None:
        self.manifest = manifest
        tracks: list[Track] = []
        starts_s: list[Floats] = [np.zeros(0, dtype=np.float32)]
        pieces: list[Halves] = [np.zeros((0, manifest.dimension), dtype=np.float16)]
        piece_counts: list[int] = []
        self._pitch: list[_Pitch] = []

        def parts() -> Iterator[Floats]:
            for row in rows:
                tracks.append(row.track)
                starts_s.append(row.starts_s)
                self._pitch.append(_Pitch(row.pitch, row.pitch_scale))
                piece_counts.append(len(row.pieces))
                if len(row.pieces):
                    pieces.append(row.pieces)
                yield row.vectors

        self.index: VectorIndex = FlatIndex(manifest.dimension, parts())
        self.tracks: tuple[Track, ...] = tuple(tracks)
        counts = [track.windows for track in self.tracks]
        self.vector_track: Ints = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        self.vector_start_s: Floats = np.concatenate(starts_s)
        self.piece_track: Ints = np.repeat(np.arange(len(counts), dtype=np.int32), piece_counts)
        self.pieces: Halves = np.concatenate(pieces)
        self.pieces.flags.writeable = False
        self._window_bounds = list(accumulate(counts, initial=0))
        self._piece_bounds = list(accumulate(piece_counts, initial=0))
        self._number = {track.reference_id: number for number, track in enumerate(self.tracks)}
        self._of_work: dict[str, list[int]] = {}
        for number, track in enumerate(self.tracks):
            self._of_work.setdefault(track.work_id, []).append(number)
        if len(self._number) != len(self.tracks) or len(self.tracks) != manifest.tracks:
            raise CatalogueCorrupt(
                f"the catalogue holds {len(self._number)} different references, its manifest says "
                f"{manifest.tracks}; restore it from an export or build it again"
            )

    @property
    def generation(self) -> int:
        """Number of the commit."""
        return self.manifest.generation

    @property
    def model_id(self) -> str:
        """Hash of the model that made the vectors."""
        return self.manifest.model_id

    @property
    def pitch_fps(self) -> float:
        """Frames per second of the pitch sequences."""
        return self.manifest.pitch_fps

    @property
    def vectors(self) -> Floats:
        """The embeddings of all windows, read-only, shape (windows, dimension)."""
        return self.index.vectors

    @property
    def works(self) -> int:
        """Number of different works."""
        return len(self._of_work)

    def pitch(self, track_no: int) -> Floats:
        """Pitch sequence of a track, shape (frames, bins), at ``pitch_fps``; within 1/510 of its maximum."""
        stored = self._pitch[track_no]
        return stored.values.astype(np.float32) * np.float32(stored.scale / 255.0)

    def window_rows(self, track_no: int) -> slice:
        """Which rows of the windows are a track's."""
        return slice(self._window_bounds[track_no], self._window_bounds[track_no + 1])

    def piece_rows(self, track_no: int) -> slice:
        """Which rows of the pieces are a track's."""
        return slice(self._piece_bounds[track_no], self._piece_bounds[track_no + 1])

    def track_number(self, reference_id: str) -> int | None:
        """Track number of a reference, ``None`` when it is not in the catalogue."""
        return self._number.get(reference_id)

    def tracks_of_work(self, work_id: str) -> list[int]:
        """Track numbers of a work's recordings, ascending; empty for an unknown work."""
        return list(self._of_work.get(work_id, ()))

    def require_model(self, model_id: str, model_name: str = "") -> None:
        """Refuse another model than the catalogue was built with (`ModelMismatch` says how to rebuild)."""
        self.manifest.require_model(model_id, model_name)

    @classmethod
    def empty(cls, contract: ModelContract, model_id: str) -> CatalogueView:
        """A catalogue of nothing, generation 0."""
        return cls(Manifest.empty(contract, model_id), [])

    @classmethod
    def from_files(cls, manifest: bytes, read: Callable[[str], bytes]) -> CatalogueView:
        """Build from a manifest and the files it names.

        Parameters
        ----------
        manifest : bytes
            As published, or stored in ``manifest.json``.
        read : callable
            Returns the content of a file by SHA-256; what it returns is verified before it is parsed.

        Raises
        ------
        CatalogueCorrupt
            When the manifest or a file does not hold.
        """
        parsed = Manifest.from_bytes(manifest)
        return cls(parsed, (row for entry in parsed.segments for row in decode(parsed, entry, read)))
