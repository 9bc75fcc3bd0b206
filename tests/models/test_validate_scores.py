"""Queries of human versions are played as fast as their references, whatever their note values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra 'train')")

from models.data.manifest import Entry  # noqa: E402
from models.data.score import MELODY, Score, make_score  # noqa: E402
from models.data.store import ScoreStore, _write  # noqa: E402
from models.data.views import Corpus  # noqa: E402
from models.validate_scores import beat_like, usual_beat_s, windows  # noqa: E402


def corpus(folder: Path) -> Corpus:
    rng = np.random.default_rng(0)
    onset = np.arange(0, 64, 0.5)
    tunes = [
        make_score(onset, onset * 0 + 0.5, 60 + rng.integers(0, 12, len(onset)), np.full(len(onset), MELODY), 0.5)
        for _ in range(2)
    ]
    twice = Score(tunes[0].onset * 2, tunes[0].duration * 2, tunes[0].pitch, tunes[0].role, 0.5)
    paths = ["a.mid", "a-twice.mid", "b.mid"]
    _write(folder / "s.npz", paths, [tunes[0], twice, tunes[1]])
    return Corpus([Entry(p, p[0], p, "val", "", None) for p in paths], ScoreStore(folder / "s.npz"))


def test_a_version_in_notes_twice_as_long_has_beats_half_as_long(tmp_path: Path) -> None:
    works = corpus(tmp_path)
    assert usual_beat_s(works.store["a.mid"]) == 0.5
    assert beat_like(works, "a-twice.mid", "a.mid") == pytest.approx(0.25)
    assert beat_like(works, "a.mid", "a-twice.mid") == pytest.approx(1.0)
    assert beat_like(works, "b.mid", "a.mid") is None


def test_the_beat_given_sets_how_long_the_score_lasts(tmp_path: Path) -> None:
    works = corpus(tmp_path)
    as_written = windows(works, "a-twice.mid", 1, 100)
    as_fast = windows(works, "a-twice.mid", 1, 100, beat_like(works, "a-twice.mid", "a.mid"))
    once = windows(works, "a.mid", 1, 100)
    assert len(as_fast) == pytest.approx(len(once), abs=1)
    assert len(as_written) > 1.8 * len(as_fast)
