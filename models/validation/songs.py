"""Queries that a person might hum or play, made from the notes of real songs that karaoke players wrote down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.data.arrange import Notes
from models.data.ultrastar import hum, read_song
from models.validation.bulk import RATE_HZ, Take, render_all, write_wav
from models.validation.manifest import ValidationError, read_rows, write_rows

COLUMNS = ("path", "work_id", "role", "set", "start_s", "seconds", "semitones", "tempo_ratio")
HUMMED, PIANO = "songs-hummed", "songs-piano"
_FEWEST_NOTES = 15
_GRAND = (0, 0, 0)
_FASTEST, _SLOWEST = 0.85, 1.18


@dataclass(frozen=True, slots=True)
class Query:
    """A stretch of a song's tune in another key and tempo; ``notes`` in seconds from its beginning."""

    name: str
    work_id: str
    kind: str
    notes: Notes
    start_s: float
    seconds: float
    semitones: int
    tempo_ratio: float
    seed: tuple[int, ...]


def stretches(notes: Notes, most: int, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Start and length of up to ``most`` stretches of 20 to 30 s with at least 15 notes, spread over a song."""
    end = float((notes.onset + notes.duration).max())
    found: list[tuple[float, float]] = []
    for start in np.sort(notes.onset):
        length = float(rng.uniform(20, 30))
        clear = not found or start >= found[-1][0] + found[-1][1]
        inside = np.count_nonzero((notes.onset >= start) & (notes.onset < start + length))
        if clear and start + length <= end + 2 and inside >= _FEWEST_NOTES:
            found.append((float(start), length))
    kept = {round(i) for i in np.linspace(0, len(found) - 1, min(most, len(found)))}
    return [found[i] for i in sorted(kept)]


def draw_query(
    name: str, work_id: str, kind: str, notes: Notes, stretch: tuple[float, float], seed: tuple[int, ...]
) -> Query:
    """Move a stretch (start, length in s) to another key (up to a fourth) and tempo (0.85 to 1.18 times as long)."""
    rng = np.random.default_rng(seed)
    start_s, seconds = stretch
    ratio = float(np.exp(rng.uniform(np.log(_FASTEST), np.log(_SLOWEST))))
    shift = int(rng.integers(-5, 6))
    part = notes.pick((notes.onset >= start_s) & (notes.onset < start_s + seconds / ratio))
    onset = (part.onset - start_s) * ratio
    moved = Notes(onset, part.duration * ratio, part.pitch + shift, part.level * 0.8, part.melody)
    return Query(name, work_id, kind, moved, start_s, seconds, shift, ratio, seed)


def make(data: Path, soundfont: Path, out: Path, most: int, seed: int) -> int:
    """Write the queries and ``out/manifest.csv`` (absolute paths); the number of rows.

    Every kind of query is a set of its own with the same references: the recordings of the songs. All other
    references of ``data`` are distractors.
    """
    recorded = read_rows(data / "recordings.csv", ("path", "set", "work_id", "role"))
    songs = [r for r in recorded if r["set"] == "songs" and r["role"] in ("reference", "either")]
    if not songs:
        raise ValidationError(f"{data / 'recordings.csv'}: no song is a reference; expected rows of set 'songs'")
    asked = [a for n, song in enumerate(songs) for a in _asked(data / song["path"], song["work_id"], most, (seed, n))]
    _hum_missing([a for a in asked if a.kind == HUMMED], out)
    _play_missing([a for a in asked if a.kind == PIANO], out, soundfont)
    rows: list[dict[str, object]] = [_row(a, out) for a in asked]
    for song in songs:
        path = str((data / song["path"]).resolve())
        rows += [{"path": path, "work_id": song["work_id"], "role": "reference", "set": s} for s in (HUMMED, PIANO)]
    for other in recorded:
        if other["set"] != "songs" and other["role"] != "query":
            path = str((data / other["path"]).resolve())
            rows.append({"path": path, "work_id": other["work_id"], "role": "distractor", "set": other["set"]})
    return write_rows(out / "manifest.csv", COLUMNS, rows)


def _asked(song: Path, work_id: str, most: int, seed: tuple[int, int]) -> Iterator[Query]:
    notes = read_song(song.with_name("song.txt"))
    rng = np.random.default_rng(seed)
    for place, (start_s, seconds) in enumerate(stretches(notes, most, rng)):
        for number, kind in enumerate((HUMMED, PIANO)):
            name = f"{kind}/{work_id}-{place}.wav"
            yield draw_query(name, work_id, kind, notes, (start_s, seconds), (*seed, place, number))


def _hum_missing(queries: list[Query], out: Path) -> None:
    """Write the queries that a synthetic voice hums."""
    for query in queries:
        if not (out / query.name).exists():
            pcm = hum(query.notes, query.seconds, RATE_HZ, np.random.default_rng((*query.seed, 1)))
            loud = np.round(pcm / max(float(np.abs(pcm).max()), 1e-3) * 20000).astype(np.int16)
            write_wav(out / query.name, loud)


def _play_missing(queries: list[Query], out: Path, soundfont: Path) -> None:
    """Write the queries that are played on a piano, all in one run of FluidSynth."""
    missing = [q for q in queries if not (out / q.name).exists()]
    takes = [Take(q.notes, q.seconds, None, q.seed, _GRAND) for q in missing]
    for query, pcm in zip(missing, render_all(takes, soundfont) if takes else [], strict=True):
        write_wav(out / query.name, pcm)


def _row(query: Query, out: Path) -> dict[str, object]:
    return {
        "path": str((out / query.name).resolve()), "work_id": query.work_id, "role": "query", "set": query.kind,
        "start_s": round(query.start_s, 2), "seconds": round(query.seconds, 2), "semitones": query.semitones,
        "tempo_ratio": round(query.tempo_ratio, 3),
    }  # fmt: skip
