"""Hummed and played queries against real songs: ``python -m models.validate_songs MODEL.onnx --recordings DIR``.

A query is the busiest 30 s of a song's melody as a human wrote it down, in another key and tempo, hummed by a
synthetic voice or played on a piano. The references are all recordings of the folder, the real song among them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.data.arrange import Notes
from models.data.render import render
from models.data.ultrastar import busiest, hum, read_song
from models.validate import Floats, Heard, by_embedding, cohort_windows, corrected_by, listen, read_rows, retrieval
from recognizer.embedder import Embedder
from recognizer.reference import analyse

SECONDS = 30.0
_PIANO = 0


def query_audio(
    notes: Notes, how: str, soundfont: Path, rate_hz: int, rng: np.random.Generator
) -> npt.NDArray[np.int16]:
    """A query in another key (up to a fourth) and tempo (up to 12 %); int16, shape (samples,)."""
    speed, shift = rng.uniform(0.88, 1.12), int(rng.integers(-5, 6))
    part = busiest(notes, SECONDS * speed)
    moved = Notes(part.onset / speed, part.duration / speed, part.pitch + shift, part.level * 0.8, part.melody)
    if how == "hummed":
        pcm = hum(moved, SECONDS, rate_hz, rng)
    else:
        pcm = render(moved, SECONDS, soundfont, rate_hz, rng, None, programs=(_PIANO, _PIANO, _PIANO))
    return np.round(pcm / max(float(np.abs(pcm).max()), 1e-3) * 20000).astype(np.int16)


def queries(embedder: Embedder, recordings: Path, heard: list[Heard], how: str, soundfont: Path) -> Iterator[Heard]:
    """One query for every song that has notes."""
    for number, song in enumerate(h for h in heard if h.group == "songs" and h.role == "reference"):
        notes = read_song((recordings / song.path).with_name("song.txt"))
        pcm = query_audio(notes, how, soundfont, embedder.contract.sample_rate_hz, np.random.default_rng(number))
        analysis = analyse([pcm], embedder, hop_steps=1)
        yield Heard(f"{song.path}|{how}", "songs", how, "query", song.work_id, analysis.embeddings, analysis.pitch)


def main(arguments: list[str] | None = None) -> int:
    """Command line of this validation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--recordings", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--soundfont", type=Path, required=True)
    parser.add_argument("--cohort", type=Path)
    options = parser.parse_args(arguments)
    for path in options.models:
        embedder = Embedder(path)
        heard = listen(embedder, options.recordings, read_rows(options.recordings), options.cache)
        references = [h for h in heard if h.role != "query"]
        cohort: Floats | None = cohort_windows(embedder, options.cohort) if options.cohort else None
        for how in ("hummed", "played"):
            asked = list(queries(embedder, options.recordings, heard, how, options.soundfont))
            for label, score in (
                ("embedding", by_embedding),
                ("corrected", cohort is not None and corrected_by(cohort)),
            ):
                result = retrieval(asked, references, score) if score else None
                if result is not None:
                    print(
                        f"{embedder.contract.name} {how} queries={result.queries} refs={len(references)} {label} "
                        f"top1={result.top1[0]:.3f} [{result.top1[1]:.3f}, {result.top1[2]:.3f}] "
                        f"MRR={result.mrr[0]:.3f} [{result.mrr[1]:.3f}, {result.mrr[2]:.3f}]"
                    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
