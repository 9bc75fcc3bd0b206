"""All scores of a manifest in one compact file, so that a training run opens in a second."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.data.manifest import Entry
from models.data.midi import read_midi
from models.data.musicxml import read_musicxml
from models.data.score import Score, make_score

Doubles = npt.NDArray[np.float64]
log = logging.getLogger(__name__)
_FEWEST_MELODY_NOTES = 8


class ScoreStore:
    """Scores side by side in flat arrays.

    Parameters
    ----------
    path
        A file written by `build_store`.
    """

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as data:
            self._onset, self._duration = data["onset"], data["duration"]
            self._pitch, self._role = data["pitch"], data["role"]
            self._start, self._beat_s = data["start"], data["beat_s"]
            self.paths: list[str] = [str(p) for p in data["path"]]
        self._row = {path: i for i, path in enumerate(self.paths)}

    def __len__(self) -> int:
        return len(self.paths)

    def __contains__(self, path: str) -> bool:
        return path in self._row

    def __getitem__(self, path: str) -> Score:
        i = self._row[path]
        part = slice(int(self._start[i]), int(self._start[i + 1]))
        return Score(
            self._onset[part], self._duration[part], self._pitch[part], self._role[part], float(self._beat_s[i])
        )


def read_score(path: Path, melody_channel: int | None = None) -> Score:
    """Read a MIDI or MusicXML file, by its suffix; a beat file beside a MIDI file re-quantises it.

    Raises
    ------
    ValueError
        When the file is unreadable, of another kind, or has too few melody notes to be recognized by.
    """
    suffix = path.suffix.lower()
    if suffix in (".mid", ".midi"):
        score = read_midi(path, melody_channel)
        beats = path.with_suffix(".beat_midi.txt")
        if beats.exists():
            score = on_beats(score, np.loadtxt(beats, ndmin=2)[:, 0])
        score = trimmed(score)
    elif suffix in (".mxl", ".musicxml", ".xml"):
        score = read_musicxml(path)
    else:
        raise ValueError(f"{path}: {suffix!r} is not a score; expected MIDI or MusicXML")
    if int((score.role == 1).sum()) < _FEWEST_MELODY_NOTES:
        raise ValueError(f"{path}: fewer than {_FEWEST_MELODY_NOTES} melody notes")
    return score


def on_beats(score: Score, beat_times_s: Doubles) -> Score:
    """Move a performance onto its annotated beats, so that its timing cannot act as a fingerprint.

    Parameters
    ----------
    score
        Times in nominal beats from the beginning of the file.
    beat_times_s
        Seconds of each beat from the beginning of the file, shape (b,).
    """
    if len(beat_times_s) < 2:
        return score
    period = float(np.median(np.diff(beat_times_s)))
    seconds = score.onset * score.beat_s
    last = len(beat_times_s) - 1
    onset = np.interp(seconds, beat_times_s, np.arange(last + 1))
    onset += np.minimum(seconds - beat_times_s[0], 0) / period + np.maximum(seconds - beat_times_s[-1], 0) / period
    return make_score(onset, score.duration * score.beat_s / period, score.pitch, score.role, period)


def trimmed(score: Score) -> Score:
    """The score without the whole beats of silence before its first note."""
    onset = score.onset - np.floor(score.onset.min(initial=np.inf if len(score) else 0))
    return Score(onset.astype(np.float32), score.duration, score.pitch, score.role, score.beat_s)


def build_store(
    entries: Sequence[Entry], root: Path, target: Path, progress: Callable[[int, int], None] = lambda done, of: None
) -> int:
    """Read every entry's file and write the store atomically; unreadable files are logged and left out.

    Returns
    -------
    int
        Number of scores stored.
    """
    scores: list[Score] = []
    paths: list[str] = []
    for number, entry in enumerate(entries):
        try:
            scores.append(read_score(root / entry.path, entry.melody_channel))
            paths.append(entry.path)
        except (ValueError, OSError) as error:
            log.warning("left out: %s", error)
        progress(number + 1, len(entries))
    _write(target, paths, scores)
    return len(paths)


def _write(target: Path, paths: list[str], scores: list[Score]) -> None:
    def joined(parts: Iterable[npt.NDArray[Any]], kind: type) -> npt.NDArray[Any]:
        return np.concatenate([np.zeros(0, kind), *parts])

    temporary = target.with_suffix(".part.npz")
    with temporary.open("wb") as file:
        np.savez(
            file,
            onset=joined((s.onset for s in scores), np.float32),
            duration=joined((s.duration for s in scores), np.float32),
            pitch=joined((s.pitch for s in scores), np.uint8),
            role=joined((s.role for s in scores), np.uint8),
            start=np.cumsum([0, *(len(s) for s in scores)]),
            beat_s=np.array([s.beat_s for s in scores], np.float32),
            path=np.array(paths, dtype=np.str_),
        )
    os.replace(temporary, target)
