"""Adds files to a catalogue: children analyse, this process commits, and any moment may be the last."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from indexer import pool
from indexer.identity import reference_id, track_of
from indexer.manifest_csv import Entry
from indexer.pool import Analysed, Job, Outcome, PoolSettings, Refused
from recognizer.catalogue import CatalogueWriter, Track
from recognizer.contract import ModelContract

COMMIT_S = 10.0
COMMIT_TRACKS = 200


@dataclass(slots=True)
class Summary:
    """What a run did.

    Attributes
    ----------
    added : list of Track
    skipped : list of Path
        Already in the catalogue, by content.
    refused : list of (Path, str)
        With the reason.
    audio_s, elapsed_s : float
        Duration of what was added, and of the run.
    interrupted : bool
        Whether it was ended before all files were read; what was added stays.
    """

    added: list[Track] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    refused: list[tuple[Path, str]] = field(default_factory=list)
    audio_s: float = 0.0
    elapsed_s: float = 0.0
    interrupted: bool = False

    @property
    def speed(self) -> float:
        """Seconds of audio per second."""
        return self.audio_s / self.elapsed_s if self.elapsed_s else 0.0

    def to_json(self) -> dict[str, Any]:
        """Counts for programs."""
        return {
            "added": len(self.added),
            "skipped": len(self.skipped),
            "refused": len(self.refused),
            "works_added": len({track.work_id for track in self.added}),
            "audio_s": round(self.audio_s, 3),
            "elapsed_s": round(self.elapsed_s, 3),
            "realtime_factor": round(self.speed, 1),
            "interrupted": self.interrupted,
        }


@dataclass(frozen=True, slots=True)
class Step:
    """One file done: its outcome, and the track that was made of it."""

    outcome: Outcome
    track: Track | None


def jobs_of(files: Iterable[Path], entries: Iterable[Entry]) -> list[Job]:
    """One job a file; ``about`` is the table's entry for it, files that only the table names come first."""
    said: dict[Path, tuple[Path, Entry | None]] = {_key(entry.path): (entry.path, entry) for entry in entries}
    for path in files:
        said.setdefault(_key(path), (path, None))
    return [Job(path, entry) for path, entry in said.values()]


def ingest(
    writer: CatalogueWriter,
    jobs: list[Job],
    model: Path,
    contract: ModelContract,
    *,
    children: int,
    stall_s: float = pool.STALL_S,
    on_step: Callable[[Step], None] = lambda step: None,
) -> Summary:
    """Add files; commits every few seconds, so that little is lost when the run is ended.

    ``KeyboardInterrupt`` ends the run early: what is ready is committed and the summary says so.
    """
    summary = Summary()
    known = set(writer.tracks)

    def wanted(sha256: str) -> bool:
        name = reference_id(sha256)
        fresh = name not in known
        known.add(name)  # a second copy in the same run is not wanted either
        return fresh

    settings = PoolSettings(model, contract, jobs=children, wanted=wanted, stall_s=stall_s)
    begun_s = committed_s = time.monotonic()
    pending = 0
    outcomes = pool.run(settings, jobs)
    try:
        with contextlib.closing(outcomes):
            for outcome in outcomes:
                step = _take(writer, outcome, summary)
                pending += step.track is not None
                on_step(step)
                if pending >= COMMIT_TRACKS or (pending and time.monotonic() - committed_s > COMMIT_S):
                    writer.commit()
                    pending, committed_s = 0, time.monotonic()
    except KeyboardInterrupt:
        summary.interrupted = True
    finally:
        writer.commit()
    summary.elapsed_s = time.monotonic() - begun_s
    return summary


def _take(writer: CatalogueWriter, outcome: Outcome, summary: Summary) -> Step:
    if isinstance(outcome, Refused):
        summary.refused.append((outcome.job.path, outcome.reason))
        return Step(outcome, None)
    if not isinstance(outcome, Analysed):
        summary.skipped.append(outcome.job.path)
        return Step(outcome, None)
    track = track_of(outcome, outcome.job.about)
    try:
        heard = outcome.analysis
        writer.add(track, heard.embeddings, heard.starts_s, heard.pitch, heard.pieces)
    except ValueError as error:
        refused = Refused(outcome.job, str(error))
        summary.refused.append((outcome.job.path, refused.reason))
        return Step(refused, None)
    summary.added.append(track)
    summary.audio_s += track.duration_s
    return Step(outcome, track)


def _key(path: Path) -> Path:
    return Path(os.path.realpath(path))
