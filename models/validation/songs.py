"""Queries that a person might hum or play, made from the notes of real songs that karaoke players wrote down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.data.arrange import Notes
from models.data.ultrastar import hum, read_song
from models.validation.bulk import RATE_HZ, Pcm, Take, render_all, write_wav
from models.validation.manifest import ValidationError, read_rows, write_rows

COLUMNS = ("path", "work_id", "role", "set", "start_s", "seconds", "semitones", "tempo_ratio")
HUMMED, PIANO = "songs-hummed", "songs-piano"
_FEWEST_NOTES = 15
_GRAND = (0, 0, 0)
_FASTEST, _SLOWEST = 0.85, 1.18


@dataclass(frozen=True, slots=True)
class Query:
    """A stretch of a song's tune in another key and tempo; ``notes`` in seconds from its beginning."""

    song: Path
    notes: Notes
    start_s: float
    seconds: float
    semitones: int
    tempo_ratio: float


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
    kept = np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int)) if found else []
    return [found[int(i)] for i in kept]


def draw_query(song: Path, notes: Notes, start_s: float, seconds: float, rng: np.random.Generator) -> Query:
    """Move a stretch to another key (up to a fourth) and tempo (0.85 to 1.18 times as long)."""
    ratio = float(np.exp(rng.uniform(np.log(_FASTEST), np.log(_SLOWEST))))
    shift = int(rng.integers(-5, 6))
    part = notes.pick((notes.onset >= start_s) & (notes.onset < start_s + seconds / ratio))
    moved = Notes(
        (part.onset - start_s) * ratio, part.duration * ratio, part.pitch + shift, part.level * 0.8, part.melody
    )
    return Query(song, moved, start_s, seconds, shift, ratio)


def audio(query: Query, kind: str, soundfont: Path, seed: tuple[int, ...]) -> Pcm:
    """The query hummed by a synthetic voice or played on a piano; int16, shape (seconds * RATE_HZ,)."""
    if kind == PIANO:
        return render_all([Take(query.notes, query.seconds, None, seed, _GRAND)], soundfont)[0]
    pcm = hum(query.notes, query.seconds, RATE_HZ, np.random.default_rng(seed))
    return np.round(pcm / max(float(np.abs(pcm).max()), 1e-3) * 20000).astype(np.int16)


def make(data: Path, soundfont: Path, out: Path, most: int, seed: int) -> int:
    """Write the queries and ``out/manifest.csv`` (absolute paths); the number of rows.

    Every kind of query is a set of its own with the same references: the recordings of the songs. All other
    references of ``data`` are distractors.
    """
    recorded = read_rows(data / "recordings.csv", ("path", "set", "work_id", "role"))
    songs = [r for r in recorded if r["set"] == "songs" and r["role"] in ("reference", "either")]
    if not songs:
        raise ValidationError(f"{data / 'recordings.csv'}: no song is a reference; expected rows of set 'songs'")
    rows = [
        row for number, song in enumerate(songs) for row in _song_rows(data, song, soundfont, out, most, seed, number)
    ]
    for song in songs:
        path = str((data / song["path"]).resolve())
        rows += [{"path": path, "work_id": song["work_id"], "role": "reference", "set": s} for s in (HUMMED, PIANO)]
    for other in recorded:
        if other["set"] != "songs" and other["role"] != "query":
            path = str((data / other["path"]).resolve())
            rows.append({"path": path, "work_id": other["work_id"], "role": "distractor", "set": other["set"]})
    return write_rows(out / "manifest.csv", COLUMNS, rows)


def _song_rows(
    data: Path, song: dict[str, str], soundfont: Path, out: Path, most: int, seed: int, number: int
) -> Iterator[dict[str, object]]:
    notes = read_song((data / song["path"]).with_name("song.txt"))
    rng = np.random.default_rng((seed, number))
    for place, (start_s, seconds) in enumerate(stretches(notes, most, rng)):
        for kind_no, kind in enumerate((HUMMED, PIANO)):
            query = draw_query(data / song["path"], notes, start_s, seconds, rng)
            target = out / kind / f"{song['work_id']}-{place}.wav"
            if not target.exists():
                write_wav(target, audio(query, kind, soundfont, (seed, number, place, kind_no)))
            yield {
                "path": str(target.resolve()), "work_id": song["work_id"], "role": "query", "set": kind,
                "start_s": round(start_s, 2), "seconds": round(seconds, 2), "semitones": query.semitones,
                "tempo_ratio": round(query.tempo_ratio, 3),
            }  # fmt: skip
