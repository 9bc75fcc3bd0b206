"""How little another key or tempo changes an embedding: ``python -m models.invariance MODEL.onnx --manifest ...``.

The same passage is rendered again and again by the same instruments, in other keys and at other tempi. Printed is the
cosine with the plain rendering, beside that of another work's passage in the same style.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from models.data.arrange import Notes
from models.data.manifest import read_manifest
from models.data.render import render
from models.data.store import ScoreStore
from models.data.style import draw_style
from models.data.views import Corpus, Passage, Recipe, draw_pair, play
from recognizer.embedder import Embedder
from recognizer.reference import analyse

_RENDER_HZ = 32000
_PROGRAMS = (0, 24, 33)  # piano, guitar, bass
_KEYS = (-6, -4, -2, -1, 1, 2, 4, 6)
_TEMPI = (0.7, 0.85, 0.93, 1.08, 1.2, 1.4)
Vector = npt.NDArray[np.float32]


def heard(embedder: Embedder, notes: Notes, seconds: float, soundfont: Path) -> Vector:
    """Embedding of a window's length of audio, shape (dimension,)."""
    loud = render(notes, seconds, soundfont, _RENDER_HZ, np.random.default_rng(0), None, _PROGRAMS)
    rate_hz = embedder.contract.sample_rate_hz
    quiet = soxr.resample(loud / max(float(np.abs(loud).max()), 1e-3) * np.float32(0.5), _RENDER_HZ, rate_hz)
    pcm = np.round(np.clip(quiet, -1, 1) * 32767).astype(np.int16)
    return np.asarray(analyse([pcm], embedder).embeddings[0], np.float32)


def renderings(
    corpus: Corpus, work: int, seconds: float, rng: np.random.Generator
) -> Callable[[int, float], tuple[Notes, float]]:
    """A passage of a work as a function of semitones and tempo ratio: notes and the seconds they fill."""
    passage, _ = draw_pair(corpus, corpus.works[work], replace(Recipe(), tempo_spread=0.0), rng)
    style = replace(draw_style(rng), drums=0.0, missed=0.0, melody_missed=0.0)
    notes = play(Passage(passage.score, passage.chords, passage.centre, passage.beat_s), style, seconds, rng)

    def rendered(semitones: int, tempo: float) -> tuple[Notes, float]:
        # A faster version shows the same notes in less time, and a window around the same middle.
        middle = seconds / 2
        onset = (notes.onset - middle) / tempo + middle
        return Notes(onset, notes.duration / tempo, notes.pitch + semitones, notes.level, notes.melody), seconds

    return rendered


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m models.invariance", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--soundfont", type=Path, required=True)
    parser.add_argument("--works", type=int, default=24)
    options = parser.parse_args(arguments)
    embedder = Embedder(options.model)
    contract = embedder.contract
    seconds = contract.window_steps * contract.step_s
    entries = [e for e in read_manifest(options.manifest, None) if e.split == "val"]
    corpus = Corpus(entries, ScoreStore(options.store))
    chosen = np.random.default_rng(1).choice(len(corpus.works), options.works, replace=False)
    found: dict[str, list[float]] = {}
    plain: list[Vector] = []
    for number, work in enumerate(chosen):
        make = renderings(corpus, int(work), seconds, np.random.default_rng((2, number)))
        here = heard(embedder, *make(0, 1.0), options.soundfont)
        plain.append(here)
        for semitones, tempo in [*((k, 1.0) for k in _KEYS), *((0, t) for t in _TEMPI)]:
            name = f"{semitones:+d} semitones" if semitones else f"tempo x{tempo}"
            found.setdefault(name, []).append(float(here @ heard(embedder, *make(semitones, tempo), options.soundfont)))
    others = np.stack(plain) @ np.stack(plain).T
    found["another work"] = others[~np.eye(len(plain), dtype=bool)].tolist()
    for name, cosines in found.items():
        low, middle = np.percentile(cosines, [10, 50])
        print(f"{name:>14}: cosine median {middle:.3f}, tenth percentile {low:.3f} ({len(cosines)} pairs)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
