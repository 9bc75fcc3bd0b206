"""Recordings without scores teach too: what is heard becomes a score, and pairs of one passage belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.data.hear import BINS, FPS, LOWEST_PITCH
from models.data.recorded import Recordings, write_recordings
from models.data.score import MELODY
from models.data.style import draw_style
from models.data.transcribe import BEAT_S, transcribe
from models.data.views import Recipe
from models.neighbours import neighbours
from models.settings import Data, SettingsError


def tune(seconds: int, seed: int) -> np.ndarray:
    """Salience of a random tune over a drone, half a second a note."""
    rng = np.random.default_rng(seed)
    roll = np.zeros((seconds * FPS, BINS), np.float32)
    roll[:, 24] = 0.5
    for start in range(0, len(roll) - 4, 4):
        roll[start : start + 3, int(rng.integers(40, 60))] = 0.9
    return roll


def test_notes_are_found_where_they_sound() -> None:
    roll = np.zeros((10 * FPS, BINS), np.float32)
    roll[8:24, 48] = 0.9
    roll[8:24, 49] = 0.3  # its shadow in the next semitone
    roll[32:40, 36] = 0.8
    roll[60:62, 30] = 0.2  # too faint
    score = transcribe(roll)
    assert [int(p) - LOWEST_PITCH for p in score.pitch] == [48, 36]
    np.testing.assert_allclose(score.onset * BEAT_S, [1.0, 4.0])
    np.testing.assert_allclose(score.duration * BEAT_S, [2.0, 1.0])


def test_the_tune_is_what_leads_above_a_drone() -> None:
    score = transcribe(tune(20, 1))
    high = score.pitch > LOWEST_PITCH + 30
    assert (score.role[high] == MELODY).mean() > 0.9
    assert not (score.role[~high] == MELODY).any()


def test_two_views_of_a_passage_are_more_alike_than_views_of_two_recordings(tmp_path: Path) -> None:
    path = tmp_path / "recorded.npz"
    tunes = [(str(seed), np.round(tune(60, seed) * 255).astype(np.uint8)) for seed in range(2)]
    silence = ("silence", np.zeros((60 * FPS, BINS), np.uint8))
    assert write_recordings(path, [*tunes, silence]) == 3
    recordings = Recordings(path)
    assert len(recordings) == 2  # nothing can be learnt from silence
    rng = np.random.default_rng(3)
    recipe = Recipe(tempo_spread=0.0, jitter_s=0.0)

    def likeness(a: np.ndarray, b: np.ndarray) -> float:
        """Best correlation of two views over transpositions."""
        return max(
            float(np.corrcoef(np.roll(a, k, 1)[:, 14:70].ravel(), b[:, 14:70].ravel())[0, 1]) for k in range(-12, 13)
        )

    same, other = [], []
    for _ in range(12):
        pairs = [recordings.pair(n, (draw_style(rng), draw_style(rng)), recipe, rng) for n in range(2)]
        assert all(
            view.shape == (recipe.frames, BINS) and 0 <= view.min() and view.max() <= 1 for p in pairs for view in p
        )
        same += [likeness(*pair) for pair in pairs]
        other.append(likeness(pairs[0][0], pairs[1][1]))
    assert np.mean(same) > np.mean(other) + 0.1


def test_the_nearest_works_are_left_out_as_they_may_be_the_same_tune() -> None:
    angles = np.linspace(0, 1.2, 40)
    vectors = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)[:, None]
    found = neighbours(vectors)
    assert found.shape == (40, 35)
    for work, near in enumerate(found[:, :3]):
        cosine = np.cos(angles[near] - angles[work])
        assert work not in near
        assert (np.abs(near - work) > 2).all()
        assert (cosine > 0.8).all()


def test_parts_of_groups_cannot_come_from_recordings() -> None:
    from models.data.feed import recordings_of

    with pytest.raises(SettingsError, match="multiple of data.group"):
        recordings_of(Data(recordings="x.npz", recorded_works=5, group=8))
    assert recordings_of(Data()) is None
