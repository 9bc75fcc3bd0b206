"""The music of these tests, made by the demo's synthesizer: references with a table, and covers of one of them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recognizer.demo.arrange import Style, arrange
from recognizer.demo.programme import reference_audio, write_wav
from recognizer.demo.songbook import CATALOGUE
from recognizer.demo.synth import RATE_HZ, Audio, render
from recognizer.demo.talk import simulated_talk

INDEXED = ("greensleeves", "scarborough-fair", "ode-to-joy", "amazing-grace", "auld-lang-syne")
LATER = "oh-susanna"  # not in the catalogue at first
COVERED, TITLE, ARTIST, ISRC = "ode-to-joy", "Ode to Joy", "A. Nonymous", "DEUM71207345"
SEMITONES = 5
TUNES = {tune.work_id: tune for tune in CATALOGUE}


@dataclass(frozen=True, slots=True)
class Cover:
    """A recording with one cover in it, and when that sounds."""

    path: Path
    start_s: float
    end_s: float


def cover(seconds: float, seed: int = 9) -> Audio:
    """Another key, instrument and tempo than the reference's."""
    style = Style(semitones=SEMITONES, lead="flute", tempo=1.08, seed=seed)
    return render(arrange(TUNES[COVERED], style, seconds), seed=seed)


def silence(seconds: float) -> Audio:
    return np.zeros(round(seconds * RATE_HZ), dtype=np.float32)


def write_cover(path: Path, *, before_s: float, talk_s: float) -> Cover:
    """Silence, some 35 s of the cover, simulated talk."""
    music = cover(35)
    write_wav(path, np.concatenate([silence(before_s), music, simulated_talk(talk_s, seed=3)]))
    return Cover(path, before_s, before_s + len(music) / RATE_HZ)


def write_references(folder: Path) -> Path:
    """Recordings of `INDEXED` and of `LATER`, and a table of the former; returns the table's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for work in (*INDEXED, LATER):
        write_wav(folder / f"{work}.wav", reference_audio(TUNES[work], 50.0))
    table = folder / "catalogue.csv"
    with table.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow(["path", "work_id", "title", "artist", "isrc"])
        for work in INDEXED:
            rows.writerow([f"{work}.wav", work, TUNES[work].title, ARTIST, ISRC if work == COVERED else ""])
    return table
